//! What answers get.

use fairway_guard::Encoding;
use http::StatusCode;
use proptest::prelude::*;

use crate::{Request, compiled, headers, request, text};

/// The head of an answer after its guard.
fn after(json: &str, request: &Request, status: u16, head: &str) -> (Option<Encoding>, String) {
    let guard = compiled(json);
    let passed = request.passes(&guard);
    let mut head = headers(head);
    let encoding = guard.after(passed, StatusCode::from_u16(status).unwrap(), &mut head);
    (encoding, text(&head))
}

#[test]
fn cors() {
    let check = |json: &str, asked: &str, head: &str, expect: &str| {
        let (_, found) = after(json, &request(asked), 200, head);
        assert_eq!(found, expect, "{json} {asked} {head}");
    };
    let some = r#"{"cors":{"origins":["https://a.example","https://b.example"],"credentials":true,"expose":["etag","link"]}}"#;
    let allowed = "access-control-allow-credentials: true\n\
                   access-control-allow-origin: https://b.example\n\
                   access-control-expose-headers: etag, link\n";
    check(some, "origin: https://b.example", "", &format!("{allowed}vary: origin\n"));
    for origin in ["", "origin: https://c.example", "origin: null", "origin: https://B.example", "origin: *"]
    {
        check(some, origin, "", "vary: origin\n");
    }
    check(some, "origin: https://a.example\norigin: https://b.example", "", "vary: origin\n");
    // What is said about it already is not said again.
    check(some, "", "vary: Accept, Origin", "vary: Accept, Origin\n");
    check(some, "", "vary: *", "vary: *\n");
    check(some, "", "vary: accept", "vary: accept\nvary: origin\n");
    // The edge alone speaks.
    let service = "access-control-allow-origin: *\naccess-control-allow-credentials: true\n\
                   access-control-expose-headers: x-secret";
    check(some, "origin: https://c.example", service, "vary: origin\n");
    check(some, "origin: https://b.example", service, &format!("{allowed}vary: origin\n"));
    let all = r#"{"cors":{"origins":["*"]}}"#;
    check(all, "origin: https://c.example", "", "access-control-allow-origin: *\n");
    check(all, "", service, "access-control-allow-origin: *\n");
    check("{}", "origin: https://c.example", service, &text(&headers(service)));
}

