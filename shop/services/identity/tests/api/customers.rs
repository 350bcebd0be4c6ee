use serde_json::{Value, json};
use shop_kit::testing::Client;

use crate::world::{World, refusal};

const SALES: &str = "bbbbbbbb-bbbb-bbbb-bbbb-bbbbbbbbbbbb";
const CUSTOMER: &str = "dddddddd-dddd-dddd-dddd-dddddddddddd";
const MULTI: &str = "cccccccc-cccc-cccc-cccc-cccccccccccc";
const MANAGER: &str = "ffffffff-ffff-ffff-ffff-ffffffffffff";
const NOBODY: &str = "00000000-0000-4000-8000-000000000000";

async fn names(world: &World, client: &Client, path: &str) -> Value {
    let reply = client.get(path).await;
    world.contracts.check("GET", path, &reply);
    assert_eq!(reply.status, 200, "{path}: {}", reply.text);
    let body = reply.json();
    let items = body["items"].as_array().into_iter().flatten();
    let mut names: Vec<_> = items.filter_map(|item| item["displayName"].as_str()).collect();
    names.sort_unstable();
    json!(names)
}

/// The same list and the same objects, as each scope of `customer:read` sees them.
#[tokio::test]
async fn scopes() {
    let Some(world) = World::start().await else { return };
    world
        .execute("INSERT INTO users (id, user_type, phone) VALUES ('00000000-0000-4000-8000-00000000000f', 'customer', '+86100')")
        .await;
    let stranger = "/customers/00000000-0000-4000-8000-00000000000f";
    let (own, foreign) = (format!("/customers/{CUSTOMER}"), stranger.to_owned());
    let manager = world.signed_in("MANAGER").await;
    let sales = world.signed_in("SALES").await;
    let all = json!(["", "Customer Dev", "Multi Role"]);
    assert_eq!(names(&world, &manager, "/customers").await, all);
    assert_eq!(
        names(&world, &manager, &format!("/customers?ownerSalesUserId={SALES}")).await,
        json!(["Customer Dev", "Multi Role"])
    );
    assert_eq!(names(&world, &manager, "/customers?q=%2B86").await, json!([""]));
    assert_eq!(names(&world, &manager, "/customers?q=dev").await, json!(["Customer Dev"]));
    assert_eq!(names(&world, &manager, "/customers?q=%25").await, json!([]));
    // OWNED: whatever owner is asked for, it is the caller.
    assert_eq!(names(&world, &sales, "/customers").await, json!(["Customer Dev", "Multi Role"]));
    assert_eq!(
        names(&world, &sales, &format!("/customers?ownerSalesUserId={MANAGER}")).await,
        json!(["Customer Dev", "Multi Role"])
    );
    assert_eq!(sales.get(&own).await.status, 200);
    assert_eq!(refusal(&sales.get(&foreign).await), "403 forbidden: permission denied");
    assert_eq!(
        refusal(&sales.get(&format!("/customers/{NOBODY}")).await),
        "404 not_found: customer not found"
    );
    assert_eq!(
        refusal(&manager.get(&format!("/customers/{SALES}")).await),
        "404 not_found: customer not found"
    );

    // SELF: an administrator may give customers a look at their own entry.
    world.execute("INSERT INTO role_permissions VALUES ('CUSTOMER', 'customer:read', 'SELF')").await;
    let customer = world.signed_in("CUSTOMER").await;
    assert_eq!(
        names(&world, &customer, &format!("/customers?ownerSalesUserId={SALES}")).await,
        json!(["Customer Dev"])
    );
    assert_eq!(
        refusal(&customer.get(&format!("/customers/{MULTI}")).await),
        "403 forbidden: permission denied"
    );
    let reply = customer.get(&own).await;
    world.contracts.check("GET", &own, &reply);
    let mut shown = reply.json();
    shown["createdAt"].take();
    let expected = json!({
        "id": CUSTOMER, "displayName": "Customer Dev", "phone": "+15550000003", "ownerSalesUserId": SALES,
        "createdAt": null,
    });
    assert_eq!(shown, expected);
    world.stop().await;
}

#[tokio::test]
async fn transfer() {
    let Some(world) = World::start().await else { return };
    let admin = world.signed_in("ADMIN").await;
    let path = format!("/admin/customers/{CUSTOMER}/transfer");
    let check = async |path: &str, body: Value, expect: &str| {
        let reply = admin.post(path, body.clone()).await;
        world.contracts.check("POST", path, &reply);
        assert_eq!(refusal(&reply), expect, "{path} {body}");
    };
    let to = |id: &str| json!({ "toSalesUserId": id });
    check("/admin/customers/7/transfer", to(SALES), "400 invalid_request: invalid customer id").await;
    for nobody in ["", "7", NOBODY, CUSTOMER, MULTI, MANAGER] {
        check(&path, to(nobody), "400 invalid_request: invalid toSalesUserId").await;
    }
    check(&path, json!({}), "400 invalid_request: invalid toSalesUserId").await;
    check(&path, json!({ "toSalesUserId": 7 }), "400 invalid_request: invalid request body").await;
    let long = json!({ "toSalesUserId": SALES, "reason": "长".repeat(201) });
    check(&path, long, "400 invalid_request: reason must be at most 200 characters").await;
    for nobody in [NOBODY, MANAGER] {
        let path = format!("/admin/customers/{nobody}/transfer");
        check(&path, to(SALES), "404 not_found: customer not found").await;
    }

    let added = admin.post("/staff", json!({ "displayName": "Next", "roles": ["SALES"] })).await.json();
    let next = added["id"].as_str().unwrap();
    let body = json!({ "toSalesUserId": next, "reason": " moved " });
    for unchanged in [false, true] {
        let reply = admin.post(&path, body.clone()).await;
        world.contracts.check("POST", &path, &reply);
        assert_eq!((reply.status, reply.text.as_str()), (204, ""));
        let from = if unchanged { next } else { SALES };
        let (kind, target, metadata) = world.audited("customer.transfer").await.remove(0);
        assert_eq!((kind.as_str(), target.as_deref()), ("customer", Some(CUSTOMER)));
        let expected = json!({
            "customerId": CUSTOMER, "fromSalesUserId": from, "toSalesUserId": next, "reason": "moved",
            "unchanged": unchanged,
        });
        assert_eq!(metadata, expected);
    }
    let login = world.mini(json!({ "platform": "weapp", "code": "mock_customer_001" })).await;
    assert_eq!(login.json()["user"]["ownerSalesUserId"], next, "the next login knows the new owner");
    world.execute("UPDATE users SET status = 'disabled' WHERE display_name = 'Sales Dev'").await;
    check(&path, to(SALES), "400 invalid_request: invalid toSalesUserId").await;
    world.stop().await;
}

