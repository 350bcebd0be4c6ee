//! Probes of instances that speak TLS.

use super::SOON;
use bytes::Bytes;
use fairway_supervisor::probe::{ProbeKind, ProbeResult, ProbeSpec, Secure, Tls, probe};
use fairway_test_authority::Authority;
use http_body_util::Full;
use hyper::{Request, Response, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use rustls::pki_types::ServerName;
use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{io::AsyncWriteExt, net::TcpListener};
use tokio_rustls::TlsAcceptor;

/// An instance with a certificate for `web.internal` that says by what it was asked, in these protocols.
async fn instance(authority: &Authority, protocols: &[&[u8]]) -> SocketAddr {
    let acceptor = TlsAcceptor::from(authority.server("web.internal", protocols));
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
fn trusted(authority: &Authority, name: &'static str) -> Secure {
    let tls = Tls::new(authority.client(), ServerName::try_from(name).unwrap());
    Arc::new(move || Ok(tls.clone()))
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
    let secure = trusted(&authority, "web.internal");
    for (protocols, version) in
        [(&[][..], "HTTP/1.1"), (&[&b"http/1.1"[..]], "HTTP/1.1"), (&[b"h2"], "HTTP/2.0")]
    {
        let address = instance(&authority, protocols).await;
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
    let address = instance(&authority, &[]).await;
    let check = |result: ProbeResult, error: &str, hint: &str| {
        assert!(!result.ok && result.error.as_ref().is_some_and(|it| it.contains(error)), "{result:?}");
        assert!(result.hint.as_ref().is_some_and(|it| it.contains(hint)), "{result:?}");
    };
    let told = "its certificate must be for the `server_name`";
    check(ask(address, "/ready", &trusted(&stranger, "web.internal")).await, "no TLS: ", told);
    check(ask(address, "/ready", &trusted(&authority, "other.internal")).await, "no TLS: ", told);

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let plain = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        std::future::pending::<()>().await;
    });
    let result = ask(plain, "/ready", &trusted(&authority, "web.internal")).await;
    check(result, "no TLS: ", "does not speak TLS");

    let blind: Secure = Arc::new(|| Err("there are no roots".to_owned()));
    let result = ask(address, "/ready", &blind).await;
    assert_eq!(result.error.as_deref(), Some("the probe itself is wrong: there are no roots"));
}
