//! What becomes of requests.

use base64::Engine as _;
use fairway_guard::{Compiled, Problems};
use fairway_model::traffic::{Guard, GuardProblem};
use http::HeaderValue;
use http::header::AUTHORIZATION;
use proptest::prelude::*;
use sha2::{Digest as _, Sha256};

use crate::{compiled, request, text};

fn users(users: &[(&str, &str)]) -> String {
    let entries = users.iter().map(|(name, password)| {
        format!(r#""{name}":"{}""#, hex::encode(Sha256::digest(format!("{name}:{password}"))))
    });
    format!(r#"{{"basic_auth":{{"users":{{{}}}}}}}"#, entries.collect::<Vec<_>>().join(","))
}

fn basic(credentials: &str) -> String {
    format!("authorization: Basic {}", base64::engine::general_purpose::STANDARD.encode(credentials))
}

#[test]
fn a_guard_with_a_problem_does_not_compile() {
    let guard: Guard = serde_json::from_str(r#"{"cors":{},"rate_limit":{"requests":0}}"#).unwrap();
    let problems = Compiled::new(&guard, None, 0).unwrap_err();
    assert_eq!(problems, Problems(vec![GuardProblem::RateRequests, GuardProblem::NoOrigins]));
    assert!(problems.to_string().contains("; cors.origins"), "{problems}");
}

#[test]
fn a_guard_of_nothing_lets_everything_pass() {
    let guard = compiled("{}");
    assert!(guard.is_empty());
    for request in [request(""), request("origin: https://x.example").method("OPTIONS"), request("").plain()]
    {
        let passed = request.passes(&guard);
        let mut head = crate::headers("content-type: text/plain\ncontent-length: 100000");
        let before = head.clone();
        assert_eq!(guard.after(passed, http::StatusCode::OK, &mut head), None);
        assert_eq!(head, before);
    }
}

#[test]
fn plain_http_is_redirected() {
    let guard = compiled(r#"{"redirect_https":true}"#);
    let check = |host: Option<&str>, target: &str, port: u16, expect: Option<&str>| {
        let mut request = request("").plain();
        request.host = host.map(str::to_owned);
        request.target = target.to_owned();
        request.https_port = port;
        let answer = request.answered(&guard);
        let location = answer.headers.get("location").map(|it| it.to_str().unwrap());
        assert_eq!(location, expect, "{host:?} {target}");
        assert_eq!(answer.status, if expect.is_some() { 308 } else { 400 }, "{host:?} {target}");
    };
    check(Some("shop.example.com"), "/a?b=c%20d", 443, Some("https://shop.example.com/a?b=c%20d"));
    check(Some("shop.example.com:80"), "/", 443, Some("https://shop.example.com/"));
    check(Some("shop.example.com:8080"), "/a", 8443, Some("https://shop.example.com:8443/a"));
    check(Some("[2001:db8::1]:80"), "/a", 8443, Some("https://[2001:db8::1]:8443/a"));
    check(Some("[2001:db8::1]"), "/a", 443, Some("https://[2001:db8::1]/a"));
    check(
        Some("shop.example.com"),
        "//evil.example/x",
        443,
        Some("https://shop.example.com//evil.example/x"),
    );
    check(Some("shop.example.com"), "*", 443, Some("https://shop.example.com/"));
    for host in [
        "",
        "user@evil.example",
        "a b",
        "2001:db8::1",
        "[x]",
        "[::1]x",
        "a/b",
        "a:x",
        "shop.example.com\\@evil",
    ] {
        check(Some(host), "/", 443, None);
    }
    check(None, "/", 443, None);
    assert_eq!(request("").verdict(&guard), "pass");
}

#[test]
fn only_the_networks_of_the_list_pass() {
    let guard = compiled(r#"{"allow":["10.0.0.0/8","2001:db8::/32"]}"#);
    let check = |client: &str, expect: &str| {
        assert_eq!(request("").from(client).verdict(&guard), expect, "{client}");
    };
    check("10.1.2.3", "pass");
    check("::ffff:10.1.2.3", "pass");
    check("2001:db8:1::1", "pass");
    check("192.0.2.7", "403 not_allowed");
    check("::1", "403 not_allowed");
}

#[test]
fn a_closed_route_says_until_when_and_lets_testers_pass() {
    let json = r#"{"maintenance":{"message":"back at noon","retry_after_s":30,"except":["10.0.0.0/8"]}}"#;
    let guard = compiled(json);
    let answer = request("").answered(&guard);
    assert_eq!((answer.status.as_u16(), answer.code, &*answer.message), (503, "maintenance", "back at noon"));
    assert_eq!(text(&answer.headers), "retry-after: 30\n");
    assert_eq!(request("").from("10.0.0.1").verdict(&guard), "pass");
}

#[test]
fn preflight_requests_are_answered() {
    let check = |json: &str, lines: &str, status: u16, expect: &str| {
        let answer = request(lines).method("OPTIONS").answered(&compiled(json));
        assert_eq!(answer.status.as_u16(), status, "{json} {lines}");
        assert_eq!(text(&answer.headers), expect, "{json} {lines}");
    };
    let asked = "origin: https://a.example\naccess-control-request-method: PUT\n\
                 access-control-request-headers: x-a,Content-Type";
    let vary = "vary: access-control-request-headers\nvary: access-control-request-method\nvary: origin\n";
    check(
        r#"{"cors":{"origins":["https://b.example","https://a.example"],"credentials":true,"max_age_s":600}}"#,
        asked,
        204,
        &format!(
            "access-control-allow-credentials: true\n\
             access-control-allow-headers: x-a, Content-Type\n\
             access-control-allow-methods: PUT\n\
             access-control-allow-origin: https://a.example\n\
             access-control-max-age: 600\n{vary}"
        ),
    );
    check(
        r#"{"cors":{"origins":["https://a.example"],"methods":["GET","PUT"],"headers":["x-b"],"expose":["etag"]}}"#,
        asked,
        204,
        &format!(
            "access-control-allow-headers: x-b\n\
             access-control-allow-methods: GET, PUT\n\
             access-control-allow-origin: https://a.example\n\
             access-control-expose-headers: etag\n\
             access-control-max-age: 0\n{vary}"
        ),
    );
    check(
        r#"{"cors":{"origins":["*"]}}"#,
        "origin: https://a.example\naccess-control-request-method: DELETE",
        204,
        "access-control-allow-methods: DELETE\n\
         access-control-allow-origin: *\n\
         access-control-max-age: 0\n\
         vary: access-control-request-headers\nvary: access-control-request-method\n",
    );
    check(r#"{"cors":{"origins":["https://b.example"]}}"#, asked, 403, vary);
    // What would not be a method or a header is not said back.
    check(
        r#"{"cors":{"origins":["*"]}}"#,
        "origin: https://a.example\naccess-control-request-method: P T\naccess-control-request-headers: a b, c",
        204,
        "access-control-allow-origin: *\n\
         access-control-max-age: 0\n\
         vary: access-control-request-headers\nvary: access-control-request-method\n",
    );
}

#[test]
fn what_is_no_preflight_goes_on() {
    let guard = compiled(r#"{"cors":{"origins":["https://a.example"]}}"#);
    let check = |method: &str, lines: &str| {
        assert_eq!(request(lines).method(method).verdict(&guard), "pass", "{method} {lines}");
    };
    check("OPTIONS", "");
    check("OPTIONS", "origin: https://a.example");
    check("OPTIONS", "access-control-request-method: PUT");
    check("PUT", "origin: https://a.example\naccess-control-request-method: PUT");
    check("GET", "origin: https://b.example");
    check("GET", "");
}

#[test]
fn too_many_requests_of_one_client_are_refused() {
    let guard = compiled(r#"{"rate_limit":{"requests":2,"per_ms":60000}}"#);
    let at = |now_ms: u64| request("").at(now_ms);
    assert_eq!(at(0).verdict(&guard), "pass");
    assert_eq!(at(0).verdict(&guard), "pass");
    let answer = at(500).answered(&guard);
    assert_eq!((answer.status.as_u16(), answer.code), (429, "rate_limited"));
    assert_eq!(
        text(&answer.headers),
        "ratelimit-policy: \"route\";q=2;w=60\nratelimit: \"route\";r=0;t=30\nretry-after: 30\n"
    );
    assert_eq!(at(500).from("192.0.2.8").verdict(&guard), "pass", "somebody else");
    assert_eq!(at(29_999).verdict(&guard), "429 rate_limited");
    assert_eq!(at(30_000).verdict(&guard), "pass");
}

#[test]
fn a_rate_over_less_than_a_second_is_said_over_one() {
    let guard = compiled(r#"{"rate_limit":{"requests":1,"per_ms":100}}"#);
    request("").passes(&guard);
    let answer = request("").answered(&guard);
    assert_eq!(
        text(&answer.headers),
        "ratelimit-policy: \"route\";q=10;w=1\nratelimit: \"route\";r=0;t=1\nretry-after: 1\n"
    );
}

#[test]
fn clients_are_told_apart() {
    let of = |json: &str, requests: &[(&str, &str)]| {
        let guard = compiled(json);
        let verdicts =
            requests.iter().map(|(client, lines)| request(lines).from(client).verdict(&guard) == "pass");
        verdicts.collect::<Vec<_>>()
    };
    let address = r#"{"rate_limit":{"requests":1}}"#;
    assert_eq!(of(address, &[("192.0.2.1", ""), ("192.0.2.1", "")]), [true, false]);
    assert_eq!(of(address, &[("192.0.2.1", ""), ("192.0.2.2", "")]), [true, true]);
    assert_eq!(of(address, &[("192.0.2.1", ""), ("::ffff:192.0.2.1", "")]), [true, false]);
    assert_eq!(of(address, &[("2001:db8::1", ""), ("2001:db8::ffff:2", "")]), [true, false], "one /64");
    assert_eq!(of(address, &[("2001:db8::1", ""), ("2001:db8:0:1::1", "")]), [true, true]);
    let header = r#"{"rate_limit":{"requests":1,"key":{"header":"X-Api-Key"}}}"#;
    assert_eq!(of(header, &[("192.0.2.1", "x-api-key: a"), ("192.0.2.2", "x-api-key: a")]), [true, false]);
    assert_eq!(of(header, &[("192.0.2.1", "x-api-key: a"), ("192.0.2.1", "x-api-key: b")]), [true, true]);
    assert_eq!(of(header, &[("192.0.2.1", ""), ("192.0.2.1", "")]), [true, false], "without: by address");
    assert_eq!(of(header, &[("192.0.2.1", ""), ("192.0.2.1", "x-api-key: a")]), [true, true]);
}

#[test]
fn what_is_known_about_clients_survives_another_table() {
    let guard = |json: &str| serde_json::from_str::<Guard>(json).unwrap();
    let first = compiled(r#"{"rate_limit":{"requests":1}}"#);
    request("").passes(&first);
    let limit = r#""rate_limit":{"requests":1}"#;
    let second =
        Compiled::new(&guard(&format!("{{{limit},\"security_headers\":true}}")), Some(&first), 9).unwrap();
    assert_eq!(request("").verdict(&second), "429 rate_limited");
    // Requests in flight on the old table count on the new one.
    request("").from("192.0.2.9").passes(&first);
    assert_eq!(request("").from("192.0.2.9").verdict(&second), "429 rate_limited");
    let other = Compiled::new(&guard(r#"{"rate_limit":{"requests":2}}"#), Some(&second), 9).unwrap();
    assert_eq!(request("").verdict(&other), "pass", "another limit counts anew");
}

#[test]
fn names_and_passwords() {
    let guard = compiled(&users(&[("ann", "secret"), ("bob", "пароль:with:colons"), ("empty", "")]));
    let check = |lines: &str, expect: Option<&str>| {
        let request = request(lines);
        let found = match request.verdict(&guard).as_str() {
            "pass" => Some(guard.user(request.passes(&guard)).unwrap().to_owned()),
            other => {
                assert_eq!(other, "401 unauthorised", "{lines}");
                None
            }
        };
        assert_eq!(found.as_deref(), expect, "{lines}");
    };
    check(&basic("ann:secret"), Some("ann"));
    check(&basic("ann:secret").replace("Basic", "bAsIC"), Some("ann"));
    check(&basic("ann:secret").replace("Basic ", "Basic    "), Some("ann"));
    check(&basic("bob:пароль:with:colons"), Some("bob"));
    check(&basic("empty:"), Some("empty"));
    check("", None);
    check("authorization: ", None);
    check("authorization: Basic", None);
    check("authorization: Basic !!!", None);
    check("authorization: Bearer ann:secret", None);
    check(&basic("ann:secret").replace("Basic ", "Basic"), None);
    check(&basic("ann:Secret"), None);
    check(&basic("ann:secret "), None);
    check(&basic("ann"), None);
    check(&basic(""), None);
    check(&basic("bob:secret"), None);
    check(&basic(&format!("ann:{}", "x".repeat(5_000))), None);
    check(&format!("{}\n{}", basic("ann:secret"), basic("ann:secret")), None);
    check(&basic("ann:secret").replace("Basic ", "Digest "), None);
}

#[test]
fn the_challenge_names_the_realm() {
    let json = users(&[("a", "b")]).replace(r#"{"users""#, r#"{"realm":"the \"test\" \\ room","users""#);
    let answer = request("").answered(&compiled(&json));
    let expect = r#"www-authenticate: Basic realm="the \"test\" \\ room", charset="UTF-8""#;
    assert_eq!(text(&answer.headers), format!("{expect}\n"));
    assert_ne!(answer.message, request(&basic("a:c")).answered(&compiled(&json)).message);
}

#[test]
fn who_has_shown_a_password_is_known_to_the_edge() {
    let guard = compiled(&users(&[("ann", "secret")]));
    assert!(request(&basic("ann:secret")).passes(&guard).authenticated());
    let open = compiled(r#"{"security_headers":true}"#);
    let passed = request(&basic("ann:secret")).passes(&open);
    assert!(!passed.authenticated());
    assert_eq!(open.user(passed), None);
}

#[test]
fn bodies_that_are_declared_too_large() {
    let guard = compiled(r#"{"body_bytes":1000}"#);
    assert_eq!(guard.body_limit(), Some(1_000));
    let check = |lines: &str, expect: &str| assert_eq!(request(lines).verdict(&guard), expect, "{lines}");
    check("", "pass");
    check("transfer-encoding: chunked", "pass");
    check("content-length: 1000", "pass");
    check("content-length: 1001", "413 body_too_large");
    check("content-length: 18446744073709551615", "413 body_too_large");
    assert_eq!(compiled("{}").body_limit(), None);
}

/// Everything at once: each request fails at the first thing that it fails at.
#[test]
fn the_order_of_the_questions() {
    let auth = users(&[("ann", "secret")]);
    let json = format!(
        r#"{{"redirect_https":true,"allow":["10.0.0.0/8"],"body_bytes":10,"security_headers":true,"hsts":{{}},
            "maintenance":{{"message":"closed","except":["10.0.0.0/9"]}},"rate_limit":{{"requests":1}},
            "cors":{{"origins":["https://a.example"]}},{}"#,
        &auth[1..]
    );
    let check = |request: crate::Request, expect: &str| {
        assert_eq!(request.verdict(&compiled(&json)), expect);
    };
    let large = "content-length: 11\n";
    let preflight = "origin: https://a.example\naccess-control-request-method: PUT\n";
    check(request(large).plain().from("192.0.2.1"), "308 https_only");
    check(request(large).from("192.0.2.1"), "403 not_allowed");
    check(request(preflight).method("OPTIONS").from("10.128.0.1"), "503 maintenance");
    check(request(preflight).method("OPTIONS").from("10.0.0.1"), "204 preflight");
    check(request(large).from("10.0.0.1"), "401 unauthorised");
    check(request(&format!("{large}{}", basic("ann:secret"))).from("10.0.0.1"), "413 body_too_large");
    check(request(&basic("ann:secret")).from("10.0.0.1"), "pass");

    let guard = compiled(&json);
    assert_eq!(request("").from("10.0.0.1").verdict(&guard), "401 unauthorised");
    assert_eq!(request("").from("10.0.0.1").verdict(&guard), "429 rate_limited", "guessing is limited");
    let preflight = request(preflight).method("OPTIONS").from("10.0.0.1");
    assert_eq!(preflight.verdict(&guard), "204 preflight", "preflights are not counted");
}

#[test]
fn answers_of_the_edge_are_dressed_like_others() {
    let json = r#"{"cors":{"origins":["https://a.example"]},"rate_limit":{"requests":1,"per_ms":1000},
                   "hsts":{"max_age_s":60},"security_headers":true}"#;
    let guard = compiled(json);
    let request = request("origin: https://a.example");
    request.passes(&guard);
    assert_eq!(
        text(&request.answered(&guard).headers),
        "access-control-allow-origin: https://a.example\n\
         ratelimit-policy: \"route\";q=1;w=1\n\
         ratelimit: \"route\";r=0;t=1\n\
         referrer-policy: strict-origin-when-cross-origin\n\
         retry-after: 1\n\
         strict-transport-security: max-age=60\n\
         vary: origin\n\
         x-content-type-options: nosniff\n\
         x-frame-options: DENY\n"
    );
}

proptest! {
    #[test]
    fn only_the_right_password_opens(credentials in "[ -~]{0,40}", raw in prop::collection::vec(any::<u8>(), 0..60)) {
        let guard = compiled(&users(&[("ann", "secret")]));
        let entered = request(&basic(&credentials)).verdict(&guard) == "pass";
        prop_assert_eq!(entered, credentials == "ann:secret");
        if let Ok(value) = HeaderValue::from_bytes(&raw) {
            let mut request = request("");
            request.headers.insert(AUTHORIZATION, value);
            prop_assert_eq!(request.verdict(&guard), "401 unauthorised");
        }
    }

    #[test]
    fn a_redirect_never_leaves_the_host(host in "[ -~]{0,30}", path in "/[!-~]{0,30}") {
        let guard = compiled(r#"{"redirect_https":true}"#);
        let mut request = request("").plain();
        request.host = Some(host.clone());
        request.target = path.clone();
        let answer = request.answered(&guard);
        if let Some(location) = answer.headers.get("location") {
            let rest = location.to_str().unwrap().strip_prefix("https://").unwrap();
            let (name, after) = rest.split_at(rest.find('/').unwrap());
            prop_assert_eq!(after, path);
            prop_assert!(host == name || host.strip_prefix(name).is_some_and(|it| it.starts_with(':')));
        }
    }
}

proptest! {
    /// What the check of the words accepts can be made ready, and nothing else is.
    #[test]
    fn the_check_and_the_compiler_agree(
        texts in prop::collection::vec("(\\PC{0,12}|[a-z-]{1,8}|https://[a-z.:/*]{1,12}|[0-9a-f]{64})", 8),
        numbers in prop::collection::vec(prop_oneof![0..5u64, any::<u64>()], 5),
        flags in any::<[bool; 4]>(),
    ) {
        let [realm, name, digest, header, origin, method, expose, kind] = texts.try_into().unwrap();
        let [requests, per_ms, burst, age, bytes] = numbers.try_into().unwrap();
        let small = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        let guard = serde_json::json!({
            "basic_auth": flags[0].then(|| serde_json::json!({ "realm": realm, "users": { name: digest } })),
            "rate_limit": flags[1].then(|| serde_json::json!({
                "requests": small(requests), "per_ms": per_ms, "burst": small(burst), "key": { "header": header },
            })),
            "cors": flags[2].then(|| serde_json::json!({
                "origins": [origin], "methods": [method], "headers": [header], "expose": [expose],
                "credentials": flags[3], "max_age_s": age,
            })),
            "compression": flags[3].then(|| serde_json::json!({ "types": [kind], "min_bytes": bytes })),
            "hsts": { "max_age_s": age, "preload": flags[3], "include_subdomains": flags[0] },
        });
        let guard: Guard = serde_json::from_value(guard).unwrap();
        let compiled = Compiled::new(&guard, None, 1);
        prop_assert_eq!(compiled.is_ok(), guard.check().is_empty());
        if let Ok(compiled) = compiled {
            let _ = request("origin: https://a\nx-a: b").verdict(&compiled);
        }
    }
}