#[tokio::test]
async fn lists_of_administrators() {
    let Some(world) = World::start().await else { return };
    let admin = world.signed_in("ADMIN").await;
    world
        .execute("UPDATE users SET display_name = NULL WHERE display_name IN ('Multi Role', 'CS Dev')")
        .await;
    // Who holds CUSTOMER, staff or not; administrators are left out.
    assert_eq!(
        names(&world, &admin, "/admin/customers").await,
        json!(["Customer Dev", "Debug All Roles", "未命名"])
    );
    assert_eq!(
        names(&world, &admin, &format!("/admin/customers?ownerSalesUserId={SALES}&q=dev")).await,
        json!(["Customer Dev"])
    );
    let reply = admin.get("/admin/customers?q=Customer").await;
    let first = &reply.json()["items"][0];
    assert_eq!(
        first["ownerSales"],
        json!({ "id": SALES, "displayName": "Sales Dev", "phone": "+15550000002" })
    );
    assert_eq!((&first["tags"], &first["roles"]), (&Value::Null, &json!(["CUSTOMER"])));
    let debug = admin.get("/admin/customers?q=Debug").await.json();
    assert_eq!(debug["items"][0]["ownerSales"], Value::Null);

    let all =
        json!(["Admin", "Boss", "Debug All Roles", "Manager", "Procurement Dev", "Sales Dev", "未命名用户"]);
    assert_eq!(names(&world, &admin, "/admin/users").await, all);
    assert_eq!(
        names(&world, &admin, "/admin/users?role=admin").await,
        json!(["Admin", "Boss", "Debug All Roles"])
    );
    assert_eq!(names(&world, &admin, "/admin/users?role=BOSS&q=boss").await, json!(["Boss"]));
    assert_eq!(admin.get("/admin/users?q=boss").await.json()["items"][0]["roles"], json!(["ADMIN", "BOSS"]));
    assert_eq!(names(&world, &admin, "/admin/users?status=disabled").await, json!([]));
    assert_eq!(
        refusal(&admin.get("/admin/users?status=gone").await),
        "400 invalid_request: Invalid format for parameter status: `gone` is not one of active, disabled"
    );

    assert_eq!(names(&world, &admin, "/admin/sales-users").await, json!(["Debug All Roles", "Sales Dev"]));
    world.execute("UPDATE users SET status = 'disabled' WHERE display_name = 'Sales Dev'").await;
    assert_eq!(names(&world, &admin, "/admin/sales-users").await, json!(["Debug All Roles"]));
    assert_eq!(names(&world, &admin, "/admin/users?status=disabled").await, json!(["Sales Dev"]));
    world.stop().await;
}

/// A list costs the same number of statements whatever it holds.
#[tokio::test]
async fn lists_ask_the_database_a_fixed_number_of_times() {
    let Some(world) = World::start().await else { return };
    let admin = world.signed_in("ADMIN").await;
    let paths = [
        "/admin/customers",
        "/customers",
        "/admin/users",
        "/admin/sales-users",
        "/staff",
        "/audit-logs",
        "/rbac/roles",
    ];
    let cost = async || {
        let mut costs = Vec::new();
        for path in paths {
            let before = world.statements();
            assert_eq!(admin.get(&format!("{path}?pageSize=100")).await.status, 200);
            costs.push((path, world.statements() - before));
        }
        costs
    };
    let few = cost().await;
    world
        .execute(
            "WITH people AS (
                 INSERT INTO users (user_type, display_name, owner_sales_user_id)
                 SELECT kind, 'n' || n, 'bbbbbbbb-bbbb-bbbb-bbbb-bbbbbbbbbbbb'
                 FROM generate_series(1, 90) n, (VALUES ('customer'), ('staff')) k (kind) RETURNING id, user_type)
             INSERT INTO user_roles SELECT id, CASE user_type WHEN 'staff' THEN 'SALES' ELSE 'CUSTOMER' END FROM people",
        )
        .await;
    world.execute("INSERT INTO audit_logs (action) SELECT 'x' FROM generate_series(1, 90)").await;
    assert_eq!(cost().await, few);
    assert!(few.iter().all(|(_, n)| (1..=4).contains(n)), "{few:?}");
    world.stop().await;
}
