//! A server that says what the test wants, over HTTPS: for answers that a real ACME server can't be brought to give.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
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
    heard: watch::Receiver<Heard>,
}

/// What it was asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heard {
    /// As which certificate it was asked for the next one.
    pub(crate) certificate: Option<String>,
    /// What was ordered.
    pub(crate) orders: Vec<serde_json::Value>,
}

impl Drop for Double {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Double {
    /// One that has a directory and nonces, and answers a new account with these header lines and this body, and orders
    /// likewise. None: it never answers.
    pub(crate) async fn start(site: &Site, account: Option<(&'static str, &'static str)>) -> Self {
        Self::saying(site, account, None).await
    }

    /// The same, with this to say of the next certificate. It takes no order that replaces one.
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
        let (tell, heard) = watch::channel(Heard::default());
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, renewal, tell) = (acceptor.clone(), renewal.clone(), tell.clone());
                tokio::spawn(async move {
                    let Ok(mut stream) = acceptor.accept(stream).await else { return };
                    let mut request = Vec::new();
                    while !is_whole(&request) {
                        if stream.read_buf(&mut request).await.unwrap_or(0) == 0 {
                            return;
                        }
                    }
                    let request = String::from_utf8_lossy(&request).into_owned();
                    let path = request.split(' ').nth(1).unwrap_or_default();
                    let certificate = path.strip_prefix("/renewal/").map(str::to_owned);
                    let order = (path == "/order").then(|| payload(&request));
                    let replaces = order.as_ref().is_some_and(|order| order.get("replaces").is_some());
                    // Before the answer: whoever has that may look here.
                    tell.send_modify(|heard| heard.orders.extend(order));
                    let (head, body) = match path {
                        "/dir" => ("HTTP/1.1 200 OK", directory(address, renewal.is_some())),
                        _ if certificate.is_some() => (
                            "HTTP/1.1 200 OK\r\nretry-after: 21600\r\ncontent-type: application/json",
                            renewal.unwrap_or_default(),
                        ),
                        "/nonce" => ("HTTP/1.1 200 OK\r\nreplay-nonce: n", String::new()),
                        _ if replaces => (
                            "HTTP/1.1 409 Conflict\r\nreplay-nonce: n",
                            r#"{"type":"urn:ietf:params:acme:error:alreadyReplaced"}"#.to_owned(),
                        ),
                        _ => match account {
                            Some((head, body)) => (head, body.to_owned()),
                            None => return std::future::pending().await,
                        },
                    };
                    let length = body.len();
                    let answer =
                        format!("{head}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
                    let _ = stream.write_all(answer.as_bytes()).await;
                    let _ = stream.shutdown().await;
                    if certificate.is_some() {
                        tell.send_modify(|heard| heard.certificate = certificate);
                    }
                    // The rest of the request, so that the end is no reset.
                    let _ = stream.read_to_end(&mut Vec::new()).await;
                });
            }
        });
        Self { address, roots, task, heard }
    }

    /// What it has heard, once it was asked for the next certificate.
    pub(crate) async fn asked(&self) -> Heard {
        let mut heard = self.heard.clone();
        let heard = heard.wait_for(|heard| heard.certificate.is_some());
        tokio::time::timeout(DEADLINE, heard).await.unwrap().unwrap().clone()
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

/// Whether all of a request is there.
fn is_whole(request: &[u8]) -> bool {
    let request = String::from_utf8_lossy(request).to_lowercase();
    let Some((head, body)) = request.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    body.len() >= length.map_or(0, |length| length.parse().unwrap())
}

/// What was signed (RFC 7515, 7.2).
fn payload(request: &str) -> serde_json::Value {
    let (_, body) = request.split_once("\r\n\r\n").unwrap();
    let signed: serde_json::Value = serde_json::from_str(body).unwrap();
    let payload = URL_SAFE_NO_PAD.decode(signed["payload"].as_str().unwrap()).unwrap();
    serde_json::from_slice(&payload).unwrap()
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
