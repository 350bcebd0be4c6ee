use serde_json::{Value, json};

use crate::world::{World, refusal};

#[tokio::test]
async fn password_logins() {
    let Some(world) = World::start().await else { return };
    world.execute("UPDATE users SET status = 'disabled' WHERE display_name = 'Manager'").await;
    let login = async |body: Value| world.post("/auth/password/login", body).await;
    let check = async |body: Value, expect: &str| {
        let reply = login(body.clone()).await;
        assert_eq!(refusal(&reply), expect, "{body}");
    };
    let with = |name: &str, password: &str| json!({ "username": name, "password": password });
    check(json!({}), "400 invalid_request: username and password are required").await;
    check(with("admin", ""), "400 invalid_request: username and password are required").await;
    check(with("admin", "wrong"), "401 unauthorized: invalid credentials").await;
    check(with("nobody", "admin123"), "401 unauthorized: invalid credentials").await;
    check(with("Admin", "admin123"), "401 unauthorized: invalid credentials").await;
    // Known, right password, but no role for the web.
    check(with("sales", "sales123"), "401 unauthorized: invalid credentials").await;
    check(with("manager", "wrong"), "401 unauthorized: invalid credentials").await;
    check(with("manager", "manager123"), "403 forbidden: account disabled").await;
    check(
        with("debug", "debug123"),
        r#"409 conflict: role selection required {"availableRoles":["ADMIN","BOSS","CS","MANAGER"]}"#,
    )
    .await;
    let as_boss = json!({ "username": "admin", "password": "admin123", "role": "BOSS" });
    check(as_boss, "400 invalid_request: role not assigned").await;

    for (name, role, user_type) in
        [("admin", "ADMIN", "admin"), ("boss", "BOSS", "admin"), ("cs", "CS", "staff")]
    {
        let reply = login(with(name, &format!("{name}123"))).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        let user = &reply.json()["user"];
        assert_eq!((&user["currentRole"], &user["userType"]), (&json!(role), &json!(user_type)));
    }
    let reply = login(json!({ "username": "debug", "password": "debug123", "role": "cs" })).await;
    assert_eq!(reply.json()["user"]["currentRole"], "CS", "{}", reply.text);
    world.stop().await;
}

#[tokio::test]
async fn a_bcrypt_hash_logs_in_and_is_replaced() {
    let Some(world) = World::start().await else { return };
    // `admin123` at cost 4.
    let old = bcrypt::hash("admin123", 4).unwrap();
    sqlx::query("UPDATE user_passwords SET password_hash = $1 WHERE username = 'admin'")
        .bind(&old)
        .execute(&world.pool)
        .await
        .unwrap();
    let stored = async || {
        let hash: String =
            sqlx::query_scalar("SELECT password_hash FROM user_passwords WHERE username = 'admin'")
                .fetch_one(&world.pool)
                .await
                .unwrap();
        hash
    };
    let wrong = world.post("/auth/password/login", json!({ "username": "admin", "password": "wrong" })).await;
    assert_eq!(refusal(&wrong), "401 unauthorized: invalid credentials");
    assert_eq!(stored().await, old, "a wrong password replaces nothing");
    for _ in 0..2 {
        world.web_token("admin").await;
        assert!(stored().await.starts_with("$argon2id$"));
    }
    world.stop().await;
}

#[tokio::test]
async fn switching_the_role() {
    let Some(world) = World::start().await else { return };
    const PATH: &str = "/auth/switch-role";
    let login = world.mini(json!({ "platform": "weapp", "code": "mock_multi_001", "role": "SALES" })).await;
    let client = world.client.signed_in(login.json()["accessToken"].as_str().unwrap());
    let switch = async |body: Value| {
        let reply = client.post(PATH, body).await;
        world.contracts.check("POST", PATH, &reply);
        reply
    };
    assert_eq!(refusal(&switch(json!({})).await), "400 invalid_request: role is required");
    assert_eq!(refusal(&switch(json!({ "role": "ADMIN" })).await), "403 forbidden: role not assigned");
    let reply = switch(json!({ "role": "customer" })).await;
    assert_eq!(reply.json()["user"]["currentRole"], "CUSTOMER", "{}", reply.text);
    let token = reply.json()["accessToken"].as_str().unwrap().to_owned();
    let key = shop_kit::token::TokenKey::new(shop_kit::settings::Secret::new("for tests"));
    let (_, claims) = key.verify(&token, None, 0).unwrap();
    assert_eq!(claims.owner_sales_user_id.as_deref(), Some("bbbbbbbb-bbbb-bbbb-bbbb-bbbbbbbbbbbb"));
    // Roles come from the database: one that was given meanwhile counts, one that was taken does not.
    world
        .execute("INSERT INTO user_roles SELECT id, 'CS' FROM users WHERE display_name = 'Multi Role'")
        .await;
    assert_eq!(switch(json!({ "role": "CS" })).await.json()["user"]["userType"], "staff");
    world.execute("UPDATE users SET status = 'disabled' WHERE display_name = 'Multi Role'").await;
    assert_eq!(refusal(&switch(json!({ "role": "CS" })).await), "403 forbidden: account disabled");
    world.execute("DELETE FROM users WHERE display_name = 'Multi Role'").await;
    assert_eq!(refusal(&switch(json!({ "role": "CS" })).await), "401 unauthorized: invalid token");
    world.stop().await;
}

#[tokio::test]
async fn the_mock_mode_says_so() {
    let Some(world) = World::start().await else { return };
    let reply = world.client.get("/auth/mini/capabilities").await;
    world.contracts.check("GET", "/auth/mini/capabilities", &reply);
    let nothing =
        json!({ "realPhoneLoginReady": false, "phoneProofSimulationEnabled": false, "missing": [] });
    assert_eq!(reply.json(), json!({ "loginMode": "mock", "weapp": nothing, "alipay": nothing }));
    world.stop().await;
}
