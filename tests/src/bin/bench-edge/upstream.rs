//! What answers behind the proxies: as little work as HTTP allows, so that the proxy is what is measured.
//!
//! `/` has 100 bytes, `/16k` has 16 KiB, `/ws` echoes, `/events` sends an event ten times a second. Bodies of requests
//! are read and forgotten. WebSockets are spoken over HTTP/2 as well (RFC 8441).

use fairway_stories::measure::message::{content_length, head_end, header, second_word};
use futures::{SinkExt, StreamExt};
use http_body_util::Empty;
use hyper::{Method, Request, Response, StatusCode, body::Incoming, ext::Protocol, server::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Message,
        handshake::derive_accept_key,
        protocol::{Role, WebSocketConfig},
    },
};

/// How long a body is at `/`.
pub(crate) const SMALL: usize = 100;
/// How long a body is at `/16k`.
pub(crate) const LARGE: usize = 16 * 1024;

/// Heads and requests' bodies come in pieces of at most this.
const BUFFER: usize = 16 * 1024;

struct Answers {
    kept: Bodies,
    last: Bodies,
    version: String,
}

/// Whole answers, head and body.
struct Bodies {
    small: Vec<u8>,
    large: Vec<u8>,
}

impl Bodies {
    fn new(version: &str, more: &str) -> Self {
        let answer = |length: usize| {
            let mut bytes = format!(
                "HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\nContent-Type: text/plain\r\nX-Service-Version: {version}\r\n{more}Content-Length: {length}\r\n\r\n"
            )
            .into_bytes();
            bytes.resize(bytes.len() + length, b'x');
            bytes
        };
        Self { small: answer(SMALL), large: answer(LARGE) }
    }
}

/// Serves until the process ends.
pub(crate) async fn serve(listen: SocketAddr, version: &str) -> anyhow::Result<()> {
    let listener = listener(listen)?;
    let answers = Arc::new(Answers {
        kept: Bodies::new(version, ""),
        last: Bodies::new(version, "Connection: close\r\n"),
        version: version.to_owned(),
    });
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of descriptors: those who left will give some back.
            tokio::time::sleep(Duration::from_millis(5)).await;
            continue;
        };
        let answers = Arc::clone(&answers);
        // Who goes away in the middle is no concern of an upstream's.
        tokio::spawn(async move { exchange(stream, &answers).await.unwrap_or_default() });
    }
}

/// A listener with room for a flood of connections.
pub(crate) fn listener(address: SocketAddr) -> io::Result<tokio::net::TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(4096)
}

async fn exchange(mut stream: TcpStream, answers: &Answers) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut start = [0; 3];
    if stream.peek(&mut start).await? == 3 && start == *b"PRI" {
        return multiplexed(stream).await;
    }
    let mut buffer = vec![0; BUFFER];
    let mut filled = 0;
    loop {
        let end = loop {
            if let Some(end) = head_end(&buffer[..filled]) {
                break end;
            }
            if filled == buffer.len() {
                return Err(io::Error::other("a head that is too long"));
            }
            match stream.read(&mut buffer[filled..]).await? {
                0 => return Ok(()),
                read => filled += read,
            }
        };
        let head = &buffer[..end];
        if header(head, "upgrade").is_some_and(|value| value.eq_ignore_ascii_case(b"websocket")) {
            let key = derive_accept_key(header(head, "sec-websocket-key").unwrap_or_default());
            drop(buffer);
            return echo(stream, &key).await;
        }
        if second_word(head) == b"/events" {
            return events(stream, &answers.version).await;
        }
        let length = match (content_length(head), header(head, "transfer-encoding")) {
            (Some(length), None) => length,
            _ => {
                let refused =
                    b"HTTP/1.1 411 Length Required\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
                return stream.write_all(refused).await;
            }
        };
        let closes = header(head, "connection").is_some_and(|value| value.eq_ignore_ascii_case(b"close"));
        let large = second_word(head) == b"/16k";
        let mut missing = (end + length).saturating_sub(filled);
        let mut used = (end + length).min(filled);
        while missing > 0 {
            let most = missing.min(BUFFER);
            match stream.read(&mut buffer[..most]).await? {
                0 => return Ok(()),
                read => missing -= read,
            }
            (used, filled) = (0, 0);
        }
        let bodies = if closes { &answers.last } else { &answers.kept };
        stream.write_all(if large { &bodies.large } else { &bodies.small }).await?;
        if closes {
            return stream.shutdown().await;
        }
        buffer.copy_within(used..filled, 0);
        filled -= used;
    }
}

async fn echo(mut stream: TcpStream, key: &str) -> io::Result<()> {
    let head = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {key}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    talk(stream).await;
    Ok(())
}

/// Streams of HTTP/2 that become WebSockets, and nothing else.
async fn multiplexed(stream: TcpStream) -> io::Result<()> {
    let service = hyper::service::service_fn(|request: Request<Incoming>| async move {
        let mut response = Response::new(Empty::<bytes::Bytes>::new());
        if request.method() == Method::CONNECT && request.extensions().get::<Protocol>().is_some() {
            tokio::spawn(async move {
                if let Ok(stream) = hyper::upgrade::on(request).await {
                    talk(TokioIo::new(stream)).await;
                }
            });
        } else {
            *response.status_mut() = StatusCode::NOT_FOUND;
        }
        Ok::<_, Infallible>(response)
    });
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder.enable_connect_protocol();
    builder.serve_connection(TokioIo::new(stream), service).await.map_err(io::Error::other)
}

/// Says what it is told.
async fn talk(stream: impl AsyncRead + AsyncWrite + Unpin) {
    // Ten thousand of them shall fit into a small machine.
    let config = WebSocketConfig::default().read_buffer_size(1024).write_buffer_size(0);
    let mut socket = WebSocketStream::from_raw_socket(stream, Role::Server, Some(config)).await;
    while let Some(Ok(message)) = socket.next().await {
        let sent = match message {
            Message::Text(_) | Message::Binary(_) => socket.send(message).await,
            _ => Ok(()),
        };
        if sent.is_err() {
            break;
        }
    }
}

async fn events(mut stream: TcpStream, version: &str) -> io::Result<()> {
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nX-Service-Version: {version}\r\nTransfer-Encoding: chunked\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    let mut tick = tokio::time::interval(Duration::from_millis(100));
    let mut unexpected = [0; 64];
    for number in 0_u64.. {
        tokio::select! {
            _ = tick.tick() => {}
            read = stream.read(&mut unexpected) => if read? == 0 { return Ok(()) },
        }
        let event = format!("data: {number}\n\n");
        stream.write_all(format!("{:x}\r\n{event}\r\n", event.len()).as_bytes()).await?;
    }
    Ok(())
}
