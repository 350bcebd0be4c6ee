//! Exchanges in TLS: with those who are who they should be, and with nobody else.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as loudly as the tests")]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use fairway_forward::{
    BodyError, Error, Exchange, Forwarder, Protocol, RequestBody, Settings, Timeouts, Tls, TlsFault,
};
use fairway_test_authority::Authority;
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::HandshakeKind;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

const PATIENCE: Duration = Duration::from_secs(20);
const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

async fn within<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("nothing happened for too long")
}

/// A server with a certificate for `web.test` that is valid until then and offers these protocols.
fn acceptor(authority: &Authority, until: i32, protocols: &[&[u8]]) -> TlsAcceptor {
    authority
        .server_with("web.test", protocols, |params| params.not_after = rcgen::date_time_ymd(until, 1, 1))
        .into()
}

/// Trusts what the authority signed for that name.
fn trusted(authority: &Authority, name: &'static str, protocol: Protocol) -> Tls {
    Tls::new(authority.client(), ServerName::try_from(name).unwrap(), protocol)
}

/// A server that does on each connection what a function says.
async fn server<F, Fut>(serve: F) -> SocketAddr
where
    F: Fn(TcpStream) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    address
}

/// The same in TLS; connections without a handshake are of no interest.
async fn secured<F, Fut>(acceptor: TlsAcceptor, serve: F) -> SocketAddr
where
    F: Fn(TlsStream<TcpStream>) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    server(move |stream| {
        let (acceptor, serve) = (acceptor.clone(), serve.clone());
        async move {
            if let Ok(stream) = acceptor.accept(stream).await {
                serve(stream).await;
            }
        }
    })
    .await
}

/// Reads to the end of a head; returns what came after it. Nothing when the connection ends.
async fn head(stream: &mut TlsStream<TcpStream>) -> Option<Vec<u8>> {
    let mut read = Vec::new();
    loop {
        if let Some(end) = read.windows(4).position(|end| end == b"\r\n\r\n") {
            return Some(read.split_off(end + 4));
        }
        let mut piece = [0; 4096];
        match stream.read(&mut piece).await {
            Ok(0) | Err(_) => return None,
            Ok(count) => read.extend(&piece[..count]),
        }
    }
}

async fn send(stream: &mut TlsStream<TcpStream>, bytes: &[u8]) {
    stream.write_all(bytes).await.unwrap();
    stream.flush().await.unwrap();
}

fn forwarder() -> Forwarder {
    Forwarder::new(Settings::default())
}

fn over(tls: &Tls, protocol: Protocol) -> Exchange {
    Exchange { tls: Some(tls.clone()), protocol, ..Exchange::own() }
}

fn request(method: Method, body: impl Into<RequestBody>) -> Request<RequestBody> {
    Request::builder().method(method).uri("/").header("host", "shop.test").body(body.into()).unwrap()
}

async fn ask(forwarder: &Forwarder, address: SocketAddr, exchange: &Exchange) -> String {
    let asked = forwarder.forward(request(Method::POST, Bytes::from("x")), address, exchange);
    text(within(asked).await.unwrap()).await
}

async fn text(response: Response<fairway_forward::Body>) -> String {
    let bytes = within(response.into_body().collect()).await.unwrap().to_bytes();
    String::from_utf8(bytes.into()).unwrap()
}

/// What a server noted.
type Notes<T> = Arc<Mutex<Vec<T>>>;

#[tokio::test]
async fn a_connection_is_used_again_by_those_who_trust_the_same() {
    let authority = Authority::new();
    let handshakes: Notes<HandshakeKind> = Arc::default();
    let seen = handshakes.clone();
    let address = secured(acceptor(&authority, 2100, &[]), move |mut stream| {
        seen.lock().unwrap().push(stream.get_ref().1.handshake_kind().unwrap());
        async move {
            while head(&mut stream).await.is_some() {
                send(&mut stream, OK).await;
            }
        }
    })
    .await;
    let forwarder = forwarder();
    let tls = trusted(&authority, "web.test", Protocol::Http1);
    for _ in 0..3 {
        assert_eq!(ask(&forwarder, address, &over(&tls, Protocol::Http1)).await, "ok");
        assert_eq!(forwarder.idle(), 1);
    }
    assert_eq!(*handshakes.lock().unwrap(), [HandshakeKind::Full]);

    let others = trusted(&authority, "web.test", Protocol::Http1);
    assert_eq!(ask(&forwarder, address, &over(&others, Protocol::Http1)).await, "ok");
    assert_eq!(*handshakes.lock().unwrap(), [HandshakeKind::Full; 2]);
    // A server of TLS understands no plain text, and gets none on the connection that is kept.
    let clear = Exchange::own();
    let plain = forwarder.forward(request(Method::POST, Bytes::from("x")), address, &clear);
    assert!(matches!(within(plain).await, Err(Error::Broken { .. })));
}

