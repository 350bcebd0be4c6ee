use std::collections::BTreeSet;

use bytes::Bytes;
use http::Method;

use crate::world::World;

/// Every operation of the contract has an answer: the real one, or an honest 501.
#[tokio::test]
async fn operations_are_built_or_say_that_they_are_not() {
    let Some(world) = World::start().await else { return };
    let mut unbuilt = BTreeSet::new();
    for operation in world.contracts.served_by("identity") {
        let path = operation.path.replace("{role}", "ADMIN");
        let path =
            path.split('/').map(|s| if s.starts_with('{') { "1" } else { s }).collect::<Vec<_>>().join("/");
        let method = Method::from_bytes(operation.method.as_bytes()).unwrap();
        let reply = world.client.send(method, &path, Bytes::new()).await;
        assert!(
            reply.status != 404 && reply.status != 405 && reply.status != 500,
            "{operation:?}: {reply:?}"
        );
        if reply.status >= 400 {
            reply.error();
        }
        if reply.status == 501 {
            unbuilt.insert(format!("{} {}", operation.method, operation.path));
        }
    }
    let expected = [
        "GET /audit-logs",
        "GET /customers",
        "GET /customers/{customerId}",
        "GET /me/sales-qr-code",
        "GET /rbac/permissions",
        "GET /rbac/roles",
        "GET /staff",
        "GET /staff/{staffId}",
        "PATCH /staff/{staffId}",
        "POST /admin/customers/{customerId}/transfer",
        "POST /rbac/permissions",
        "POST /staff",
        "POST /staff/{staffId}/bindings",
        "PUT /rbac/roles/{role}/permissions",
    ];
    assert_eq!(unbuilt, expected.map(str::to_owned).into());
    world.stop().await;
}

#[tokio::test]
async fn probes() {
    let Some(world) = World::start().await else { return };
    let health = world.client.get("/health").await;
    assert_eq!((health.status, health.text.as_str(), health.header("x-service-version")), (200, "OK", "v7"));
    assert!(health.header("content-type").starts_with("text/plain"));
    assert_eq!(world.client.get("/ready").await.text, "OK");
    assert_eq!(world.client.get("/nowhere").await.error().2, "page not found");
    world.stop().await;
}

/// `/ready` follows the database, `/health` does not.
#[tokio::test]
async fn without_a_database_the_service_is_alive_and_not_ready() {
    use identity::app::{App, router};
    use identity::settings::Settings;
    use shop_kit::settings::Environment;
    use shop_kit::testing::TestServer;

    let nowhere =
        Environment::from_pairs([("IDENTITY_DB_DSN", "postgres://x@localhost/x?host=/nonexistent")]);
    let app = App::new(Settings::read(&nowhere).unwrap());
    let server = TestServer::start(router(app, None).unwrap()).await;
    let client = server.client();
    assert_eq!(client.get("/health").await.text, "OK");
    let (status, code, message) = client.get("/ready").await.error();
    assert_eq!((status, code.as_str(), message.as_str()), (503, "not_ready", "dependencies not ready"));
    server.stop().await;
}
