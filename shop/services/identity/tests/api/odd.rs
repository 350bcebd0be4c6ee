//! What a sceptical user tries.

use bytes::Bytes;
use http::Method;

use crate::world::{World, refusal};

#[tokio::test]
async fn odd_requests_are_refused_in_the_shops_envelope() {
    let Some(world) = World::start().await else { return };
    let admin = world.signed_in("ADMIN").await;
    let send = async |method: &str, path: &str, body: &str| {
        let reply = admin
            .send(Method::from_bytes(method.as_bytes()).unwrap(), path, Bytes::from(body.to_owned()))
            .await;
        refusal(&reply)
    };
    let unreadable = "400 invalid_request: invalid request body";
    for body in [
        "",
        "{",
        "[]",
        "null",
        "7",
        r#"{"roles":{}}"#,
        "\u{feff}{}",
        r#"{"displayName":"\u0000","roles":["CS"]}"#,
    ] {
        assert_eq!(send("POST", "/staff", body).await, unreadable, "{body}");
    }
    assert_eq!(send("POST", "/staff", &"[".repeat(100_000)).await, unreadable, "deep nesting");
    assert_eq!(
        send("POST", "/staff", &format!("{{\"x\":\"{}\"}}", "y".repeat(3 << 20))).await,
        unreadable,
        "three mebibytes"
    );
    let nul = "400 invalid_request: Invalid format for parameter q: a text can't hold the character U+0000";
    assert_eq!(send("GET", "/staff?q=a%00b", "").await, nul);
    assert_eq!(
        send("GET", "/audit-logs?actorUserId=me", "").await,
        "400 invalid_request: Invalid format for parameter actorUserId: not a UUID"
    );
    assert_eq!(
        send("GET", "/staff/%00", "").await,
        "400 invalid_request: Invalid format for parameter staffId: not a UUID"
    );
    assert_eq!(send("GET", "/nowhere", "").await, "404 not_found: page not found");
    assert_eq!(send("GET", "/staff/", "").await, "404 not_found: page not found");
    assert_eq!(send("DELETE", "/staff", "").await, "405 method_not_allowed: method not allowed");

    for path in [
        "/staff?page=9223372036854775807&pageSize=100",
        "/staff?q=%FF%FE",
        "/staff?q='%3B%20DROP%20TABLE%20users",
        "/customers?q=%5C",
    ] {
        assert_eq!(admin.get(path).await.status, 200, "{path}");
    }
    world.stop().await;
}
