//! TLS through the edge: both protocols, WebSockets, what the instance is told, what is refused, and restarts.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as loudly as the tests")]

#[path = "support/raw.rs"]
mod raw;
mod support;

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use fairway_edge::{Edge, Settings};
use fairway_model::traffic::{AccessLog, Certificate, CertificateSource, Hsts, ListenerTls, TlsVersion};
use fairway_protocol::edge::CertificateOrigin;
use fairway_route::{Route, Table};
use futures::{SinkExt, StreamExt};
use http::{HeaderMap, Method, Request, StatusCode, Version};
use http_body_util::BodyExt;
use hyper::client::conn::http2::{self, SendRequest};
use hyper::ext::Protocol;
use hyper_util::rt::{TokioExecutor, TokioIo};
use raw::{Answer, Message, Recorder, Wire, soon};
use support::wire::{AnyBody, full, none, piece, piecewise};
use support::{World, route, table, within};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::version::TLS12;
use tokio_rustls::rustls::{self, AlertDescription, ClientConfig, RootCertStore, SupportedProtocolVersion};
use tokio_tungstenite::tungstenite::Message as Frames;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::{WebSocketStream, client_async};

/// What an old client speaks.
static ONLY_TLS12: &[&SupportedProtocolVersion] = &[&TLS12];

fn local() -> Certificate {
    Certificate { names: vec!["edge.test".into()], source: CertificateSource::Local }
}

/// Listener `public` without and `secure` with TLS, both with everything of `web`.
fn secured(generation: u64, instance: SocketAddr, certificate: Certificate) -> Table {
    let mut table = table(generation, &[("web-1", instance)]);
    table.listeners.insert("secure".into(), ([127, 0, 0, 1], 0).into());
    table.tls.insert("secure".into(), ListenerTls::default());
    table.certificates.push(certificate);
    table.routes.push(Route { listener: "secure".into(), ..route(None, "/", "web") });
    table
}

/// Applies it; where the plain listener is, and the other.
async fn apply(world: &World, table: Table) -> (SocketAddr, SocketAddr) {
    let applied = world.edge.apply(table).await.unwrap();
    assert!(!applied.changes.iter().any(|change| change.starts_with('!')), "{:?}", applied.changes);
    (applied.listeners["public"], applied.listeners["secure"])
}

/// The root of an edge's own authority.
fn root(home: &Path) -> Vec<u8> {
    fs::read(home.join("edge/certificates/local-ca/root.pem")).unwrap()
}

/// A client that trusts this root and offers these protocols.
#[derive(Clone)]
struct Trusting {
    root: Vec<u8>,
    versions: &'static [&'static SupportedProtocolVersion],
}

impl Trusting {
    fn in_home(home: &Path) -> Self {
        Self { root: root(home), versions: rustls::ALL_VERSIONS }
    }

    async fn connect_as(
        &self,
        address: SocketAddr,
        name: &'static str,
        protocols: &[&[u8]],
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(&self.root).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(self.versions)
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|it| it.to_vec()).collect();
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let name = ServerName::try_from(name).unwrap();
        within(TlsConnector::from(Arc::new(config)).connect(name, stream)).await
    }

    async fn connect(&self, address: SocketAddr) -> Wire {
        Wire::new(self.connect_as(address, "edge.test", &[b"http/1.1"]).await.unwrap())
    }

    async fn connect_http2(&self, address: SocketAddr) -> SendRequest<AnyBody> {
        let stream = self.connect_as(address, "edge.test", &[b"h2", b"http/1.1"]).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        let (sender, connection) =
            within(http2::handshake(TokioExecutor::new(), TokioIo::new(stream))).await.unwrap();
        tokio::spawn(connection);
        sender
    }

    async fn get(&self, address: SocketAddr, path: &str) -> Message {
        let mut client = self.connect(address).await;
        client.send(format!("GET {path} HTTP/1.1\r\nHost: edge.test\r\nConnection: close\r\n\r\n")).await;
        client.response("GET").await
    }
}

async fn plain(address: SocketAddr, path: &str) -> Message {
    let mut client = Wire::connect(address).await;
    client.send(format!("GET {path} HTTP/1.1\r\nHost: edge.test\r\nConnection: close\r\n\r\n")).await;
    client.response("GET").await
}

