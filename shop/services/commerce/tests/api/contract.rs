use std::path::Path;

use bytes::Bytes;
use http::Method;

use crate::world::World;

#[test]
fn every_operation_has_a_handler() {
    assert_eq!(commerce::routes::all().unwrap().missing(), Vec::<&str>::new());
}

/// Whatever is asked of any operation without a body and with ids that do not exist: never a failure of the service.
#[tokio::test]
async fn no_operation_fails() {
    let Some(world) = World::start().await else { return };
    for operation in world.contracts.served_by("commerce") {
        for value in ["1", "99999999-9999-9999-9999-999999999999", "%00", "..%2f..%2fetc%2fpasswd"] {
            let path = operation.path.split('/').map(|s| if s.starts_with('{') { value } else { s });
            let path = path.collect::<Vec<_>>().join("/");
            let method = Method::from_bytes(operation.method.as_bytes()).unwrap();
            for body in [&b""[..], b"{}", b"[]", b"null", b"{\"items\": {}}"] {
                let reply = world.admin().send(method.clone(), &path, Bytes::from_static(body)).await;
                assert!(reply.status < 500, "{operation:?} {value} {body:?}: {reply:?}");
            }
        }
    }
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

#[test]
fn the_readme_knows_every_variable() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    shop_kit::testing::check_readme(package, commerce::variables::VARIABLES);
}
