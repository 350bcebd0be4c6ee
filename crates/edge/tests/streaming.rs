//! Bodies and heads on their way through: nothing is collected, nothing is lost, nothing is added but what should be.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as loudly as the tests")]

mod support;

use bytes::Bytes;
use fairway_forward::{Exchange, Forwarder, RequestBody};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use support::upstream::Upstream;
use support::wire::{Client, full, get, next, piece, piecewise, request, text, with_body};
use support::{World, table, within};

/// Answers with the request's own body, as it comes.
async fn echo() -> Upstream {
    Upstream::answering(|request| {
        Box::pin(
            async move { Response::new(request.into_body().map_err(std::io::Error::other).boxed_unsync()) },
        )
    })
    .await
}

/// Answers with the head of the request as it arrived, one header a line.
async fn mirror() -> Upstream {
    Upstream::answering(|request| {
        Box::pin(async move {
            let mut head = format!("{} {}\n", request.method(), request.uri());
            let value = |value: &http::HeaderValue| value.to_str().unwrap().to_owned();
            let mut lines: Vec<_> =
                request.headers().iter().map(|(name, it)| format!("{name}: {}\n", value(it))).collect();
            lines.sort();
            head += &lines.concat();
            Response::new(full(head))
        })
    })
    .await
}

/// Each piece arrives before the next one is sent, in both directions.
#[tokio::test]
async fn nothing_is_collected() {
    let world = World::new().await;
    let web = echo().await;
    let address = world.apply(&table(1, &[("web-1", web.address)])).await;
    let mut client = Client::connect(address).await;
    let (pieces, body) = piecewise();
    let mut echoed = client.send(with_body(Method::POST, "/", &[], body)).await.into_body();
    for number in 0..20 {
        let sent = format!("piece {number}");
        pieces.send(piece(sent.clone())).unwrap();
        assert_eq!(next(&mut echoed).await.unwrap().unwrap(), sent);
    }
    assert_eq!(world.instance("web-1").await.in_flight, 1);
    drop(pieces);
    assert!(next(&mut echoed).await.is_none());
    // Connections on both sides are good for more.
    assert_eq!(text(client.send(with_body(Method::PUT, "/", &[], full("x"))).await).await.1, "x");
    assert_eq!(web.connections(), 1);
}

/// 200 MiB through the edge, up and down at once, in little memory.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_huge_body_needs_little_memory() {
    const PIECE: usize = 64 * 1024;
    const PIECES: usize = 3200;
    let world = World::new().await;
    let web = echo().await;
    let address = world.apply(&table(1, &[("web-1", web.address)])).await;
    let mut client = Client::connect(address).await;
    let bytes = Bytes::from(vec![7; PIECE]);
    let stream = futures::stream::iter((0..PIECES).map(move |_| Ok(Frame::data(bytes.clone()))));
    let before = peak_memory_kb();
    let body = StreamBody::new(stream).boxed_unsync();
    let mut echoed = client.send(with_body(Method::POST, "/", &[], body)).await.into_body();
    let mut received = 0;
    while let Some(bytes) = next(&mut echoed).await {
        received += bytes.unwrap().len();
    }
    assert_eq!(received, PIECE * PIECES);
    let grown = peak_memory_kb() - before;
    assert!(grown < 32 * 1024, "client, edge and instance together grew by {grown} KiB");
}

/// A client that does not read holds the instance back: what is in between does not fill up.
#[tokio::test]
async fn a_slow_reader_slows_the_sender() {
    let world = World::new().await;
    let sent = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counter = sent.clone();
    let web = Upstream::answering(move |_| {
        let counter = counter.clone();
        Box::pin(async move {
            let stream = futures::stream::iter((0..4096).map(move |_| {
                counter.fetch_add(64 * 1024, std::sync::atomic::Ordering::SeqCst);
                Ok(Frame::data(Bytes::from_static(&[7; 64 * 1024])))
            }));
            Response::new(StreamBody::new(stream).boxed_unsync())
        })
    })
    .await;
    let address = world.apply(&table(1, &[("web-1", web.address)])).await;
    let mut client = Client::connect(address).await;
    let mut body = client.send(get("/")).await.into_body();
    next(&mut body).await.unwrap().unwrap();
    // Until the instance has had nothing to do from one look to the next.
    let (mut last, mut looks) = (0, tokio::time::interval(std::time::Duration::from_millis(100)));
    within(async {
        loop {
            looks.tick().await;
            let now = sent.load(std::sync::atomic::Ordering::SeqCst);
            if now == std::mem::replace(&mut last, now) {
                return;
            }
        }
    })
    .await;
    assert!(last < 64 * 1024 * 1024, "{last} of 268435456 bytes were taken from the instance");
}