fn request(method: Method, path: &str, body: AnyBody) -> Request<AnyBody> {
    Request::builder().method(method).uri(format!("https://edge.test{path}")).body(body).unwrap()
}

/// Echoes WebSocket messages.
async fn echo() -> (SocketAddr, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let Ok(mut socket) = tokio_tungstenite::accept_async(stream).await else { return };
                while let Some(Ok(message)) = socket.next().await {
                    if (message.is_text() || message.is_binary()) && socket.send(message).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    (address, serving)
}

#[tokio::test]
async fn http1_over_tls() {
    let (world, web) = (World::new().await, Recorder::new().await);
    let (public, secure) = apply(&world, secured(1, web.address(), local())).await;
    let client = Trusting::in_home(world.home.path());
    let mut wire = client.connect(secure).await;
    // One connection, several requests, both framings, and more than fits in one record.
    for length in [0, 5, 100_000] {
        wire.send(format!("POST /a HTTP/1.1\r\nHost: edge.test\r\nContent-Length: {length}\r\n\r\n")).await;
        wire.send("x".repeat(length)).await;
        assert_eq!(wire.response("POST").await.text(), format!("POST /a {length}"));
    }
    wire.send(
        "POST /b HTTP/1.1\r\nHost: edge.test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    )
    .await;
    assert_eq!(wire.response("POST").await.text(), "POST /b 3");
    assert_eq!(plain(public, "/plain").await.text(), "GET /plain 0");
    let log = web.log();
    assert_eq!(log.violations, Vec::<String>::new());
    let said: Vec<_> = log.requests.iter().map(|it| it.head.one("x-forwarded-proto")).collect();
    assert_eq!(said, [Some("https"), Some("https"), Some("https"), Some("https"), Some("http")]);
}

#[tokio::test]
async fn large_answers_over_tls() {
    let body: String = (0..200_000).map(|number: u32| char::from(b'a' + (number % 23) as u8)).collect();
    let sent = body.clone();
    let web = Recorder::answering(move |_: &Message| {
        Answer::bytes(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{sent}", sent.len()))
    })
    .await;
    let world = World::new().await;
    let (_, secure) = apply(&world, secured(1, web.address(), local())).await;
    let client = Trusting::in_home(world.home.path());
    assert!(client.get(secure, "/").await.text() == body, "HTTP/1.1");
    let mut sender = client.connect_http2(secure).await;
    let response = within(sender.send_request(request(Method::GET, "/", none()))).await.unwrap();
    assert!(support::wire::text(response).await.1 == body, "HTTP/2");
}

#[tokio::test]
async fn http2_by_alpn() {
    let (world, web) = (World::new().await, Recorder::new().await);
    let (_, secure) = apply(&world, secured(1, web.address(), local())).await;
    let sender = Trusting::in_home(world.home.path()).connect_http2(secure).await;
    let answers = (0..50).map(|number| {
        let mut sender = sender.clone();
        async move {
            let asked = request(Method::POST, &format!("/{number}"), full(vec![7; number]));
            let response = within(sender.send_request(asked)).await.unwrap();
            assert_eq!((response.status(), response.version()), (StatusCode::OK, Version::HTTP_2));
            assert_eq!(support::wire::text(response).await.1, format!("POST /{number} {number}"));
        }
    });
    futures::future::join_all(answers).await;
    let log = web.log();
    assert_eq!((log.requests.len(), log.violations), (50, Vec::new()));
    for arrived in &log.requests {
        assert_eq!(arrived.head.one("x-forwarded-proto"), Some("https"), "{arrived:?}");
        assert_eq!(arrived.head.one("host"), Some("edge.test"), "{arrived:?}");
    }
}

#[tokio::test]
async fn trailers_over_tls() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let world = World::new().await;
    let (_, secure) = apply(&world, secured(1, listener.local_addr().unwrap(), local())).await;
    let mut sender = Trusting::in_home(world.home.path()).connect_http2(secure).await;
    let (pieces, body) = piecewise();
    let mut call = request(Method::POST, "/shop.Cart/Add", body);
    call.headers_mut().insert("te", "trailers".parse().unwrap());
    let answered = tokio::spawn(sender.send_request(call));
    let mut instance = Wire::accept(&listener).await;
    assert_eq!(instance.head().await.one("te"), Some("trailers"));
    pieces.send(piece("hello")).unwrap();
    let mut trailers = HeaderMap::new();
    trailers.insert("x-sum", "7".parse().unwrap());
    pieces.send(Ok(hyper::body::Frame::trailers(trailers))).unwrap();
    drop(pieces);
    instance.until(b"hello").await;
    instance.until(b"0\r\n").await;
    assert!(instance.until(b"\r\n\r\n").await.to_ascii_lowercase().starts_with(b"x-sum: 7"));
    instance
        .send(
            "HTTP/1.1 200 OK\r\nTrailer: grpc-status\r\nTransfer-Encoding: chunked\r\n\r\n\
             5\r\nthere\r\n0\r\ngrpc-status: 0\r\n\r\n",
        )
        .await;
    let response = within(answered).await.unwrap().unwrap();
    let collected = within(response.into_body().collect()).await.unwrap();
    assert_eq!(collected.trailers().unwrap()["grpc-status"], "0");
    assert_eq!(collected.to_bytes(), "there");
}

#[tokio::test]
async fn websockets_over_tls() {
    let world = World::new().await;
    let (web, serving) = echo().await;
    let (_, secure) = apply(&world, secured(1, web, local())).await;
    let client = Trusting::in_home(world.home.path());
    let stream = client.connect_as(secure, "edge.test", &[b"http/1.1"]).await.unwrap();
    let mut socket = Box::pin(within(client_async("ws://edge.test/ws", stream))).await.unwrap().0;
    for length in [0, 1, 126, 70_000] {
        let message = Frames::binary(vec![7; length]);
        socket.send(message.clone()).await.unwrap();
        assert_eq!(within(socket.next()).await.unwrap().unwrap(), message);
    }
    // On a stream of HTTP/2 (RFC 8441), while the other is open.
    let mut sender = client.connect_http2(secure).await;
    // The settings of the server must have come before a client may ask.
    let _ = within(sender.send_request(request(Method::GET, "/plain", none()))).await.unwrap();
    let mut ask = request(Method::CONNECT, "/ws", none());
    ask.headers_mut().insert("sec-websocket-version", "13".parse().unwrap());
    ask.extensions_mut().insert(Protocol::from_static("websocket"));
    let response = within(sender.send_request(ask)).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let upgraded = TokioIo::new(within(hyper::upgrade::on(response)).await.unwrap());
    let mut on_stream = WebSocketStream::from_raw_socket(upgraded, Role::Client, None).await;
    for length in [0, 1, 126, 70_000] {
        let message = Frames::binary(vec![8; length]);
        on_stream.send(message.clone()).await.unwrap();
        assert_eq!(within(on_stream.next()).await.unwrap().unwrap(), message);
    }
    assert_eq!(world.instance("web-1").await.upgrades, 2);
    socket.close(None).await.unwrap();
    while let Some(Ok(_)) = within(socket.next()).await {}
    drop((on_stream, sender));
    world.until("web-1", |it| it.upgrades == 0 && it.in_flight == 0).await;
    serving.abort();
}

#[tokio::test]
async fn plain_http_is_sent_to_https() {
    let (world, web) = (World::new().await, Recorder::new().await);
    let mut table = secured(1, web.address(), local());
    for route in &mut table.routes {
        route.guard.redirect_https = true;
        route.guard.hsts = Some(Hsts { max_age_s: 77, ..Hsts::default() });
    }
    let (public, secure) = apply(&world, table).await;
    let moved = plain(public, "/a/b?c=d").await;
    assert_eq!(moved.head.status(), 308);
    assert_eq!(moved.head.one("location"), Some("https://edge.test/a/b?c=d"));
    assert_eq!(moved.head.one("strict-transport-security"), None);
    let answer = Trusting::in_home(world.home.path()).get(secure, "/a/b?c=d").await;
    assert_eq!(answer.text(), "GET /a/b?c=d 0");
    assert_eq!(answer.head.one("strict-transport-security"), Some("max-age=77"));
    assert_eq!(web.summaries().len(), 1);
}

#[tokio::test]
async fn what_is_refused() {
    let (world, web) = (World::new().await, Recorder::new().await);
    let mut table = secured(1, web.address(), local());
    table.listeners.insert("strict".into(), ([127, 0, 0, 1], 0).into());
    table.tls.insert("strict".into(), ListenerTls { minimum: TlsVersion::V1_3 });
    table.routes.push(Route { listener: "strict".into(), ..route(None, "/", "web") });
    let listeners = world.edge.apply(table).await.unwrap().listeners;
    let (secure, strict) = (listeners["secure"], listeners["strict"]);
    let client = Trusting::in_home(world.home.path());
    let alert = |result: std::io::Result<TlsStream<TcpStream>>| {
        let error = result.expect_err("the handshake is refused");
        match error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>()) {
            Some(rustls::Error::AlertReceived(alert)) => *alert,
            _ => panic!("{error:?}"),
        }
    };
    let refused = client.connect_as(secure, "other.test", &[]).await;
    assert_eq!(alert(refused), AlertDescription::UnrecognisedName);
    // Plain HTTP gets words that people can read.
    let answer = plain(secure, "/").await;
    assert_eq!(answer.head.status(), 400);
    assert!(answer.text().contains("https://"), "{}", answer.text());
    // The oldest version is the listener's.
    let old = Trusting { versions: ONLY_TLS12, ..client.clone() };
    assert_eq!(old.get(secure, "/").await.head.status(), 200);
    let refused = old.connect_as(strict, "edge.test", &[]).await;
    assert_eq!(alert(refused), AlertDescription::ProtocolVersion);
    assert_eq!(client.get(strict, "/").await.head.status(), 200);
}

/// The version is in the access log.
#[tokio::test]
async fn the_version_is_logged() {
    let (world, web) = (World::new().await, Recorder::new().await);
    let mut table = secured(1, web.address(), local());
    table.options.access_log = Some(AccessLog::default());
    let (_, secure) = apply(&world, table).await;
    let new = Trusting::in_home(world.home.path());
    let old = Trusting { versions: ONLY_TLS12, ..new.clone() };
    new.get(secure, "/new").await;
    old.get(secure, "/old").await;
    let path = world.home.path().join("edge/access.log");
    let lines = soon("two lines", async {
        loop {
            let text = fs::read_to_string(&path).unwrap_or_default();
            if text.matches('\n').count() >= 2 {
                return text;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
    for (path, version) in [("/new", "1.3"), ("/old", "1.2")] {
        let line = lines.lines().find(|line| line.contains(path)).unwrap();
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(line["tls"], version, "{line}");
    }
}

#[tokio::test]
async fn certificates_from_files() {
    let (world, web) = (World::new().await, Recorder::new().await);
    let made = rcgen::generate_simple_self_signed(["edge.test".to_owned()]).unwrap();
    let (chain, key) = (world.home.path().join("chain.pem"), world.home.path().join("key.pem"));
    fs::write(&chain, made.cert.pem()).unwrap();
    fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let files = Certificate { names: Vec::new(), source: CertificateSource::Files { chain, key } };
    let mut table = secured(1, web.address(), files);
    table
        .certificates
        .push(Certificate { names: vec!["local.test".into()], source: CertificateSource::Local });
    let (_, secure) = apply(&world, table).await;
    let client = Trusting { root: made.cert.pem().into_bytes(), versions: rustls::ALL_VERSIONS };
    assert_eq!(client.get(secure, "/").await.text(), "GET / 0");
    let local = Trusting::in_home(world.home.path());
    local.connect_as(secure, "local.test", &[]).await.unwrap();
    let status = world.edge.certificates().certificates;
    let seen: Vec<_> = status.iter().map(|it| (it.source, it.names.join(","), it.serving)).collect();
    assert_eq!(
        seen,
        [
            (CertificateOrigin::Files, "edge.test".into(), true),
            (CertificateOrigin::Local, "local.test".into(), true)
        ]
    );
    assert!(
        status.iter().all(|it| it.environment == "dev" && it.problem.is_none() && it.not_after.is_some())
    );
    // What is removed is forgotten.
    world.edge.remove("dev", 2).await.unwrap();
    assert_eq!(world.edge.certificates().certificates, []);
}

/// A certificate that is not there keeps nothing else from being served, and whoever applied the table is told.
#[tokio::test]
async fn a_missing_certificate() {
    let (world, web) = (World::new().await, Recorder::new().await);
    let missing = world.home.path().join("missing.pem");
    let source = CertificateSource::Files { chain: missing.clone(), key: missing.clone() };
    let names = vec!["edge.test".into()];
    let table = secured(1, web.address(), Certificate { names, source });
    let applied = world.edge.apply(table).await.unwrap();
    let problem = applied.changes.iter().find(|change| change.starts_with('!')).unwrap();
    assert!(problem.contains(missing.to_str().unwrap()), "{problem}");
    assert_eq!(plain(applied.listeners["public"], "/").await.text(), "GET / 0");
    let status = world.edge.certificates().certificates.remove(0);
    assert!(!status.serving && status.problem.is_some(), "{status:?}");
    // Nobody is given something else instead.
    let other = rcgen::generate_simple_self_signed(["edge.test".to_owned()]).unwrap();
    let client = Trusting { root: other.cert.pem().into_bytes(), versions: rustls::ALL_VERSIONS };
    assert!(client.connect_as(applied.listeners["secure"], "edge.test", &[]).await.is_err());
}

/// What is under way finishes while the edge ends, and the next edge in this home serves as this one did.
#[tokio::test]
async fn a_restart() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let world = World::new().await;
    let (_, secure) = apply(&world, secured(1, listener.local_addr().unwrap(), local())).await;
    let client = Trusting::in_home(world.home.path());
    let mut slow = client.connect(secure).await;
    slow.send("GET /slow HTTP/1.1\r\nHost: edge.test\r\n\r\n").await;
    let mut instance = Wire::accept(&listener).await;
    instance.request().await;
    let edge = world.edge.clone();
    let ending = tokio::spawn(async move { edge.shutdown(Duration::from_secs(30)).await });
    soon("the listener's end", async {
        while TcpStream::connect(secure).await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(!ending.is_finished());
    instance.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    assert_eq!(slow.response("GET").await.text(), "ok");
    assert_eq!(slow.rest().await, b"");
    within(ending).await.unwrap();

    let edge = Edge::start(Settings::new(world.home.path())).await.unwrap();
    let secure = edge.tables().await.tables["dev"].listeners["secure"];
    // The authority is the same, so whoever trusted it still does.
    let mut again = client.connect(secure).await;
    again.send("GET /again HTTP/1.1\r\nHost: edge.test\r\n\r\n").await;
    let mut instance = Wire::accept(&listener).await;
    assert_eq!(instance.request().await.head.one("x-forwarded-proto"), Some("https"));
    instance.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    assert_eq!(again.response("GET").await.text(), "ok");
    drop(again);
    edge.shutdown(Duration::from_secs(5)).await;
}

/// A client that has connected and says nothing, or not all of its hello, keeps no edge from ending; one whose hello and
/// request are on their way gets its answer.
#[tokio::test]
async fn a_silent_client_holds_nothing_up() {
    let hour = Duration::from_secs(3_600);
    let (world, web) = (World::with(|settings| settings.head_timeout = hour).await, Recorder::new().await);
    let (_, secure) = apply(&world, secured(1, web.address(), local())).await;
    let trusting = Trusting::in_home(world.home.path());
    assert_eq!(trusting.get(secure, "/a").await.text(), "GET /a 0");
    let mut silent = Wire::connect(secure).await;
    let mut halting = Wire::connect(secure).await;
    halting.send([22, 3, 1, 2, 0]).await;
    soon("connections", async {
        while world.edge.stats(None).await.connections < 2 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    within(world.edge.shutdown(hour)).await;
    assert_eq!((silent.rest().await.len(), halting.rest().await.len()), (0, 0));
}

/// Where HTTPS is not on its usual port, a redirect says so.
#[tokio::test]
async fn a_redirect_names_the_port() {
    let (world, web) = (World::new().await, Recorder::new().await);
    let secure = support::nobody().await;
    let mut it = secured(1, web.address(), local());
    it.listeners.insert("secure".into(), secure);
    it.routes[0].guard.redirect_https = true;
    let (address, bound) = apply(&world, it).await;
    assert_eq!(bound, secure);
    let answer = plain(address, "/a?b=c").await;
    assert_eq!(answer.head.status(), 308);
    let expected = format!("https://edge.test:{}/a?b=c", secure.port());
    assert_eq!(answer.head.one("location"), Some(&*expected));
}
