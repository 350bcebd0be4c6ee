//! Connection checks for deployments: something to hold open while a release happens.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::response::Response;
use axum::response::sse::{Event, Sse};
use futures::{SinkExt, Stream, StreamExt};
use serde::Serialize;
use shop_kit::server::Shutdown;
use time::OffsetDateTime;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::app::App;

/// How long the client has for its goodbye.
const GOODBYE: Duration = Duration::from_secs(2);

#[derive(Serialize)]
struct Tick {
    count: u64,
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
}

/// `GET /bff/events`: one `tick` a second, from now until the gateway stops.
pub async fn events(State(app): State<App>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let mut every = interval(Duration::from_secs(1));
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let shutdown = app.shutdown().clone();
    let ticks = futures::stream::unfold((every, 0), async |(mut every, count)| {
        every.tick().await;
        let tick = Tick { count, at: OffsetDateTime::now_utc() };
        let event = Event::default().event("tick").json_data(tick).expect("a tick is JSON");
        Some((Ok(event), (every, count + 1)))
    });
    Sse::new(ticks.take_until(Box::pin(async move { shutdown.requested().await })))
}

/// `GET /bff/ws`: a WebSocket that sends back what it receives, and says goodbye when the gateway stops.
pub async fn echo(State(app): State<App>, upgrade: WebSocketUpgrade) -> Response {
    let shutdown = app.shutdown().clone();
    let hold = shutdown.hold();
    upgrade.on_upgrade(async move |socket| {
        converse(socket, shutdown).await;
        drop(hold);
    })
}

async fn converse(mut socket: WebSocket, shutdown: Shutdown) {
    loop {
        let received = tokio::select! {
            () = shutdown.requested() => break,
            received = socket.recv() => received,
        };
        match received {
            Some(Ok(message @ (Message::Text(_) | Message::Binary(_)))) => {
                if socket.send(message).await.is_err() {
                    return;
                }
            }
            // The library answers pings and closes by itself.
            Some(Ok(_)) => {}
            Some(Err(_)) | None => return,
        }
    }
    let goodbye = CloseFrame { code: close_code::RESTART, reason: "the gateway is stopping".into() };
    if socket.send(Message::Close(Some(goodbye))).await.is_ok() && socket.flush().await.is_ok() {
        let answer = async { while let Some(Ok(_)) = socket.recv().await {} };
        let _gone_without_a_word = timeout(GOODBYE, answer).await;
    }
}
