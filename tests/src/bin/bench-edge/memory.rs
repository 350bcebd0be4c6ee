//! Memory: of a proxy that does nothing, of the connections that do nothing, and of WebSockets that do nothing.

use crate::fairway::Edge;
use crate::peer::{Kind, Peer, Setting, free_address};
use anyhow::{Context, ensure};
use fairway_model::traffic::Upstream;
use fairway_stories::measure::rate::exchange;
use futures::{SinkExt, StreamExt, stream};
use std::{net::SocketAddr, time::Duration};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, client_async_with_config,
    tungstenite::{Message, protocol::WebSocketConfig},
};

/// How many kept connections are opened to see what one costs.
pub(crate) const IDLE: usize = 2_000;
/// How many WebSockets shall be held.
pub(crate) const SOCKETS: usize = 10_000;

/// How many are opened at the same time.
const AT_ONCE: usize = 64;
/// How long one may take to open or to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Memory of one proxy, in KiB.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Resident {
    /// Before any load.
    pub(crate) idle: f64,
    /// Each of [`IDLE`] kept connections, after one request on it.
    pub(crate) connection: f64,
}

/// Starts a proxy of its own for this.
#[expect(clippy::cast_precision_loss, reason = "kibibytes")]
pub(crate) async fn of(kind: Kind, setting: &Setting<'_>) -> anyhow::Result<Resident> {
    let peer = Peer::start(kind, setting).await?;
    let idle = peer.running.settled().await?;
    let address = peer.plain;
    let mut held = stream::iter(0..IDLE).map(|_| connection(address)).buffer_unordered(AT_ONCE);
    let mut connections = Vec::with_capacity(IDLE);
    while let Some(opened) = held.next().await {
        connections.push(opened.with_context(|| format!("{} holds {}", kind.name(), connections.len()))?);
    }
    let full = peer.running.settled().await?;
    drop(connections);
    Ok(Resident { idle: idle as f64, connection: full.saturating_sub(idle) as f64 / IDLE as f64 })
}

async fn connection(address: SocketAddr) -> anyhow::Result<TcpStream> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET / HTTP/1.1\r\nHost: {address}\r\n\r\n");
    let mut buffer = [0; 1024];
    timeout(PATIENCE, exchange(&mut stream, request.as_bytes(), &mut buffer))
        .await
        .context("no answer")??;
    Ok(stream)
}

/// What became of the WebSockets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held {
    /// What the edge speaks with the instance.
    pub(crate) speaks: Upstream,
    /// How many were tried.
    pub(crate) tried: usize,
    /// How many were opened.
    pub(crate) opened: usize,
    /// How many echoed at the end.
    pub(crate) echoed: usize,
    /// Resident memory with all of them, in KiB.
    pub(crate) resident: f64,
    /// Of which for each of them.
    pub(crate) each: f64,
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// WebSockets to an instance of HTTP/1.1, and if there are not descriptors enough for all of them, to one of HTTP/2.
pub(crate) async fn websockets(setting: &Setting<'_>, descriptors: u64) -> anyhow::Result<Vec<Held>> {
    // The edge has some of its own.
    let room = usize::try_from(descriptors).unwrap_or(usize::MAX).saturating_sub(200);
    let mut held = vec![hold(setting, Upstream::Http1, SOCKETS.min(room / 2)).await?];
    if room / 2 < SOCKETS {
        // Two for each there, and here little more than one.
        held.push(hold(setting, Upstream::H2c, SOCKETS.min(room)).await?);
    }
    Ok(held)
}

/// Opens WebSockets through an edge of its own, leaves them alone for a while and asks each for an echo.
#[expect(clippy::cast_precision_loss, reason = "kibibytes")]
async fn hold(setting: &Setting<'_>, speaks: Upstream, tried: usize) -> anyhow::Result<Held> {
    let directory = setting.directory.join(format!("websockets-{speaks:?}"));
    std::fs::create_dir_all(&directory)?;
    let mut edge = Edge::start(setting.edge, &directory, Some(setting.place)).await?;
    let address = free_address();
    edge.serve_as(speaks, address, setting.upstream).await?;
    edge.running.accepts(address).await?;
    let idle = edge.running.settled().await?;
    let mut opening = stream::iter(0..tried).map(|_| open(address)).buffer_unordered(AT_ONCE);
    let mut sockets = Vec::with_capacity(tried);
    while let Some(opened) = opening.next().await {
        match opened {
            Ok(socket) => sockets.push(socket),
            Err(error) => {
                eprintln!("bench: {} WebSockets are open, the next is not: {error:#}", sockets.len());
                break;
            }
        }
    }
    drop(opening);
    let opened = sockets.len();
    ensure!(opened > 0, "no WebSocket could be opened");
    let full = edge.running.settled().await?;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let echoes = stream::iter(sockets).map(echo).buffer_unordered(AT_ONCE);
    let echoed = echoes.filter(|echoed| std::future::ready(*echoed)).count().await;
    Ok(Held {
        speaks,
        tried,
        opened,
        echoed,
        resident: full as f64,
        each: full.saturating_sub(idle) as f64 / opened as f64,
    })
}

async fn open(address: SocketAddr) -> anyhow::Result<Socket> {
    let stream = timeout(PATIENCE, TcpStream::connect(address)).await.context("no connection")??;
    let config = WebSocketConfig::default().read_buffer_size(1024).write_buffer_size(0);
    let handshake =
        client_async_with_config(format!("ws://{address}/ws"), MaybeTlsStream::Plain(stream), Some(config));
    let (socket, _) = timeout(PATIENCE, handshake).await.context("no handshake")??;
    Ok(socket)
}

async fn echo(mut socket: Socket) -> bool {
    let exchange = async {
        socket.send(Message::text("still here")).await.ok()?;
        socket.next().await?.ok()
    };
    matches!(timeout(PATIENCE, exchange).await, Ok(Some(Message::Text(text))) if text == "still here")
}
