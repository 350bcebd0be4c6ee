use std::time::Duration;

use futures::{SinkExt, StreamExt};
use http_body_util::BodyExt;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::world::gateway;

const LONG: Duration = Duration::from_secs(20);

#[tokio::test]
async fn ticks_come_until_the_gateway_stops() {
    let gateway = gateway(&[]).await;
    let client: Client<_, String> = Client::builder(TokioExecutor::new()).build_http();
    let response = client.get(format!("{}/bff/events", gateway.base()).parse().unwrap()).await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut body = response.into_body();
    for count in 0..2 {
        let frame = timeout(LONG, body.frame()).await.unwrap().unwrap().unwrap().into_data().unwrap();
        let text = std::str::from_utf8(&frame).unwrap();
        assert!(text.starts_with(&format!("event: tick\ndata: {{\"count\":{count},\"at\":\"")), "{text}");
    }
    gateway.ask_to_stop();
    // The stream has an end, as opposed to a broken connection.
    while let Some(frame) = timeout(LONG, body.frame()).await.unwrap() {
        frame.unwrap();
    }
    timeout(LONG, gateway.stop()).await.unwrap();
}

#[tokio::test]
async fn the_echo_says_goodbye() {
    let gateway = gateway(&[]).await;
    let stream = TcpStream::connect(gateway.address()).await.unwrap();
    let url = format!("ws://{}/bff/ws", gateway.address());
    let (mut socket, _) = timeout(LONG, client_async(url, stream)).await.unwrap().unwrap();
    for message in [Message::text("hello"), Message::binary(vec![1, 2, 3])] {
        socket.send(message.clone()).await.unwrap();
        assert_eq!(timeout(LONG, socket.next()).await.unwrap().unwrap().unwrap(), message);
    }
    gateway.ask_to_stop();
    let goodbye = timeout(LONG, socket.next()).await.unwrap().unwrap().unwrap();
    let Message::Close(Some(frame)) = goodbye else { panic!("{goodbye:?}") };
    assert_eq!((frame.code, frame.reason.as_str()), (CloseCode::Restart, "the gateway is stopping"));
    // Reading to the end sends the answer to the goodbye.
    while let Some(Ok(_)) = timeout(LONG, socket.next()).await.unwrap() {}
    timeout(Duration::from_secs(5), gateway.stop()).await.unwrap();
}
