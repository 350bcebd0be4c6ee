use serde_json::{Value, json};
use shop_kit::settings::Secret;
use shop_kit::token::TokenKey;

use crate::world::{World, refusal};

#[tokio::test]
async fn a_known_customer_logs_in_to_the_field() {
    let Some(world) = World::start().await else { return };
    let reply = world.mini(json!({ "platform": "weapp", "code": "mock_customer_001" })).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    let mut body = reply.json();
    let token = body["accessToken"].take();
    body["user"]["createdAt"].take();
    let user = json!({
        "id": "dddddddd-dddd-dddd-dddd-dddddddddddd",
        "currentRole": "CUSTOMER",
        "userType": "customer",
        "status": "active",
        "displayName": "Customer Dev",
        "avatarUrl": null,
        "phone": "+15550000003",
        "ownerSalesUserId": "bbbbbbbb-bbbb-bbbb-bbbb-bbbbbbbbbbbb",
        "ownerSalesDisplayName": null,
        "roles": ["CUSTOMER"],
        "disabledAt": null,
        "disabledReason": null,
        "createdAt": null,
    });
    assert_eq!(body, json!({ "accessToken": null, "expiresIn": 604_800, "user": user }));

    let key = TokenKey::new(Secret::new("for tests"));
    let (_, claims) = key.verify(token.as_str().unwrap(), Some("tmo-identity"), 0).unwrap();
    assert_eq!((claims.role.as_str(), claims.user_type.as_str()), ("CUSTOMER", "customer"));
    assert_eq!(claims.owner_sales_user_id.as_deref(), Some("bbbbbbbb-bbbb-bbbb-bbbb-bbbbbbbbbbbb"));
    assert_eq!(claims.exp - claims.iat, 604_800);
    world.stop().await;
}

#[tokio::test]
async fn an_unknown_code_becomes_one_customer() {
    let Some(world) = World::start().await else { return };
    let body = || json!({ "platform": "alipay", "code": "somebody new" });
    let logins = (0..8).map(|_| world.mini(body()));
    let replies = futures::future::join_all(logins).await;
    let first = replies[0].json();
    for reply in &replies {
        assert_eq!(reply.status, 200, "{}", reply.text);
        assert_eq!(
            reply.json()["user"]["id"],
            first["user"]["id"],
            "eight first logins at once are one user"
        );
    }
    let id = first["user"]["id"].as_str().unwrap();
    assert_eq!(first["user"]["displayName"], format!("用户{}", &id[id.len() - 4..]));
    assert_eq!(first["user"]["roles"], json!(["CUSTOMER"]));
    assert_eq!(first["user"]["ownerSalesUserId"], Value::Null);
    world.stop().await;
}

#[tokio::test]
async fn refusals() {
    let Some(world) = World::start().await else { return };
    world.execute("UPDATE users SET status = 'disabled' WHERE display_name = 'Customer Dev'").await;
    world
        .execute(
            "INSERT INTO user_identities (provider, provider_user_id, user_id)
             SELECT 'weapp', 'an_admin', id FROM users WHERE display_name = 'Admin'",
        )
        .await;
    let check = async |body: Value, expect: &str| {
        let reply = world.mini(body.clone()).await;
        assert_eq!(refusal(&reply), expect, "{body}");
    };
    let weapp = |code: &str| json!({ "platform": "weapp", "code": code });
    check(json!({}), "400 invalid_request: code is required").await;
    check(json!({ "platform": "weapp", "code": " " }), "400 invalid_request: code is required").await;
    check(json!({ "code": 7 }), "400 invalid_request: invalid request body").await;
    check(json!({ "platform": "fax", "code": "x" }), "400 invalid_request: invalid login code").await;
    check(weapp("mock_customer_001"), "403 forbidden: account disabled").await;
    check(weapp("an_admin"), "400 invalid_request: role not allowed").await;
    check(
        weapp("mock_multi_001"),
        r#"409 conflict: role selection required {"availableRoles":["CUSTOMER","SALES"]}"#,
    )
    .await;
    check(
        weapp("mock_debug_001"),
        r#"409 conflict: role selection required {"availableRoles":["CS","CUSTOMER","SALES"]}"#,
    )
    .await;
    let with = |code: &str, key: &str, value: &str| json!({ "platform": "weapp", "code": code, key: value });
    check(with("mock_sales_001", "role", "CUSTOMER"), "400 invalid_request: role not assigned").await;
    check(with("mock_sales_001", "role", "ADMIN"), "400 invalid_request: role not allowed").await;
    check(with("nobody yet", "role", "SALES"), "400 invalid_request: role not allowed").await;
    check(with("nobody yet", "scene", "NOWHERE"), "400 invalid_request: invalid scene").await;
    check(with("mock_sales_001", "scene", "X"), "400 invalid_request: scene only allowed for customer login")
        .await;
    check(with("nobody yet", "bindingToken", "x"), "401 unauthorized: invalid binding token").await;
    check(with("mock_sales_001", "bindingToken", "x"), "409 conflict: identity already bound").await;

    let left: i64 =
        sqlx::query_scalar("SELECT count(*) FROM user_identities WHERE provider_user_id = 'nobody yet'")
            .fetch_one(&world.pool)
            .await
            .unwrap();
    assert_eq!(left, 0, "a refused login leaves no user behind");
    world.stop().await;
}

