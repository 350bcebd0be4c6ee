//! Exchanges with targets that behave in every way a socket allows.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as loudly as the tests")]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use fairway_forward::{
    Ending, Error, Exchange, Forwarder, Guard, Next, RequestBody, Settings, Target, Targets, Timeouts,
};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const PATIENCE: Duration = Duration::from_secs(20);
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

async fn within<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("nothing happened for too long")
}

/// A server that does on each connection what a function says.
async fn server<F, Fut>(serve: F) -> SocketAddr
where
    F: Fn(usize, TcpStream) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut number = 0;
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(number, stream));
            number += 1;
        }
    });
    address
}

/// Reads to the end of a head; returns it with what came after it. Nothing when the connection ends.
async fn head(stream: &mut TcpStream) -> Option<String> {
    let mut read = Vec::new();
    while !read.windows(4).any(|end| end == b"\r\n\r\n") {
        let mut piece = [0; 4096];
        match stream.read(&mut piece).await {
            Ok(0) | Err(_) => return None,
            Ok(count) => read.extend(&piece[..count]),
        }
    }
    Some(String::from_utf8(read).unwrap())
}

/// An address on which nothing listens. The host part belongs to this process alone, so that no other test can be given
/// the port meanwhile.
async fn nobody() -> SocketAddr {
    let [_, high, middle, low] = std::process::id().to_be_bytes();
    let own = std::net::IpAddr::from([127, high.wrapping_add(64) % 128, middle, low]);
    TcpListener::bind((own, 0)).await.unwrap().local_addr().unwrap()
}

fn request(method: Method, body: impl Into<RequestBody>) -> Request<RequestBody> {
    Request::builder().method(method).uri("/").header("host", "web.test").body(body.into()).unwrap()
}

fn forwarder() -> Forwarder {
    Forwarder::new(Settings::default())
}

fn limits(ms: u64) -> Exchange {
    let limit = Some(Duration::from_millis(ms));
    Exchange::own().with_timeouts(Timeouts {
        connect: limit,
        header: limit,
        idle: limit,
        upgrade_idle: limit,
    })
}

async fn text<G: Guard>(response: Response<fairway_forward::Body<G>>) -> String {
    let bytes = within(response.into_body().collect()).await.unwrap().to_bytes();
    String::from_utf8(bytes.into()).unwrap()
}

