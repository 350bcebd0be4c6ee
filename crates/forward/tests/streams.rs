//! Targets of HTTP/2 that take few streams on a connection, change their mind, refuse, and go away.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as loudly as the tests")]

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use fairway_forward::{Body, Error, Exchange, Forwarder, Protocol, RequestBody, Settings};
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const PATIENCE: Duration = Duration::from_secs(20);

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;

const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

async fn within<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("nothing happened for too long")
}

/// The server's side of a connection, frame by frame.
struct Connection(TcpStream);

impl Connection {
    /// The next connection, on which so many streams are taken.
    async fn accept(listener: &TcpListener, streams: u32) -> Self {
        let (mut socket, _) = within(listener.accept()).await.unwrap();
        let mut preface = [0; 24];
        within(socket.read_exact(&mut preface)).await.unwrap();
        let mut connection = Self(socket);
        connection.send(SETTINGS, 0, 0, &limit(streams)).await;
        connection
    }

    async fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
        self.0.write_all(&[&head, payload].concat()).await.unwrap();
    }

    /// The stream of the next frame with this type and this flag.
    async fn receive(&mut self, kind: u8, flag: u8) -> u32 {
        self.frame(kind, flag).await.0
    }

    async fn frame(&mut self, kind: u8, flag: u8) -> (u32, Vec<u8>) {
        loop {
            let mut head = [0; 9];
            within(self.0.read_exact(&mut head)).await.unwrap();
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let mut payload = vec![0; usize::try_from(length).unwrap()];
            within(self.0.read_exact(&mut payload)).await.unwrap();
            if head[3] == kind && head[4] & flag == flag {
                return (u32::from_be_bytes([head[5], head[6], head[7], head[8]]), payload);
            }
        }
    }

    /// Begins to answer the next request.
    async fn begin(&mut self) -> u32 {
        let stream = self.receive(HEADERS, END_HEADERS).await;
        // :status: 200 (RFC 7541, appendix A)
        self.send(HEADERS, END_HEADERS, stream, &[0x88]).await;
        stream
    }

    async fn end(&mut self, stream: u32) {
        self.send(DATA, END_STREAM, stream, &[]).await;
    }

    /// Takes so many streams from now on, and the client knows.
    async fn take(&mut self, streams: u32) {
        self.receive(SETTINGS, ACK).await;
        self.send(SETTINGS, 0, 0, &limit(streams)).await;
        self.receive(SETTINGS, ACK).await;
    }

    /// The body of the request that begins next, if it is one that comes in one piece.
    async fn request(&mut self) -> (u32, Vec<u8>) {
        let stream = self.receive(HEADERS, END_HEADERS).await;
        let (of, body) = self.frame(DATA, END_STREAM).await;
        assert_eq!(of, stream);
        (stream, body)
    }

    /// Answers 200, without a body.
    async fn answer(&mut self, stream: u32) {
        self.send(HEADERS, END_HEADERS | END_STREAM, stream, &[0x88]).await;
    }

    /// Refuses all that came after this stream.
    async fn refuse_after(&mut self, stream: u32) {
        self.send(GOAWAY, 0, 0, &[stream.to_be_bytes(), [0; 4]].concat()).await;
    }

    /// Takes no more streams, and the client knows.
    async fn go_away(&mut self) {
        self.send(GOAWAY, 0, 0, &[0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0]).await;
        self.send(PING, 0, 0, &[7; 8]).await;
        self.receive(PING, ACK).await;
    }

    async fn closed(mut self) {
        within(self.0.read_to_end(&mut Vec::new())).await.unwrap();
    }
}

/// Asks with a body, and with two targets that are the same.
fn begin(
    forwarder: &Forwarder,
    address: SocketAddr,
    method: &str,
    body: RequestBody,
) -> tokio::task::JoinHandle<Result<Response<Body>, Error>> {
    let request = Request::builder().method(method).uri("/").header("host", "shop.test").body(body).unwrap();
    let forwarder = forwarder.clone();
    tokio::spawn(async move {
        let exchange = Exchange { protocol: Protocol::Http2, ..Exchange::own() };
        forwarder.forward(request, &[address, address][..], &exchange).await
    })
}

fn body(text: &'static str) -> RequestBody {
    Bytes::from_static(text.as_bytes()).into()
}

/// SETTINGS_MAX_CONCURRENT_STREAMS
fn limit(streams: u32) -> Vec<u8> {
    [&[0, 3][..], &streams.to_be_bytes()].concat()
}

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// A forwarder that keeps what nobody uses for this long.
fn forwarder(idle_for: Duration) -> Forwarder {
    Forwarder::new(Settings { idle_for, ..Settings::default() })
}

async fn ask(forwarder: &Forwarder, address: SocketAddr) -> Response<Body> {
    let request = Request::builder().uri("/").header("host", "shop.test").body(RequestBody::empty()).unwrap();
    let exchange = Exchange { protocol: Protocol::Http2, ..Exchange::own() };
    within(forwarder.forward(request, address, &exchange)).await.unwrap()
}

