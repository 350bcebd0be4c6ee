//! The JSON Schema, as a validator of somebody else's reads it, agrees with what is accepted.

use crate::support::SHOP;
use fairway_manifest::{Manifest, config_schema, schema};
use jsonschema::Validator;
use serde_json::{Value, json};

#[test]
fn the_schema_is_what_it_was() {
    insta::assert_json_snapshot!("schema", schema());
}

#[test]
fn the_schema_of_layers_is_what_it_was() {
    insta::assert_json_snapshot!("config_schema", config_schema());
}

fn validator(schema: &Value) -> Validator {
    jsonschema::draft202012::meta::validate(schema).expect("it is a JSON Schema");
    jsonschema::draft202012::new(schema).expect("it is a JSON Schema")
}

/// JSON is YAML, so one text serves both.
fn check(manifest: &Value, expect: bool) {
    let text = manifest.to_string();
    let errors: Vec<String> =
        validator(&schema()).iter_errors(manifest).map(|error| error.to_string()).collect();
    assert_eq!(errors.is_empty(), expect, "the schema about {text}: {errors:?}");
    let parsed = Manifest::parse("fairway.yaml", &text);
    assert_eq!(parsed.is_ok(), expect, "the parser about {text}: {:?}", parsed.err());
}

fn with(service: &Value) -> Value {
    let mut whole = json!({ "build": { "cargo": "a" }, "run": ["a"] });
    for (key, value) in service.as_object().into_iter().flatten() {
        whole[key] = value.clone();
    }
    json!({ "system": "a", "services": { "a": whole }, "environments": { "dev": { "target": "local" } } })
}

#[test]
fn both_accept_the_same() {
    for service in [
        json!({}),
        json!({ "x-note": [1, null] }),
        json!({ "env": { "A": 1, "B": true, "C": "d", "x-note": null } }),
        json!({ "ready": "/ready", "health": "none" }),
        json!({ "ready": { "path": "/ready", "interval": "250ms", "rise": 2 } }),
        json!({ "expose": { "host": "*.example.com" } }),
        json!({ "expose": [{ "path": "/a" }, { "path": "/b" }] }),
        json!({ "limits": { "cpu": 0.5, "memory": 536_870_912, "pids": 10 } }),
        json!({ "limits": { "cpu": "500m", "memory": "1.5Gi" } }),
        json!({ "build": { "command": ["make"], "output": "dist" } }),
        json!({ "secrets": ["A", "B"], "needs": { "x-y": "Z" } }),
        json!({ "start": { "deadline": "1m" }, "stop": { "grace": "0s" }, "stub": false, "replicas": 3 }),
        json!({ "database": { "env": "D", "migrate": ["a", "m"], "migrations": "db" } }),
        json!({ "expose": { "guard": { "allow": ["10.0.0.0/8"], "compression": true, "body": "10Mi" } } }),
        json!({ "expose": { "guard": { "compression": { "min": 100 }, "hsts": false, "maintenance": "later" } } }),
        json!({ "expose": { "guard": { "basic_auth": { "users": { "a": { "password": "${PW}" }, "b": "${HASH}" } } } } }),
        json!({ "expose": { "exempt": true, "guard": { "rate_limit": { "requests": 1, "key": { "header": "A" } } } } }),
        json!({ "traffic": { "protocol": "https", "tls": { "server_name": "::1", "roots": "/ca.pem" } } }),
        json!({ "traffic": { "protocol": "h2", "tls": { "server_name": "web.internal" } } }),
        json!({ "traffic": { "protocol": "h2c", "probe": true, "sticky": { "cookie": "a" }, "slow_start": "5s" } }),
    ] {
        check(&with(&service), true);
    }
}

