//! A client that does one thing at a time and hides nothing.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::within;

pub type AnyBody = UnsyncBoxBody<Bytes, std::io::Error>;

/// One connection.
pub struct Client {
    sender: SendRequest<AnyBody>,
    connection: tokio::task::JoinHandle<()>,
}

impl Client {
    pub async fn connect(address: SocketAddr) -> Self {
        Self::try_connect(address).await.unwrap()
    }

    pub async fn try_connect(address: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        let connection = tokio::spawn(async move {
            let _ = connection.with_upgrades().await;
        });
        Ok(Self { sender, connection })
    }

    pub async fn try_send(&mut self, request: Request<AnyBody>) -> hyper::Result<Response<Incoming>> {
        self.sender.ready().await?;
        self.sender.send_request(request).await
    }

    pub async fn send(&mut self, request: Request<AnyBody>) -> Response<Incoming> {
        within(self.try_send(request)).await.unwrap()
    }

    pub async fn get(&mut self, path: &str) -> (StatusCode, String) {
        text(self.send(get(path)).await).await
    }

    /// Hangs up.
    pub fn leave(self) {
        self.connection.abort();
    }
}

/// GET on a connection of its own.
pub async fn fetch(address: SocketAddr, path: &str) -> (StatusCode, String) {
    Client::connect(address).await.get(path).await
}

pub async fn text(response: Response<Incoming>) -> (StatusCode, String) {
    let status = response.status();
    let bytes = within(response.into_body().collect()).await.unwrap().to_bytes();
    (status, String::from_utf8(bytes.into()).unwrap())
}

pub fn get(path: &str) -> Request<AnyBody> {
    request(Method::GET, path, &[])
}

pub fn request(method: Method, path: &str, headers: &[(&str, &str)]) -> Request<AnyBody> {
    with_body(method, path, headers, none())
}

pub fn with_body(method: Method, path: &str, headers: &[(&str, &str)], body: AnyBody) -> Request<AnyBody> {
    let mut builder = Request::builder().method(method).uri(path);
    if !headers.iter().any(|(name, _)| *name == "host") {
        builder = builder.header("host", "edge.test");
    }
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder.body(body).unwrap()
}

pub fn none() -> AnyBody {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

pub fn full(bytes: impl Into<Bytes>) -> AnyBody {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// A body that is sent piece by piece; it ends when the sender is dropped, and breaks off when an error is sent.
pub fn piecewise() -> (mpsc::UnboundedSender<std::io::Result<Frame<Bytes>>>, AnyBody) {
    let (sender, mut receiver) = mpsc::unbounded_channel();
    let stream = futures::stream::poll_fn(move |cx| receiver.poll_recv(cx));
    (sender, StreamBody::new(stream).boxed_unsync())
}

pub fn piece(bytes: impl Into<Bytes>) -> std::io::Result<Frame<Bytes>> {
    Ok(Frame::data(bytes.into()))
}

/// The next piece of a body; none at its end.
pub async fn next(body: &mut Incoming) -> Option<hyper::Result<Bytes>> {
    loop {
        match within(body.frame()).await? {
            Ok(frame) => {
                if let Ok(bytes) = frame.into_data() {
                    return Some(Ok(bytes));
                }
            }
            Err(error) => return Some(Err(error)),
        }
    }
}