#[tokio::test]
async fn sessions_are_resumed() {
    let authority = Authority::new();
    let handshakes: Notes<HandshakeKind> = Arc::default();
    let seen = handshakes.clone();
    let address = secured(acceptor(&authority, 2100, &[b"http/1.1"]), move |mut stream| {
        seen.lock().unwrap().push(stream.get_ref().1.handshake_kind().unwrap());
        async move {
            head(&mut stream).await;
            let closing = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nbye";
            send(&mut stream, closing).await;
            stream.shutdown().await.unwrap();
        }
    })
    .await;
    let tls = trusted(&authority, "web.test", Protocol::Http1);
    let forwarder = forwarder();
    for _ in 0..3 {
        assert_eq!(ask(&forwarder, address, &over(&tls, Protocol::Http1)).await, "bye");
    }
    assert_eq!(
        *handshakes.lock().unwrap(),
        [HandshakeKind::Full, HandshakeKind::Resumed, HandshakeKind::Resumed]
    );
}

#[tokio::test]
async fn large_bodies_go_both_ways() {
    const SIZE: usize = 4 << 20;
    let authority = Authority::new();
    let address = secured(acceptor(&authority, 2100, &[b"http/1.1"]), |mut stream| async move {
        let mut body = head(&mut stream).await.unwrap();
        while body.len() < SIZE {
            assert!(stream.read_buf(&mut body).await.unwrap() > 0);
        }
        send(&mut stream, format!("HTTP/1.1 200 OK\r\ncontent-length: {SIZE}\r\n\r\n").as_bytes()).await;
        send(&mut stream, &body).await;
        head(&mut stream).await;
    })
    .await;
    let tls = trusted(&authority, "web.test", Protocol::Http1);
    let sent: Bytes = (0..SIZE).map(|at| u8::try_from(at % 251).unwrap()).collect::<Vec<_>>().into();
    let forwarder = forwarder();
    let exchange = over(&tls, Protocol::Http1);
    let response = forwarder.forward(request(Method::POST, sent.clone()), address, &exchange);
    let answered = within(within(response).await.unwrap().into_body().collect()).await.unwrap().to_bytes();
    assert!(answered == sent);
}

/// A server that takes nothing for a while holds up what is encrypted already, too: the end of each body is somewhere else
/// between this side and the system then.
#[tokio::test]
async fn nothing_stays_behind() {
    let authority = Authority::new();
    let acceptor = acceptor(&authority, 2100, &[b"http/1.1"]);
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let listener = socket.listen(16).unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let mut stream = acceptor.accept(stream).await.unwrap();
            let mut body = head(&mut stream).await.unwrap();
            // The other side writes until it can't.
            for _ in 0..1000 {
                tokio::task::yield_now().await;
            }
            while !body.ends_with(b"the end") {
                assert!(stream.read_buf(&mut body).await.unwrap() > 0);
            }
            send(&mut stream, b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok").await;
        }
    });
    let exchange = over(&trusted(&authority, "web.test", Protocol::Http1), Protocol::Http1);
    let forwarder = forwarder();
    for length in (24..72).map(|it| it * 56 * 1024) {
        let mut body = vec![b'x'; length];
        body.extend(b"the end");
        let asked = forwarder.forward(request(Method::POST, Bytes::from(body)), address, &exchange);
        assert_eq!(text(within(asked).await.unwrap()).await, "ok", "{length}");
    }
}

