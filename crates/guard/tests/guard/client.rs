//! Who asks, and how that is passed on.

use std::net::IpAddr;

use fairway_guard::{client_address, client_https, forwarded_header};
use fairway_model::traffic::Network;
use http::{HeaderMap, HeaderValue};
use proptest::prelude::*;

use crate::headers;

fn trusted() -> Vec<Network> {
    ["127.0.0.0/8", "10.0.0.0/8", "2001:db8:a::/48"].map(|text| text.parse().unwrap()).into()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn the_last_address_that_is_not_a_proxy_of_ours() {
    let check = |peer: &str, lines: &str, expect: &str| {
        assert_eq!(client_address(ip(peer), &headers(lines), &trusted()), ip(expect), "{peer} {lines}");
    };
    // Whoever is not trusted is who asks, whatever it says.
    check("192.0.2.1", "", "192.0.2.1");
    check("192.0.2.1", "x-forwarded-for: 198.51.100.1", "192.0.2.1");
    check("192.0.2.1", "forwarded: for=198.51.100.1", "192.0.2.1");
    check("::ffff:192.0.2.1", "", "192.0.2.1");
    // From right to left.
    check("127.0.0.1", "", "127.0.0.1");
    check("127.0.0.1", "x-forwarded-for: 198.51.100.1", "198.51.100.1");
    check("::ffff:127.0.0.1", "x-forwarded-for: 198.51.100.1", "198.51.100.1");
    check("127.0.0.1", "x-forwarded-for: 203.0.113.9, 198.51.100.1", "198.51.100.1");
    check("127.0.0.1", "x-forwarded-for: 203.0.113.9, 198.51.100.1, 10.0.0.2 ,10.0.0.1", "198.51.100.1");
    check(
        "127.0.0.1",
        "x-forwarded-for: 203.0.113.9\nx-forwarded-for: 198.51.100.1\nx-forwarded-for: 10.1.1.1",
        "198.51.100.1",
    );
    check("127.0.0.1", "x-forwarded-for: 10.0.0.2, 10.0.0.1", "10.0.0.2");
    check("127.0.0.1", "x-forwarded-for: , 198.51.100.1,,", "198.51.100.1");
    // All ways to write an address.
    check("127.0.0.1", "x-forwarded-for: 198.51.100.1:4711", "198.51.100.1");
    check("127.0.0.1", "x-forwarded-for: 2001:db8::1", "2001:db8::1");
    check("127.0.0.1", "x-forwarded-for: [2001:db8::1]", "2001:db8::1");
    check("127.0.0.1", "x-forwarded-for: [2001:db8::1]:443", "2001:db8::1");
    check("127.0.0.1", "x-forwarded-for: ::ffff:198.51.100.1", "198.51.100.1");
    check("2001:db8:a::1", "x-forwarded-for: 2001:db8:b::1, 2001:db8:a::2", "2001:db8:b::1");
    // Nonsense ends the walk with whoever wrote it.
    for odd in [
        "unknown",
        "_hidden",
        "198.51.100",
        "198.51.100.1:x",
        "198.51.100.1:",
        "[::1",
        "[::1]x",
        "[]",
        "\"198.51.100.1\"",
        "198.51.100.1:123456",
        "1 2",
    ] {
        check("127.0.0.1", &format!("x-forwarded-for: 203.0.113.9, {odd}, 10.0.0.1"), "10.0.0.1");
        check("127.0.0.1", &format!("x-forwarded-for: 203.0.113.9, {odd}"), "127.0.0.1");
        check("127.0.0.1", &format!("x-forwarded-for: {odd}, 198.51.100.1"), "198.51.100.1");
    }
}

#[test]
fn the_standard_header() {
    let check = |lines: &str, expect: &str| {
        assert_eq!(client_address(ip("127.0.0.1"), &headers(lines), &trusted()), ip(expect), "{lines}");
    };
    check("forwarded: for=198.51.100.1", "198.51.100.1");
    check("forwarded: For=\"198.51.100.1:4711\";proto=https;by=10.0.0.1", "198.51.100.1");
    check("forwarded: proto=http; for = \"[2001:db8::1]:80\"", "2001:db8::1");
    check("forwarded: for=203.0.113.9, for=198.51.100.1;host=a, for=10.0.0.1", "198.51.100.1");
    check("forwarded: for=203.0.113.9\nforwarded: for=198.51.100.1", "198.51.100.1");
    check("forwarded: for=198.51.100.1;for=203.0.113.9", "127.0.0.1");
    check("forwarded: proto=https", "127.0.0.1");
    check("forwarded: for=unknown", "127.0.0.1");
    check("forwarded: for=\"198.51.100.1", "127.0.0.1");
    // A quote that the client opens does not swallow what the proxy says.
    check("forwarded: for=\", for=198.51.100.1", "198.51.100.1");
    check("forwarded: for=\"x, for=198.51.100.1;host=\"a\"", "198.51.100.1");
    check("forwarded: for=\"\\\", for=198.51.100.1", "198.51.100.1");
    // What a client made up in the header that its proxy does not know is not believed.
    check("forwarded: for=203.0.113.9\nx-forwarded-for: 198.51.100.1", "198.51.100.1");
    check("forwarded: for=203.0.113.9\nx-forwarded-for: nonsense", "127.0.0.1");
}

#[test]
fn encryption_before_a_proxy() {
    let check = |tls: bool, trusted: bool, lines: &str, expect: bool| {
        assert_eq!(client_https(tls, &headers(lines), trusted), expect, "{tls} {trusted} {lines}");
    };
    check(false, false, "x-forwarded-proto: https", false);
    check(true, false, "x-forwarded-proto: http", true);
    check(false, true, "", false);
    check(true, true, "", true);
    check(false, true, "x-forwarded-proto: HTTPS", true);
    check(false, true, "x-forwarded-proto: wss", true);
    check(true, true, "x-forwarded-proto: http", false);
    check(true, true, "x-forwarded-proto: gopher", true);
    check(false, true, "x-forwarded-proto: https, http", true);
    check(false, true, "forwarded: for=a;proto=https, for=b;proto=http", true);
    check(false, true, "forwarded: proto=https\nx-forwarded-proto: http", false);
}

#[test]
fn what_the_next_one_is_told() {
    let check = |lines: &str, trusted: bool, peer: &str, host: Option<&str>, https: bool, expect: &str| {
        let found = forwarded_header(&headers(lines), trusted, ip(peer), host, https);
        assert_eq!(found.to_str().unwrap(), expect, "{lines}");
    };
    check("", false, "192.0.2.1", Some("a.example"), true, "for=192.0.2.1;host=a.example;proto=https");
    check("", false, "192.0.2.1", None, false, "for=192.0.2.1;proto=http");
    check("", false, "::ffff:192.0.2.1", None, false, "for=192.0.2.1;proto=http");
    check(
        "",
        false,
        "2001:db8::1",
        Some("a.example:8080"),
        false,
        r#"for="[2001:db8::1]";host="a.example:8080";proto=http"#,
    );
    check("", false, "192.0.2.1", Some("a\"b\\ é\u{7}"), false, r#"for=192.0.2.1;host="a\"b\\";proto=http"#);
    check("", false, "192.0.2.1", Some(""), false, r#"for=192.0.2.1;host="";proto=http"#);
    let chain = "forwarded: for=198.51.100.1;host=\"a,b\"\nforwarded: for=203.0.113.9";
    check(chain, false, "10.0.0.1", None, false, "for=10.0.0.1;proto=http");
    check(
        chain,
        true,
        "10.0.0.1",
        None,
        false,
        r#"for=198.51.100.1;host="a,b", for=203.0.113.9, for=10.0.0.1;proto=http"#,
    );
    check(
        "x-forwarded-for: 2001:db8::1, 198.51.100.1:80, unknown",
        true,
        "10.0.0.1",
        None,
        false,
        r#"for="[2001:db8::1]", for=198.51.100.1, for=unknown, for=10.0.0.1;proto=http"#,
    );
    check(
        "forwarded: for=x;host=\"open\nforwarded: for=b",
        true,
        "10.0.0.1",
        None,
        false,
        "for=b, for=10.0.0.1;proto=http",
    );
    check(r#"forwarded: host="\""#, true, "10.0.0.1", None, false, "for=10.0.0.1;proto=http");
    check("forwarded:", true, "10.0.0.1", None, false, "for=10.0.0.1;proto=http");
}

#[test]
fn every_number_of_an_address() {
    for number in 0..=255u8 {
        let peer = IpAddr::from([number, 255 - number, 0, 9]);
        let found = forwarded_header(&HeaderMap::new(), false, peer, None, false);
        assert_eq!(found, format!("for={peer};proto=http"));
    }
}

fn addresses() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        any::<[u8; 4]>().prop_map(IpAddr::from),
        any::<[u8; 16]>().prop_map(|it| IpAddr::from(it).to_canonical()),
        any::<[u8; 3]>().prop_map(|it| IpAddr::from([10, it[0], it[1], it[2]])),
    ]
}

proptest! {
    #[test]
    fn nobody_untrusted_can_make_up_another(name in "(x-forwarded-for|forwarded)", value in prop::collection::vec(any::<u8>(), 0..80)) {
        let mut headers = HeaderMap::new();
        if let Ok(value) = HeaderValue::from_bytes(&value) {
            headers.insert(http::HeaderName::try_from(name.as_str()).unwrap(), value);
        }
        let peer = ip("192.0.2.1");
        prop_assert_eq!(client_address(peer, &headers, &trusted()), peer);
        let _ = client_address(ip("127.0.0.1"), &headers, &trusted());
        let _ = client_https(false, &headers, true);
        let forwarded = forwarded_header(&headers, true, peer, None, true);
        prop_assert!(forwarded.to_str().unwrap().ends_with("for=192.0.2.1;proto=https"));
    }

    /// Whatever a client puts in front, its trusted proxy's own words decide.
    #[test]
    fn a_client_behind_a_proxy_can_not_choose_its_address(
        garbage in "[ -~]{0,60}",
        client in addresses(),
        standard in any::<bool>(),
    ) {
        prop_assume!(!trusted().iter().any(|network| network.contains(client)));
        let mut headers = HeaderMap::new();
        if standard {
            let said = crate::headers(&format!("forwarded: {garbage}"));
            let line = said.get("forwarded").unwrap().to_str().unwrap();
            let added = format!("{line}, {}", forwarded_header(&said, false, client, None, true).to_str().unwrap());
            headers.insert("forwarded", added.parse().unwrap());
        } else {
            headers.insert("x-forwarded-for", format!("{garbage}, {client}").parse().unwrap());
        }
        prop_assert_eq!(client_address(ip("10.0.0.1"), &headers, &trusted()), client);
    }

    /// What one edge writes, the next one reads.
    #[test]
    fn a_chain_of_edges_agrees_on_the_client(client in addresses(), hops in prop::collection::vec(any::<[u8; 3]>(), 1..5)) {
        prop_assume!(!trusted().iter().any(|network| network.contains(client)));
        let mut headers = HeaderMap::new();
        let mut peer = client;
        for (at, hop) in hops.iter().enumerate() {
            let value = forwarded_header(&headers, at > 0, peer, Some("a.example:80"), false);
            headers.insert("forwarded", value);
            peer = IpAddr::from([10, hop[0], hop[1], hop[2]]);
        }
        prop_assert_eq!(client_address(peer, &headers, &trusted()), client);
    }
}
