//! An exchange as a span.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::Version;
use serde_json::{Value, json};

use crate::access_log::Line;

/// Where a span stands in its trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ids {
    /// The trace.
    pub trace: [u8; 16],
    /// This span: the one that was passed on to the instance as the parent of its own.
    pub span: [u8; 8],
    /// The span of whoever asked, from an incoming `traceparent`.
    pub parent: Option<[u8; 8]>,
}

/// A server's span.
const SERVER: u32 = 2;
const ERROR: u32 = 2;

pub(super) fn json(line: &Line<'_>, ids: Ids) -> Value {
    // In full, so that a new field has to find its place here.
    let Line {
        time,
        environment,
        service,
        release,
        instance,
        origin: _,
        client,
        method,
        host,
        path,
        protocol,
        status,
        bytes_in,
        bytes_out,
        duration,
        upstream,
        request_id,
        trace_id: _,
        tls,
        why,
        retries,
        one_in: _,
    } = *line;
    let mut attributes = Vec::new();
    let mut add = |key: &str, value: Value| attributes.push(json!({ "key": key, "value": value }));
    let text = |text: &str| json!({ "stringValue": text });
    // 64-bit numbers are strings in this form of the protocol.
    let number = |number: u64| json!({ "intValue": number.to_string() });
    let request_id = request_id.map(|id| id.to_string());
    let texts = [
        ("http.request.method", method),
        ("server.address", host),
        ("url.path", path.map(|path| path.split_once('?').map_or(path, |(path, _)| path))),
        ("url.scheme", Some(if tls.is_some() { "https" } else { "http" })),
        ("network.protocol.version", Some(spoken(protocol))),
        ("tls.protocol.version", tls),
        ("fairway.environment", environment),
        ("fairway.service", service),
        ("fairway.instance", instance),
        ("fairway.request_id", request_id.as_deref()),
    ];
    for (key, value) in texts {
        if let Some(value) = value {
            add(key, text(value));
        }
    }
    add("client.address", text(&client.to_canonical().to_string()));
    add("http.request.body.size", number(bytes_in));
    add("http.response.body.size", number(bytes_out));
    if let Some(release) = release {
        add("fairway.release", number(release));
    }
    if let Some(status) = status {
        add("http.response.status_code", number(status.into()));
    }
    if retries > 0 {
        add("http.request.resend_count", number(retries.into()));
    }
    let failed = status.is_none_or(|status| status >= 500);
    match (why, status) {
        (Some(why), _) => add("error.type", text(why)),
        (None, Some(status)) if failed => add("error.type", text(&status.to_string())),
        _ => {}
    }
    let mut span = json!({
        "traceId": hex(&ids.trace),
        "spanId": hex(&ids.span),
        "name": format!("{} {}", method.unwrap_or("HTTP"), service.unwrap_or("unrouted")),
        "kind": SERVER,
        "startTimeUnixNano": nanoseconds(time),
        "endTimeUnixNano": nanoseconds(time + duration),
        "attributes": attributes,
    });
    if let Some(parent) = ids.parent {
        span["parentSpanId"] = hex(&parent).into();
    }
    if let Some(upstream) = upstream {
        let at = nanoseconds(time + upstream);
        span["events"] = json!([{ "timeUnixNano": at, "name": "upstream.head" }]);
    }
    if failed {
        span["status"] = json!({ "code": ERROR });
    }
    span
}

fn spoken(protocol: Version) -> &'static str {
    match protocol {
        Version::HTTP_09 => "0.9",
        Version::HTTP_10 => "1.0",
        Version::HTTP_2 => "2",
        Version::HTTP_3 => "3",
        _ => "1.1",
    }
}

fn nanoseconds(time: SystemTime) -> String {
    time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_nanos().to_string()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
