//! Targets of HTTP/2 that take few streams on a connection.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as loudly as the tests")]

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use fairway_forward::{Body, Exchange, Forwarder, Protocol, RequestBody, Settings};
use futures::stream;
use http::{Request, Response};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

const PATIENCE: Duration = Duration::from_secs(20);

async fn within<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("nothing happened for too long")
}

/// What happens to a server's connections.
#[derive(Debug, PartialEq, Eq)]
enum Event {
    Opened,
    Closed,
}

/// A server that takes one stream on each connection. What it answers ends when the sender of its body is dropped.
async fn server() -> (SocketAddr, UnboundedReceiver<Event>, UnboundedReceiver<UnboundedSender<Bytes>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, events) = mpsc::unbounded_channel();
    let (give, answers) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let (tell, give) = (tell.clone(), give.clone());
            tokio::spawn(async move {
                let _ = tell.send(Event::Opened);
                let service = service_fn(|_: Request<hyper::body::Incoming>| {
                    let (sender, receiver) = mpsc::unbounded_channel::<Bytes>();
                    let _ = give.send(sender);
                    async {
                        let pieces = stream::unfold(receiver, |mut pieces| async {
                            let piece = pieces.recv().await?;
                            Some((Ok::<_, Infallible>(Frame::data(piece)), pieces))
                        });
                        Ok::<_, Infallible>(Response::new(StreamBody::new(pieces)))
                    }
                });
                let mut builder = http2::Builder::new(TokioExecutor::new());
                builder.max_concurrent_streams(1);
                let _ = builder.serve_connection(TokioIo::new(socket), service).await;
                let _ = tell.send(Event::Closed);
            });
        }
    });
    (address, events, answers)
}

async fn ask(forwarder: &Forwarder, address: SocketAddr) -> Response<Body> {
    let request = Request::builder().uri("/").header("host", "shop.test").body(RequestBody::empty()).unwrap();
    let exchange = Exchange { protocol: Protocol::Http2, ..Exchange::own() };
    within(forwarder.forward(request, address, &exchange)).await.unwrap()
}

#[tokio::test]
async fn who_finds_no_room_on_a_connection_gets_another_one() {
    let (address, mut events, mut answers) = server().await;
    let forwarder = Forwarder::new(Settings::default());
    // Long answers: the second would wait for the end of the first.
    let mut open = Vec::new();
    for _ in 0..3 {
        let response = ask(&forwarder, address).await;
        assert_eq!(within(events.recv()).await, Some(Event::Opened));
        open.push((response, within(answers.recv()).await.unwrap()));
    }
    for (at, (response, answer)) in open.into_iter().enumerate() {
        answer.send(Bytes::from(vec![b'x'; at + 1])).unwrap();
        drop(answer);
        assert_eq!(within(response.into_body().collect()).await.unwrap().to_bytes().len(), at + 1);
    }
    // One of the connections is enough again, and the others go.
    for _ in 0..2 {
        let response = ask(&forwarder, address).await;
        drop(within(answers.recv()).await.unwrap());
        assert!(within(response.into_body().collect()).await.unwrap().to_bytes().is_empty());
    }
    assert_eq!(within(events.recv()).await, Some(Event::Closed));
    assert_eq!(within(events.recv()).await, Some(Event::Closed));
    drop(forwarder);
    assert_eq!(within(events.recv()).await, Some(Event::Closed));
}