#[test]
fn both_refuse_the_same() {
    for service in [
        json!({ "redy": "/ready" }),
        json!({ "env": { "A": null } }),
        json!({ "env": { "A-B": "c" } }),
        json!({ "env": { "A": ["b"] } }),
        json!({ "ready": "ready" }),
        json!({ "ready": { "interval": "1s" } }),
        json!({ "ready": { "path": "/ready", "rise": 0 } }),
        json!({ "expose": [] }),
        json!({ "expose": { "path": "a" } }),
        json!({ "limits": { "cpu": "half" } }),
        json!({ "limits": { "memory": "512MB" } }),
        json!({ "build": {} }),
        json!({ "build": { "image": "nginx" } }),
        json!({ "build": { "cargo": "a", "output": "dist" } }),
        json!({ "secrets": ["A", "A"] }),
        json!({ "stop": { "grace": "30" } }),
        json!({ "stop": { "grace": 30 } }),
        json!({ "replicas": 0 }),
        json!({ "replicas": "3" }),
        json!({ "run": [] }),
        json!({ "listen": null }),
        json!({ "stub": "yes" }),
        json!({ "needs": { "B": "C" } }),
        json!({ "expose": { "guard": { "alow": [] } } }),
        json!({ "expose": { "guard": { "allow": [] } } }),
        json!({ "expose": { "guard": { "compression": "yes" } } }),
        json!({ "expose": { "guard": { "basic_auth": { "users": {} } } } }),
        json!({ "expose": { "guard": { "basic_auth": { "users": { "a": "hunter2" } } } } }),
        json!({ "expose": { "guard": { "rate_limit": { "requests": 0 } } } }),
        json!({ "expose": { "guard": { "rate_limit": { "requests": 1, "key": "adress" } } } }),
        json!({ "expose": { "guard": { "body": "10MB" } } }),
        json!({ "expose": { "exempt": "yes" } }),
        json!({ "traffic": { "protocol": "http2" } }),
        json!({ "traffic": { "outliers": { "most_percent": 101 } } }),
        json!({ "traffic": { "timeouts": { "header": 30 } } }),
    ] {
        check(&with(&service), false);
    }
    check(&json!({ "services": {}, "environments": { "dev": { "target": "local" } } }), false);
    for (environment, expect) in [
        (json!({ "tls": { "listen": "0.0.0.0:443", "minimum": "1.3" } }), true),
        (
            json!({ "tls": { "listen": "0.0.0.0:443", "certificates": [{ "local": true, "names": ["a.test"] }] } }),
            true,
        ),
        (
            json!({ "tls": { "listen": "0.0.0.0:443", "certificates": [{ "acme": { "challenge": { "dns-01": ["x"] } } }] } }),
            true,
        ),
        (json!({ "access_log": true, "trusted": ["10.0.0.0/8"], "goodbye_spread": "1s", "guard": {} }), true),
        (json!({ "https_port": 8443 }), true),
        (json!({ "https_port": 0 }), false),
        (json!({ "access_log": { "one_in": 0 } }), false),
        (json!({ "tls": { "minimum": "1.3" } }), false),
        (json!({ "tls": { "listen": "0.0.0.0:443", "certificates": [] } }), false),
        (json!({ "tls": { "listen": "0.0.0.0:443", "certificates": [{ "names": ["a.test"] }] } }), false),
        (
            json!({ "tls": { "listen": "0.0.0.0:443", "certificates": [{ "files": { "chain": "a", "key": "/b" } }] } }),
            false,
        ),
        (json!({ "trusted": [] }), false),
        (json!({ "exempt": true }), false),
    ] {
        let mut whole = json!({ "target": "local" });
        for (key, value) in environment.as_object().into_iter().flatten() {
            whole[key] = value.clone();
        }
        let services = json!({ "a": { "build": { "cargo": "a" }, "run": ["a"] } });
        check(&json!({ "system": "a", "services": services, "environments": { "dev": whole } }), expect);
    }
    check(&json!({ "system": "a", "services": {}, "environments": {} }), false);
    check(
        &json!({ "system": "a", "services": {}, "environments": { "dev": { "target": "docker://a" } } }),
        false,
    );
}

/// The shop, read by the parser and written again, is what the schema describes.
#[test]
fn the_shop_is_accepted_by_both() {
    let parsed = Manifest::parse("fairway.yaml", SHOP).unwrap();
    check(&serde_json::to_value(&parsed.manifest).unwrap(), true);
}

#[test]
fn layers_are_accepted_and_refused() {
    let validator = validator(&config_schema());
    for (layer, expect) in [
        (json!({ "all": { "A": 1 }, "identity": { "B": "c" }, "x-note": 1 }), true),
        (json!({ "all": { "A-B": 1 } }), false),
        (json!({ "all": ["A"] }), false),
        (json!({ "All": {} }), false),
    ] {
        assert_eq!(validator.is_valid(&layer), expect, "{layer}");
    }
}
