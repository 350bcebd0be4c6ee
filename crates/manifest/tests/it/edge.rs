//! The edge's options: what is written, what a release makes of it, and what is wrong with the rest.

use crate::support::{parse, problems, resolve_with, service, show, table};
use fairway_manifest::{Manifest, Sources, check_passwords, explain};
use fairway_model::{
    Digest, Release,
    traffic::{CertificateSource, Guard, Options, UpstreamTls},
};
use std::collections::BTreeMap;

/// Every key once, and none as it is anyway.
const EVERYTHING: &str = r#"
system: a
services:
  web:
    build: { cargo: web }
    run: [web]
    listen: ADDR
    ready: /ready
    expose:
      - host: "{environment.domain}"
        guard:
          allow: [10.0.0.0/8, 203.0.113.7]
          rate_limit: { requests: 20, per: 2s, burst: 40, key: { header: X-Api-Key } }
          cors:
            origins: [https://admin.example.com]
            methods: [GET]
            headers: [X-One]
            expose: [X-Two]
            credentials: true
            max_age: 10m
          compression: { min: 2Ki, types: [text/] }
          hsts: { max_age: 17520h, subdomains: true, preload: true }
          redirect_https: true
          security_headers: true
          body: 10Mi
      - { path: /hooks, exempt: true }
    traffic:
      protocol: h2
      tls: { server_name: web.internal, roots: /etc/internal.pem }
      timeouts: { connect: 1s, header: 2m, idle: 0s, upgrade_idle: 30m }
      probe: { path: /well, host: web.internal, interval: 5s, timeout: 500ms, rise: 3, fall: 4 }
      outliers: { failures: 9, server_errors: 8, eject: 7s, most_percent: 60 }
      retries: { patience: 3s, budget_percent: 10 }
      limits: { exchanges: 100, queue: 50, queue_time: 1s }
      slow_start: 10s
      sticky: { cookie: web, max_age: 1h }
environments:
  prod:
    target: local
    listen: 127.0.0.1:8080
    domain: shop.example.com
    tls:
      listen: 127.0.0.1:8443
      minimum: 1.3
      certificates:
        - acme:
            directory: https://acme.example.com/directory
            roots: /etc/acme.pem
            contact: ops@example.com
            challenge: { dns-01: [/opt/hook, --zone] }
            storage: store
            account: { id: kid-1, key: "${ACME_KEY}" }
        - files: { chain: /etc/admin.pem, key: /etc/admin.key }
        - { local: true, names: ["admin.{environment.domain}"] }
    guard:
      allow: [10.1.0.0/16]
      basic_auth: { realm: Shop, users: { ann: { password: "${ANN_PASSWORD}" } } }
      maintenance: { message: Back at noon, retry_after: 5m, except: [10.1.2.0/24] }
      security_headers: false
    trusted: [192.0.2.0/24]
    access_log: { one_in: 10 }
    goodbye_spread: 5s
    https_port: 443
"#;

const SET: [(&str, &str); 2] =
    [("PROD_ANN_PASSWORD", "correct horse battery"), ("PROD_ACME_KEY", "aGVsbG8_d29ybGQ")];

fn release(text: &str, environment: &str, set: &[(&str, &str)]) -> Release {
    let resolved = resolve_with(&parse(text), environment, &Sources::new(), set);
    resolved.unwrap_or_else(|problems| panic!("{problems}")).release
}

#[test]
fn everything_that_can_be_written_is_in_the_release() {
    let release = release(EVERYTHING, "prod", &SET);
    let web = &release.services[&service("web")];
    insta::assert_json_snapshot!("everything", (&web.routes, &web.traffic, &release.edge));
}

#[test]
fn a_release_holds_the_hash_of_a_password_and_nothing_else() {
    let release = release(EVERYTHING, "prod", &SET);
    assert!(!serde_json::to_string(&release).unwrap().contains("correct horse"));
    let routes = &release.services[&service("web")].routes;
    let users = |guard: &Guard| guard.basic_auth.as_ref().map(|auth| auth.users.clone());
    let hash = Digest::of(b"ann:correct horse battery").hex();
    let (closed, open) = (routes.iter().find(|r| r.path == "/"), routes.iter().find(|r| r.path == "/hooks"));
    assert_eq!(users(&closed.unwrap().guard), Some(BTreeMap::from([("ann".to_owned(), hash)])));
    assert_eq!(users(&open.unwrap().guard), None);
}

/// A system with one exposed service, whose one route says this, and these environments.
fn with(route: &str, environments: &str) -> String {
    exposed(&format!("{{ {route} }}"), environments)
}

fn exposed(expose: &str, environments: &str) -> String {
    let service = "build: { cargo: web }, run: [web], listen: ADDR, ready: /ready";
    format!("system: a\nservices:\n  web: {{ {service}, expose: {expose} }}\nenvironments:\n{environments}")
}

/// The guard of the one route in the environment `e`.
fn guard(route: &str, environment: &str) -> Guard {
    let text = with(route, &format!("  e: {{ target: local, listen: \"127.0.0.1:0\", {environment} }}\n"));
    release(&text, "e", &[]).services[&service("web")].routes[0].guard.clone()
}

#[test]
fn the_guards_of_a_route_and_of_its_environment() {
    let hash = "a".repeat(64);
    let shown = |route: &str, environment: &str| serde_json::to_string(&guard(route, environment)).unwrap();
    let check = |route: &str, environment: &str, expect: &str| {
        assert_eq!(shown(route, environment), expect, "{route} in {environment}");
    };
    check("path: /", "guard: {}", "{}");
    check("path: /", "guard: { security_headers: true }", r#"{"security_headers":true}"#);
    check("guard: { security_headers: true }", "", r#"{"security_headers":true}"#);
    // What a route says wins, also when it says no.
    check("guard: { security_headers: false }", "guard: { security_headers: true }", "{}");
    check("guard: { compression: false }", "guard: { compression: true }", "{}");
    check("guard: { body: 1Ki }", "guard: { body: 1Mi }", r#"{"body_bytes":1024}"#);
    // Who may come is what both say.
    check(
        "guard: { allow: [10.0.0.0/8, 192.0.2.0/24] }",
        "guard: { allow: [10.1.0.0/16, 192.0.2.7] }",
        r#"{"allow":["10.1.0.0/16","192.0.2.7/32"]}"#,
    );
    // A closed environment stays closed, except for what is exempt; what is added to answers stays.
    let closed = "guard: { allow: [10.0.0.0/8], maintenance: here, body: 1Ki }";
    check(
        "guard: { maintenance: there }",
        closed,
        r#"{"allow":["10.0.0.0/8"],"maintenance":{"message":"here","retry_after_s":120},"body_bytes":1024}"#,
    );
    check(
        "exempt: true, guard: { allow: [192.0.2.7] }",
        closed,
        r#"{"allow":["192.0.2.7/32"],"body_bytes":1024}"#,
    );
    check("exempt: true", closed, r#"{"body_bytes":1024}"#);
    // A client has one password.
    let own = format!("guard: {{ basic_auth: {{ realm: own, users: {{ a: {hash} }} }} }}");
    let theirs = format!("guard: {{ basic_auth: {{ users: {{ b: {hash} }} }} }}");
    let expect = format!(r#"{{"basic_auth":{{"realm":"own","users":{{"a":"{hash}"}}}}}}"#);
    check(&own, &theirs, &expect);
}

#[test]
fn nobody_is_sent_to_https_where_nothing_answers() {
    let redirects = |environment: &str| guard("guard: { redirect_https: true }", environment).redirect_https;
    assert!(!redirects(""));
    assert!(redirects("tls: { listen: \"127.0.0.1:8443\" }"));
    assert!(redirects("trusted: [192.0.2.1]"));
}

#[test]
fn options_that_are_left_out_are_those_of_the_edge() {
    let text = with("path: /", "  e: { target: local, listen: \"127.0.0.1:0\" }\n");
    let usual = release(&text, "e", &[]);
    assert_eq!(usual.edge, fairway_model::EdgeSpec::default());
    // So a release of an earlier version, which knows none of this, is the same release.
    let json = serde_json::to_string(&usual).unwrap();
    for key in ["edge", "guard", "traffic"] {
        assert!(!json.contains(&format!("\"{key}\"")), "{json}");
    }
    // What is written and is as it is anyway is the same release, too.
    let spelt = text.replace(
        "ready: /ready",
        "ready: /ready, traffic: { protocol: http1, retries: { patience: 2s }, limits: { queue: 1000 }, sticky: false }",
    );
    let spelt =
        spelt.replace("127.0.0.1:0\"", "127.0.0.1:0\", goodbye_spread: 2s, access_log: false, guard: {}");
    assert_eq!(release(&spelt, "e", &[]).digest(), usual.digest());
    let log = text.replace("127.0.0.1:0\"", "127.0.0.1:0\", access_log: true, trusted: [\"::1\", 192.0.2.1]");
    let Options { trusted, access_log, .. } = release(&log, "e", &[]).edge.options;
    assert_eq!(access_log.map(|log| log.one_in), Some(1));
    let trusted: Vec<String> = trusted.iter().map(ToString::to_string).collect();
    assert_eq!(trusted, ["127.0.0.0/8", "::1/128", "192.0.2.1/32"]);
}

#[test]
fn the_probe_of_the_edge_asks_what_ready_asks() {
    let path = |traffic: &str| {
        let text = with("path: /", "  e: { target: local, listen: \"127.0.0.1:0\" }\n");
        let text = text.replace("ready: /ready", &format!("ready: /ready, traffic: {{ {traffic} }}"));
        let spec = release(&text, "e", &[]).services[&service("web")].traffic.clone();
        spec.treatment.probe.map(|probe| (probe.path, probe.interval_ms))
    };
    assert_eq!(path("probe: true"), Some(("/ready".to_owned(), 2_000)));
    assert_eq!(path("probe: { interval: 9s }"), Some(("/ready".to_owned(), 9_000)));
    assert_eq!(path("probe: { path: /other }"), Some(("/other".to_owned(), 2_000)));
    assert_eq!(path("probe: false"), None);
    assert_eq!(path(""), None);
}

#[test]
fn instances_that_speak_tls_are_asked_in_tls() {
    let tls = |ready: &str, traffic: &str| {
        let text = with("path: /", "  e: { target: local, listen: \"127.0.0.1:0\" }\n");
        let text = text.replace("ready: /ready", &format!("ready: {ready}, traffic: {{ {traffic} }}"));
        let release = release(&text, "e", &[]);
        release.services[&service("web")].process().unwrap().probes.tls.clone()
    };
    let usual = UpstreamTls::default();
    assert_eq!(tls("/ready", "protocol: https"), Some(usual));
    let named = UpstreamTls { server_name: "web.internal".to_owned(), roots: Some("/ca.pem".into()) };
    let written = "protocol: h2, tls: { server_name: web.internal, roots: /ca.pem }";
    assert_eq!(tls("/ready", written), Some(named));
    assert_eq!(tls("/ready", "protocol: h2c"), None);
    // A connection is all that is asked for.
    assert_eq!(tls("none", "protocol: https"), None);
}

/// The names of each certificate of the environment `e`.
fn names(expose: &str, environment: &str) -> Vec<Vec<String>> {
    let environment = format!("  e: {{ target: local, listen: \"127.0.0.1:80\", {environment} }}\n");
    let tls = release(&exposed(expose, &environment), "e", &[]).edge.tls.expect("the environment speaks TLS");
    tls.certificates.into_iter().map(|certificate| certificate.names).collect()
}

#[test]
fn certificates_are_for_the_hosts_of_the_routes() {
    let check = |routes: &str, certificates: &str, expect: &[&[&str]]| {
        let certificates = match certificates {
            "" => String::new(),
            certificates => format!(", certificates: [{certificates}]"),
        };
        let tls = format!("domain: x.test, tls: {{ listen: \"127.0.0.1:443\"{certificates} }}");
        assert_eq!(names(routes, &tls), expect, "{routes} {certificates}");
    };
    let two = r#"[{ host: "{environment.domain}" }, { host: b.test }, { host: b.test, path: /b }]"#;
    check(two, "", &[&["b.test", "x.test"]]);
    check(two, "{ acme: {} }", &[&["b.test", "x.test"]]);
    check(two, "{ acme: {} }, { local: true, names: [b.test] }", &[&["x.test"], &["b.test"]]);
    check(two, r#"{ acme: {}, names: ["www.{environment.domain}"] }"#, &[&["www.x.test"]]);
    check(two, "{ files: { chain: /c, key: /k } }", &[&[]]);
    check("{ path: / }", "", &[&["localhost", "127.0.0.1", "::1"]]);
    check(r#"{ host: "*.x.test" }"#, "{ acme: { challenge: { dns-01: [hook] } } }", &[&["*.x.test"]]);
}

#[test]
fn a_machine_of_a_developer_needs_no_word_about_certificates() {
    let text = with("path: /", "  e: { target: local, tls: { listen: \"127.0.0.1:8443\" } }\n");
    let release = release(&text, "e", &[]);
    assert_eq!(release.listener, None);
    let sources: Vec<_> = release.edge.tls.unwrap().certificates.into_iter().map(|it| it.source).collect();
    assert_eq!(sources, [CertificateSource::Local]);
}

#[test]
fn passwords_are_looked_for_before_anything_is_built() {
    let place = |user: &str| {
        with(
            &format!("guard: {{ basic_auth: {{ users: {{ ann: {user} }} }} }}"),
            "  e: { target: local, listen: \"127.0.0.1:0\" }\n",
        )
    };
    let plain = place("{ password: \"${PW}\" }");
    let hash = place("\"${PW}\"");
    let digest = Digest::of(b"ann:x").hex();
    let mut out = String::new();
    for (name, text, set) in [
        ("unset", &plain, None),
        ("short", &plain, Some("hunter2")),
        ("long enough", &plain, Some("0123456789abcdef")),
        ("unset hash", &hash, None),
        ("password for a hash", &hash, Some("0123456789abcdef")),
        ("hash", &hash, Some(digest.as_str())),
    ] {
        let set: Vec<(&str, &str)> = set.map(|value| ("E_PW", value)).into_iter().collect();
        let parsed = parse(text);
        let resolved = resolve_with(&parsed, "e", &Sources::new(), &set);
        let set = set.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let early = check_passwords(&parsed, &crate::support::environment("e"), &set);
        let list = |problems: Option<fairway_manifest::Problems>| {
            problems.map(|it| it.into_vec()).unwrap_or_default()
        };
        let (resolved, early) = (list(resolved.err()), list(early.err()));
        assert_eq!(resolved, early, "{name}");
        assert!(!format!("{early:?}").contains("hunter2"), "{early:?}");
        out.push_str(&format!("━━ {name}\n{}", show(&early, &|_| Some(text.clone()))));
    }
    insta::assert_snapshot!("passwords", out);
}

#[test]
fn one_host_and_path_has_one_guard() {
    let text = "system: a\nservices:\n  a:\n    { build: { cargo: a }, run: [a], listen: A, ready: /r,\n      \
        expose: [{ host: \"{environment.domain}\" }, { guard: { body: 1Ki } }] }\n\
        environments:\n  near: { target: local, listen: \"127.0.0.1:0\" }\n  \
        far: { target: local, listen: \"127.0.0.1:0\", domain: x.test }\n";
    let problems = resolve_with(&parse(text), "near", &Sources::new(), &[]).unwrap_err().to_string();
    assert!(problems.contains("in `near`, `a` twice claim `/` on any host"), "{problems}");
    assert!(resolve_with(&parse(text), "far", &Sources::new(), &[]).is_ok());
}

fn check(name: &str, cases: &[(&str, String)]) {
    let cases: Vec<(&str, &str)> = cases.iter().map(|(name, text)| (*name, text.as_str())).collect();
    insta::assert_snapshot!(name, table(&cases, &Sources::new()));
}

const PLAIN: &str = "  e: { target: local, listen: \"127.0.0.1:0\" }\n";

#[test]
fn bad_guards() {
    let route = |guard: &str| with(&format!("guard: {{ {guard} }}"), PLAIN);
    let cases = [
        ("misspelt", route("alow: [10.0.0.0/8]")),
        (
            "of other tools",
            route("whitelist: [10.0.0.0/8], gzip: true, rate_limit: { average: 10, period: 1s }"),
        ),
        ("not a network", route("allow: [10.0.0.0/33, office]")),
        ("nobody", route("allow: []")),
        ("everybody", route("allow: [0.0.0.0/0]")),
        ("password for a hash", route("basic_auth: { users: { ann: hunter2 } }")),
        ("password in the file", route("basic_auth: { users: { ann: { password: 0123456789abcdef-x } } }")),
        ("no users", route("basic_auth: { users: {} }")),
        ("realm", route("basic_auth: { realm: geschützt, users: { \"a:b\": \"${X}\" } }")),
        ("user without anything", route("basic_auth: { users: { ann: {} } }")),
        ("no rate", route("rate_limit: { requests: 0, per: 0s }")),
        ("no time", route("rate_limit: { requests: 1, per: 0s }")),
        ("rate of nothing", route("rate_limit: { per: 1s }")),
        ("rate without a unit", route("rate_limit: { requests: 1, per: 1 }")),
        ("client", route("rate_limit: { requests: 1, key: adress }")),
        ("header", route("rate_limit: { requests: 1, key: { header: X Y } }")),
        ("burst", route("rate_limit: { requests: 1, per: 24h, burst: 31 }")),
        ("origins", route("cors: { origins: [https://a.example.com, \"https://b.example.com/\", b] }")),
        ("any origin with cookies", route("cors: { origins: [\"*\"], credentials: true }")),
        ("methods", route("cors: { origins: [\"*\"], methods: [GET, \"G T\"], expose: [\"*\"] }")),
        ("types", route("compression: { types: [text/, json] }")),
        ("compression", route("compression: yes")),
        ("preload", route("hsts: { preload: true, max_age: 1h }")),
        ("size", route("body: 10MB")),
        ("message", route("maintenance: true")),
        ("exempt from nothing", with("exempt: true", PLAIN)),
        (
            "nobody is in both lists",
            with(
                "guard: { allow: [10.0.0.0/8] }",
                "  e: { target: local, listen: \"127.0.0.1:0\", guard: { allow: [192.0.2.0/24] } }\n",
            ),
        ),
        (
            "guards that do nothing",
            with(
                "path: /",
                "  e: { target: local, listen: \"127.0.0.1:0\", https_port: 443, guard: { redirect_https: true, hsts: true } }\n  \
                 f: { target: local, guard: { body: 1Ki } }\n  \
                 g: { target: local, listen: \"127.0.0.1:0\", trusted: [\"::/0\"] }\n",
            ),
        ),
    ];
    check("bad_guards", &cases);
}

#[test]
fn bad_traffic() {
    let service = |more: &str| with("path: /", PLAIN).replace("ready: /ready", more);
    let cases = [
        ("protocol", service("ready: /r, traffic: { protocol: http2 }")),
        ("tls unspoken", service("ready: /r, traffic: { tls: { server_name: web.internal } }")),
        (
            "nobody's certificate",
            service(
                "ready: /r, traffic: { protocol: h2, tls: { server_name: \"*.internal\", roots: ca.pem } }",
            ),
        ),
        ("a port", service("ready: /r, traffic: { protocol: https, tls: { server_name: \"web:443\" } }")),
        ("misspelt", service("ready: /r, traffic: { timeout: { header: 1s } }")),
        ("no unit", service("ready: /r, traffic: { timeouts: { header: 30 } }")),
        ("nothing to ask", service("ready: none, traffic: { probe: true }")),
        ("no time", service("ready: /r, traffic: { probe: { interval: 0s, timeout: 0s } }")),
        ("out for no time", service("ready: /r, traffic: { outliers: { eject: 0s } }")),
        ("percent", service("ready: /r, traffic: { retries: { budget_percent: 101 } }")),
        ("cookie", service("ready: /r, traffic: { sticky: { cookie: \"a b\" } }")),
        (
            "worker",
            format!(
                "system: a\nservices:\n  w: {{ build: {{ cargo: w }}, run: [w], traffic: {{ sticky: true }} }}\nenvironments:\n{PLAIN}"
            ),
        ),
        (
            "stub",
            format!(
                "system: a\nservices:\n  s: {{ stub: true, contract: s.yaml, traffic: {{ sticky: true }} }}\nenvironments:\n{PLAIN}"
            ),
        ),
    ];
    check("bad_traffic", &cases);
}

#[test]
fn bad_tls() {
    let environment = |target: &str, more: &str| {
        with(
            "host: \"{environment.domain}\"",
            &format!("  e:\n    target: {target}\n    domain: x.test\n{more}"),
        )
    };
    let tls = |certificates: &str| {
        environment(
            "local",
            &format!(
                "    listen: 127.0.0.1:80\n    tls:\n      listen: 127.0.0.1:443\n      certificates:\n{certificates}"
            ),
        )
    };
    let cases = [
        ("no certificate", environment("ssh://deploy@x.test", "    tls: { listen: 0.0.0.0:443 }\n")),
        ("version", environment("local", "    tls: { listen: 127.0.0.1:443, minimum: 1.1 }\n")),
        ("one port", environment("local", "    listen: 0.0.0.0:443\n    tls: { listen: 127.0.0.1:443 }\n")),
        ("of nothing", tls("        - { names: [x.test] }\n")),
        ("of two", tls("        - { local: true, acme: {} }\n")),
        ("not local", tls("        - { local: false }\n")),
        ("files", tls("        - { files: { chain: certs/x.pem } }\n")),
        ("name", tls("        - { local: true, names: [\"https://x.test\"] }\n")),
        (
            "in two",
            tls(
                "        - { local: true, names: [a.test] }\n        - { acme: {}, names: [b.test, a.test] }\n",
            ),
        ),
        ("hosts twice", tls("        - local: true\n        - acme: {}\n")),
        ("wildcard", tls("        - { acme: {}, names: [\"*.x.test\"] }\n")),
        ("challenge", tls("        - { acme: { challenge: http-02 } }\n")),
        ("program", tls("        - { acme: { challenge: { dns-01: [./hook] } } }\n")),
        ("storage", tls("        - { acme: { storage: bucket } }\n")),
        ("key in the file", tls("        - { acme: { account: { id: kid-1, key: aGk } } }\n")),
        ("mail and directory", tls("        - { acme: { contact: ops, directory: \"http://x.test\" } }\n")),
        (
            "nobody listens to the server",
            environment("local", "    tls: { listen: 127.0.0.1:443, certificates: [{ acme: {} }] }\n"),
        ),
        (
            "no host",
            with(
                "path: /",
                "  e:\n    target: local\n    listen: 127.0.0.1:80\n    tls: { listen: 127.0.0.1:443, certificates: [{ acme: {} }] }\n",
            ),
        ),
    ];
    check("bad_tls", &cases);
}

#[test]
fn two_environments_of_one_machine_share_no_tls_port() {
    let text = with(
        "path: /",
        "  a: { target: local, listen: \"127.0.0.1:443\" }\n  b: { target: local, tls: { listen: \"0.0.0.0:443\" } }\n  \
         c: { target: local, ephemeral: true, tls: { listen: \"0.0.0.0:443\" } }\n",
    );
    let found: Vec<String> = problems(&text, &Sources::new())
        .into_iter()
        .filter(|problem| problem.rule == "port-clash")
        .map(|problem| problem.message)
        .collect();
    assert_eq!(found, ["`b` listens on 0.0.0.0:443, which belongs to `a`"]);
}

#[test]
fn explanations() {
    for (name, path) in [
        ("explain_guard", "services.expose.guard"),
        ("explain_users", "services.expose.guard.basic_auth.users"),
        ("explain_compression", "services.expose.guard.compression"),
        ("explain_traffic", "services.traffic"),
        ("explain_probe", "services.traffic.probe"),
        ("explain_tls", "environments.tls"),
        ("explain_certificates", "environments.tls.certificates"),
        ("explain_challenge", "environments.tls.certificates.acme.challenge"),
        ("explain_environment_guard", "environments.guard"),
    ] {
        insta::assert_snapshot!(name, explain(path).unwrap());
    }
}

/// What was read can be written and read again.
#[test]
fn everything_is_written_as_it_was_read() {
    let manifest = parse(EVERYTHING).manifest;
    let text = serde_json::to_string(&manifest).unwrap();
    let again =
        Manifest::parse("fairway.yaml", &text).unwrap_or_else(|problems| panic!("{problems}\n{text}"));
    assert_eq!(again.manifest, manifest);
}
