//! A server that says what the test wants, over HTTPS: for answers that a real ACME server can't be brought to give.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use fairway_model::traffic::{Acme, AcmeChallenge, AcmeStorage};
use rcgen::{CertificateParams, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::{DEADLINE, Site};

pub(crate) struct Double {
    address: SocketAddr,
    roots: PathBuf,
    task: JoinHandle<()>,
    /// Whether it was asked for the next certificate.
    asked: watch::Receiver<bool>,
}

impl Drop for Double {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Double {
    /// One that has a directory and nonces, and answers a new account with these header lines and this body. None: it
    /// never answers.
    pub(crate) async fn start(site: &Site, account: Option<(&'static str, &'static str)>) -> Self {
        Self::saying(site, account, None).await
    }

    /// The same, with this to say of the next certificate.
    pub(crate) async fn saying(
        site: &Site,
        account: Option<(&'static str, &'static str)>,
        renewal: Option<String>,
    ) -> Self {
        let key = KeyPair::generate().unwrap();
        let certificate =
            CertificateParams::new(["127.0.0.1".to_owned()]).unwrap().self_signed(&key).unwrap();
        let roots = site.path("double.pem");
        std::fs::write(&roots, certificate.pem()).unwrap();
        let key: PrivateKeyDer<'_> = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (tell, asked) = watch::channel(false);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, renewal, tell) = (acceptor.clone(), renewal.clone(), tell.clone());
                tokio::spawn(async move {
                    let Ok(mut stream) = acceptor.accept(stream).await else { return };
                    let mut request = Vec::new();
                    while !request.windows(4).any(|w| w == b"\r\n\r\n") {
                        if stream.read_buf(&mut request).await.unwrap_or(0) == 0 {
                            return;
                        }
                    }
                    let request = String::from_utf8_lossy(&request).into_owned();
                    let (head, body) = match request.split(' ').nth(1).unwrap_or_default() {
                        "/dir" => ("HTTP/1.1 200 OK", directory(address, renewal.is_some())),
                        path if path.starts_with("/renewal/") => (
                            "HTTP/1.1 200 OK\r\nretry-after: 21600\r\ncontent-type: application/json",
                            renewal.unwrap_or_default(),
                        ),
                        "/nonce" => ("HTTP/1.1 200 OK\r\nreplay-nonce: n", String::new()),
                        _ => match account {
                            Some((head, body)) => (head, body.to_owned()),
                            None => return std::future::pending().await,
                        },
                    };
                    let renewal = request.contains(" /renewal/");
                    let length = body.len();
                    let answer =
                        format!("{head}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
                    let _ = stream.write_all(answer.as_bytes()).await;
                    let _ = stream.shutdown().await;
                    if renewal {
                        tell.send_replace(true);
                    }
                    // The rest of the request, so that the end is no reset.
                    let _ = stream.read_to_end(&mut Vec::new()).await;
                });
            }
        });
        Self { address, roots, task, asked }
    }

    /// Waits until it was asked for the next certificate.
    pub(crate) async fn asked(&self) {
        let mut asked = self.asked.clone();
        tokio::time::timeout(DEADLINE, asked.wait_for(|asked| *asked)).await.unwrap().unwrap();
    }

    pub(crate) fn acme(&self) -> Acme {
        Acme {
            directory: format!("https://{}/dir", self.address),
            roots: Some(self.roots.clone()),
            contact: None,
            challenge: AcmeChallenge::Http01,
            storage: AcmeStorage::Local,
            account: None,
        }
    }
}

fn directory(address: SocketAddr, renewal: bool) -> String {
    let url = |path: &str| format!("https://{address}/{path}");
    let mut all = serde_json::json!({
        "newNonce": url("nonce"), "newAccount": url("account"), "newOrder": url("order"),
        "revokeCert": url("revoke"), "keyChange": url("key"),
    });
    if renewal {
        all["renewalInfo"] = url("renewal").into();
    }
    all.to_string()
}
