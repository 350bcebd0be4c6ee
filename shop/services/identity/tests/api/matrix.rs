use std::collections::BTreeSet;

use bytes::Bytes;
use http::Method;

use crate::world::{ROLES, World};

/// Who may do what: `*` everybody, `x` whoever is signed in in the role. Columns are CUSTOMER, SALES, PROCUREMENT,
/// CS, MANAGER, ADMIN, BOSS. Bodies and ids are chosen so that whoever may do it changes nothing by it.
const MATRIX: &str = r#"
* POST  /auth/mini/login                                       {}
* GET   /auth/mini/capabilities
* POST  /auth/password/login                                   {}
* GET   /admin/config/feature-flags
x x x x x x x  POST  /auth/switch-role                         {}
x x x x x x x  GET   /me
- x - - - - -  GET   /me/sales-qr-code
x x x x x x x  GET   /me/permissions
x x x x x x x  POST  /rbac/authorize                           {}
- - - - - x x  GET   /rbac/permissions
- - - - - x x  POST  /rbac/permissions                         {}
- - - - - x x  GET   /rbac/roles
- - - - - x x  PUT   /rbac/roles/NOBODY/permissions            {}
- - - - - x x  POST  /staff                                    {}
- - - - x x x  GET   /staff
- - - - x x x  GET   /staff/ID
- - - - x x x  PATCH /staff/ID                                 {"status":"active"}
- - - - - x x  PATCH /staff/ID                                 {"displayName":"x"}
- - - - - x x  PATCH /staff/ID                                 {"roles":["SALES"],"status":"active"}
- - - - - x x  POST  /staff/ID/bindings                        {}
- - - - - x x  GET   /audit-logs
- x - - x x x  GET   /customers
- x - - x x x  GET   /customers/ID
- - - - x x x  POST  /admin/customers/ID/transfer              {}
- - - - x x x  GET   /admin/customers
- - - - - x x  GET   /admin/users
- - - - x x x  GET   /admin/sales-users
- - - - - x x  PATCH /admin/config/feature-flags               {}
"#;

const NOBODY: &str = "00000000-0000-4000-8000-000000000000";

#[tokio::test]
async fn every_endpoint_for_every_role() {
    let Some(world) = World::start().await else { return };
    let mut clients = Vec::new();
    for role in ROLES {
        clients.push((role, world.signed_in(role).await));
    }
    let forged = world.client.signed_in("eyJhbGciOiJub25lIn0.e30.");
    let mut covered = BTreeSet::new();
    for line in MATRIX.lines().filter(|line| !line.is_empty()) {
        let (line, body) = line.split_once('{').map_or((line, String::new()), |(l, b)| (l, format!("{{{b}")));
        let words: Vec<&str> = line.split_whitespace().collect();
        let [marks @ .., method, template] = words.as_slice() else { panic!("{line}") };
        let path = template.replace("ID", NOBODY);
        let send = async |client: &shop_kit::testing::Client| {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let reply = client.send(method.clone(), &path, Bytes::from(body.clone())).await;
            world.contracts.check(method.as_str(), &path, &reply);
            reply.status
        };
        let open = marks == ["*"];
        for client in [&world.client, &forged] {
            let status = send(client).await;
            assert_eq!(open, status != 401, "{line} without a good token: {status}");
        }
        for ((role, client), mark) in clients.iter().zip(marks.iter().filter(|_| !open)) {
            let status = send(client).await;
            match *mark {
                "x" => assert!(status < 500 && status != 401 && status != 403, "{line} as {role}: {status}"),
                _ => assert_eq!(status, 403, "{line} as {role}"),
            }
        }
        let segment = |s: &str| if s == "ID" || s == "NOBODY" { "{}".to_owned() } else { s.to_owned() };
        covered.insert((method.to_string(), template.split('/').map(segment).collect::<Vec<_>>().join("/")));
    }
    let promised: BTreeSet<_> = world
        .contracts
        .served_by("identity")
        .into_iter()
        .map(|operation| {
            let segment = |s: &str| if s.starts_with('{') { "{}".to_owned() } else { s.to_owned() };
            (operation.method, operation.path.split('/').map(segment).collect::<Vec<_>>().join("/"))
        })
        .collect();
    assert_eq!(covered, promised, "the matrix names what the contracts promise");
    world.stop().await;
}

/// A permission follows the database, not the token: it ends with the role, and with the account.
#[tokio::test]
async fn what_is_taken_away_is_gone_at_once() {
    let Some(world) = World::start().await else { return };
    let manager = world.signed_in("MANAGER").await;
    let admin = world.signed_in("ADMIN").await;
    assert_eq!(manager.get("/staff").await.status, 200);
    world.execute("UPDATE users SET status = 'disabled' WHERE display_name = 'Manager'").await;
    assert_eq!(manager.get("/staff").await.status, 403);
    assert_eq!(manager.get("/me").await.json()["status"], "disabled");
    assert_eq!(manager.get("/me/permissions").await.text, r#"{"items":[]}"#);
    let question = serde_json::json!({ "permission": "staff:read" });
    assert_eq!(manager.post("/rbac/authorize", question).await.text, r#"{"allowed":false}"#);

    assert_eq!(admin.get("/audit-logs").await.status, 200);
    world.execute("DELETE FROM user_roles WHERE role = 'ADMIN'").await;
    assert_eq!(admin.get("/audit-logs").await.status, 403);
    world.stop().await;
}
