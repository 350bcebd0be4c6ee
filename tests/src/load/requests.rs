//! Requests: on connections that are kept, on fresh ones, and over HTTP/2.

use super::{Kind, PATIENCE, Shared, Target};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{
    Request, Response,
    body::Incoming,
    client::conn::{http1, http2},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::{
    net::SocketAddr,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tokio::{net::TcpStream, task::JoinSet, time::timeout};

/// What a POST carries.
const BODY: Bytes = Bytes::from_static(&[b'x'; 1024]);
/// Requests at a time on one HTTP/2 connection.
const STREAMS: usize = 8;
/// A loop whose connection failed does not come back at once.
const REST: Duration = Duration::from_millis(20);

type Sender = http1::SendRequest<Full<Bytes>>;
type SenderH2 = http2::SendRequest<Full<Bytes>>;

async fn open(address: SocketAddr) -> anyhow::Result<TokioIo<TcpStream>> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(TokioIo::new(stream))
}

pub(super) async fn connect(address: SocketAddr) -> anyhow::Result<Sender> {
    let (sender, connection) = http1::handshake(open(address).await?).await?;
    tokio::spawn(connection);
    Ok(sender)
}

async fn connect_h2(address: SocketAddr) -> anyhow::Result<SenderH2> {
    let (sender, connection) = http2::handshake(TokioExecutor::new(), open(address).await?).await?;
    tokio::spawn(connection);
    Ok(sender)
}

/// Whether a server speaks HTTP/2 without TLS by prior knowledge.
pub async fn speaks_h2(address: SocketAddr, path: &str) -> bool {
    let attempt = async {
        let mut sender = connect_h2(address).await?;
        let request = Request::get(format!("http://{address}{path}")).body(Full::default())?;
        let response = sender.send_request(request).await?;
        response.into_body().collect().await?;
        anyhow::Ok(())
    };
    matches!(timeout(Duration::from_secs(3), attempt).await, Ok(Ok(())))
}

/// The request of a loop's turn; its path is whole when its protocol wants that.
fn request(target: &Target, turn: usize, whole: bool) -> hyper::http::request::Builder {
    let path = &target.paths[turn % target.paths.len()];
    let posts = target.post > 0 && turn.is_multiple_of(target.post);
    let request = Request::builder().method(if posts { "POST" } else { "GET" });
    if whole {
        request.uri(format!("http://{}{path}", target.address))
    } else {
        request.uri(path).header("host", target.address.to_string())
    }
}

fn body(target: &Target, turn: usize) -> Full<Bytes> {
    let posts = target.post > 0 && turn.is_multiple_of(target.post);
    if posts { Full::new(BODY) } else { Full::default() }
}

/// Reads an answer to its end and counts it.
async fn count(
    kind: Kind,
    target: &Target,
    turn: usize,
    response: Response<Incoming>,
    shared: &Shared,
) -> anyhow::Result<()> {
    let status = response.status();
    let version =
        response.headers().get("x-service-version").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let body = response.into_body().collect().await?.to_bytes();
    if status.is_success() {
        shared.count(kind);
        if let Some(version) = version {
            shared.saw(version);
        }
    } else {
        let path = &target.paths[turn % target.paths.len()];
        let body = String::from_utf8_lossy(&body[..body.len().min(160)]).into_owned();
        shared.fail(kind, format!("{status} {path}: {body}"));
    }
    Ok(())
}

/// One exchange; `Ok(true)` when the server keeps the connection.
async fn exchange(
    kind: Kind,
    sender: &mut Sender,
    target: &Target,
    turn: usize,
    shared: &Shared,
) -> anyhow::Result<bool> {
    let mut request = request(target, turn, false);
    if kind == Kind::Fresh {
        request = request.header("connection", "close");
    }
    sender.ready().await?;
    let response = sender.send_request(request.body(body(target, turn))?).await?;
    let keeps = response.headers().get("connection").is_none_or(|value| value != "close");
    count(kind, target, turn, response, shared).await?;
    Ok(keeps)
}

pub(super) async fn kept(target: Target, shared: Arc<Shared>, index: usize) {
    let mut turn = index;
    let mut sender: Option<Sender> = None;
    while !shared.stopped() {
        let mut current = match sender.take() {
            // The server closed it while it was idle: its right (RFC 9112, section 9.5), so a new one is opened.
            Some(sender) if !sender.is_closed() => sender,
            _ => match connect(target.address).await {
                Ok(sender) => sender,
                Err(error) => {
                    shared.fail(Kind::Kept, format!("connect: {error:#}"));
                    tokio::time::sleep(target.pause.max(REST)).await;
                    continue;
                }
            },
        };
        match timeout(PATIENCE, exchange(Kind::Kept, &mut current, &target, turn, &shared)).await {
            Ok(Ok(true)) => sender = Some(current),
            Ok(Ok(false)) => {}
            Ok(Err(error)) => shared.fail(Kind::Kept, format!("{error:#}")),
            Err(_) => shared.fail(Kind::Kept, "no answer".to_owned()),
        }
        turn += 1;
        pause(&target).await;
    }
}

pub(super) async fn fresh(target: Target, shared: Arc<Shared>, index: usize) {
    let mut turn = index;
    while !shared.stopped() {
        let attempt = async {
            let mut sender = connect(target.address).await?;
            exchange(Kind::Fresh, &mut sender, &target, turn, &shared).await
        };
        match timeout(PATIENCE, attempt).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => shared.fail(Kind::Fresh, format!("{error:#}")),
            Err(_) => shared.fail(Kind::Fresh, "no answer".to_owned()),
        }
        turn += 1;
        pause(&target).await;
    }
}

