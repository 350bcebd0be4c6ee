//! Manifests that are right as texts and describe systems that are not.

use crate::support::{SHOP, contract, shop_sources, show, table};
use fairway_manifest::{Manifest, Sources};

fn check(name: &str, cases: &[(&str, &str)]) {
    insta::assert_snapshot!(name, table(cases, &Sources::new()));
}

/// A system of these services, in one environment.
fn system(services: &str) -> String {
    format!(
        "system: a\nenvironments: {{ dev: {{ target: local, listen: 127.0.0.1:0 }} }}\nservices:\n{services}"
    )
}

fn check_services(name: &str, cases: &[(&str, &str)]) {
    let texts: Vec<(&str, String)> = cases.iter().map(|(name, services)| (*name, system(services))).collect();
    let cases: Vec<(&str, &str)> = texts.iter().map(|(name, text)| (*name, text.as_str())).collect();
    check(name, &cases);
}

#[test]
fn the_shop_is_well() {
    let report = fairway_manifest::check(&Manifest::parse("fairway.yaml", SHOP).unwrap(), &shop_sources());
    assert!(!report.has_errors());
    // What has no effect yet is said, and nothing else is.
    insta::assert_snapshot!("shop_warnings", show(&report.problems, &|_| Some(SHOP.to_owned())));
}

#[test]
fn needs() {
    let service = |name: &str, needs: &str| {
        format!(
            "  {name}: {{ build: {{ cargo: x }}, run: [x], listen: ADDR, ready: /r, expose: {{ path: /{name} }}, needs: {{ {needs} }} }}\n"
        )
    };
    let join = |services: &[(&str, &str)]| {
        services.iter().map(|(name, needs)| service(name, needs)).collect::<String>()
    };
    check_services(
        "needs",
        &[
            ("near miss", &join(&[("identity", ""), ("commerce", "identiy: URL")])),
            ("far miss", &join(&[("identity", ""), ("commerce", "warehouse: URL")])),
            ("itself", &join(&[("identity", "identity: URL")])),
            ("two in a circle", &join(&[("a", "b: B"), ("b", "a: A")])),
            (
                "three in a circle with a tail",
                &join(&[("a", "b: B"), ("b", "c: C"), ("c", "d: D"), ("d", "b: B")]),
            ),
            ("two circles", &join(&[("a", "b: B"), ("b", "a: A"), ("c", "d: D"), ("d", "c: C")])),
            ("one variable for two", &join(&[("a", ""), ("b", ""), ("c", "a: URL, b: URL")])),
            ("the variable of listen", &join(&[("a", ""), ("b", "a: ADDR")])),
        ],
    );
}

#[test]
fn programs() {
    check_services(
        "programs",
        &[
            ("nothing", "  api: {}\n"),
            ("no run", "  api: { build: { cargo: api } }\n"),
            ("no build", "  api: { run: [api] }\n"),
            ("empty program", "  api: { build: { cargo: api }, run: [\"\"] }\n"),
            (
                "empty program of a migration",
                "  api: { build: { cargo: api }, run: [api], database: { env: D, migrate: [\" \"] } }\n",
            ),
            ("stub without a contract", "  api: { stub: true, expose: { path: / } }\n"),
            (
                "stub with a program",
                "  api:\n    stub: true\n    build: { cargo: api }\n    run: [api]\n    listen: A\n    env: { B: c }\n    expose: { path: / }\n",
            ),
            ("no services", "  {}\n"),
        ],
    );
}

