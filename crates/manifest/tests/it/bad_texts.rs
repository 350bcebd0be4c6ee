//! Manifests that are wrong as texts: every mistake is named with its place, and all of them at once.

use crate::support::table;
use fairway_manifest::Sources;

/// A system with one worker, which is as small as a system gets, and more below it.
fn with(more: &str) -> String {
    format!(
        "system: a\nenvironments: {{ dev: {{ target: local }} }}\nservices:\n  worker:\n    build: {{ cargo: worker }}\n    run: [worker]\n{more}"
    )
}

fn check(name: &str, cases: &[(&str, &str)]) {
    insta::assert_snapshot!(name, table(cases, &Sources::new()));
}

fn check_service(name: &str, cases: &[(&str, &str)]) {
    let texts: Vec<(&str, String)> = cases.iter().map(|(name, more)| (*name, with(more))).collect();
    let cases: Vec<(&str, &str)> = texts.iter().map(|(name, text)| (*name, text.as_str())).collect();
    check(name, &cases);
}

#[test]
fn syntax() {
    check(
        "syntax",
        &[
            ("empty", ""),
            ("comments only", "# nothing\n"),
            ("not a mapping", "- a\n- b\n"),
            ("a text", "hello\n"),
            ("tab", "system: a\nservices:\n\tb: {}\n"),
            ("open bracket", "system: a\nservices: [\n"),
            ("colon in a value", "system: a: b\n"),
            ("indentation", "system: a\nservices:\n    a:\n  b: c\n   d: e\n"),
            ("open quote", "system: \"a\n"),
            ("second document", "system: a\n---\nsystem: b\n"),
            ("tag", "system: !!str a\n"),
            ("unknown alias", "system: *a\n"),
            ("alias of itself", "system: &a [*a]\n"),
            ("key that is a list", "[a, b]: c\n"),
            ("merge of a text", "system: a\n<<: b\n"),
        ],
    );
}

#[test]
fn keys() {
    check(
        "keys",
        &[
            ("everything missing", "x-note: nothing else\n"),
            ("near misses", "sytem: a\nservice: {}\nenvironment: {}\n"),
            (
                "written twice",
                "system: a\nsystem: b\nservices: {}\nenvironments: { dev: { target: local }, dev: { target: local } }\n",
            ),
            ("no environments", "system: a\nservices: {}\nenvironments: {}\n"),
            ("no values", "system:\nservices:\nenvironments: ~\n"),
        ],
    );
}

#[test]
fn service_keys() {
    check_service(
        "service_keys",
        &[
            ("near miss", "    redy: /ready\n"),
            ("far miss", "    replication: 3\n"),
            (
                "of other tools",
                "    image: nginx\n    ports: [80]\n    depends_on: [db]\n    environment: {}\n",
            ),
            ("extension", "    x-owner: team-a\n"),
            ("inside a probe", "    ready: { path: /ready, intervall: 1s }\n"),
            ("missing inside a probe", "    ready: { interval: 1s }\n"),
            ("inside limits", "    limits: { mem: 1Gi }\n"),
            ("missing in database", "    database: { migrate: [worker, migrate] }\n"),
            ("twice", "    listen: A\n    listen: B\n"),
            ("twice in env", "    env:\n      A: 1\n      B: 2\n      A: 3\n"),
        ],
    );
}

#[test]
fn builds() {
    let text = |build: &str| {
        format!(
            "system: a\nenvironments: {{ dev: {{ target: local }} }}\nservices:\n  worker:\n    run: [worker]\n    build: {build}\n"
        )
    };
    let cases: Vec<(&str, String)> = [
        ("dockerfile", "{ dockerfile: Dockerfile }"),
        ("image", "{ image: nginx }"),
        ("nothing", "{}"),
        ("near miss", "{ crate: worker }"),
        ("near miss of a key", "{ carg: worker }"),
        ("both", "{ cargo: worker, command: [make], output: dist }"),
        ("without output", "{ command: [make] }"),
        ("command as text", "{ command: make dist, output: dist }"),
        ("empty command", "{ command: [], output: dist }"),
        ("outside", "{ command: [make], output: ../dist }"),
        ("absolute", "{ command: [make], output: /dist }"),
        ("text", "cargo"),
        ("list", "[cargo]"),
        ("empty package", "{ cargo: \"\" }"),
    ]
    .into_iter()
    .map(|(name, build)| (name, text(build)))
    .collect();
    let cases: Vec<(&str, &str)> = cases.iter().map(|(name, text)| (*name, text.as_str())).collect();
    check("builds", &cases);
}

#[test]
fn types() {
    check_service(
        "types",
        &[
            ("number for text", "    listen: 8080\n"),
            ("text for number", "    replicas: three\n"),
            ("quoted number", "    replicas: \"3\"\n"),
            ("fraction", "    replicas: 1.5\n"),
            ("too many", "    replicas: 1001\n"),
            ("too few", "    replicas: 0\n"),
            ("yes", "    stub: yes\n"),
            ("number for a switch", "    stub: 1\n"),
            ("text for a mapping", "    env: A=B\n"),
            ("list for a mapping", "    env: [A=B]\n"),
            ("nested env", "    env: { A: { B: c } }\n"),
            ("no value in env", "    env:\n      A:\n"),
            ("mapping for a path", "    listen: { port: 80 }\n"),
            ("list for a probe", "    ready: [/ready]\n"),
            ("number for a probe", "    ready: 80\n"),
            ("text for a route", "    expose: /\n"),
            ("empty list of routes", "    expose: []\n"),
            ("numbers in a command", "    database: { env: D, migrate: [worker, 1] }\n"),
            ("secret twice", "    secrets: [A, B, A]\n"),
        ],
    );
}