/// One HTTP/2 connection after another; the next is opened when the server says goodbye.
pub(super) async fn h2(target: Target, shared: Arc<Shared>, index: usize) {
    let mut opened = 0_u64;
    while !shared.stopped() {
        let sender = match timeout(PATIENCE, connect_h2(target.address)).await {
            Ok(Ok(sender)) => sender,
            Ok(Err(error)) => {
                shared.fail(Kind::H2, format!("connect: {error:#}"));
                tokio::time::sleep(target.pause.max(REST)).await;
                continue;
            }
            Err(_) => {
                shared.fail(Kind::H2, "connect: no answer".to_owned());
                continue;
            }
        };
        opened += 1;
        if opened > 1 {
            shared.reopened.fetch_add(1, Ordering::Relaxed);
        }
        let mut loops = JoinSet::new();
        for stream in 0..STREAMS {
            loops.spawn(h2_stream(target.clone(), Arc::clone(&shared), sender.clone(), index + stream));
        }
        drop(sender);
        while loops.join_next().await.is_some() {}
    }
}

/// Requests in turn until the connection takes none any more.
async fn h2_stream(target: Target, shared: Arc<Shared>, mut sender: SenderH2, first: usize) {
    for turn in first.. {
        // After a goodbye nothing new is sent; what was sent is owed an answer.
        if shared.stopped() || sender.is_closed() || sender.ready().await.is_err() {
            return;
        }
        let sent = match request(&target, turn, true).body(body(&target, turn)) {
            Ok(request) => timeout(PATIENCE, sender.send_request(request)),
            Err(error) => return shared.fail(Kind::H2, format!("{error:#}")),
        };
        match sent.await {
            Ok(Ok(response)) => {
                match timeout(PATIENCE, count(Kind::H2, &target, turn, response, &shared)).await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => shared.fail(Kind::H2, format!("{error:#}")),
                    Err(_) => shared.fail(Kind::H2, "no end of an answer".to_owned()),
                }
            }
            // The connection closed before this request was sent.
            Ok(Err(error)) if error.is_canceled() => return,
            Ok(Err(error)) => {
                shared.fail(Kind::H2, format!("{:#}", anyhow::Error::from(error)));
                return;
            }
            Err(_) => shared.fail(Kind::H2, "no answer".to_owned()),
        }
        pause(&target).await;
    }
}

async fn pause(target: &Target) {
    if !target.pause.is_zero() {
        tokio::time::sleep(target.pause).await;
    }
}