#[test]
fn reaching() {
    let front = "  web: { build: { cargo: web }, run: [web], listen: A, ready: /r, expose: { path: / }, needs: { api: API } }\n";
    check_services(
        "reaching",
        &[
            (
                "exposed without readiness",
                "  api: { build: { cargo: api }, run: [api], listen: A, health: /h, expose: { path: / } }\n",
            ),
            (
                "exposed and said so",
                "  api: { build: { cargo: api }, run: [api], listen: A, ready: none, expose: { path: / } }\n",
            ),
            (
                "exposed without listen",
                "  api: { build: { cargo: api }, run: [api], ready: /r, expose: { path: / } }\n",
            ),
            (
                "needed without readiness",
                &format!("{front}  api: {{ build: {{ cargo: api }}, run: [api], listen: A }}\n"),
            ),
            (
                "needed without listen",
                &format!("{front}  api: {{ build: {{ cargo: api }}, run: [api], ready: none }}\n"),
            ),
            ("probed without listen", "  api: { build: { cargo: api }, run: [api], health: /h }\n"),
            ("nobody calls it", "  api: { build: { cargo: api }, run: [api], listen: A, ready: /r }\n"),
            ("worker", "  api: { build: { cargo: api }, run: [api] }\n"),
            (
                "two on one path",
                "  a: { build: { cargo: a }, run: [a], listen: A, ready: /r, expose: { path: /api/ } }\n  b: { build: { cargo: b }, run: [b], listen: A, ready: /r, expose: [{ path: /b }, { path: /api }] }\n",
            ),
            (
                "two on one host and path",
                "  a: { build: { cargo: a }, run: [a], listen: A, ready: /r, expose: { host: x.example.com } }\n  b: { build: { cargo: b }, run: [b], listen: A, ready: /r, expose: { host: x.example.com } }\n",
            ),
            (
                "two on two hosts",
                "  a: { build: { cargo: a }, run: [a], listen: A, ready: /r, expose: { host: x.example.com } }\n  b: { build: { cargo: b }, run: [b], listen: A, ready: /r, expose: { host: y.example.com } }\n",
            ),
        ],
    );
}

#[test]
fn details() {
    let worker = |more: &str| {
        format!(
            "  worker:\n    build: {{ cargo: worker }}\n    run: [worker]\n    listen: ADDR\n    expose: {{ path: / }}\n{more}\n"
        )
    };
    let cases: Vec<(&str, String)> = [
        ("probe in no time", "    ready: { path: /r, interval: 0s, timeout: 0ms }"),
        ("probe after the deadline", "    ready: { path: /r, interval: 2m }\n    start: { deadline: 1m }"),
        ("start in no time", "    ready: /r\n    start: { deadline: 0s }"),
        ("memory without a unit", "    ready: /r\n    limits: { memory: 512 }"),
        ("hardly any cpu", "    ready: /r\n    limits: { cpu: 1m }"),
        ("cpu with a wrong unit", "    ready: /r\n    limits: { cpu: \"500000\" }"),
        ("no directory of migrations", "    ready: /r\n    database: { env: D, migrate: [worker, m], migrations: db/migrations }"),
        ("migrations without a command", "    ready: /r\n    database: { env: D, migrations: db/migrations }"),
        ("database in the variable of listen", "    ready: /r\n    database: { env: ADDR }"),
        ("env in the variable of listen", "    ready: /r\n    env: { ADDR: 127.0.0.1:80 }"),
        ("secret by its name", "    ready: /r\n    secrets: [API_TOKEN, SALT]"),
        ("secret in the file", "    ready: /r\n    secrets: [SALT]\n    env: { API_TOKEN: abc, SALT: def, OTHER_TOKEN: \"${T:abc}\", EMPTY_KEY: \"\" }"),
    ]
    .into_iter()
    .map(|(name, more)| (name, system(&worker(more))))
    .collect();
    let cases: Vec<(&str, &str)> = cases.iter().map(|(name, text)| (*name, text.as_str())).collect();
    check("details", &cases);
}

