use bytes::Bytes;
use futures::stream;
use http::{Method, Request};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

use crate::world::{gateway, mirror, refusal};

#[tokio::test]
async fn bodies_have_a_limit() {
    let commerce = mirror("commerce").await;
    let settings = [("GATEWAY_COMMERCE_BASE_URL", commerce.base()), ("GATEWAY_MAX_BODY_BYTES", "1000")];
    let gateway = gateway(&settings).await;
    let client = gateway.client();
    let body = |size: usize| Bytes::from(vec![b'x'; size]);
    assert_eq!(client.send(Method::POST, "/orders", body(1000)).await.status, 200);
    let refused = client.send(Method::POST, "/orders", body(1001)).await;
    assert_eq!(refusal(&refused), "413 payload_too_large: the body is larger than 1000 bytes");

    // Without an announced length it is counted on the way.
    let chunks = stream::iter((0..20).map(move |_| Ok::<_, std::io::Error>(Frame::data(body(100)))));
    let request = Request::post(format!("{}/orders", gateway.base())).body(StreamBody::new(chunks)).unwrap();
    let response = Client::builder(TokioExecutor::new()).build_http().request(request).await.unwrap();
    assert_eq!(response.status(), 413);
    let text = response.into_body().collect().await.unwrap().to_bytes();
    assert!(text.starts_with(br#"{"code":"payload_too_large""#), "{text:?}");
    gateway.stop().await;
}
