use std::path::Path;

use crate::world::World;

/// Handlers are bound by operation id, so there is no route without an operation; this is the other direction.
#[test]
fn every_operation_has_a_handler() {
    let routes = identity::app::routes().unwrap();
    assert_eq!(routes.missing(), [""; 0]);
}

#[test]
fn the_readme_knows_every_variable() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    shop_kit::testing::check_readme(package, identity::variables::VARIABLES);
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
