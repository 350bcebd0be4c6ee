use serde_json::json;

use crate::world::{World, refusal};

#[tokio::test]
async fn the_caller_and_its_permissions() {
    let Some(world) = World::start().await else { return };
    let client = world.client.signed_in(&world.token("mock_customer_001").await);
    let me = client.get("/me").await;
    world.contracts.check("GET", "/me", &me);
    assert_eq!(me.json()["displayName"], "Customer Dev");
    assert_eq!(me.json()["ownerSalesDisplayName"], "Sales Dev", "only /me looks the name up");

    let reply = client.get("/me/permissions").await;
    world.contracts.check("GET", "/me/permissions", &reply);
    let own = |code: &str| json!({ "code": code, "scope": "SELF" });
    let expected = json!({ "items": [
        own("after_sales:create"), own("after_sales:read"), own("cart:manage"),
        { "code": "catalog:read", "scope": "ALL" },
        own("import:cart"), own("inquiry:create"), own("inquiry:read"), own("order:create"), own("order:read"),
        own("product_request:create"), own("product_request:read"), own("tracking:read"), own("wishlist:manage"),
    ]});
    assert_eq!(reply.json(), expected);
    world.stop().await;
}

#[tokio::test]
async fn permissions_are_the_widest_over_all_roles() {
    let Some(world) = World::start().await else { return };
    let login =
        world.mini(json!({ "platform": "weapp", "code": "mock_multi_001", "role": "CUSTOMER" })).await;
    let client = world.client.signed_in(login.json()["accessToken"].as_str().unwrap());
    let permissions = client.get("/me/permissions").await.json();
    let scope = |code: &str| {
        let items = permissions["items"].as_array().unwrap();
        items.iter().find(|p| p["code"] == code).map(|p| p["scope"].as_str().unwrap().to_owned())
    };
    assert_eq!(scope("order:read").as_deref(), Some("OWNED"), "SALES reaches further than CUSTOMER");
    assert_eq!(scope("cart:manage").as_deref(), Some("SELF"));
    assert_eq!(scope("rbac:manage"), None);
    world.stop().await;
}

#[tokio::test]
async fn tokens_that_do_not_count() {
    let Some(world) = World::start().await else { return };
    let good = world.token("mock_sales_001").await;
    let check = async |authorization: Option<&str>| {
        for path in ["/me", "/me/permissions"] {
            let client = match authorization {
                Some(value) => world.client.with("authorization", value),
                None => world.client.clone(),
            };
            let reply = client.get(path).await;
            world.contracts.check("GET", path, &reply);
            assert_eq!(refusal(&reply), "401 unauthorized: invalid token", "{authorization:?}");
        }
    };
    check(None).await;
    check(Some("Basic YTpi")).await;
    check(Some("Bearer nonsense")).await;
    check(Some(&format!("Bearer {good}x"))).await;
    assert_eq!(world.client.with("authorization", &format!("bearer {good}")).get("/me").await.status, 200);

    // Disabled users are told who they are; users that are gone are not.
    world.execute("UPDATE users SET status = 'disabled' WHERE display_name = 'Sales Dev'").await;
    assert_eq!(world.client.signed_in(&good).get("/me").await.json()["status"], "disabled");
    world.execute("DELETE FROM users WHERE display_name = 'Sales Dev'").await;
    assert_eq!(refusal(&world.client.signed_in(&good).get("/me").await), "401 unauthorized: invalid token");
    world.stop().await;
}
