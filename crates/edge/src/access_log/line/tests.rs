use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn written(line: &Line<'_>) -> String {
    let mut out = Vec::new();
    line.write(&mut Stamp::default(), &mut out);
    assert!(out.len() <= LONGEST_LINE, "{} bytes", out.len());
    String::from_utf8(out).unwrap()
}

fn full<'a>() -> Line<'a> {
    Line {
        environment: Some("test/pr-42"),
        service: Some("commerce"),
        release: Some(7),
        instance: Some("commerce-1a2b-0"),
        method: Some("POST"),
        host: Some("shop.example.com"),
        path: Some("/orders/9?token=secret"),
        status: Some(201),
        bytes_in: 120,
        bytes_out: 4096,
        duration: Duration::from_micros(12_345),
        upstream: Some(Duration::from_micros(11_007)),
        request_id: Some(RequestId::Text("r-1")),
        trace_id: Some(0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736),
        tls: Some("1.3"),
        retries: 1,
        ..Line::new(
            SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_271_464_042),
            IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7)),
            Version::HTTP_2,
        )
    }
}

#[test]
fn a_line_with_everything_and_one_with_nothing() {
    assert_eq!(
        written(&full()),
        concat!(
            r#"{"time":"2026-11-21T14:31:04.042Z","environment":"test/pr-42","service":"commerce","release":7,"#,
            r#""instance":"commerce-1a2b-0","client":"203.0.113.7","method":"POST","host":"shop.example.com","#,
            r#""path":"/orders/9","protocol":"HTTP/2","status":201,"bytes_in":120,"bytes_out":4096,"#,
            r#""duration_ms":12.345,"upstream_ms":11.007,"request_id":"r-1","#,
            r#""trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","tls":"1.3","retries":1}"#,
            "\n"
        )
    );
    let nothing = Line::new(SystemTime::UNIX_EPOCH, IpAddr::V6(Ipv6Addr::LOCALHOST), Version::HTTP_11);
    assert_eq!(
        written(&nothing),
        concat!(
            r#"{"time":"1970-01-01T00:00:00.000Z","client":"::1","protocol":"HTTP/1.1","#,
            r#""bytes_in":0,"bytes_out":0,"duration_ms":0.000}"#,
            "\n"
        )
    );
}

