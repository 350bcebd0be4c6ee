use serde_json::{Value, json};

use crate::world::{World, refusal};

const PATH: &str = "/rbac/authorize";

#[tokio::test]
async fn decisions() {
    let Some(world) = World::start().await else { return };
    let sales = world.client.signed_in(&world.token("mock_sales_001").await);
    let check = async |body: Value, expect: &str| {
        let reply = sales.post(PATH, body.clone()).await;
        world.contracts.check("POST", PATH, &reply);
        let got = if reply.status == 200 { reply.text.clone() } else { refusal(&reply) };
        assert_eq!(got, expect, "{body}");
    };
    check(json!({ "permission": "order:read" }), r#"{"allowed":true,"effectiveScope":"OWNED"}"#).await;
    let order = |scope: &str| json!({ "permission": "order:read", "requiredScope": scope });
    check(order("SELF"), r#"{"allowed":true,"effectiveScope":"OWNED"}"#).await;
    check(order("OWNED"), r#"{"allowed":true,"effectiveScope":"OWNED"}"#).await;
    check(order("ALL"), r#"{"allowed":false,"effectiveScope":"OWNED"}"#).await;
    check(order("EVERYTHING"), "400 invalid_request: invalid scope: EVERYTHING").await;
    check(json!({ "permission": "product:manage" }), r#"{"allowed":false}"#).await;
    check(json!({}), "400 invalid_request: permission is required").await;

    // A permission taken away is gone at the next question.
    world.execute("DELETE FROM user_roles WHERE role = 'SALES'").await;
    check(order("SELF"), r#"{"allowed":false}"#).await;
    world.stop().await;
}