#[tokio::test]
async fn headers_of_one_hop_stay_on_it() {
    let world = World::new().await;
    let web = mirror().await;
    let mut it = table(1, &[("web-1", web.address)]);
    it.options.trusted.clear();
    let address = world.apply(&it).await;
    let mut client = Client::connect(address).await;
    let headers = [
        ("host", "shop.test"),
        ("connection", "keep-alive, x-secret"),
        ("connection", "x-other"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "keep-alive"),
        ("te", "gzip"),
        ("upgrade", "websocket"),
        ("x-secret", "1"),
        ("x-other", "2"),
        ("x-forwarded-for", "203.0.113.7"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "elsewhere.test"),
        ("x-kept", "a"),
        ("x-kept", "b"),
        ("cookie", "c=1"),
    ];
    let (_, head) = text(client.send(request(Method::GET, "/path?a=%2F&b", &headers)).await).await;
    assert_eq!(
        head,
        "GET /path?a=%2F&b\ncookie: c=1\nhost: shop.test\nvia: 1.1 fairway\nx-forwarded-for: 127.0.0.1\nx-forwarded-host: shop.test\n\
         x-forwarded-proto: http\nx-kept: a\nx-kept: b\n"
    );
}

/// Behind another proxy that is trusted, the chain goes on.
#[tokio::test]
async fn a_trusted_client_speaks_for_others() {
    let world = World::new().await;
    let web = mirror().await;
    let address = world.apply(&table(1, &[("web-1", web.address)])).await;
    let mut client = Client::connect(address).await;
    let headers = [
        ("host", "shop.test"),
        ("x-forwarded-for", "203.0.113.7"),
        ("x-forwarded-for", "198.51.100.2"),
        ("x-forwarded-proto", "https"),
    ];
    let (_, head) = text(client.send(request(Method::GET, "/", &headers)).await).await;
    for line in [
        "x-forwarded-for: 203.0.113.7, 198.51.100.2, 127.0.0.1\n",
        "x-forwarded-proto: https\n",
        "x-forwarded-host: shop.test\n",
        "host: shop.test\n",
    ] {
        assert!(head.contains(line), "{head}");
    }
}

#[tokio::test]
async fn headers_of_the_answer() {
    let world = World::new().await;
    let web = Upstream::answering(|_| {
        Box::pin(async {
            let mut response = Response::new(full("body"));
            for (name, value) in [
                ("connection", "x-private"),
                ("keep-alive", "timeout=5"),
                ("x-private", "1"),
                ("server", "web/1"),
                ("set-cookie", "a=1"),
                ("set-cookie", "b=2"),
            ] {
                response.headers_mut().append(name, value.parse().unwrap());
            }
            response
        })
    })
    .await;
    let address = world.apply(&table(1, &[("web-1", web.address)])).await;
    let response = Client::connect(address).await.send(get("/")).await;
    let headers = response.headers();
    for gone in ["connection", "keep-alive", "x-private", "x-fairway-release", "transfer-encoding"] {
        assert!(!headers.contains_key(gone), "{gone} in {headers:?}");
    }
    assert_eq!(headers["server"], "web/1");
    assert_eq!(headers["content-length"], "4");
    assert_eq!(headers.get_all("set-cookie").iter().count(), 2);
}

/// Answers whose length is not what it seems.
#[tokio::test]
async fn framing_of_answers_without_a_body() {
    let world = World::new().await;
    let web = Upstream::answering(|request| {
        Box::pin(async move {
            let status: u16 = request.uri().path()[1..].parse().unwrap();
            let mut response = Response::new(support::wire::none());
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            if request.method() == Method::HEAD {
                response.headers_mut().insert("content-length", "12345".parse().unwrap());
            }
            response
        })
    })
    .await;
    let address = world.apply(&table(1, &[("web-1", web.address)])).await;
    // All on one connection: a wrong length would show with the next answer.
    let mut client = Client::connect(address).await;
    for (method, path, length) in [
        (Method::HEAD, "/200", Some("12345")),
        (Method::GET, "/304", None),
        (Method::GET, "/204", None),
        (Method::GET, "/200", Some("0")),
        (Method::HEAD, "/404", Some("12345")),
        (Method::POST, "/204", None),
    ] {
        let response = client.send(request(method.clone(), path, &[])).await;
        assert_eq!(response.status().as_str(), &path[1..]);
        let got = response.headers().get("content-length").map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(got.as_deref(), length, "{method} {path}");
        assert_eq!(text(response).await.1, "", "{method} {path}");
    }
    assert_eq!(web.connections(), 1);
    world.until("web-1", |it| it.in_flight == 0 && it.total == 6).await;
}