#[tokio::test]
async fn a_connection_is_used_again() {
    let numbers = Arc::new(Mutex::new(Vec::new()));
    let seen = numbers.clone();
    let address = server(move |number, mut stream| {
        let seen = seen.clone();
        async move {
            while head(&mut stream).await.is_some() {
                seen.lock().unwrap().push(number);
                stream.write_all(OK.as_bytes()).await.unwrap();
            }
        }
    })
    .await;
    let forwarder = forwarder();
    for _ in 0..3 {
        let response = forwarder.forward(request(Method::GET, ()), address, &Exchange::own()).await.unwrap();
        assert_eq!(text(response).await, "ok");
        within(async {
            while forwarder.idle() == 0 {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
    assert_eq!(*numbers.lock().unwrap(), [0, 0, 0]);
    forwarder.close_idle(address);
    let response = forwarder.forward(request(Method::GET, ()), address, &Exchange::own()).await.unwrap();
    assert_eq!(text(response).await, "ok");
    assert_eq!(*numbers.lock().unwrap(), [0, 0, 0, 1]);
}

/// The first connection answers once and then closes as soon as a second request has arrived on it: whether that
/// request may be sent again depends on what it is.
async fn treacherous(seen: Arc<Mutex<Vec<usize>>>) -> SocketAddr {
    server(move |number, mut stream| {
        let seen = seen.clone();
        async move {
            let mut answered = 0;
            while head(&mut stream).await.is_some() {
                seen.lock().unwrap().push(number);
                if number == 0 && answered == 1 {
                    return;
                }
                stream.write_all(OK.as_bytes()).await.unwrap();
                answered += 1;
            }
        }
    })
    .await
}

#[tokio::test]
async fn only_what_may_happen_twice_is_sent_twice() {
    for (method, body, expect) in [
        (Method::GET, "", true),
        (Method::HEAD, "", true),
        (Method::DELETE, "", true),
        (Method::PUT, "", true),
        (Method::PUT, "content", false),
        (Method::POST, "", false),
        (Method::PATCH, "", false),
    ] {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let address = treacherous(seen.clone()).await;
        let forwarder = forwarder();
        let first = forwarder.forward(request(Method::GET, ()), address, &Exchange::own()).await.unwrap();
        assert_eq!(text(first).await, "ok");
        within(async {
            while forwarder.idle() == 0 {
                tokio::task::yield_now().await;
            }
        })
        .await;
        let second = request(method.clone(), Bytes::from(body));
        let second = within(forwarder.forward(second, address, &Exchange::own())).await;
        let connections = seen.lock().unwrap().clone();
        if expect {
            assert_eq!(second.unwrap().status(), StatusCode::OK, "{method} {body}");
            assert_eq!(connections, [0, 0, 1], "{method} {body}");
        } else {
            assert!(matches!(second, Err(Error::Broken { .. })), "{method} {body}: {second:?}");
            assert_eq!(connections, [0, 0], "{method} {body}");
        }
    }
}

/// Every connection to it is closed when a request has arrived.
async fn deadly(seen: Arc<Mutex<usize>>) -> SocketAddr {
    server(move |_, mut stream| {
        let seen = seen.clone();
        async move {
            head(&mut stream).await;
            *seen.lock().unwrap() += 1;
        }
    })
    .await
}

/// A new connection that breaks may be that of a program that is ending: what may happen twice is sent elsewhere, once.
/// It may as well be the request that ends programs.
#[tokio::test]
async fn a_fresh_connection_that_breaks_is_replaced_once() {
    let well = server(|_, mut stream| async move {
        head(&mut stream).await;
        stream.write_all(OK.as_bytes()).await.unwrap();
    })
    .await;
    for (method, deadly_ones, expect) in [
        (Method::GET, 1, None),
        (Method::GET, 2, Some(2)),
        (Method::GET, 3, Some(2)),
        (Method::POST, 1, Some(1)),
    ] {
        let seen = Arc::new(Mutex::new(0));
        let mut targets = Vec::new();
        for _ in 0..deadly_ones {
            targets.push(deadly(seen.clone()).await);
        }
        targets.push(well);
        let own = Exchange::own();
        let sent = within(forwarder().forward(request(method, ()), targets.as_slice(), &own)).await;
        match expect {
            None => assert_eq!(text(sent.unwrap()).await, "ok"),
            Some(_) => {
                let error = sent.unwrap_err();
                assert!(matches!(error, Error::Broken { .. }), "{error:?}");
                assert_eq!((error.status(), error.is_dial()), (StatusCode::BAD_GATEWAY, false));
            }
        }
        assert_eq!(*seen.lock().unwrap(), expect.unwrap_or(1));
    }
}

/// What is reset was not read: whoever was there is gone, and it is as if nobody had been.
#[tokio::test]
async fn connections_that_are_reset_are_replaced() {
    let mut targets = Vec::new();
    for _ in 0..4 {
        let gone = server(|_, stream| async move { stream.readable().await.unwrap() }).await;
        targets.push(gone);
    }
    let well = server(|_, mut stream| async move {
        head(&mut stream).await;
        stream.write_all(OK.as_bytes()).await.unwrap();
    })
    .await;
    targets.push(well);
    let own = Exchange::own();
    for (method, expect) in [(Method::GET, true), (Method::POST, false)] {
        let sent = within(forwarder().forward(request(method, ()), targets.as_slice(), &own)).await;
        match sent {
            Ok(answer) if expect => assert_eq!(text(answer).await, "ok"),
            Err(Error::Broken { .. }) if !expect => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn every_failure_has_its_name() {
    let refused =
        forwarder().forward(request(Method::POST, ()), nobody().await, &Exchange::own()).await.unwrap_err();
    assert!(matches!(refused, Error::Refused { .. }), "{refused:?}");
    assert_eq!((refused.status(), refused.is_dial()), (StatusCode::BAD_GATEWAY, true));

    let silent = server(|_, mut stream| async move {
        head(&mut stream).await;
        std::future::pending::<()>().await;
        drop(stream);
    })
    .await;
    let late = within(forwarder().forward(request(Method::GET, ()), silent, &limits(50))).await.unwrap_err();
    assert!(matches!(late, Error::HeaderTimeout { .. }), "{late:?}");
    assert_eq!(late.status(), StatusCode::GATEWAY_TIMEOUT);
    assert!(late.to_string().ends_with("within 50 ms"), "{late}");

    let nonsense = server(|_, mut stream| async move {
        head(&mut stream).await;
        stream.write_all(b"what?\r\n\r\n").await.unwrap();
    })
    .await;
    let broken =
        within(forwarder().forward(request(Method::GET, ()), nonsense, &limits(5000))).await.unwrap_err();
    assert!(matches!(broken, Error::Broken { .. }), "{broken:?}");

    let eager = server(|_, mut stream| async move {
        head(&mut stream).await;
        let answer = b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n";
        stream.write_all(answer).await.unwrap();
    })
    .await;
    let unasked =
        within(forwarder().forward(request(Method::GET, ()), eager, &limits(5000))).await.unwrap_err();
    assert!(matches!(unasked, Error::Unasked { .. }), "{unasked:?}");

    let connect = Request::builder().method(Method::CONNECT).uri("web.test:443").body(()).unwrap();
    let refused = forwarder().forward(connect, silent, &Exchange::own()).await.unwrap_err();
    assert!(matches!(refused, Error::Request(_)), "{refused:?}");
}

/// The clock for the answer starts when the request is complete. A client that uploads slowly and steadily is not
/// cut off; one that stops is, and it is its own fault.
#[tokio::test]
async fn slow_uploads() {
    let address = server(|_, mut stream| async move {
        let mut read = head(&mut stream).await.unwrap().into_bytes();
        while !read.ends_with(b"0\r\n\r\n") {
            let mut piece = [0; 1024];
            let count = stream.read(&mut piece).await.unwrap_or(0);
            if count == 0 {
                return;
            }
            read.extend(&piece[..count]);
        }
        stream.write_all(OK.as_bytes()).await.unwrap();
    })
    .await;
    let upload = |pieces: usize, then_stop: bool| {
        let body = steady(pieces, Duration::from_millis(40), then_stop);
        request(Method::POST, RequestBody::new(body))
    };
    // Longer than either limit as a whole.
    let response = within(forwarder().forward(upload(10, false), address, &limits(200))).await.unwrap();
    assert_eq!(text(response).await, "ok");
    let stopped = within(forwarder().forward(upload(2, true), address, &limits(200))).await.unwrap_err();
    assert!(matches!(stopped, Error::ClientSlow { .. }), "{stopped:?}");
    assert_eq!(stopped.status(), StatusCode::REQUEST_TIMEOUT);
}

/// A body of pieces with a pause before each, which then ends or stays silent.
fn steady(
    pieces: usize,
    pause: Duration,
    then_stop: bool,
) -> impl http_body::Body<Data = Bytes, Error = std::io::Error> + Send + 'static {
    let (sender, mut receiver) = tokio::sync::mpsc::channel::<Bytes>(1);
    tokio::spawn(async move {
        let mut clock = tokio::time::interval(pause);
        for _ in 0..pieces {
            clock.tick().await;
            if sender.send(Bytes::from_static(b"piece")).await.is_err() {
                return;
            }
        }
        if then_stop {
            sender.closed().await;
        }
    });
    let pieces = futures::stream::poll_fn(move |cx| receiver.poll_recv(cx));
    StreamBody::new(futures::StreamExt::map(pieces, |piece| Ok(Frame::data(piece))))
}

/// A client that breaks off in the middle of its body is not the target's failure.
#[tokio::test]
async fn a_client_that_breaks_off() {
    let address = server(|_, mut stream| async move { while head(&mut stream).await.is_some() {} }).await;
    let frames = [Ok(Frame::data(Bytes::from("piece"))), Err(std::io::Error::other("gone"))];
    let body = RequestBody::new(StreamBody::new(futures::stream::iter(frames)));
    let gone =
        within(forwarder().forward(request(Method::POST, body), address, &limits(5000))).await.unwrap_err();
    assert!(matches!(gone, Error::ClientGone), "{gone:?}");
}

/// What happened, as a guard sees it.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

struct Watch(&'static str, Log);

impl Watch {
    fn note(&self, what: impl std::fmt::Display) {
        self.1.0.lock().unwrap().push(format!("{} {what}", self.0));
    }
}

impl Guard for Watch {
    fn responded(&mut self, status: StatusCode) {
        self.note(status.as_u16());
    }
    fn moved_on(&mut self, _: &Error) {
        self.note("moved on");
    }
    fn failed(&mut self, _: &Error) {
        self.note("failed");
    }
    fn ended(&mut self, ending: Ending) {
        self.note(format!("{ending:?}"));
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.note("dropped");
    }
}

struct Places(std::vec::IntoIter<(&'static str, SocketAddr)>, Log);

impl Targets for Places {
    type Guard = Watch;
    fn next(&mut self) -> Next<Watch> {
        let next = self.0.next();
        next.map(|(name, address)| Target { address, guard: Watch(name, self.1.clone()) }).into()
    }
}

#[tokio::test]
async fn a_guard_lives_as_long_as_its_exchange() {
    let address = server(|_, mut stream| async move {
        while head(&mut stream).await.is_some() {
            stream.write_all(OK.as_bytes()).await.unwrap();
        }
    })
    .await;
    let (one, two, three) = (nobody().await, nobody().await, nobody().await);
    let log = Log::default();
    let places = |places: &[(&'static str, SocketAddr)]| Places(Vec::from(places).into_iter(), log.clone());
    let taken = || std::mem::take(&mut *log.0.lock().unwrap());
    let forwarder = forwarder();

    let sent = request(Method::POST, Bytes::from("order"));
    let response =
        forwarder.forward(sent, places(&[("a", one), ("b", address)]), &Exchange::own()).await.unwrap();
    assert_eq!(taken(), ["a moved on", "a dropped", "b 200"]);
    assert_eq!(text(response).await, "ok");
    assert_eq!(taken(), ["b Complete", "b dropped"]);

    let response =
        forwarder.forward(request(Method::GET, ()), places(&[("c", address)]), &Exchange::own()).await;
    drop(response.unwrap());
    assert_eq!(taken(), ["c 200", "c ClientGone", "c dropped"]);

    // As long as there is somebody to ask.
    let all = places(&[("d", one), ("e", two), ("f", three)]);
    let failed = forwarder.forward(request(Method::GET, ()), all, &Exchange::own()).await;
    assert!(matches!(failed, Err(Error::Refused { address, .. }) if address == three), "{failed:?}");
    assert_eq!(taken(), ["d moved on", "d dropped", "e moved on", "e dropped", "f failed", "f dropped"]);
}

/// Answers without a length end with the connection; a connection that says that it closes is not kept.
#[tokio::test]
async fn connections_that_end_with_their_answer() {
    for answer in [
        "HTTP/1.0 200 OK\r\n\r\nbody",
        "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 4\r\n\r\nbody",
    ] {
        let address = server(move |_, mut stream| async move {
            head(&mut stream).await;
            stream.write_all(answer.as_bytes()).await.unwrap();
        })
        .await;
        let forwarder = forwarder();
        for _ in 0..2 {
            let sent = request(Method::POST, Bytes::from("x"));
            let response = within(forwarder.forward(sent, address, &Exchange::own())).await.unwrap();
            assert!(!response.headers().contains_key("connection"));
            assert_eq!(text(response).await, "body");
        }
        assert_eq!(forwarder.idle(), 0, "{answer}");
    }
}

/// The target answers before it has read the request and goes on reading: the answer is there at once.
#[tokio::test]
async fn an_early_answer() {
    let address = server(|_, mut stream| async move {
        head(&mut stream).await;
        stream.write_all(b"HTTP/1.1 413 Content Too Large\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
    })
    .await;
    let body = RequestBody::new(steady(1, Duration::from_millis(1), true));
    let response =
        within(forwarder().forward(request(Method::POST, body), address, &limits(5000))).await.unwrap();
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
}

/// Two requests at once need two connections; more than `most_idle` are not kept.
#[tokio::test]
async fn no_more_is_kept_than_wanted() {
    let address = server(|_, mut stream| async move {
        while head(&mut stream).await.is_some() {
            stream.write_all(OK.as_bytes()).await.unwrap();
        }
    })
    .await;
    let forwarder = Forwarder::new(Settings { most_idle: 1, ..Settings::default() });
    let exchange = Exchange::own();
    let ask = || forwarder.forward(request(Method::GET, ()), address, &exchange);
    let (one, two) = (ask().await.unwrap(), ask().await.unwrap());
    let (one, two) = tokio::join!(text(one), text(two));
    assert_eq!((one.as_str(), two.as_str()), ("ok", "ok"));
    within(async {
        while forwarder.idle() == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(forwarder.idle(), 1);
}
