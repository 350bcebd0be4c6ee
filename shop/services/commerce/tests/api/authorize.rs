use std::sync::atomic::Ordering;

use serde_json::json;

use crate::world::{CUSTOMER, Person, World, refusal, token};

const PATH: &str = "/catalog/categories";

#[tokio::test]
async fn only_who_manages_products_changes_the_catalogue() {
    let Some(world) = World::start().await else { return };
    let post = async |authorization: Option<&str>| {
        let client = match authorization {
            Some(value) => world.client.with("authorization", value),
            None => world.client.clone(),
        };
        refusal(&client.post(PATH, json!({ "name": "x" })).await)
    };
    assert_eq!(post(None).await, "401 unauthorized: missing authorization");
    assert_eq!(post(Some("Basic x")).await, "401 unauthorized: invalid authorization header");
    assert_eq!(post(Some("Bearer x")).await, "401 unauthorized: invalid token");
    assert_eq!(world.asked.load(Ordering::Relaxed), 0, "identity is not asked about a token that is none");
    let customer = format!("Bearer {}", token(CUSTOMER));
    assert_eq!(post(Some(&customer)).await, "403 forbidden: permission denied");
    assert_eq!(post(Some(&customer)).await, "403 forbidden: permission denied");
    assert_eq!(world.asked.load(Ordering::Relaxed), 1, "a decision is remembered for a moment");
    world.stop().await;
}

#[tokio::test]
async fn a_decision_is_forgotten_after_its_time() {
    let Some(world) = World::start_with(&[("COMMERCE_AUTHORIZE_TTL", "0s")]).await else { return };
    for _ in 0..3 {
        assert_eq!(world.admin().post(PATH, json!({ "name": "x" })).await.status, 201);
    }
    assert_eq!(world.asked.load(Ordering::Relaxed), 3);
    world.stop().await;
}

#[tokio::test]
async fn without_identity_nobody_may() {
    let Some(mut world) = World::start().await else { return };
    world.identity.take().unwrap().stop().await;
    let reply = world.admin().post(PATH, json!({ "name": "x" })).await;
    world.contracts.check("POST", PATH, &reply);
    assert_eq!(refusal(&reply), "503 service_unavailable: identity is not available");
    assert_eq!(world.get(PATH).await.status, 200, "reading needs nobody's permission");
    for path in ["/cart", "/orders", "/addresses", "/inquiries/price", "/product-requests"] {
        let reply = world.of(CUSTOMER).get(path).await;
        assert_eq!(refusal(&reply), "503 service_unavailable: identity is not available", "{path}");
    }
    world.stop().await;
}

#[tokio::test]
async fn a_desk_without_identity_switches_it_off() {
    let Some(world) = World::start_with(&[("COMMERCE_AUTH_ENABLED", "false")]).await else { return };
    assert_eq!(world.client.post(PATH, json!({ "name": "x" })).await.status, 201);
    assert_eq!(world.asked.load(Ordering::Relaxed), 0);
    world.stop().await;
}

#[tokio::test]
async fn what_a_token_must_say() {
    let Some(world) = World::start().await else { return };
    let gone = Person { role: "GONE", ..CUSTOMER };
    assert_eq!(refusal(&world.of(gone).get("/cart").await), "401 unauthorized: invalid token");
    // Nothing is granted to this role: what is everybody's is open, nothing else is.
    let nobody = Person { role: "NOBODY", ..CUSTOMER };
    assert_eq!(world.of(nobody).get("/cart").await.status, 200);
    assert_eq!(refusal(&world.of(nobody).get("/orders").await), "403 forbidden: permission denied");
    world.stop().await;
}