#[tokio::test]
async fn trailers_go_through() {
    let world = World::new().await;
    let web = Upstream::answering(|request| {
        Box::pin(async move {
            assert_eq!(request.headers()["te"], "trailers");
            let collected = request.into_body().collect().await.unwrap();
            let mut trailers = HeaderMap::new();
            trailers.insert("x-sum", "42".parse().unwrap());
            trailers.extend(collected.trailers().cloned().unwrap_or_default());
            let frames = [Ok(Frame::data(collected.to_bytes())), Ok(Frame::trailers(trailers))];
            let mut response = Response::new(StreamBody::new(futures::stream::iter(frames)).boxed_unsync());
            response.headers_mut().insert("trailer", "x-sum, x-client".parse().unwrap());
            response
        })
    })
    .await;
    let address = world.apply(&table(1, &[("web-1", web.address)])).await;
    let (pieces, body) = piecewise();
    let mut trailers = HeaderMap::new();
    trailers.insert("x-client", "7".parse().unwrap());
    pieces.send(piece("data")).unwrap();
    pieces.send(Ok(Frame::trailers(trailers))).unwrap();
    drop(pieces);
    let headers = [("te", "trailers"), ("connection", "te"), ("trailer", "x-client")];
    let response = Client::connect(address).await.send(with_body(Method::POST, "/", &headers, body)).await;
    let collected = within(response.into_body().collect()).await.unwrap();
    let trailers = collected.trailers().cloned().unwrap();
    assert_eq!(collected.to_bytes(), "data");
    assert_eq!((&trailers["x-sum"], &trailers["x-client"]), (&"42".parse().unwrap(), &"7".parse().unwrap()));
}

/// A GET with a body of unknown length, which some clients send.
#[tokio::test]
async fn a_get_may_have_a_body() {
    let world = World::new().await;
    let web = echo().await;
    let address = world.apply(&table(1, &[("web-1", web.address)])).await;
    let (pieces, body) = piecewise();
    pieces.send(piece("query")).unwrap();
    drop(pieces);
    let request = with_body(Method::GET, "/", &[("transfer-encoding", "chunked")], body);
    assert_eq!(text(Client::connect(address).await.send(request).await).await.1, "query");
}

/// An instance that breaks off in the middle: the client can tell.
#[tokio::test]
async fn a_broken_answer_is_not_a_complete_one() {
    let world = World::new().await;
    let (pieces, body) = piecewise();
    let body = std::sync::Mutex::new(Some(body));
    let web = Upstream::answering(move |_| {
        let body = body.lock().unwrap().take().unwrap();
        Box::pin(async move { Response::new(body) })
    })
    .await;
    let address = world.apply(&table(1, &[("web-1", web.address)])).await;
    let mut client = Client::connect(address).await;
    let mut stream = client.send(get("/")).await.into_body();
    pieces.send(piece("one")).unwrap();
    assert_eq!(next(&mut stream).await.unwrap().unwrap(), "one");
    pieces.send(Err(std::io::Error::other("crash"))).unwrap();
    assert!(next(&mut stream).await.unwrap().is_err());
    world.until("web-1", |it| it.in_flight == 0 && it.failed.broken_streams == 1).await;
}

/// The forwarder by itself, as a gateway uses it.
#[tokio::test]
async fn the_forwarder_alone() {
    let web = mirror().await;
    let forwarder = Forwarder::new(fairway_forward::Settings::default());
    let request = Request::builder().uri("http://identity.test/me?x=1").body(RequestBody::empty()).unwrap();
    let response = forwarder.forward(request, web.address, &Exchange::own()).await.unwrap();
    let body = within(response.into_body().collect()).await.unwrap().to_bytes();
    let head = String::from_utf8(body.into()).unwrap();
    assert!(
        head.starts_with("GET /me?x=1\nhost: identity.test\nvia: 1.1 fairway\nx-forwarded-for: 127.0.0.1\n"),
        "{head}"
    );
    let request =
        Request::builder().method("POST").uri("/").header("host", "a").body(Bytes::from("x")).unwrap();
    let targets = [support::nobody().await, web.address];
    let response = forwarder.forward(request, &targets[..], &Exchange::own()).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let nobody = forwarder.forward(get("/").map(|_| ()), &[][..], &Exchange::own()).await;
    assert!(matches!(nobody, Err(fairway_forward::Error::NoTarget)));
}

/// The most memory that this process has had resident.
fn peak_memory_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
