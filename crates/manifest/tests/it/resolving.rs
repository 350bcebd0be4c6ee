//! From manifest to release.

use crate::support::{SHOP, contract, environment, parse, resolve_with, service, shop_sources, version};
use fairway_manifest::{Inputs, Manifest, Resolution, Sources, contract_digests, resolve};
use fairway_model::{ConfigValue, PostgresSpec, ProcessSpec, Redacted, Release, VariableName};
use std::collections::BTreeMap;

fn shop(name: &str) -> Resolution {
    resolve_with(&parse(SHOP), name, &shop_sources(), &[]).unwrap_or_else(|problems| panic!("{problems}"))
}

fn process<'r>(release: &'r Release, name: &str) -> &'r ProcessSpec {
    release.services[&service(name)].process().expect("it is not a stub")
}

#[test]
fn the_shop_in_dev() {
    insta::assert_json_snapshot!("shop_dev", shop("dev").release);
}

#[test]
fn the_shop_in_prod() {
    let release = shop("prod").release;
    assert_eq!(release.services[&service("identity")].replicas, 3);
    assert_eq!(release.services[&service("ai")].replicas, 0);
    assert_eq!((release.bake.to_string(), release.drain.to_string()), ("1m".to_owned(), "45s".to_owned()));
    assert_eq!(release.services[&service("gateway-bff")].routes[0].host.as_deref(), Some("shop.example.com"));
    assert_eq!(release.listener, None);
}

#[test]
fn an_instance_for_a_pull_request() {
    let release = shop("test/pr-42").release;
    assert_eq!(release.environment, environment("test/pr-42"));
    assert_eq!(
        release.services[&service("gateway-bff")].routes[0].host.as_deref(),
        Some("pr-42.test.example.com")
    );
}

#[test]
fn environments_that_are_not_there() {
    for (name, expect) in [
        ("stagin", "there is no environment `stagin`"),
        ("deb", "did you mean `dev`?"),
        ("dev/pr-1", "`dev` exists once; there is no `dev/pr-1`"),
        ("test", "name the instance, such as `test/pr-42`"),
        ("test/latest", "`{number}` stands for nothing in `test/latest`"),
    ] {
        let problems = resolve_with(&parse(SHOP), name, &shop_sources(), &[]).unwrap_err().to_string();
        assert!(problems.contains(expect), "{name}: {problems}");
    }
}

#[test]
fn secrets_stand_beside_the_release() {
    let resolution =
        resolve_with(&parse(SHOP), "dev", &shop_sources(), &[("DEV_SESSION_SECRET", "hunter2")]).unwrap();
    let variable = VariableName::new("IDENTITY_SESSION_SECRET").unwrap();
    let expected = version("identity", variable.as_str(), "hunter2");
    assert_eq!(process(&resolution.release, "identity").config[&variable], ConfigValue::Secret(expected));
    assert_eq!(resolution.secrets[&expected].expose(), "hunter2");
    let shown = format!("{resolution:?} {}", serde_json::to_string(&resolution.release).unwrap());
    assert!(!shown.contains("hunter2"));
    assert_eq!(resolution.origins[&(service("identity"), variable)].variables, ["DEV_SESSION_SECRET"]);
}

#[test]
fn an_existing_server_is_known_by_the_version_of_its_url() {
    let text = SHOP.replace("{ version: \"15\" }", "{ url: \"postgres://${PG_HOST:localhost}/\" }");
    let resolution = resolve_with(&parse(&text), "dev", &shop_sources(), &[("DEV_PG_HOST", "db")]).unwrap();
    let expected = version("postgres", "URL", "postgres://db/");
    assert_eq!(resolution.release.resources.postgres, Some(PostgresSpec::Existing { url: expected }));
    assert_eq!(resolution.secrets[&expected].expose(), "postgres://db/");

    let text = SHOP.replace("{ version: \"15\" }", "{ url: \"${PG_URL}\" }");
    let problems = resolve_with(&parse(&text), "dev", &shop_sources(), &[]).unwrap_err();
    let problem = &problems.as_slice()[0];
    assert_eq!((problem.rule.as_str(), problem.line), ("unset-variable", 5));
}

