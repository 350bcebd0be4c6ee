//! Nothing is collected on the way: what one side has said, the other hears, before anything more is said.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::extract::ws::{Message as ServerMessage, WebSocketUpgrade};
use axum::response::sse::{Event, Sse};
use axum::routing::{get, post};
use bytes::Bytes;
use futures::{SinkExt, StreamExt, stream};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio::net::TcpStream;
use tokio::sync::{Notify, mpsc};
use tokio::time::timeout;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::world::{gateway, service};

const LONG: Duration = Duration::from_secs(20);

#[tokio::test]
async fn events_arrive_one_by_one() {
    let next = Arc::new(Notify::new());
    let told = Arc::clone(&next);
    let events = async move || {
        let told = Arc::clone(&told);
        Sse::new(stream::unfold(0, move |count| {
            let told = Arc::clone(&told);
            async move {
                if count > 0 {
                    told.notified().await;
                }
                Some((Ok::<_, Infallible>(Event::default().data(count.to_string())), count + 1))
            }
        }))
    };
    let commerce = service("commerce", Router::new().route("/orders/live", get(events))).await;
    let gateway = gateway(&[("GATEWAY_COMMERCE_BASE_URL", commerce.base())]).await;
    let client: Client<_, String> = Client::builder(TokioExecutor::new()).build_http();
    let response = client.get(format!("{}/orders/live", gateway.base()).parse().unwrap()).await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut body = response.into_body();
    for count in 0..3 {
        let frame = timeout(LONG, body.frame()).await.unwrap().unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), format!("data: {count}\n\n"));
        // Only now is the next one made.
        next.notify_one();
    }
    // A stream that would never end does not hold the exit of the gateway.
    timeout(Duration::from_secs(5), gateway.stop()).await.unwrap();
    while let Some(Ok(_)) = timeout(LONG, body.frame()).await.unwrap() {}
    commerce.ask_to_stop();
}

#[tokio::test]
async fn uploads_arrive_piece_by_piece() {
    let (seen, mut pieces) = mpsc::unbounded_channel::<Bytes>();
    let read = async move |request: Request| {
        let mut body = request.into_body().into_data_stream();
        while let Some(Ok(piece)) = body.next().await {
            seen.send(piece).unwrap();
        }
        "read"
    };
    let commerce = service("commerce", Router::new().route("/orders", post(read))).await;
    let gateway = gateway(&[("GATEWAY_COMMERCE_BASE_URL", commerce.base())]).await;
    let (say, said) = mpsc::unbounded_channel::<&'static str>();
    let body = StreamBody::new(Box::pin(stream::unfold(said, |mut said| async {
        let piece = said.recv().await?;
        Some((Ok::<_, Infallible>(Frame::data(Bytes::from_static(piece.as_bytes()))), said))
    })));
    let request = http::Request::post(format!("{}/orders", gateway.base())).body(body).unwrap();
    let client = Client::builder(TokioExecutor::new()).build_http();
    let answer = tokio::spawn(client.request(request));
    for piece in ["one", "two", "three"] {
        say.send(piece).unwrap();
        assert_eq!(timeout(LONG, pieces.recv()).await.unwrap().unwrap(), piece);
    }
    drop(say);
    let response = timeout(LONG, answer).await.unwrap().unwrap().unwrap();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "read");
    gateway.stop().await;
}

#[tokio::test]
async fn websockets_pass_through_and_end_politely() {
    let echo = async |upgrade: WebSocketUpgrade| {
        upgrade.protocols(["chat"]).on_upgrade(async |mut socket| {
            while let Some(Ok(message)) = socket.recv().await {
                if let ServerMessage::Text(text) = message {
                    let reply = ServerMessage::Text(format!("{text}, you said").into());
                    if socket.send(reply).await.is_err() {
                        return;
                    }
                }
            }
        })
    };
    let commerce = service("commerce", Router::new().route("/orders/chat", get(echo))).await;
    let gateway = gateway(&[("GATEWAY_COMMERCE_BASE_URL", commerce.base())]).await;
    let stream = TcpStream::connect(gateway.address()).await.unwrap();
    let request = http::Request::get(format!("ws://{}/orders/chat", gateway.address()))
        .header("host", gateway.address())
        .header("connection", "Upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
        .header("sec-websocket-protocol", "chat")
        .body(())
        .unwrap();
    let (mut socket, response) = timeout(LONG, client_async(request, stream)).await.unwrap().unwrap();
    assert_eq!(response.headers()["sec-websocket-protocol"], "chat");
    for word in ["hello", "again"] {
        socket.send(Message::text(word)).await.unwrap();
        let reply = timeout(LONG, socket.next()).await.unwrap().unwrap().unwrap();
        assert_eq!(reply, Message::text(format!("{word}, you said")));
    }
    gateway.ask_to_stop();
    let goodbye = timeout(LONG, socket.next()).await.unwrap().unwrap().unwrap();
    let Message::Close(Some(frame)) = goodbye else { panic!("{goodbye:?}") };
    assert_eq!(frame.code, CloseCode::Restart);
    drop(socket);
    timeout(LONG, gateway.stop()).await.unwrap();
    commerce.ask_to_stop();
}

#[tokio::test]
async fn a_refused_upgrade_is_an_ordinary_answer() {
    let commerce =
        service("commerce", Router::new().route("/orders/chat", get(async || Body::from("no")))).await;
    let gateway = gateway(&[("GATEWAY_COMMERCE_BASE_URL", commerce.base())]).await;
    let client = gateway.client().with("connection", "Upgrade").with("upgrade", "websocket");
    let reply = client.get("/orders/chat").await;
    assert_eq!((reply.status, reply.text.as_str()), (200, "no"));
    gateway.stop().await;
}
