//! Guards, and the headers and paths that they look at.
//!
//! The input has lines: a guard as JSON, the path and query, the host, and header fields.
#![no_main]

use std::net::{IpAddr, Ipv4Addr};

use fairway_guard::{Asked, Compiled, Trace, Verdict, client_address, client_https, forwarded_header, path_problem, readings, request_id};
use fairway_model::traffic::{Guard, Network};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut lines = data.split(|it| *it == b'\n');
    let guard: Guard = lines.next().and_then(|it| serde_json::from_slice(it).ok()).unwrap_or_default();
    let text = |line: Option<&[u8]>| line.and_then(|it| std::str::from_utf8(it).ok()).unwrap_or_default().to_owned();
    let path_and_query = text(lines.next());
    let host = text(lines.next());
    let mut headers = HeaderMap::new();
    for line in lines.take(64) {
        let mut parts = line.splitn(2, |it| *it == b':');
        let (Some(name), Some(value)) = (parts.next(), parts.next()) else { continue };
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value.trim_ascii())) {
            headers.append(name, value);
        }
    }
    let peer = IpAddr::V4(Ipv4Addr::LOCALHOST);
    // Whoever is not trusted can't change who is said to ask.
    assert_eq!(client_address(peer, &headers, &[]), peer);
    assert!(!client_https(false, &headers, false));
    let said = forwarded_header(&headers, false, peer, Some(&host), false);
    assert!(said.to_str().expect("visible").starts_with("for=127.0.0.1"));
    let client = client_address(peer, &headers, &Network::LOOPBACK);
    let _ = forwarded_header(&headers, true, peer, Some(&host), client_https(true, &headers, true));
    let _ = request_id(true, &headers, 7);
    let mut sent = HeaderMap::new();
    Trace::new(true, &headers, 7, 7, true).put(&mut sent);
    assert!(sent.values().all(|it| it.to_str().is_ok()));

    let path = path_and_query.split('?').next().unwrap_or_default();
    if let Some(readings) = readings(path) {
        assert_eq!(path_problem(path), None);
        for reading in readings.each() {
            assert!(reading.is_ascii() && !reading.contains(['\\', ' ']), "{reading:?}");
        }
        // What was read once has nothing left to read differently.
        let whole = readings.whole().to_owned();
        assert!(!whole.contains("//") && !whole.split('/').any(|it| it == "." || it == ".."), "{whole}");
    }

    let Ok(compiled) = Compiled::new(&guard, None, 7) else {
        assert!(!guard.check().is_empty());
        return;
    };
    for method in [Method::GET, Method::OPTIONS, Method::HEAD, Method::POST] {
        let asked = Asked {
            method: &method,
            path_and_query: &path_and_query,
            host: Some(&host),
            headers: &headers,
            client,
            https: false,
            https_port: 443,
            now_ms: 1_000,
        };
        match compiled.before(&asked) {
            Verdict::Pass(passed) => {
                assert!(guard.basic_auth.is_none() || passed.authenticated());
                assert!(guard.allow.is_empty() || guard.allow.iter().any(|it| it.contains(client)));
                let mut answer = headers.clone();
                compiled.after(passed, StatusCode::OK, &mut answer);
            }
            Verdict::Answer(answer) => {
                assert_ne!(guard, Guard::default(), "a guard that guards nothing");
                assert!(answer.status.is_redirection() || answer.status.is_client_error() || answer.status.is_server_error() || answer.status == StatusCode::NO_CONTENT);
            }
        }
    }
});
