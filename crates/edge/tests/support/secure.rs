//! Instances that speak both versions of HTTP, in TLS or not.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of this")]

use std::convert::Infallible;
use std::net::SocketAddr;

use bytes::Bytes;
use fairway_test_authority::Authority;
use futures::{SinkExt, StreamExt};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::ext::Protocol;
use hyper::service::service_fn;
use hyper::upgrade::Upgraded;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

use crate::support::wire::{AnyBody, full, none};

/// A running instance.
pub struct Instance {
    pub address: SocketAddr,
    accepting: tokio::task::JoinHandle<()>,
}

impl Instance {
    /// One with a certificate for this name that offers these protocols; it says its own name in answers.
    pub async fn in_tls(authority: &Authority, own: &'static str, name: &str, protocols: &[&[u8]]) -> Self {
        let acceptor = TlsAcceptor::from(authority.server(name, protocols));
        Self::accepting(move |stream| {
            let acceptor = acceptor.clone();
            async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    serve(own, stream, true).await;
                }
            }
        })
        .await
    }

    /// One that speaks plain text, and says whether it takes WebSockets on streams of HTTP/2.
    pub async fn in_clear(own: &'static str, connect: bool) -> Self {
        Self::accepting(move |stream| serve(own, stream, connect)).await
    }

    async fn accepting<F, Fut>(serve: F) -> Self
    where
        F: Fn(TcpStream) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream));
            }
        });
        Self { address, accepting }
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Both versions of HTTP.
async fn serve(
    own: &'static str,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    connect: bool,
) {
    let service = service_fn(move |request| answer(own, request));
    let mut builder = auto::Builder::new(TokioExecutor::new());
    if connect {
        builder.http2().enable_connect_protocol();
    }
    let _ = builder.serve_connection_with_upgrades(TokioIo::new(stream), service).await;
}

/// Says who it is, what was asked and how much came with it; echoes WebSocket messages.
async fn answer(own: &'static str, request: Request<Incoming>) -> Result<Response<AnyBody>, Infallible> {
    if request.uri().path() == "/refused" {
        let mut response = Response::new(full("not here"));
        *response.status_mut() = StatusCode::FORBIDDEN;
        return Ok(response);
    }
    if request.headers().contains_key("upgrade") {
        return Ok(echo(request));
    }
    if request.extensions().get::<Protocol>().is_some_and(|protocol| protocol.as_str() == "websocket") {
        return Ok(stream(request));
    }
    let (parts, body) = request.into_parts();
    let length = body.collect().await.map_or(0, |collected| collected.to_bytes().len());
    let said = Bytes::from(format!("{own} {:?} {} {length}", parts.version, parts.uri.path()));
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", "0".parse().unwrap());
    let frames = [Ok(Frame::data(said)), Ok(Frame::trailers(trailers))];
    let mut response = Response::new(StreamBody::new(futures::stream::iter(frames)).boxed_unsync());
    response.headers_mut().insert("trailer", "grpc-status".parse().unwrap());
    Ok(response)
}

fn echo(mut request: Request<Incoming>) -> Response<AnyBody> {
    let accept = derive_accept_key(request.headers()["sec-websocket-key"].as_bytes());
    let mut response = Response::new(none());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    for (name, value) in
        [("connection", "upgrade"), ("upgrade", "websocket"), ("sec-websocket-accept", &accept)]
    {
        response.headers_mut().insert(name, value.parse().unwrap());
    }
    tokio::spawn(async move { converse(hyper::upgrade::on(&mut request).await.unwrap()).await });
    response
}

/// The same on a stream of HTTP/2 (RFC 8441), which knows nothing of the words of HTTP/1.1.
fn stream(mut request: Request<Incoming>) -> Response<AnyBody> {
    let headers = request.headers();
    let mut response = Response::new(none());
    if ["connection", "upgrade", "sec-websocket-key", "content-length"]
        .iter()
        .any(|it| headers.contains_key(*it))
        || headers["sec-websocket-version"] != "13"
        || request.method() != Method::CONNECT
        || request.uri().authority().is_none_or(|authority| authority != "edge.test")
    {
        *response.status_mut() = StatusCode::BAD_REQUEST;
        return response;
    }
    if let Some(protocol) = headers.get("sec-websocket-protocol") {
        response.headers_mut().insert("sec-websocket-protocol", protocol.clone());
    }
    tokio::spawn(async move { converse(hyper::upgrade::on(&mut request).await.unwrap()).await });
    response
}

async fn converse(upgraded: Upgraded) {
    let mut socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None).await;
    while let Some(Ok(message)) = socket.next().await {
        if !message.is_close() && socket.send(message).await.is_err() {
            return;
        }
    }
}