#[test]
fn a_server_is_implied_by_a_database_and_by_nothing_else() {
    let text = SHOP.replace("resources:\n  postgres: { version: \"15\" }\n", "");
    let postgres = |text: &str| {
        resolve_with(&parse(text), "dev", &shop_sources(), &[]).unwrap().release.resources.postgres
    };
    assert_eq!(postgres(&text), Some(PostgresSpec::Private { version: None }));
    let alone = "system: a\nresources: { postgres: {} }\nservices: { w: { build: { cargo: w }, run: [w] } }\nenvironments: { dev: { target: local } }\n";
    assert_eq!(postgres(alone), None);
}

#[test]
fn hosts() {
    let text = |environment: &str, host: &str| {
        format!(
            "system: a\nservices: {{ w: {{ build: {{ cargo: w }}, run: [w], listen: A, ready: /r, expose: {{ {host} path: /a/ }} }} }}\nenvironments: {{ {environment} }}\n"
        )
    };
    for (environment, host, expect) in [
        ("dev: { target: local }", "", None),
        ("dev: { target: local }", "host: \"{environment.domain}\",", None),
        ("dev: { target: local }", "host: \"api.{environment.domain}\",", Some("api.localhost")),
        ("dev: { target: local, domain: x.test }", "host: \"{environment.domain}\",", Some("x.test")),
        (
            "dev: { target: local, domain: \"{environment.name}.test\" }",
            "host: \"*.{environment.domain}\",",
            Some("*.dev.test"),
        ),
        (
            "dev: { target: local, domain: x.test }",
            "host: \"{environment.name}.example.com\",",
            Some("dev.example.com"),
        ),
    ] {
        let text = text(environment, host);
        let release = resolve_with(&parse(&text), "dev", &Sources::new(), &[]).unwrap().release;
        let route = &release.services[&service("w")].routes[0];
        assert_eq!((route.host.as_deref(), route.path.as_str()), (expect, "/a"), "{text}");
    }
    let far = text("dev: { target: ssh://h }", "host: \"api.{environment.domain}\",");
    let problems = resolve_with(&parse(&far), "dev", &Sources::new(), &[]).unwrap_err().to_string();
    assert!(problems.contains("`dev` has no domain"), "{problems}");
}

#[test]
fn a_program_that_the_build_does_not_make() {
    let text = SHOP.replace("migrate: [commerce, migrate]", "migrate: [migrator]");
    let problems = resolve_with(&parse(&text), "dev", &shop_sources(), &[]).unwrap_err();
    insta::assert_snapshot!("missing_program", problems);
}

#[test]
fn replicas_of_the_service_win() {
    let text = SHOP.replace("start: { deadline: 30s }", "replicas: 2");
    let release = resolve_with(&parse(&text), "prod", &shop_sources(), &[]).unwrap().release;
    assert_eq!(release.services[&service("gateway-bff")].replicas, 2);
}

#[test]
fn the_same_input_is_the_same_release() {
    assert_eq!(shop("dev").release.digest(), shop("dev").release.digest());
    // Comments, order and notation mean nothing.
    let text =
        format!("# comment\n{}", SHOP.replace("postgres: { version: \"15\" }", "postgres:\n    version: 15"));
    let other = resolve_with(&parse(&text), "dev", &shop_sources(), &[]).unwrap();
    assert_eq!(other.release.digest(), shop("dev").release.digest());
}

#[test]
fn errors_of_the_system_stop_it() {
    let text = SHOP.replace("identity: COMMERCE_IDENTITY_BASE_URL", "identiy: COMMERCE_IDENTITY_BASE_URL");
    let problems = resolve_with(&parse(&text), "dev", &shop_sources(), &[]).unwrap_err();
    assert!(problems.iter().any(|problem| problem.rule == "unknown-need"), "{problems}");
}

