use serde_json::{Value, json};

use crate::world::{World, refusal};

const SALES: &str = "bbbbbbbb-bbbb-bbbb-bbbb-bbbbbbbbbbbb";
const CUSTOMER: &str = "dddddddd-dddd-dddd-dddd-dddddddddddd";
const NOBODY: &str = "00000000-0000-4000-8000-000000000000";

#[tokio::test]
async fn staff_is_added_and_found() {
    let Some(world) = World::start().await else { return };
    let admin = world.signed_in("ADMIN").await;
    let check = async |body: Value, expect: &str| {
        assert_eq!(refusal(&admin.post("/staff", body.clone()).await), expect, "{body}");
    };
    check(json!({}), "400 invalid_request: roles is required").await;
    check(json!({ "roles": [] }), "400 invalid_request: roles is required").await;
    check(json!({ "roles": ["ADMIN"] }), "400 invalid_request: invalid staff role").await;
    check(json!({ "roles": ["SALES", "CUSTOMER"] }), "400 invalid_request: invalid staff role").await;
    check(json!({ "roles": ["SALES", ""] }), "400 invalid_request: invalid staff role").await;
    check(json!({ "roles": "SALES" }), "400 invalid_request: invalid request body").await;
    check(
        json!({ "roles": ["SALES"], "displayName": "x".repeat(101) }),
        "400 invalid_request: displayName must be at most 100 characters",
    )
    .await;

    let reply =
        admin.post("/staff", json!({ "displayName": " Li 100% ", "roles": ["sales", "CS", "SALES"] })).await;
    world.contracts.check("POST", "/staff", &reply);
    let mut added = reply.json();
    let id = added["id"].as_str().unwrap().to_owned();
    for volatile in ["id", "createdAt", "updatedAt"] {
        assert!(added.as_object_mut().unwrap().remove(volatile).is_some());
    }
    let expected = json!({
        "displayName": "Li 100%", "phone": null, "roles": ["CS", "SALES"], "status": "active",
        "disabledAt": null, "disabledReason": null,
    });
    assert_eq!((reply.status, added), (201, expected));
    let entry = ("staff".to_owned(), Some(id.clone()), json!({ "roles": ["CS", "SALES"] }));
    assert_eq!(world.audited("staff.create").await, [entry]);

    let found = async |query: &str| {
        let reply = admin.get(&format!("/staff?{query}")).await;
        world.contracts.check("GET", "/staff", &reply);
        let names =
            reply.json()["items"].as_array().unwrap().iter().map(|s| s["displayName"].clone()).collect();
        (reply.json()["total"].as_i64().unwrap(), Value::Array(names))
    };
    assert_eq!(found("q=100%25").await, (1, json!(["Li 100%"])));
    assert_eq!(found("q=%25").await, (1, json!(["Li 100%"])), "% is a character, not a pattern");
    assert_eq!(found("q=_").await, (0, json!([])));
    assert_eq!(found(&format!("q={id}")).await, (1, json!(["Li 100%"])));
    assert_eq!(found("q=procure").await, (1, json!(["Procurement Dev"])), "roles are searched too");
    assert_eq!(found("q=%2B15550000002").await, (1, json!(["Sales Dev"])));
    assert_eq!(found("page=2&pageSize=1").await.0, 6);
    assert_eq!(
        found("page=99").await,
        (6, json!([])),
        "past the end there is nothing, and the total is true"
    );
    assert_eq!(
        refusal(&admin.get("/staff?page=x").await),
        "400 invalid_request: Invalid format for parameter page: not an integer"
    );
    world.stop().await;
}

