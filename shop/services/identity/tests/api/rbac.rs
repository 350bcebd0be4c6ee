use serde_json::{Value, json};

use crate::world::{World, refusal};

#[tokio::test]
async fn the_catalogue_of_permissions() {
    let Some(world) = World::start().await else { return };
    let admin = world.signed_in("ADMIN").await;
    let list = async || {
        let reply = admin.get("/rbac/permissions").await;
        world.contracts.check("GET", "/rbac/permissions", &reply);
        reply.json()["items"].as_array().unwrap().clone()
    };
    let codes = list().await;
    assert_eq!(codes.len(), 29);
    assert!(codes.is_sorted_by_key(|p| p["code"].as_str().unwrap().to_owned()));

    let add = async |body: Value| {
        let reply = admin.post("/rbac/permissions", body).await;
        world.contracts.check("POST", "/rbac/permissions", &reply);
        reply
    };
    assert_eq!(refusal(&add(json!({})).await), "400 invalid_request: code is required");
    assert_eq!(refusal(&add(json!({ "code": " " })).await), "400 invalid_request: code is required");
    let added = add(json!({ "code": " stock:read " })).await;
    assert_eq!((added.status, added.text.as_str()), (201, r#"{"code":"stock:read"}"#));
    let described = add(json!({ "code": "stock:read", "description": "See stock" })).await;
    assert_eq!(
        (described.status, described.text.as_str()),
        (201, r#"{"code":"stock:read","description":"See stock"}"#)
    );
    assert_eq!(list().await.len(), 30, "describing it anew adds nothing");
    assert_eq!(world.audited("rbac.permission.upsert").await[0].2, json!({ "code": "stock:read" }));
    world.stop().await;
}

#[tokio::test]
async fn the_grants_of_a_role_are_replaced_as_a_whole() {
    let Some(world) = World::start().await else { return };
    let admin = world.signed_in("ADMIN").await;
    let roles = async || {
        let reply = admin.get("/rbac/roles").await;
        world.contracts.check("GET", "/rbac/roles", &reply);
        reply.json()["items"].as_array().unwrap().clone()
    };
    let before = roles().await;
    let codes: Vec<_> = before.iter().map(|r| r["code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["ADMIN", "BOSS", "CS", "CUSTOMER", "MANAGER", "PROCUREMENT", "SALES"]);
    let grant = |code: &str, scope: &str| json!({ "code": code, "scope": scope });
    assert_eq!(before[5]["permissions"][0], grant("import:shipment", "ALL"));

    let put = async |role: &str, body: Value| {
        let path = format!("/rbac/roles/{role}/permissions");
        let reply = admin.send(http::Method::PUT, &path, body.to_string().into()).await;
        world.contracts.check("PUT", &path, &reply);
        reply
    };
    let with = |grants: &[Value]| json!({ "permissions": grants });
    assert_eq!(refusal(&put("NOBODY", with(&[])).await), "404 not_found: role not found");
    assert_eq!(refusal(&put("procurement", with(&[])).await), "404 not_found: role not found");
    assert_eq!(refusal(&put("%00", with(&[])).await), "404 not_found: role not found");
    let odd = [grant("order:read", "ALL"), grant("order:burn", "ALL")];
    assert_eq!(
        refusal(&put("PROCUREMENT", with(&odd)).await),
        "400 invalid_request: unknown permission: order:burn"
    );
    let odd = [grant("order:read", "SOME")];
    assert_eq!(refusal(&put("PROCUREMENT", with(&odd)).await), "400 invalid_request: invalid scope: SOME");
    assert_eq!(roles().await, before, "what is refused changes nothing");

    let reply = put("PROCUREMENT", with(&[grant("order:read", "SELF"), grant("catalog:read", "ALL")])).await;
    assert_eq!((reply.status, reply.text.as_str()), (204, ""));
    assert_eq!(
        roles().await[5]["permissions"],
        json!([grant("catalog:read", "ALL"), grant("order:read", "SELF")])
    );
    let buyer = world.signed_in("PROCUREMENT").await;
    let question = json!({ "permission": "order:read", "requiredScope": "OWNED" });
    let answer = buyer.post("/rbac/authorize", question).await;
    assert_eq!(answer.text, r#"{"allowed":false,"effectiveScope":"SELF"}"#);
    assert_eq!(world.audited("rbac.role.update_permissions").await[0].2, json!({ "role": "PROCUREMENT" }));

    assert_eq!(put("BOSS", with(&[])).await.status, 204);
    assert_eq!(
        refusal(&put("ADMIN", with(&[])).await),
        "409 conflict: some role has to keep rbac:manage ALL; nothing was changed"
    );
    assert_eq!(put("ADMIN", with(&[grant("rbac:manage", "ALL")])).await.status, 204);
    world.stop().await;
}