#[test]
fn environments() {
    let text = |environments: &str| {
        format!(
            "system: a\nservices:\n  web: {{ build: {{ cargo: web }}, run: [web], listen: A, ready: /r, expose: {{ path: / }} }}\nenvironments:\n{environments}\n"
        )
    };
    let cases: Vec<(&str, String)> = [
        ("one port for two", "  a: { target: local, listen: 127.0.0.1:80 }\n  b: { target: local, listen: 127.0.0.1:80 }"),
        ("every interface and one", "  a: { target: local, listen: 0.0.0.0:80 }\n  b: { target: local, listen: 127.0.0.1:80 }"),
        ("ephemeral", "  a: { target: local, listen: 127.0.0.1:80 }\n  b: { target: local, listen: 127.0.0.1:80, ephemeral: true }"),
        ("any port", "  a: { target: local, listen: 127.0.0.1:0 }\n  b: { target: local, listen: 127.0.0.1:0 }"),
        ("another machine", "  a: { target: local, listen: 127.0.0.1:80 }\n  b: { target: ssh://h, listen: 127.0.0.1:80 }"),
        ("nowhere", "  a: { target: local }"),
        ("after nobody", "  staging: { target: local, listen: 127.0.0.1:0 }\n  prod: { target: local, listen: 127.0.0.1:1, after: stagin }"),
        ("after itself", "  prod: { target: local, listen: 127.0.0.1:1, after: prod }"),
        (
            "after in a circle",
            "  a: { target: local, listen: 127.0.0.1:1, after: b }\n  b: { target: local, listen: 127.0.0.1:2, after: c }\n  c: { target: local, listen: 127.0.0.1:3, after: b }",
        ),
        ("data from nowhere", "  a: { target: local, listen: 127.0.0.1:1, data: { from: prod } }"),
        ("data from itself", "  a: { target: local, listen: 127.0.0.1:1, data: { from: a, subset: a.yaml } }"),
        ("number of nothing", "  a: { target: local, listen: 127.0.0.1:1, domain: \"pr-{number}.example.com\" }"),
    ]
    .into_iter()
    .map(|(name, environments)| (name, text(environments)))
    .collect();
    let cases: Vec<(&str, &str)> = cases.iter().map(|(name, text)| (*name, text.as_str())).collect();
    check("environments_of_systems", &cases);
}

#[test]
fn contracts() {
    let text = "system: a\ncontracts: api\nenvironments: { dev: { target: local } }\nservices:\n  \
        one: { stub: true, contract: one.yaml }\n  two: { stub: true, contract: two.yaml }\n  three: { stub: true, contract: tree.yaml }\n  \
        four: { stub: true, contract: one.yaml }\n  broken: { stub: true, contract: broken.yaml }\n  \
        web: { build: { cargo: web }, run: [web], listen: A, ready: /r, expose: { host: a.example.com }, needs: { one: A1, two: A2, three: A3, four: A4, broken: A5 } }\n  \
        far: { stub: true, contract: three.yaml, expose: { host: b.example.com } }\n  \
        near: { stub: true, contract: near.yaml, expose: { host: a.example.com } }\n";
    let mut sources = Sources::new();
    sources.insert("api/one.yaml", contract("one", &["/health", "/orders/{id}", "/one"]));
    sources.insert("api/two.yaml", contract("two", &["/health", "/orders/{orderId}", "/two"]));
    sources.insert("api/three.yaml", contract("three", &["/three"]));
    sources.insert("api/near.yaml", contract("near", &["/near"]));
    sources.insert("api/broken.yaml", "openapi: 3.0.3\ninfo: { title: broken }\npaths: {}\n");
    let problems = crate::support::problems(text, &sources);
    let shown = show(&problems, &|file| {
        if file == "fairway.yaml" { Some(text.to_owned()) } else { sources.text(file).map(str::to_owned) }
    });
    insta::assert_snapshot!("contracts", shown);
}

#[test]
fn services_on_different_hosts_may_promise_the_same() {
    let text = "system: a\ncontracts: api\nenvironments: { dev: { target: local, listen: 127.0.0.1:0 } }\nservices:\n  \
        one: { stub: true, contract: one.yaml, expose: { host: a.example.com } }\n  two: { stub: true, contract: two.yaml, expose: { host: b.example.com } }\n";
    let mut sources = Sources::new();
    for name in ["one", "two"] {
        sources.insert(format!("api/{name}.yaml"), contract(name, &["/orders"]));
    }
    assert_eq!(crate::support::problems(text, &sources), []);
}

#[test]
fn one_path_may_be_divided_by_methods() {
    let text = "system: a\ncontracts: api\nenvironments: { dev: { target: local, listen: 127.0.0.1:0 } }\nservices:\n  \
        one: { stub: true, contract: one.yaml, expose: { path: /a } }\n  two: { stub: true, contract: two.yaml, expose: { path: /b } }\n";
    let mut sources = Sources::new();
    sources.insert("api/one.yaml", contract("one", &["/orders"]));
    sources.insert("api/two.yaml", contract("two", &["/orders"]).replace("get:", "post:"));
    assert_eq!(crate::support::problems(text, &sources), []);
    sources.insert("api/two.yaml", contract("two", &["/orders"]));
    assert_eq!(crate::support::problems(text, &sources).len(), 1);
}