#[test]
fn values() {
    check_service(
        "values",
        &[
            ("duration without a unit", "    stop: { grace: 30 }\n"),
            ("duration in words", "    stop: { grace: 30 seconds }\n"),
            ("no memory", "    limits: { memory: 0 }\n"),
            ("memory with a wrong unit", "    limits: { memory: 512MB }\n"),
            ("cpu in words", "    limits: { cpu: half }\n"),
            ("probe without a slash", "    ready: ready\n"),
            ("probe with a URL", "    health: { path: \"http://localhost/health\" }\n"),
            ("variable with a hyphen", "    listen: HTTP-ADDR\n"),
            ("variable that begins with a digit", "    env: { 1A: b }\n"),
            ("service with capitals", "    needs: { Identity: URL }\n"),
            ("open variable", "    env: { A: \"${B\" }\n"),
            ("variable without a name", "    env: { A: \"${}\" }\n"),
            ("variable in a default", "    env: { A: \"${B:${C}}\" }\n"),
            ("route with a pattern", "    expose: { path: /api/* }\n"),
            ("route without a slash", "    expose: { path: api }\n"),
            ("host with a scheme", "    expose: { host: \"https://shop.example.com\" }\n"),
            ("host with a port", "    expose: { host: \"shop.example.com:443\" }\n"),
            ("host with an unknown placeholder", "    expose: { host: \"{environment.domian}\" }\n"),
            ("host in capitals", "    expose: { host: Shop.example.com }\n"),
            ("contract outside", "    contract: ../../a.yaml\n"),
        ],
    );
}

#[test]
fn environments() {
    let text = |environment: &str| {
        format!(
            "system: a\nservices: {{ worker: {{ build: {{ cargo: worker }}, run: [worker] }} }}\nenvironments:\n{environment}\n"
        )
    };
    let cases: Vec<(&str, String)> = [
        ("no target", "  dev: { listen: 127.0.0.1:8080 }"),
        ("near miss of a target", "  dev: { target: locl }"),
        ("unknown scheme", "  dev: { target: docker://x }"),
        ("ssh without a host", "  dev: { target: \"ssh://\" }"),
        ("port alone", "  dev: { target: local, listen: 8080 }"),
        ("port with a colon", "  dev: { target: local, listen: \":8080\" }"),
        ("localhost", "  dev: { target: local, listen: localhost:8080 }"),
        ("no port", "  dev: { target: local, listen: 127.0.0.1 }"),
        ("instance as a name", "  test/pr-1: { target: local }"),
        ("capitals in a name", "  Prod: { target: local }"),
        ("unknown per", "  dev: { target: local, per: branch }"),
        ("near miss of per", "  dev: { target: local, per: pull_request }"),
        ("unknown approval", "  dev: { target: local, approval: boss }"),
        ("unknown placeholder", "  dev: { target: local, domain: \"{branch}.example.com\" }"),
        ("domain with a scheme", "  dev: { target: local, domain: \"http://x\" }"),
    ]
    .into_iter()
    .map(|(name, environment)| (name, text(environment)))
    .collect();
    let cases: Vec<(&str, &str)> = cases.iter().map(|(name, text)| (*name, text.as_str())).collect();
    check("environments", &cases);
}

#[test]
fn everything_at_once() {
    check(
        "everything_at_once",
        &[(
            "seven mistakes",
            "system: My System\nresources:\n  postgres: { version: new, url: x }\nservices:\n  api:\n    biuld: { cargo: api }\n    run: api serve\n    \
             ready: ready\n    limits: { memory: lots }\n  api: {}\nenvironments:\n  dev: { target: local, liste: 1 }\n",
        )],
    );
}

/// What is wrong with the system is said along with what is wrong with the text.
#[test]
fn text_and_system_at_once() {
    check(
        "text_and_system_at_once",
        &[(
            "six mistakes",
            "system: a\nservices:\n  api:\n    biuld: { cargo: api }\n    needs: { ap: URL, broken: URL2, web: URL3 }\n    expose: { path: /x }\n  \
             broken: [what]\n  web:\n    needs: { api: API }\n    replicas: many\n    expose: { path: /x/ }\nenvironments:\n  \
             dev: { target: local, listen: 127.0.0.1:80, after: prod }\n  ci: { target: local, listen: 127.0.0.1:80 }\n",
        )],
    );
}

#[test]
fn resources() {
    let text = |postgres: &str| format!("{}resources: {{ postgres: {postgres} }}\n", with(""));
    let cases: Vec<(&str, String)> = [
        ("both", "{ version: 15, url: \"${URL}\" }"),
        ("version in words", "{ version: latest }"),
        ("minor version", "{ version: 15.2 }"),
        ("near miss", "{ versoin: 15 }"),
        ("a text", "\"15\""),
        ("fine without quotes", "{ version: 15 }"),
        ("fine and empty", "{}"),
    ]
    .into_iter()
    .map(|(name, postgres)| (name, text(postgres)))
    .collect();
    let cases: Vec<(&str, &str)> = cases.iter().map(|(name, text)| (*name, text.as_str())).collect();
    check("resources", &cases);
}