#[tokio::test]
async fn a_user_with_several_roles_chooses() {
    let Some(world) = World::start().await else { return };
    for (role, user_type) in [("CUSTOMER", "customer"), ("sales", "staff")] {
        let reply = world.mini(json!({ "platform": "weapp", "code": "mock_multi_001", "role": role })).await;
        let user = &reply.json()["user"];
        assert_eq!(user["currentRole"], role.to_uppercase(), "{}", reply.text);
        assert_eq!(user["userType"], user_type);
        assert_eq!(user["roles"], json!(["CUSTOMER", "SALES"]));
    }
    world.stop().await;
}

#[tokio::test]
async fn a_scene_ties_a_customer_once() {
    let Some(world) = World::start().await else { return };
    world
        .execute(
            "INSERT INTO sales_qr_codes (scene, sales_user_id, platform, expires_at)
             SELECT s.scene, u.id, 'weapp', now() + s.life FROM users u, (VALUES
                 ('GOOD', interval '1 day', 'Sales Dev'), ('OTHER', interval '1 day', 'Multi Role'),
                 ('OLD', interval '-1 day', 'Sales Dev')) s (scene, life, owner)
             WHERE u.display_name = s.owner",
        )
        .await;
    let scan = async |scene: &str| {
        world.mini(json!({ "platform": "weapp", "code": "walks in", "scene": scene })).await
    };
    assert_eq!(refusal(&scan("OLD").await), "400 invalid_request: scene expired");
    let sales = "bbbbbbbb-bbbb-bbbb-bbbb-bbbbbbbbbbbb";
    assert_eq!(scan("GOOD").await.json()["user"]["ownerSalesUserId"], sales);
    assert_eq!(
        scan("OTHER").await.json()["user"]["ownerSalesUserId"],
        sales,
        "the second scan changes nothing"
    );
    world.stop().await;
}

#[tokio::test]
async fn a_binding_token_ties_an_account_to_staff_once() {
    let Some(world) = World::start().await else { return };
    world
        .execute(
            "INSERT INTO staff_binding_tokens (token, staff_user_id, platform, expires_at)
             SELECT t.token, u.id, 'alipay', now() + t.life FROM users u, (VALUES
                 ('good', interval '1 day', 'Sales Dev'), ('late', interval '-1 day', 'Sales Dev'),
                 ('wrong', interval '1 day', 'Customer Dev')) t (token, life, owner)
             WHERE u.display_name = t.owner",
        )
        .await;
    let bind = async |platform: &str, code: &str, token: &str| {
        world.mini(json!({ "platform": platform, "code": code, "bindingToken": token })).await
    };
    assert_eq!(refusal(&bind("alipay", "a", "late").await), "401 unauthorized: binding token expired");
    assert_eq!(
        refusal(&bind("weapp", "a", "good").await),
        "400 invalid_request: binding token platform mismatch"
    );
    assert_eq!(
        refusal(&bind("alipay", "a", "wrong").await),
        "400 invalid_request: binding token not for staff"
    );
    let bound = bind("alipay", "a", "good").await;
    assert_eq!(bound.json()["user"]["displayName"], "Sales Dev", "{}", bound.text);
    assert_eq!(refusal(&bind("alipay", "b", "good").await), "401 unauthorized: binding token already used");
    assert_eq!(world.mini(json!({ "platform": "alipay", "code": "a" })).await.status, 200);
    let audited: Value = sqlx::query_scalar("SELECT metadata FROM audit_logs WHERE action = 'staff.bind'")
        .fetch_one(&world.pool)
        .await
        .unwrap();
    assert_eq!(audited, json!({ "platform": "alipay" }));
    world.stop().await;
}
