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
