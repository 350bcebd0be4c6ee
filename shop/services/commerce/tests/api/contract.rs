use bytes::Bytes;
use http::Method;

use crate::world::World;

/// Every operation of the contract has an answer: the real one, or an honest 501.
#[tokio::test]
async fn operations_are_built_or_say_that_they_are_not() {
    let Some(world) = World::start().await else { return };
    let mut built = Vec::new();
    for operation in world.contracts.served_by("commerce") {
        let path = operation.path.split('/').map(|s| if s.starts_with('{') { "1" } else { s });
        let path = path.collect::<Vec<_>>().join("/");
        let method = Method::from_bytes(operation.method.as_bytes()).unwrap();
        let reply = world.client.send(method, &path, Bytes::new()).await;
        assert!(![404, 405, 500].contains(&reply.status), "{operation:?}: {reply:?}");
        if reply.status != 501 {
            built.push(format!("{} {}", operation.method, operation.path));
        }
    }
    let expected = [
        "GET /catalog/categories",
        "POST /catalog/categories",
        "GET /catalog/products",
        "POST /catalog/products",
        "GET /catalog/products/{spuId}",
        "POST /catalog/products/{spuId}/skus",
    ];
    assert_eq!(built, expected);
    world.stop().await;
}

#[tokio::test]
async fn probes() {
    let Some(world) = World::start().await else { return };
    assert_eq!(world.client.get("/health").await.text, "OK");
    assert_eq!(world.client.get("/ready").await.text, "OK");
    assert_eq!(world.client.get("/nowhere").await.error().0, 404);
    world.stop().await;
}