async fn whole(response: Response<Body>) {
    within(response.into_body().collect()).await.unwrap();
}

/// An answer that has begun.
struct Open {
    response: Response<Body>,
    stream: u32,
}

impl Open {
    /// On a new connection.
    async fn anew(
        forwarder: &Forwarder,
        address: SocketAddr,
        listener: &TcpListener,
        streams: u32,
    ) -> (Connection, Self) {
        let served = async {
            let mut connection = Connection::accept(listener, streams).await;
            let stream = connection.begin().await;
            (connection, stream)
        };
        let (response, (connection, stream)) = tokio::join!(ask(forwarder, address), served);
        (connection, Self { response, stream })
    }

    /// On a connection that there is.
    async fn on(connection: &mut Connection, forwarder: &Forwarder, address: SocketAddr) -> Self {
        let (response, stream) = tokio::join!(ask(forwarder, address), connection.begin());
        Self { response, stream }
    }

    async fn end(self, connection: &mut Connection) {
        connection.end(self.stream).await;
        whole(self.response).await;
    }
}

#[tokio::test]
async fn who_finds_no_room_on_a_connection_gets_another_one() {
    let (listener, address) = listen().await;
    let forwarder = forwarder(PATIENCE);
    // Long answers: the second would wait for the end of the first.
    let (mut first, long) = Open::anew(&forwarder, address, &listener, 1).await;
    let (mut second, longer) = Open::anew(&forwarder, address, &listener, 1).await;
    long.end(&mut first).await;
    longer.end(&mut second).await;
    // Both stay for the next crowd.
    let again = Open::on(&mut first, &forwarder, address).await;
    Open::on(&mut second, &forwarder, address).await.end(&mut second).await;
    again.end(&mut first).await;
    drop(forwarder);
    first.closed().await;
    second.closed().await;
}

#[tokio::test]
async fn connections_that_nobody_uses_close_by_themselves() {
    let (listener, address) = listen().await;
    let forwarder = forwarder(Duration::from_millis(20));
    let (mut first, one) = Open::anew(&forwarder, address, &listener, 1).await;
    let (mut second, two) = Open::anew(&forwarder, address, &listener, 1).await;
    let (mut third, three) = Open::anew(&forwarder, address, &listener, 1).await;
    one.end(&mut first).await;
    three.end(&mut third).await;
    first.closed().await;
    third.closed().await;
    // What is in use stays, and goes after its last use.
    two.end(&mut second).await;
    second.closed().await;
    // Whoever comes then is looked after, too.
    let (mut fourth, four) = Open::anew(&forwarder, address, &listener, 1).await;
    four.end(&mut fourth).await;
    fourth.closed().await;
}

#[tokio::test]
async fn a_crowd_leaves_no_more_connections_than_are_to_be_kept() {
    let (listener, address) = listen().await;
    let forwarder = Forwarder::new(Settings { idle_for: PATIENCE * 10, most_idle: 1, ..Settings::default() });
    let (mut first, one) = Open::anew(&forwarder, address, &listener, 1).await;
    let (mut second, two) = Open::anew(&forwarder, address, &listener, 1).await;
    let (mut third, three) = Open::anew(&forwarder, address, &listener, 1).await;
    one.end(&mut first).await;
    two.end(&mut second).await;
    second.closed().await;
    // What is in use is not counted.
    Open::on(&mut first, &forwarder, address).await.end(&mut first).await;
    three.end(&mut third).await;
    third.closed().await;
    Open::on(&mut first, &forwarder, address).await.end(&mut first).await;
}

#[tokio::test]
async fn a_connection_that_takes_no_more_leaves_the_others_shared() {
    let (listener, address) = listen().await;
    let forwarder = forwarder(PATIENCE);
    let (mut first, one) = Open::anew(&forwarder, address, &listener, 2).await;
    let two = Open::on(&mut first, &forwarder, address).await;
    let (mut second, three) = Open::anew(&forwarder, address, &listener, 2).await;
    one.end(&mut first).await;
    first.go_away().await;
    let (mut third, four) = Open::anew(&forwarder, address, &listener, 1).await;
    let five = Open::on(&mut second, &forwarder, address).await;
    // What had begun on it comes to its end.
    two.end(&mut first).await;
    first.closed().await;
    three.end(&mut second).await;
    five.end(&mut second).await;
    four.end(&mut third).await;
}

#[tokio::test]
async fn how_many_streams_are_taken_may_change() {
    let (listener, address) = listen().await;
    let forwarder = forwarder(PATIENCE);
    let (mut first, one) = Open::anew(&forwarder, address, &listener, 2).await;
    first.take(1).await;
    let (mut second, two) = Open::anew(&forwarder, address, &listener, 1).await;
    second.take(3).await;
    let three = Open::on(&mut second, &forwarder, address).await;
    let four = Open::on(&mut second, &forwarder, address).await;
    one.end(&mut first).await;
    for open in [two, three, four] {
        open.end(&mut second).await;
    }
}

