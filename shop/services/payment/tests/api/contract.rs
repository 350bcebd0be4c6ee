use std::path::Path;

use bytes::Bytes;
use http::Method;
use serde_json::json;

use crate::world::World;

/// Every operation of the contract has a handler: none of them answers 501.
#[tokio::test]
async fn every_operation_is_built() {
    let Some(world) = World::start().await else { return };
    let mut tried = Vec::new();
    for operation in world.contracts.served_by("payment") {
        let method = Method::from_bytes(operation.method.as_bytes()).unwrap();
        let reply = world.client.send(method, &operation.path, Bytes::from_static(b"{}")).await;
        assert!([400, 401].contains(&reply.status), "{operation:?}: {reply:?}");
        reply.error();
        tried.push(format!("{} {}", operation.method, operation.path));
    }
    assert_eq!(
        tried,
        [
            "POST /payments/alipay/create",
            "POST /payments/alipay/notify",
            "POST /payments/wechat/create",
            "POST /payments/wechat/notify",
        ],
        "and these are all the routes of the program: a new one belongs into the contract"
    );
    world.stop().await;
}

#[test]
fn the_readme_knows_every_variable() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    shop_kit::testing::check_readme(package, payment::variables::VARIABLES);
}

#[tokio::test]
async fn probes_and_what_is_nowhere() {
    let Some(world) = World::start().await else { return };
    assert_eq!(world.client.get("/health").await.text, "OK");
    assert_eq!(world.client.get("/ready").await.text, "OK");
    for path in ["/", "/payments", "/payments/wechat", "/payments/wechat/b2b/create", "/internal/x"] {
        assert_eq!(world.client.post(path, json!({})).await.error().0, 404, "{path}");
    }
    assert_eq!(world.client.get("/payments/wechat/create").await.error().0, 405);
    world.stop().await;
}
