//! Streams: WebSockets and event streams, opened again when they are ended in order.

use super::{Kind, PATIENCE, Shared, Target, requests::connect};
use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use http_body_util::{BodyExt, Full};
use hyper::Request;
use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream,
    tungstenite::{Error as WsError, Message},
};

/// Echoes until stopped. An orderly close by the server is followed by a new connection; anything else is a failure.
pub(super) async fn web_socket(target: Target, shared: Arc<Shared>) {
    let mut opened = 0_u64;
    let url = format!("ws://{}{}", target.address, target.socket);
    while !shared.stopped() {
        let socket = match timeout(PATIENCE, tokio_tungstenite::connect_async(&url)).await {
            Ok(Ok((socket, _))) => socket,
            Ok(Err(error)) => {
                shared.fail(Kind::WebSocket, format!("handshake: {error}"));
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
            Err(_) => {
                shared.fail(Kind::WebSocket, "handshake: no answer".to_owned());
                continue;
            }
        };
        opened += 1;
        if opened > 1 {
            shared.reopened.fetch_add(1, Ordering::Relaxed);
        }
        if let Err(reason) = echo(socket, &shared).await {
            shared.fail(Kind::WebSocket, reason);
        }
    }
}

/// Sends and reads back until stopped or told goodbye; the error is how it ended otherwise.
async fn echo(socket: WebSocketStream<MaybeTlsStream<TcpStream>>, shared: &Shared) -> Result<(), String> {
    let (mut write, mut read) = socket.split();
    let mut number = 0_u64;
    while !shared.stopped() {
        number += 1;
        let text = number.to_string();
        // Closed in between? How, is read below.
        let sent = write.send(Message::text(text.clone())).await;
        loop {
            match timeout(PATIENCE, read.next()).await {
                Ok(Some(Ok(Message::Text(back)))) if back.as_str() == text => break,
                Ok(Some(Ok(Message::Text(back)))) => return Err(format!("{text} came back as {back}")),
                Ok(Some(Ok(Message::Close(_))) | None) => return Ok(()),
                Ok(Some(Ok(_))) => {}
                Ok(Some(Err(WsError::ConnectionClosed | WsError::AlreadyClosed))) => return Ok(()),
                Ok(Some(Err(error))) => return Err(error.to_string()),
                Err(_) => return Err("no echo".to_owned()),
            }
        }
        if let Err(error) = sent {
            return Err(format!("not sent and yet echoed: {error}"));
        }
        shared.count(Kind::WebSocket);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

/// Reads events until stopped. The end of the stream is followed by a new request, as browsers do.
pub(super) async fn event_stream(target: Target, shared: Arc<Shared>) {
    let mut opened = 0_u64;
    while !shared.stopped() {
        let attempt = async {
            let mut sender = connect(target.address).await?;
            let request = Request::get(&target.events)
                .header("host", target.address.to_string())
                .header("accept", "text/event-stream");
            let response = sender.send_request(request.body(Full::<Bytes>::default())?).await?;
            anyhow::ensure!(response.status().is_success(), "{}", response.status());
            anyhow::Ok((sender, response))
        };
        let (_sender, response) = match timeout(PATIENCE, attempt).await {
            Ok(Ok(open)) => open,
            Ok(Err(error)) => {
                shared.fail(Kind::Events, format!("{error:#}"));
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
            Err(_) => {
                shared.fail(Kind::Events, "no answer".to_owned());
                continue;
            }
        };
        opened += 1;
        if opened > 1 {
            shared.reopened.fetch_add(1, Ordering::Relaxed);
        }
        let mut body = response.into_body();
        while !shared.stopped() {
            match timeout(Duration::from_millis(200), body.frame()).await {
                Ok(Some(Ok(_))) => {
                    shared.count(Kind::Events);
                }
                Ok(Some(Err(error))) => {
                    shared.fail(Kind::Events, format!("broke: {error}"));
                    break;
                }
                Ok(None) => break,
                Err(_) => {} // nothing yet; look whether to stop
            }
        }
    }
}
