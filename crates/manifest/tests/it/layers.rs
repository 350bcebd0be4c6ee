//! Configuration: which layer wins, what variables do, and how each value tells where it came from.

use crate::support::{SHOP, environment, parse, service, shop_sources};
use fairway_manifest::{Config, Layer, Problems, Sources, config, is_secret_name};
use fairway_model::VariableName;
use std::{collections::BTreeMap, fmt::Write as _};

const BASE: &str =
    "all:\n  LOG_LEVEL: info\n  RATE: 0.10\nidentity:\n  LOG_LEVEL: debug\n  IDENTITY_SESSION_HOURS: 12\n";
const TEST: &str = "identity:\n  IDENTITY_LOGIN_MODE: ${LOGIN_MODE:real}\n  GREETING: ${NAME:you}, hello $${NAME}\n  \
    UPSTREAM: https://${HOST}/?key=${HOST_KEY:none}\nall:\n  RATE: \"${RATE}\"\n";

fn sources() -> Sources {
    let mut sources = shop_sources();
    sources.insert("config/base.yaml", BASE);
    sources.insert("config/environments/test.yaml", TEST);
    sources
}

fn read(name: &str, process_environment: &[(&str, &str)], sources: &Sources) -> Result<Config, Problems> {
    let process_environment: BTreeMap<String, String> =
        process_environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    config(&parse(SHOP), &environment(name), &process_environment, sources)
}

fn show(config: &Config) -> String {
    let mut out = String::new();
    for ((service, variable), resolved) in config {
        let _ = writeln!(
            out,
            "{service} {variable} = {} ({}: {})",
            resolved.value, resolved.origin.layer, resolved.origin
        );
    }
    out
}

#[test]
fn each_value_tells_where_it_came_from() {
    let config = read(
        "test/pr-7",
        &[("TEST_HOST", "h"), ("TEST_RATE", "5"), ("HOST", "not this"), ("TEST_NAME", "")],
        &sources(),
    );
    insta::assert_snapshot!("origins", show(&config.unwrap()));
}

#[test]
fn other_environments_have_their_own_values() {
    insta::assert_snapshot!(
        "origins_of_dev",
        show(&read("dev", &[("DEV_SESSION_SECRET", "s3cret")], &sources()).unwrap())
    );
}

#[test]
fn what_is_not_set_is_named_with_its_place() {
    let problems = read("test/pr-7", &[("STAGING_HOST", "h")], &sources()).unwrap_err();
    insta::assert_snapshot!("unset", problems);
}

#[test]
fn a_value_that_does_not_count_needs_no_variable() {
    let mut sources = shop_sources();
    sources.insert("config/base.yaml", "identity: { A: \"${NOWHERE}\" }\n");
    sources.insert("config/environments/dev.yaml", "identity: { A: here }\n");
    let config = read("dev", &[], &sources).unwrap();
    let resolved = &config[&(service("identity"), VariableName::new("A").unwrap())];
    assert_eq!((resolved.value.to_string().as_str(), resolved.origin.layer), ("here", Layer::Environment));
}

#[test]
fn the_prefix_is_not_written_twice() {
    let mut sources = shop_sources();
    sources.insert("config/environments/dev.yaml", "identity: { A: \"${DEV_A}\" }\n");
    let problems = read("dev", &[("DEV_A", "x")], &sources).unwrap_err();
    let help = problems.as_slice()[0].help.as_deref().unwrap();
    assert!(help.contains("without it"), "{help}");
}

#[test]
fn secrets_are_never_shown() {
    let mut sources = shop_sources();
    sources
        .insert("config/environments/dev.yaml", "identity: { A: \"x${MY_PASSWORD}x\", B_TOKEN: hunter2 }\n");
    let config = read("dev", &[("DEV_MY_PASSWORD", "hunter2")], &sources).unwrap();
    let shown = format!(
        "{} {config:?} {}",
        show(&config),
        serde_json::to_string(&config.values().collect::<Vec<_>>()).unwrap()
    );
    assert!(!shown.contains("hunter2"), "{shown}");
    for variable in ["A", "B_TOKEN"] {
        assert!(
            config[&(service("identity"), VariableName::new(variable).unwrap())].is_secret(),
            "{variable}"
        );
    }
}

#[test]
fn secret_names() {
    for (name, expect) in [
        ("SESSION_SECRET", true),
        ("db_password", true),
        ("API_TOKEN", true),
        ("TOKEN", true),
        ("DSN", true),
        ("TLS_PRIVATE_KEY", true),
        ("MONKEY", false),
        ("TOKEN_URL", false),
        ("KEYS", false),
    ] {
        assert_eq!(is_secret_name(name), expect, "{name}");
    }
}
