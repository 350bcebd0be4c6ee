//! Probes of instances that speak TLS.

use super::SOON;
use bytes::Bytes;
use fairway_supervisor::probe::{ProbeKind, ProbeResult, ProbeSpec, Secure, Tls, probe};
use http_body_util::Full;
use hyper::{Request, Response, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName},
};
use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{io::AsyncWriteExt, net::TcpListener};
use tokio_rustls::TlsAcceptor;

/// Signs certificates.
struct Authority {
    root: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root = params.self_signed(&key).unwrap().der().clone();
        Self { root, issuer: Issuer::new(params, key) }
    }

    /// An instance with a certificate for `web.internal` that says by what it was asked, in these protocols.
    async fn instance(&self, protocols: &[&[u8]]) -> SocketAddr {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["web.internal".to_owned()]).unwrap();
        let chain = vec![params.signed_by(&key, &self.issuer).unwrap().der().clone()];
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, PrivatePkcs8KeyDer::from(key.serialize_der()).into())
            .unwrap();
        config.alpn_protocols = protocols.iter().map(|it| it.to_vec()).collect();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(stream) = acceptor.accept(stream).await else { continue };
                let builder = auto::Builder::new(TokioExecutor::new());
                let _ = builder.serve_connection(TokioIo::new(stream), service_fn(answer)).await;
            }
        });
        address
    }

    /// Asks those who are `name` by this authority.
    fn trusted(&self, name: &'static str) -> Secure {
        let mut roots = RootCertStore::empty();
        roots.add(self.root.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let tls = Tls::new(config, ServerName::try_from(name).unwrap());
        Arc::new(move || Ok(tls.clone()))
    }
}

/// 200 for `/ready`, otherwise 503 with what was asked.
async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let host = request.headers().get("host").and_then(|host| host.to_str().ok());
    let host = host.or(request.uri().host()).unwrap_or_default();
    let said = format!("{:?} {host}{}", request.version(), request.uri().path());
    let mut response = Response::new(Full::from(said));
    if request.uri().path() != "/ready" {
        *response.status_mut() = hyper::StatusCode::SERVICE_UNAVAILABLE;
    }
    Ok(response)
}

async fn ask(address: SocketAddr, path: &str, secure: &Secure) -> ProbeResult {
    let spec = ProbeSpec {
        kind: ProbeKind::Http { path: path.into(), host: Some("shop.test".into()) },
        interval: Duration::from_secs(1),
        timeout: SOON,
        rise: 1,
        fall: 1,
        start_deadline: None,
    };
    probe(&spec, address, Some(secure), None).await
}

#[tokio::test]
async fn the_instance_chooses_the_version_of_http() {
    let authority = Authority::new();
    let secure = authority.trusted("web.internal");
    for (protocols, version) in
        [(&[][..], "HTTP/1.1"), (&[&b"http/1.1"[..]], "HTTP/1.1"), (&[b"h2"], "HTTP/2.0")]
    {
        let address = authority.instance(protocols).await;
        let ready = ask(address, "/ready", &secure).await;
        assert!(ready.ok, "{ready:?}");
        assert_eq!(ready.url, format!("https://{address}/ready"));
        let other = ask(address, "/other", &secure).await;
        assert_eq!((other.ok, other.status), (false, Some(503)));
        assert_eq!(other.body, format!("{version} shop.test/other"));
    }
}

#[tokio::test]
async fn nobody_else_is_ready() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let address = authority.instance(&[]).await;
    let check = |result: ProbeResult, error: &str, hint: &str| {
        assert!(!result.ok && result.error.as_ref().is_some_and(|it| it.contains(error)), "{result:?}");
        assert!(result.hint.as_ref().is_some_and(|it| it.contains(hint)), "{result:?}");
    };
    let told = "its certificate must be for the `server_name`";
    check(ask(address, "/ready", &stranger.trusted("web.internal")).await, "no TLS: ", told);
    check(ask(address, "/ready", &authority.trusted("other.internal")).await, "no TLS: ", told);

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let plain = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        std::future::pending::<()>().await;
    });
    let result = ask(plain, "/ready", &authority.trusted("web.internal")).await;
    check(result, "no TLS: ", "does not speak TLS");

    let blind: Secure = Arc::new(|| Err("there are no roots".to_owned()));
    let result = ask(address, "/ready", &blind).await;
    assert_eq!(result.error.as_deref(), Some("the probe itself is wrong: there are no roots"));
}