#[test]
fn places_are_counted_in_characters() {
    let problems =
        Manifest::parse("fairway.yaml", "system: ünïcode\nservices: {}\n\"ümläut\": 1\n").unwrap_err();
    let places: Vec<_> = problems
        .iter()
        .filter(|problem| problem.line > 0)
        .map(|problem| (problem.line, problem.column, problem.length))
        .collect();
    assert_eq!(places, [(1, 9, 7), (3, 1, 8)]);
}

#[test]
fn what_was_not_given_is_named() {
    let parsed = parse(SHOP);
    let sources = shop_sources();
    let inputs = Inputs {
        process_environment: BTreeMap::new(),
        sources: &sources,
        artifacts: BTreeMap::new(),
        migrations: BTreeMap::new(),
        contract_digests: contract_digests(&parsed, &sources).unwrap(),
        secret_version: &|service, variable, value| version(service.as_str(), variable.as_str(), value),
        store_access: Redacted::new(""),
    };
    let problems = resolve(&parsed, &environment("dev"), &inputs).unwrap_err();
    let missing = problems
        .iter()
        .filter(|problem| problem.rule == "missing-input")
        .map(|problem| problem.message.as_str());
    let expect = ["`identity` was not built", "`commerce` was not built", "`gateway-bff` was not built"];
    assert_eq!(missing.collect::<Vec<_>>(), expect);

    let inputs = Inputs { contract_digests: BTreeMap::new(), ..inputs };
    let problems = resolve(&parsed, &environment("dev"), &inputs).unwrap_err().to_string();
    assert!(
        problems.contains("the digest of the contract `contracts/openapi/ai.yaml` was not given"),
        "{problems}"
    );
}

#[test]
fn contracts_have_digests_of_their_meaning() {
    let parsed = parse(SHOP);
    let mut sources = shop_sources();
    let before = contract_digests(&parsed, &sources).unwrap();
    assert_eq!(before.len(), 4);
    let ai = sources.text("contracts/openapi/ai.yaml").unwrap();
    sources.insert("contracts/openapi/ai.yaml", format!("# formatting means nothing\n{ai}"));
    assert_eq!(contract_digests(&parsed, &sources).unwrap(), before);
    sources.insert("contracts/openapi/ai.yaml", contract("ai", &["/ai/talk"]));
    assert_ne!(contract_digests(&parsed, &sources).unwrap(), before);
    sources.insert("contracts/openapi/ai.yaml", "openapi: 3.0.3\n");
    assert!(contract_digests(&parsed, &sources).is_err());
}

#[test]
fn hosts_that_are_one_without_a_domain() {
    let text = "system: a\nservices:\n  a: { build: { cargo: a }, run: [a], listen: A, ready: /r, expose: { host: \"{environment.domain}\" } }\n  \
        b: { build: { cargo: b }, run: [b], listen: A, ready: /r, expose: { path: / } }\n\
        environments:\n  near: { target: local }\n  far: { target: local, domain: x.test }\n";
    let problems = resolve_with(&parse(text), "near", &Sources::new(), &[]).unwrap_err().to_string();
    assert!(problems.contains("in `near`, both `a` and `b` claim `/` on any host"), "{problems}");
    assert!(resolve_with(&parse(text), "far", &Sources::new(), &[]).is_ok());
}

#[test]
fn warnings_are_about_the_environment_that_is_released() {
    let files = |name: &str| {
        let warnings = resolve_with(&parse(SHOP), name, &shop_sources(), &[]).unwrap().warnings;
        warnings.into_iter().map(|warning| warning.message).collect::<Vec<_>>()
    };
    assert_eq!(files("dev"), Vec::<String>::new());
    assert_eq!(files("ci").len(), 1);
}