#[test]
fn a_query_is_never_written() {
    for target in ["/a?token=hunter2", "/a?", "/a??x=hunter2", "/a"] {
        let line = written(&Line { path: Some(target), ..full() });
        assert!(line.contains(r#""path":"/a","#) && !line.contains("hunter2"), "{line}");
    }
}

#[test]
fn a_hostile_client_cannot_make_long_lines_or_forge_one() {
    let long = "\u{1}é".repeat(40_000);
    let line = Line {
        environment: Some(&long),
        service: Some(&long),
        instance: Some(&long),
        method: Some(&long),
        host: Some(&long),
        path: Some(&long),
        request_id: Some(RequestId::Text(&long)),
        tls: Some(&long),
        why: Some(&long),
        ..full()
    };
    let written = written(&line);
    let value: Value = serde_json::from_str(&written).unwrap();
    assert!(
        value["path"].as_str().unwrap().ends_with("é…")
            || value["path"].as_str().unwrap().ends_with("\u{1}…")
    );
    let forged = self::written(&Line { host: Some("x\"}\n{\"status\":200,\"a\":\""), ..full() });
    assert_eq!(forged.matches('\n').count(), 1);
    assert_eq!(serde_json::from_str::<Value>(&forged).unwrap()["status"], 201);
}

#[test]
fn exceptional_lines_say_nothing_about_sampling() {
    let check = |status, why, expect: bool| {
        let line = Line { status, why, one_in: 100, ..full() };
        assert_eq!(line.is_exceptional(), expect, "{status:?} {why:?}");
        assert_eq!(written(&line).contains("\"one_in\":100"), !expect);
    };
    check(Some(200), None, false);
    check(Some(404), None, false);
    check(Some(404), Some("no_route"), true);
    check(Some(500), None, true);
    check(Some(503), Some("no_instance"), true);
    check(Some(200), Some("client_gone"), true);
    check(None, None, true);
}

/// What the edge writes is what serde would have written about the same exchange.
fn expected(line: &Line<'_>) -> Value {
    let mut value = json!({
        "client": line.client.to_canonical().to_string(),
        "protocol": format!("{:?}", line.protocol).replace("2.0", "2"),
        "bytes_in": line.bytes_in,
        "bytes_out": line.bytes_out,
    });
    for (key, text) in [
        ("environment", line.environment),
        ("service", line.service),
        ("instance", line.instance),
        ("method", line.method),
        ("host", line.host),
        ("tls", line.tls),
        ("why", line.why),
    ] {
        if let Some(text) = text {
            value[key] = text.into();
        }
    }
    if let Some(id) = line.request_id {
        value["request_id"] = id.to_string().into();
    }
    if let Some(id) = line.trace_id {
        value["trace_id"] = format!("{id:032x}").into();
    }
    if let Some(path) = line.path {
        value["path"] = path.split('?').next().into();
    }
    if let Some(release) = line.release {
        value["release"] = release.into();
    }
    if let Some(status) = line.status {
        value["status"] = status.into();
    }
    if line.retries > 0 {
        value["retries"] = line.retries.into();
    }
    value
}

proptest! {
    #[test]
    fn what_is_written_is_read_by_serde(
        texts in proptest::collection::vec(proptest::option::of(any::<String>()), 8),
        (number, trace_id) in any::<(Option<u128>, Option<u128>)>(),
        known in any::<bool>(),
        path in proptest::option::of("\\PC*|[\\x00-\\x7f]*"),
        numbers in any::<(Option<u64>, Option<u16>, u64, u64, u32)>(),
        client in prop_oneof![any::<[u8; 4]>().prop_map(IpAddr::from), any::<[u8; 16]>().prop_map(IpAddr::from)],
        (us, upstream) in (0..1_u64 << 45, proptest::option::of(0..1_u64 << 45)),
        second in 0..4_102_444_800_000_u64,
    ) {
        // Within the lengths that are not cut.
        let texts: Vec<Option<String>> = texts
            .into_iter()
            .map(|text| text.map(|text| text.chars().take(60).collect()))
            .collect();
        let path: Option<String> = path.map(|path| path.chars().take(250).collect());
        let [environment, service, instance, method, host, request_id, tls, why] =
            std::array::from_fn(|at| texts[at].as_deref());
        let (release, status, bytes_in, bytes_out, retries) = numbers;
        let request_id = request_id.map(RequestId::Text).or(number.map(RequestId::Number));
        let origin = Origin::new(environment, service, release, instance);
        let line = Line {
            environment, service, instance, method, host, request_id, trace_id, tls, why,
            release, status, bytes_in, bytes_out, retries,
            origin: known.then_some(&origin),
            path: path.as_deref(),
            duration: Duration::from_micros(us),
            upstream: upstream.map(Duration::from_micros),
            ..Line::new(SystemTime::UNIX_EPOCH + Duration::from_millis(second), client, Version::HTTP_2)
        };
        let text = written(&line);
        prop_assert_eq!(text.find('\n'), Some(text.len() - 1));
        let mut value: Value = serde_json::from_str(&text).unwrap();
        let object = value.as_object_mut().unwrap();
        let time = object.remove("time").unwrap();
        prop_assert_eq!(time.as_str().unwrap().len(), "1970-01-01T00:00:00.000Z".len());
        let took = |value: Option<Value>| value.map(|ms| (ms.as_f64().unwrap() * 1000.0).round());
        #[expect(clippy::cast_precision_loss, reason = "below 2^52")]
        let given = |us: u64| us as f64;
        prop_assert_eq!(took(object.remove("duration_ms")), Some(given(us)));
        prop_assert_eq!(took(object.remove("upstream_ms")), upstream.map(given));
        prop_assert_eq!(value, expected(&line));
    }
}
