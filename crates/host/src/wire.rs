//! One request and its answer over the agent's socket. Each has a connection of its own.

use crate::HostError;
use bytes::Bytes;
use fairway_model::Failure;
use fairway_protocol::agent::AgentAddress;
use futures::TryStreamExt as _;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    body::{Frame, Incoming},
    client::conn::http1,
};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use std::{
    io,
    path::{Path, PathBuf},
};
use tokio::net::UnixStream;
use tokio_util::io::ReaderStream;

/// A body on its way out.
type Body = UnsyncBoxBody<Bytes, io::Error>;

/// What is sent. It can be sent again.
#[derive(Debug, Clone)]
pub(crate) enum Payload {
    /// Nothing.
    Empty,
    /// These bytes.
    Bytes(Bytes),
    /// The content of a file, piece by piece.
    File(PathBuf),
}

impl Payload {
    async fn open(&self) -> Result<Body, HostError> {
        let whole = |bytes: Bytes| Full::new(bytes).map_err(|never| match never {}).boxed_unsync();
        match self {
            Self::Empty => Ok(whole(Bytes::new())),
            Self::Bytes(bytes) => Ok(whole(bytes.clone())),
            Self::File(path) => {
                let file = tokio::fs::File::open(path)
                    .await
                    .map_err(|source| HostError::Local { what: path.display().to_string(), source })?;
                Ok(StreamBody::new(ReaderStream::with_capacity(file, 128 << 10).map_ok(Frame::data))
                    .boxed_unsync())
            }
        }
    }
}

/// Where the socket of the agent with this home is now: where the agent says, or where it usually is.
pub(crate) fn socket_of(home: &Path) -> PathBuf {
    let said = std::fs::read(home.join("agent.json")).ok();
    let said = said.and_then(|bytes| serde_json::from_slice::<AgentAddress>(&bytes).ok());
    said.map_or_else(|| home.join("agent.sock"), |address| PathBuf::from(address.socket))
}

/// Sends one request.
pub(crate) async fn send(
    socket: &Path,
    method: Method,
    path: &str,
    payload: &Payload,
) -> Result<Response<Incoming>, HostError> {
    let broken = |reason: String| HostError::Broken { socket: socket.to_owned(), reason };
    let body = payload.open().await?;
    let stream = UnixStream::connect(socket)
        .await
        .map_err(|error| HostError::Absent { socket: socket.to_owned(), reason: error.to_string() })?;
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|error| broken(error.to_string()))?;
    // It ends by itself when the answer has been read, or when the caller drops it.
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::trace!(%error, "connection to the agent");
        }
    });
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, "agent")
        .header(header::CONTENT_TYPE, "application/json")
        .body(body)
        .map_err(|error| broken(error.to_string()))?;
    sender.send_request(request).await.map_err(|error| broken(error.to_string()))
}

/// The answer to a request, read to its end; a failure becomes an error.
pub(crate) async fn answer(
    socket: &Path,
    response: Response<Incoming>,
) -> Result<(StatusCode, Bytes), HostError> {
    let broken = |reason: String| HostError::Broken { socket: socket.to_owned(), reason };
    let status = response.status();
    let bytes = response.into_body().collect().await.map_err(|error| broken(error.to_string()))?.to_bytes();
    // Without a body, as `HEAD` has none, the status is all there is to say.
    if status.is_success() || (status == StatusCode::NOT_FOUND && bytes.is_empty()) {
        return Ok((status, bytes));
    }
    match serde_json::from_slice::<Failure>(&bytes) {
        Ok(failure) => Err(HostError::Failed(Box::new(failure))),
        Err(_) => Err(broken(format!("status {status} without a failure"))),
    }
}

/// A JSON answer.
pub(crate) fn decode<T: DeserializeOwned>(socket: &Path, bytes: &[u8]) -> Result<T, HostError> {
    serde_json::from_slice(bytes).map_err(|error| HostError::Broken {
        socket: socket.to_owned(),
        reason: format!("the answer is not of the expected shape: {error}"),
    })
}
