//! One HTTP exchange on a connection of its own: nothing is pooled, followed or tried again.

use super::{
    BODY_KEPT,
    secure::{Secure, chose_http2},
};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::{
    Request, Response,
    body::Incoming,
    client::conn::{http1, http2},
    header,
    http::request::Builder,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::{error::Error, fmt, io, net::SocketAddr};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};

/// The answer; without a status when only a connection was asked for.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub(super) status: Option<u16>,
    pub(super) location: Option<String>,
    pub(super) body: String,
}

/// Why there was no answer.
#[derive(Debug)]
pub(super) enum Failed {
    Connect(io::Error),
    Tls(io::Error),
    Exchange(hyper::Error),
    Question(String),
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                f.write_str("connection refused")
            }
            Self::Connect(error) => write!(f, "cannot connect: {error}"),
            Self::Tls(error) => write!(f, "no TLS: {error}"),
            Self::Exchange(error) => {
                write!(f, "no HTTP answer: {error}")?;
                error.source().map_or(Ok(()), |source| write!(f, ": {source}"))
            }
            Self::Question(why) => write!(f, "the probe itself is wrong: {why}"),
        }
    }
}

pub(super) async fn connect(address: SocketAddr) -> Result<TcpStream, Failed> {
    TcpStream::connect(address).await.map_err(Failed::Connect)
}

pub(super) async fn get(
    address: SocketAddr,
    path: &str,
    host: Option<&str>,
    secure: Option<&Secure>,
) -> Result<Answer, Failed> {
    let host = host.map_or_else(|| address.to_string(), str::to_owned);
    let question =
        Request::get(path).header(header::USER_AGENT, "fairway-probe").header(header::ACCEPT, "*/*");
    let wrong = |error: hyper::http::Error| Failed::Question(error.to_string());
    let asked_by_http1 = |question: Builder| {
        question.header(header::HOST, &host).header(header::CONNECTION, "close").body(Empty::<Bytes>::new())
    };
    let Some(secure) = secure else {
        let question = asked_by_http1(question).map_err(wrong)?;
        return over_http1(connect(address).await?, question).await;
    };
    let tls = secure().map_err(Failed::Question)?;
    let stream = tls.connect(connect(address).await?).await.map_err(Failed::Tls)?;
    if !chose_http2(&stream) {
        return over_http1(stream, asked_by_http1(question).map_err(wrong)?).await;
    }
    let question =
        question.uri(format!("https://{host}{path}")).body(Empty::<Bytes>::new()).map_err(wrong)?;
    let (mut sender, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.map_err(Failed::Exchange)?;
    exchange(sender.send_request(question), connection).await
}

async fn over_http1(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    question: Request<Empty<Bytes>>,
) -> Result<Answer, Failed> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(Failed::Exchange)?;
    exchange(sender.send_request(question), connection).await
}

async fn exchange(
    asking: impl Future<Output = hyper::Result<Response<Incoming>>>,
    connection: impl Future<Output = hyper::Result<()>>,
) -> Result<Answer, Failed> {
    let exchange = async {
        let response = asking.await.map_err(Failed::Exchange)?;
        let location =
            response.headers().get(header::LOCATION).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let status = response.status().as_u16();
        let mut body = response.into_body();
        let mut kept = Vec::new();
        while kept.len() < BODY_KEPT {
            // A body that breaks off or never ends does not change the answer: the status has been given.
            let Some(Ok(frame)) = body.frame().await else { break };
            if let Ok(data) = frame.into_data() {
                kept.extend_from_slice(&data[..data.len().min(BODY_KEPT - kept.len())]);
            }
            if (200..300).contains(&status) {
                break;
            }
        }
        Ok(Answer { status: Some(status), location, body: String::from_utf8_lossy(&kept).into_owned() })
    };
    // The connection is driven beside the exchange. It may end first, with the answer already in the channel between.
    tokio::pin!(exchange);
    let ended = tokio::select! {
        biased;
        answer = &mut exchange => return answer,
        ended = connection => ended,
    };
    match (exchange.await, ended) {
        // The question found the connection gone; the connection knows why.
        (Err(Failed::Exchange(error)), Err(cause)) if error.is_canceled() || error.is_closed() => {
            Err(Failed::Exchange(cause))
        }
        (answer, _) => answer,
    }
}