/// The certificate, the name, its dates, TLS itself, the version of HTTP: each is looked at before anything is sent, and
/// the next address is tried.
#[tokio::test]
async fn nobody_else_is_spoken_to() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let asked: Notes<()> = Arc::default();
    let serve = |acceptor: TlsAcceptor| {
        let asked = asked.clone();
        secured(acceptor, move |mut stream| {
            let asked = asked.clone();
            async move {
                if head(&mut stream).await.is_some() {
                    asked.lock().unwrap().push(());
                }
            }
        })
    };
    let plain = server(|mut stream| async move {
        let _ = stream.write_all(b"220 mail.test ready\r\n").await;
        let _ = stream.read(&mut [0; 1024]).await;
    });
    let mute = server(|_| async {});
    let good = secured(acceptor(&authority, 2100, &[]), |mut stream| async move {
        head(&mut stream).await;
        send(&mut stream, OK).await;
    })
    .await;
    let h1 = trusted(&authority, "web.test", Protocol::Http1);
    let h2 = trusted(&authority, "web.test", Protocol::Http2);
    let other = trusted(&authority, "other.test", Protocol::Http1);
    for (address, tls, fault) in [
        (serve(acceptor(&stranger, 2100, &[])).await, &h1, TlsFault::Authority),
        (serve(acceptor(&authority, 2100, &[])).await, &other, TlsFault::Name),
        (serve(acceptor(&authority, 2001, &[])).await, &h1, TlsFault::Dates),
        (serve(acceptor(&authority, 2100, &[b"h2"])).await, &h1, TlsFault::Protocol),
        (serve(acceptor(&authority, 2100, &[b"http/1.1"])).await, &h2, TlsFault::Protocol),
        (serve(acceptor(&authority, 2100, &[])).await, &h2, TlsFault::Protocol),
        (plain.await, &h1, TlsFault::NotTls),
        (mute.await, &h1, TlsFault::Handshake),
    ] {
        let protocol = if *tls == h2 { Protocol::Http2 } else { Protocol::Http1 };
        let forwarder = forwarder();
        let exchange = over(tls, protocol);
        let alone = forwarder.forward(request(Method::POST, Bytes::from("x")), address, &exchange);
        let error = within(alone).await.unwrap_err();
        assert!(matches!(&error, Error::Tls { fault: found, .. } if *found == fault), "{fault}: {error:?}");
        assert_eq!((error.status(), error.is_dial()), (StatusCode::BAD_GATEWAY, true), "{error:?}");
        if *tls == h1 {
            let both = [address, good];
            let asked = forwarder.forward(request(Method::POST, Bytes::from("x")), &both[..], &exchange);
            assert_eq!(text(within(asked).await.unwrap()).await, "ok", "{fault}");
        }
    }
    assert!(asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_handshake_has_the_time_of_a_connection() {
    let address = server(|mut stream| async move {
        let mut read = Vec::new();
        let _ = stream.read_to_end(&mut read).await;
    })
    .await;
    let tls = trusted(&Authority::new(), "web.test", Protocol::Http1);
    let after = Duration::from_millis(50);
    let timeouts = Timeouts { connect: Some(after), ..Timeouts::default() };
    let exchange = over(&tls, Protocol::Http1).with_timeouts(timeouts);
    let forwarder = forwarder();
    let error = within(forwarder.forward(request(Method::GET, ()), address, &exchange)).await.unwrap_err();
    assert!(matches!(error, Error::ConnectTimeout { after: limit, .. } if limit == after), "{error:?}");
}

#[tokio::test]
async fn http2_in_tls() {
    let authority = Authority::new();
    let handshakes: Notes<()> = Arc::default();
    let seen = handshakes.clone();
    let address = secured(acceptor(&authority, 2100, &[b"h2"]), move |stream| {
        seen.lock().unwrap().push(());
        async move {
            let service = hyper::service::service_fn(|request: Request<hyper::body::Incoming>| async move {
                let (parts, body) = request.into_parts();
                let length = body.collect().await.unwrap().to_bytes().len();
                let said = format!("{:?} {} {length}", parts.version, parts.uri);
                Ok::<_, std::convert::Infallible>(Response::new(http_body_util::Full::new(Bytes::from(said))))
            });
            let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            let _ = builder.serve_connection(TokioIo::new(stream), service).await;
        }
    })
    .await;
    let tls = trusted(&authority, "web.test", Protocol::Http2);
    let forwarder = forwarder();
    for _ in 0..3 {
        let answer = ask(&forwarder, address, &over(&tls, Protocol::Http2)).await;
        assert_eq!(answer, "HTTP/2.0 https://shop.test/ 1");
    }
    assert_eq!(handshakes.lock().unwrap().len(), 1);
    let others = trusted(&authority, "web.test", Protocol::Http2);
    ask(&forwarder, address, &over(&others, Protocol::Http2)).await;
    assert_eq!(handshakes.lock().unwrap().len(), 2);
}

/// A connection that the server has ended in good order is not used again, not even for what can't be repeated.
#[tokio::test]
async fn a_closed_connection_is_noticed() {
    let authority = Authority::new();
    let (closed, mut closes) = tokio::sync::mpsc::unbounded_channel();
    let address = secured(acceptor(&authority, 2100, &[]), move |mut stream| {
        let closed = closed.clone();
        async move {
            head(&mut stream).await;
            send(&mut stream, OK).await;
            stream.shutdown().await.unwrap();
            drop(stream);
            closed.send(()).unwrap();
        }
    })
    .await;
    let exchange = over(&trusted(&authority, "web.test", Protocol::Http1), Protocol::Http1);
    let forwarder = forwarder();
    for _ in 0..3 {
        assert_eq!(ask(&forwarder, address, &exchange).await, "ok");
        within(closes.recv()).await.unwrap();
    }
}

/// Without a goodbye in TLS nobody knows whether the end of a connection is the end of the answer.
#[tokio::test]
async fn an_answer_that_is_cut_off_is_not_whole() {
    let authority = Authority::new();
    let address = secured(acceptor(&authority, 2100, &[]), |mut stream| async move {
        head(&mut stream).await;
        send(&mut stream, b"HTTP/1.1 200 OK\r\n\r\nhalf").await;
    })
    .await;
    let exchange = over(&trusted(&authority, "web.test", Protocol::Http1), Protocol::Http1);
    let forwarder = forwarder();
    let response = forwarder.forward(request(Method::GET, ()), address, &exchange);
    let error = within(within(response).await.unwrap().into_body().collect()).await.unwrap_err();
    assert!(matches!(error, BodyError::Broken(_)), "{error:?}");
}
