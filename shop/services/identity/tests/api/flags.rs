use serde_json::{Value, json};

use crate::world::{World, refusal};

const PATH: &str = "/admin/config/feature-flags";

#[tokio::test]
async fn flags_are_read_by_everybody_and_changed_by_administrators() {
    let Some(world) = World::start().await else { return };
    let flags = async || {
        let reply = world.client.get(PATH).await;
        world.contracts.check("GET", PATH, &reply);
        reply.text
    };
    let off = r#"{"paymentEnabled":false,"wechatPayEnabled":false,"alipayPayEnabled":false}"#;
    assert_eq!(flags().await, off);

    let change = json!({ "paymentEnabled": true });
    let anonymous = world.client.patch(PATH, change.clone()).await;
    assert_eq!(refusal(&anonymous), "401 unauthorized: invalid token");
    let customer = world.client.signed_in(&world.token("mock_customer_001").await);
    assert_eq!(refusal(&customer.patch(PATH, change.clone()).await), "403 forbidden: permission denied");
    assert_eq!(flags().await, off, "a refusal changes nothing");

    let admin = world.client.signed_in(&world.web_token("admin").await).with("x-request-id", "the-request");
    let unreadable = admin.patch(PATH, json!({ "paymentEnabled": "yes" })).await;
    assert_eq!(refusal(&unreadable), "400 invalid_request: invalid request body");
    let reply = admin.with("x-forwarded-for", "192.0.2.7, 10.0.0.1").patch(PATH, change).await;
    world.contracts.check("PATCH", PATH, &reply);
    let on = r#"{"paymentEnabled":true,"wechatPayEnabled":false,"alipayPayEnabled":false}"#;
    assert_eq!((reply.status, reply.text.as_str()), (200, on));
    let reply = admin.patch(PATH, json!({ "wechatPayEnabled": true })).await;
    assert_eq!(reply.json()["paymentEnabled"], true, "what is not mentioned stays");

    let entry: (String, String, Value, String, String) = sqlx::query_as(
        "SELECT actor_user_id::text, target_type, metadata, request_id, ip FROM audit_logs
         WHERE action = 'config.feature_flags.update' ORDER BY created_at LIMIT 1",
    )
    .fetch_one(&world.pool)
    .await
    .unwrap();
    let expected = (
        "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa".to_owned(),
        "feature_flags".to_owned(),
        serde_json::from_str(on).unwrap(),
        "the-request".to_owned(),
        "192.0.2.7".to_owned(),
    );
    assert_eq!(entry, expected);
    world.stop().await;
}