#[test]
fn strict_transport_security() {
    let check = |json: &str, request: Request, head: &str, expect: &str| {
        assert_eq!(after(json, &request, 200, head).1, expect, "{json}");
    };
    check(r#"{"hsts":{}}"#, request(""), "", "strict-transport-security: max-age=31536000\n");
    check(
        r#"{"hsts":{"include_subdomains":true,"preload":true}}"#,
        request(""),
        "",
        "strict-transport-security: max-age=31536000; includeSubDomains; preload\n",
    );
    check(
        r#"{"hsts":{"max_age_s":5}}"#,
        request(""),
        "strict-transport-security: max-age=0",
        "strict-transport-security: max-age=5\n",
    );
    check(r#"{"hsts":{}}"#, request("").plain(), "", "");
}

#[test]
fn security_headers_where_the_service_has_none() {
    let check = |head: &str, expect: &str| {
        assert_eq!(after(r#"{"security_headers":true}"#, &request(""), 200, head).1, expect, "{head}");
    };
    check(
        "",
        "referrer-policy: strict-origin-when-cross-origin\nx-content-type-options: nosniff\nx-frame-options: DENY\n",
    );
    check(
        "x-frame-options: SAMEORIGIN\nreferrer-policy: no-referrer",
        "referrer-policy: no-referrer\nx-content-type-options: nosniff\nx-frame-options: SAMEORIGIN\n",
    );
}

#[test]
fn an_upgrade_is_left_alone() {
    let json = r#"{"security_headers":true,"hsts":{},"cors":{"origins":["*"]},"compression":{}}"#;
    let head = "upgrade: websocket\nconnection: upgrade";
    assert_eq!(after(json, &request("accept-encoding: gzip"), 101, head), (None, text(&headers(head))));
}

const GZIP: &str = r#"{"compression":{}}"#;

#[test]
fn what_is_compressed() {
    let check = |asked: Request, status: u16, head: &str, expect: Option<&str>| {
        let (encoding, found) = after(GZIP, &asked, status, head);
        assert_eq!(encoding.is_some(), expect.is_some(), "{status} {head}");
        if let Some(expect) = expect {
            assert_eq!(found, expect, "{status} {head}");
        } else {
            let found = found.replace("vary: accept-encoding\n", "");
            assert_eq!(found, text(&headers(head)), "{status} {head}");
        }
    };
    let asked = || request("accept-encoding: gzip");
    let json = "content-encoding: gzip\ncontent-type: application/json\nvary: accept-encoding\n";
    check(asked(), 200, "content-type: application/json\ncontent-length: 1024", Some(json));
    check(asked(), 200, "content-type: application/json", Some(json));
    check(asked(), 404, "content-type: application/json", Some(json));
    check(
        asked(),
        200,
        "content-type: Text/HTML; charset=utf-8\netag: \"x\"\naccept-ranges: bytes\nvary: accept",
        Some(
            "content-encoding: gzip\ncontent-type: Text/HTML; charset=utf-8\netag: W/\"x\"\n\
             vary: accept\nvary: accept-encoding\n",
        ),
    );
    check(
        asked(),
        200,
        "content-type: text/css\netag: W/\"x\"\nvary: Accept-Encoding",
        Some("content-encoding: gzip\ncontent-type: text/css\netag: W/\"x\"\nvary: Accept-Encoding\n"),
    );
    check(
        asked(),
        200,
        "content-type: image/svg+xml",
        Some("content-encoding: gzip\ncontent-type: image/svg+xml\nvary: accept-encoding\n"),
    );
    for head in [
        "",
        "content-type: application/json\ncontent-length: 1023",
        "content-type: application/json\ncontent-length: 0",
        "content-type: application/json\ncontent-length: x",
        "content-type: application/octet-stream",
        "content-type: image/png",
        "content-type: text/event-stream",
        "content-type: text/event-stream; charset=utf-8",
        "content-type: application/grpc+json",
        "content-type: text/plain\ncontent-encoding: br",
        "content-type: text/plain\ncontent-range: bytes 0-9/10",
        "content-type: text/plain\ncache-control: public, No-Transform",
        "content-type: text/plain\nset-cookie: a=b",
        "content-type: text/plain\ncontent-digest: sha-256=:x:",
        "content-type: text/plain\nrepr-digest: sha-256=:x:",
    ] {
        check(asked(), 200, head, None);
    }
    for status in [204, 205, 206, 304] {
        check(asked(), status, "content-type: text/plain\netag: \"x\"", None);
    }
    for asked in [
        "",
        "accept-encoding: gzip\ncookie: session=1",
        "accept-encoding: gzip\nauthorization: Bearer x",
        "accept-encoding: gzip\ncache-control: no-transform",
        "accept-encoding: br",
    ] {
        check(request(asked), 200, "content-type: text/plain", None);
    }
}

#[test]
fn caches_learn_that_there_are_two_even_from_the_plain_one() {
    let (encoding, head) = after(GZIP, &request("cookie: a=b"), 200, "content-type: text/plain");
    assert_eq!((encoding, head.as_str()), (None, "content-type: text/plain\nvary: accept-encoding\n"));
    let (_, head) = after(GZIP, &request("accept-encoding: gzip"), 200, "content-type: image/png");
    assert_eq!(head, "content-type: image/png\n");
}

#[test]
fn an_answer_to_head_says_what_get_would_get_and_has_no_body() {
    let asked = request("accept-encoding: gzip").method("HEAD");
    let (encoding, head) = after(GZIP, &asked, 200, "content-type: text/plain\ncontent-length: 5000");
    assert_eq!(encoding, None);
    assert_eq!(head, "content-encoding: gzip\ncontent-type: text/plain\nvary: accept-encoding\n");
}

#[test]
fn an_edge_may_have_enough_of_compressing() {
    let guard = compiled(GZIP);
    let passed = request("accept-encoding: gzip").passes(&guard).uncompressed();
    let mut head = headers("content-type: text/plain\ncontent-length: 5000");
    assert_eq!(guard.after(passed, StatusCode::OK, &mut head), None);
    assert_eq!(text(&head), "content-length: 5000\ncontent-type: text/plain\nvary: accept-encoding\n");
}

#[test]
fn settings_of_compression() {
    let json = r#"{"compression":{"min_bytes":10,"types":["application/vnd."]}}"#;
    let check = |head: &str, expect: bool| {
        assert_eq!(after(json, &request("accept-encoding: gzip"), 200, head).0.is_some(), expect, "{head}");
    };
    check("content-type: application/vnd.api+json\ncontent-length: 10", true);
    check("content-type: application/vnd.api+json\ncontent-length: 9", false);
    check("content-type: application/json\ncontent-length: 10000", false);
}

/// RFC 9110, 12.5.3.
#[test]
fn what_clients_accept() {
    let check = |accept: &str, expect: bool| {
        let lines: Vec<String> = accept.split('\n').map(|it| format!("accept-encoding: {it}")).collect();
        let (encoding, _) = after(GZIP, &request(&lines.join("\n")), 200, "content-type: text/plain");
        assert_eq!(encoding.is_some(), expect, "{accept:?}");
    };
    for accept in [
        "gzip",
        "GZIP",
        "x-gzip",
        "gzip, deflate, br, zstd",
        "br;q=1.0, gzip;q=0.8, *;q=0.1",
        "deflate\ngzip",
        "*",
        "*;q=0.001",
        "gzip;q=1.000",
        "gzip ; q=0.5",
        "gzip;Q=0.5",
        "gzip;q=0.5, identity;q=0.5",
        "gzip, identity;q=0",
        "identity;q=0, *",
        "gzip;q=0.5, *;q=0",
        ",,gzip,",
    ] {
        check(accept, true);
    }
    for accept in [
        "",
        "identity",
        "br, deflate",
        "gzip;q=0",
        "gzip;q=0.0",
        "gzip;q=0.000",
        "*;q=0",
        "gzip;q=0, *",
        "gzip;q=0.5, identity",
        "gzip;q=0.5, identity;q=0.6",
        "*;q=0.5, identity;q=0.7",
        "identity;q=0",
        "gzip;q=2",
        "gzip;q=1.5",
        "gzip;q=0.1234",
        "gzip;q=-1",
        "gzip;q=",
        "gzip;q",
        "gzip;level=1",
        "gzip;q=1;q=0",
        "gzipped",
    ] {
        check(accept, false);
    }
}

proptest! {
    #[test]
    fn no_accept_encoding_panics(accept in "[ -~]{0,60}") {
        let _ = after(GZIP, &request(&format!("accept-encoding: {accept}")), 200, "content-type: text/plain");
    }

    #[test]
    fn a_refusal_of_gzip_is_heard_wherever_it_stands(
        others in prop::collection::vec("(br|deflate|zstd|\\*|identity)(;q=(0|1|0\\.[0-9]{1,3}))?", 0..5),
        place in any::<prop::sample::Index>(),
    ) {
        let mut list = others;
        let place = place.index(list.len() + 1);
        list.insert(place, "gzip;q=0".to_owned());
        let asked = request(&format!("accept-encoding: {}", list.join(", ")));
        prop_assert_eq!(after(GZIP, &asked, 200, "content-type: text/plain").0, None);
    }
}
