//! The guards of a route in short words.

use fairway_model::Millis;
use fairway_model::traffic::{Guard, Network, RateKey, RateLimit};

/// What requests must pass and what answers get: `10.0.0.0/8, password, 50 a second`; nothing for a route without.
pub(crate) fn guard(guard: &Guard) -> String {
    // In full, so that a new guard is not passed over in silence.
    let Guard {
        allow,
        basic_auth,
        rate_limit,
        maintenance,
        cors,
        compression,
        hsts,
        redirect_https,
        security_headers,
        body_bytes,
    } = guard;
    let mut words = Vec::new();
    if let Some(closed) = maintenance {
        words.push(match closed.except.as_slice() {
            [] => "maintenance".to_owned(),
            except => format!("maintenance except {}", networks(except)),
        });
    }
    if !allow.is_empty() {
        words.push(format!("only {}", networks(allow)));
    }
    if basic_auth.is_some() {
        words.push("password".to_owned());
    }
    words.extend(rate_limit.as_ref().map(rate));
    words.extend(body_bytes.map(|bytes| format!("body ≤ {}", size(bytes))));
    if *redirect_https {
        words.push("to https".to_owned());
    }
    if hsts.is_some() {
        words.push("hsts".to_owned());
    }
    if let Some(cors) = cors {
        words.push(match cors.origins.as_slice() {
            [only] => format!("cors {only}"),
            several => format!("cors {} origins", several.len()),
        });
    }
    if compression.is_some() {
        words.push("compressed".to_owned());
    }
    if *security_headers {
        words.push("security headers".to_owned());
    }
    words.join(", ")
}

fn networks(networks: &[Network]) -> String {
    match networks {
        [] => String::new(),
        [only] => only.to_string(),
        [first, others @ ..] => format!("{first} and {} more", others.len()),
    }
}

fn rate(limit: &RateLimit) -> String {
    let RateLimit { requests, per_ms, burst: _, key } = limit;
    let each = match *per_ms {
        1_000 => "a second".to_owned(),
        60_000 => "a minute".to_owned(),
        3_600_000 => "an hour".to_owned(),
        ms => format!("in {}", Millis(ms)),
    };
    match key {
        RateKey::Address => format!("{requests} {each}"),
        RateKey::Header(name) => format!("{requests} {each} by {name}"),
    }
}

fn size(bytes: u64) -> String {
    for (unit, name) in [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")] {
        if bytes >= unit && bytes.is_multiple_of(unit) {
            return format!("{} {name}", bytes / unit);
        }
    }
    format!("{bytes} B")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guards_in_words() {
        let check = |json: &str, expect: &str| {
            let read: Guard = serde_json::from_str(json).unwrap();
            assert_eq!(guard(&read), expect, "{json}");
        };
        check("{}", "");
        check(r#"{"allow":["10.0.0.0/8"],"basic_auth":{"users":{"ada":""}}}"#, "only 10.0.0.0/8, password");
        check(r#"{"allow":["10.0.0.0/8","::1","127.0.0.1"]}"#, "only 10.0.0.0/8 and 2 more");
        check(r#"{"rate_limit":{"requests":50}}"#, "50 a second");
        check(
            r#"{"rate_limit":{"requests":5,"per_ms":90000,"key":{"header":"x-api-key"}}}"#,
            "5 in 1m30s by x-api-key",
        );
        check(r#"{"maintenance":{"message":"back at 8"}}"#, "maintenance");
        check(
            r#"{"maintenance":{"message":"back at 8","except":["10.0.0.0/8"]},"body_bytes":10485760}"#,
            "maintenance except 10.0.0.0/8, body ≤ 10 MiB",
        );
        check(
            r#"{"redirect_https":true,"hsts":{},"cors":{"origins":["*"]},"compression":{},"security_headers":true}"#,
            "to https, hsts, cors *, compressed, security headers",
        );
        check(
            r#"{"cors":{"origins":["https://a","https://b"]},"body_bytes":1500}"#,
            "body ≤ 1500 B, cors 2 origins",
        );
    }
}