/// RFC 9113, 6.8: what is beyond the last stream of a GOAWAY was not looked at. Servers that give their connections an
/// age (gRPC's do) send one while requests are on their way.
#[tokio::test]
async fn what_a_goaway_leaves_out_is_sent_on_another_connection() {
    let (listener, address) = listen().await;
    let forwarder = forwarder(PATIENCE);
    let (mut first, one) = Open::anew(&forwarder, address, &listener, 10).await;
    let two = begin(&forwarder, address, "POST", body("an order"));
    let (_, came) = first.request().await;
    assert_eq!(came, b"an order");
    first.refuse_after(one.stream).await;
    let mut second = Connection::accept(&listener, 10).await;
    let (stream, came) = second.request().await;
    assert_eq!(came, b"an order");
    second.answer(stream).await;
    assert_eq!(within(two).await.unwrap().unwrap().status(), 200);
    // What was not left out is answered.
    one.end(&mut first).await;
    first.closed().await;
}

/// The same on a connection that is new: the other target is asked.
#[tokio::test]
async fn a_target_that_goes_away_at_once_was_not_connected_to() {
    let (listener, address) = listen().await;
    let forwarder = forwarder(PATIENCE);
    let asked = begin(&forwarder, address, "POST", body("an order"));
    let mut first = Connection::accept(&listener, 10).await;
    first.request().await;
    first.refuse_after(0).await;
    let mut second = Connection::accept(&listener, 10).await;
    let (stream, came) = second.request().await;
    assert_eq!(came, b"an order");
    second.answer(stream).await;
    assert_eq!(within(asked).await.unwrap().unwrap().status(), 200);
    first.closed().await;
}

/// RFC 9113, 8.7: REFUSED_STREAM says that nothing was done. Any other reset does not.
#[tokio::test]
async fn a_refused_stream_is_sent_again_and_a_reset_one_is_not() {
    const REFUSED_STREAM: u32 = 7;
    const INTERNAL_ERROR: u32 = 2;
    let (listener, address) = listen().await;
    let forwarder = forwarder(PATIENCE);
    let asked = begin(&forwarder, address, "POST", body("an order"));
    let mut first = Connection::accept(&listener, 10).await;
    let (stream, _) = first.request().await;
    first.send(RST_STREAM, 0, stream, &REFUSED_STREAM.to_be_bytes()).await;
    let mut second = Connection::accept(&listener, 10).await;
    let (stream, came) = second.request().await;
    assert_eq!(came, b"an order");
    second.send(RST_STREAM, 0, stream, &INTERNAL_ERROR.to_be_bytes()).await;
    let failed = within(asked).await.unwrap().unwrap_err();
    assert!(matches!(failed, Error::Broken { .. }), "{failed:?}");
}

#[tokio::test]
async fn a_connection_that_breaks_costs_only_what_must_not_be_sent_twice() {
    let (listener, address) = listen().await;
    for method in ["PUT", "POST"] {
        let forwarder = forwarder(PATIENCE);
        let asked = begin(&forwarder, address, method, body("an order"));
        let mut first = Connection::accept(&listener, 10).await;
        first.request().await;
        drop(first);
        if method == "POST" {
            let failed = within(asked).await.unwrap().unwrap_err();
            assert!(matches!(failed, Error::Broken { .. }), "{failed:?}");
            continue;
        }
        let mut second = Connection::accept(&listener, 10).await;
        let (stream, came) = second.request().await;
        assert_eq!(came, b"an order");
        second.answer(stream).await;
        assert_eq!(within(asked).await.unwrap().unwrap().status(), 200);
    }
}

/// Only so much of a body is kept.
#[tokio::test]
async fn a_long_body_is_sent_once() {
    let (listener, address) = listen().await;
    let forwarder = forwarder(PATIENCE);
    let pieces = std::iter::repeat_with(|| Ok::<_, io::Error>(Frame::data(Bytes::from_static(b"a piece"))));
    let pieces = futures::stream::iter(pieces.take(10_000));
    let asked = begin(&forwarder, address, "PUT", RequestBody::new(StreamBody::new(pieces)));
    let mut first = Connection::accept(&listener, 10).await;
    // The windows of the connection and of its streams.
    first.send(SETTINGS, 0, 0, &[&[0, 4][..], &1_000_000_u32.to_be_bytes()].concat()).await;
    first.send(WINDOW_UPDATE, 0, 0, &1_000_000_u32.to_be_bytes()).await;
    first.receive(DATA, END_STREAM).await;
    first.refuse_after(0).await;
    let failed = within(asked).await.unwrap().unwrap_err();
    assert!(matches!(failed, Error::Broken { .. }), "{failed:?}");
}
