use std::collections::BTreeSet;
use std::path::Path;

use bytes::Bytes;
use http::Method;

use crate::world::World;

/// Every operation of the contracts has a route, and every route is an operation.
#[tokio::test]
async fn routes_are_operations() {
    let Some(world) = World::start().await else { return };
    let served =
        world.contracts.served_by("commerce").into_iter().map(|o| format!("{} {}", o.method, o.path));
    let promised: BTreeSet<String> = served.collect();
    let routes = commerce::routes::table();
    let routed: BTreeSet<String> = routes.iter().map(|r| format!("{} {}", r.method, r.path)).collect();
    assert_eq!(routed.len(), routes.len(), "no route twice");
    let only = |a: &BTreeSet<String>, b: &BTreeSet<String>| a.difference(b).cloned().collect::<Vec<_>>();
    assert_eq!(only(&promised, &routed), Vec::<String>::new(), "promised without a route");
    assert_eq!(only(&routed, &promised), Vec::<String>::new(), "a route that nobody promised");
    world.stop().await;
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
    let environment = shop_kit::settings::Environment::default();
    commerce::settings::Settings::read(&environment).unwrap();
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = std::fs::read_to_string(readme).unwrap();
    shop_kit::testing::check_readme("COMMERCE", &readme, &environment);
}