#[tokio::test]
async fn staff_is_changed_disabled_and_enabled() {
    let Some(world) = World::start().await else { return };
    let admin = world.signed_in("ADMIN").await;
    let path = format!("/staff/{SALES}");
    let check = async |path: &str, body: Value, expect: &str| {
        let reply = admin.patch(path, body.clone()).await;
        world.contracts.check("PATCH", path, &reply);
        assert_eq!(refusal(&reply), expect, "{path} {body}");
    };
    check(&path, json!({}), "400 invalid_request: at least one field is required").await;
    check(&path, json!({ "status": "gone" }), "400 invalid_request: invalid status").await;
    check(&path, json!({ "roles": [] }), "400 invalid_request: roles is required").await;
    check(&path, json!({ "roles": ["BOSS"] }), "400 invalid_request: invalid staff role").await;
    for nobody in [NOBODY, CUSTOMER] {
        check(&format!("/staff/{nobody}"), json!({ "status": "active" }), "404 not_found: staff not found")
            .await;
        assert_eq!(refusal(&admin.get(&format!("/staff/{nobody}")).await), "404 not_found: staff not found");
    }
    check(
        "/staff/7",
        json!({ "status": "active" }),
        "400 invalid_request: Invalid format for parameter staffId: not a UUID",
    )
    .await;

    let change = async |body: Value| {
        let reply = admin.patch(&path, body).await;
        world.contracts.check("PATCH", &path, &reply);
        assert_eq!(reply.status, 200, "{}", reply.text);
        reply.json()
    };
    let disabled = change(json!({ "status": "disabled", "disabledReason": "left" })).await;
    assert_eq!((&disabled["status"], &disabled["disabledReason"]), (&json!("disabled"), &json!("left")));
    assert!(disabled["disabledAt"].is_string());
    let login = world.mini(json!({ "platform": "weapp", "code": "mock_sales_001" })).await;
    assert_eq!(refusal(&login), "403 forbidden: account disabled");
    let unexplained = change(json!({ "disabledReason": null })).await;
    assert_eq!((&unexplained["disabledReason"], &unexplained["status"]), (&Value::Null, &json!("disabled")));
    let enabled = change(json!({ "status": "active" })).await;
    assert_eq!((&enabled["disabledAt"], &enabled["disabledReason"]), (&Value::Null, &Value::Null));
    let renamed = change(json!({ "displayName": "Wang", "roles": ["manager"] })).await;
    assert_eq!((&renamed["displayName"], &renamed["roles"]), (&json!("Wang"), &json!(["MANAGER"])));
    assert_eq!(admin.get(&path).await.json()["roles"], json!(["MANAGER"]));
    let newest = world.audited("staff.update").await.remove(0);
    assert_eq!(newest.2, json!({ "displayName": "Wang", "roles": ["MANAGER"] }));
    world.stop().await;
}

#[tokio::test]
async fn a_binding_token_leads_to_a_login() {
    let Some(world) = World::start().await else { return };
    let admin = world.signed_in("ADMIN").await;
    let path = format!("/staff/{SALES}/bindings");
    let check = async |path: &str, body: Value, expect: &str| {
        assert_eq!(refusal(&admin.post(path, body.clone()).await), expect, "{path} {body}");
    };
    check(&path, json!({}), "400 invalid_request: platform is required").await;
    check(&path, json!({ "platform": "fax" }), "400 invalid_request: invalid platform").await;
    let lives = |seconds: i64| json!({ "platform": "alipay", "expiresIn": seconds });
    check(&path, lives(0), "400 invalid_request: expiresIn must be >= 1").await;
    check(&path, lives(i64::MAX), "400 invalid_request: expiresIn must be <= 604800").await;
    let of_customer = format!("/staff/{CUSTOMER}/bindings");
    check(&of_customer, lives(60), "404 not_found: staff not found").await;

    let reply = admin.post(&path, json!({ "platform": "Alipay" })).await;
    world.contracts.check("POST", &path, &reply);
    assert_eq!(reply.status, 201, "{}", reply.text);
    let token = reply.json()["token"].as_str().unwrap().to_owned();
    let life: i64 = sqlx::query_scalar(
        "SELECT extract(epoch FROM expires_at - created_at)::bigint FROM staff_binding_tokens WHERE token = $1",
    )
    .bind(&token)
    .fetch_one(&world.pool)
    .await
    .unwrap();
    assert_eq!(life, 1800);
    let entry = ("staff".to_owned(), Some(SALES.to_owned()), json!({ "platform": "alipay" }));
    assert_eq!(world.audited("staff.binding.create").await, [entry]);
    let login = world.mini(json!({ "platform": "alipay", "code": "mine", "bindingToken": token })).await;
    assert_eq!(login.json()["user"]["id"], SALES, "{}", login.text);
    world.stop().await;
}
