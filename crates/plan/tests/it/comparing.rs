//! Value by value: each thing that can differ is named by exactly the words that the model documents.

use crate::shop::{artifact, changed, edit, migration, plan_from, process, service, shop, variable};
use fairway_model::{
    ArtifactKind, Change, ConfigValue, ContractDigest, Digest, Listener, MigrationEffect, Millis,
    PostgresSpec, ProbeSpec, ProcessSpec, Program, Release, RouteSpec, SecretVersion, ServiceChange,
    SystemName,
};

fn changes(desired: &Release) -> Vec<Change> {
    let plan = plan_from(&shop(), desired);
    assert!(!plan.is_empty(), "a different release is a plan");
    let mut changes = plan.environment_changes;
    for change in plan.services.into_values() {
        match change {
            ServiceChange::Update { changes: more } => changes.extend(more),
            other => panic!("{other:?}"),
        }
    }
    changes
}

/// One change of identity, and how it is told.
fn check(change: impl FnOnce(&mut ProcessSpec), what: &str, from: Option<&str>, to: Option<&str>) {
    check_release(&changed("identity", change), what, from, to);
}

fn check_release(desired: &Release, what: &str, from: Option<&str>, to: Option<&str>) {
    let expect =
        Change { what: what.to_owned(), from: from.map(ToOwned::to_owned), to: to.map(ToOwned::to_owned) };
    assert_eq!(changes(desired), [expect]);
}

fn plain(text: &str) -> ConfigValue {
    ConfigValue::Plain(text.to_owned())
}

#[test]
fn every_part_of_a_process() {
    let (old, new) = (artifact("identity").digest.short(), artifact("2").digest.short());
    check(|p| p.artifact = artifact("2"), "artifact", Some(&old), Some(&new));
    check(
        |p| p.artifact.kind = ArtifactKind::Archive,
        "artifact.kind",
        Some("file program"),
        Some("archive"),
    );
    check(|p| p.artifact.size = 2, "artifact.size", Some("1000"), Some("2"));
    check(
        |p| p.command.push("two words".to_owned()),
        "command",
        Some("identity serve"),
        Some("identity serve \"two words\""),
    );
    check(|p| p.command.push(String::new()), "command", Some("identity serve"), Some("identity serve \"\""));
    check(|p| drop(p.config.insert(variable("MODE"), plain("x"))), "config MODE", None, Some("x"));
    check(
        |p| drop(p.config.insert(variable("LOG_LEVEL"), plain("debug"))),
        "config LOG_LEVEL",
        Some("info"),
        Some("debug"),
    );
    check(|p| drop(p.config.remove("LOG_LEVEL")), "config LOG_LEVEL", Some("info"), None);
    let version = SecretVersion(Digest::of(b"x"));
    check(
        |p| drop(p.config.insert(variable("TOKEN"), ConfigValue::Secret(version))),
        "config TOKEN",
        None,
        Some(&format!("•••••• (version {})", version.short())),
    );
    check(|p| p.listen = None, "listen", Some("IDENTITY_HTTP_ADDR"), None);
    check(|p| p.needs = process("x", &["ai"]).needs, "needs ai", None, Some("AI_URL"));
    check(|p| p.limits.cpu_millis = Some(1_500), "limits.cpu", Some("0.500"), Some("1.500"));
    check(|p| p.limits.memory_bytes = Some(1_000), "limits.memory", Some("512Mi"), Some("1000"));
    check(|p| p.limits.pids = Some(64), "limits.pids", None, Some("64"));
    check(|p| p.stop_grace = Millis(61_500), "stop_grace", Some("10s"), Some("61500ms"));
    check(
        |p| p.probes.start_deadline = Millis(30_001),
        "probes.start_deadline",
        Some("30s"),
        Some("30001ms"),
    );
    check(
        |p| p.probes.ready = None,
        "probes.ready",
        Some("/ready every 500ms, timeout 1s, rise 1, fall 3"),
        None,
    );
    check(|p| p.probes.tls = Some(Default::default()), "probes.tls", None, Some("localhost"));
    let live = ProbeSpec {
        path: "/health".to_owned(),
        interval: Millis(10_000),
        timeout: Millis(5),
        rise: 2,
        fall: 9,
    };
    check(
        |p| p.probes.live = Some(live),
        "probes.live",
        None,
        Some("/health every 10s, timeout 5ms, rise 2, fall 9"),
    );
}

#[test]
fn every_part_of_a_database() {
    fn with(change: impl FnOnce(&mut fairway_model::DatabaseSpec)) -> impl FnOnce(&mut ProcessSpec) {
        |process| change(process.database.as_mut().unwrap())
    }
    check(with(|db| db.env = variable("DSN")), "database.env", Some("DB_DSN"), Some("DSN"));
    check(with(|db| db.migrate = None), "database.migrate", Some("migrate"), None);
    check(
        with(|db| db.seed = Some(vec!["seed".to_owned(), "-v".to_owned()])),
        "database.seed",
        Some("seed"),
        Some("seed -v"),
    );
    let second = migration("0002.sql", MigrationEffect::Unknown);
    let shown = format!("{} (unknown)", second.digest.short());
    check(
        with(move |db| db.migrations.as_mut().unwrap().push(second)),
        "migration 0002.sql",
        None,
        Some(&shown),
    );
    let release = changed("identity", with(|db| db.migrations = None));
    let whats: Vec<String> = changes(&release).into_iter().map(|change| change.what).collect();
    assert_eq!(whats, ["migrations", "migration 0001_users.sql"]);
}

#[test]
fn every_part_of_a_service_and_of_the_environment() {
    let with = |change: &dyn Fn(&mut Release)| {
        let mut release = shop();
        change(&mut release);
        release
    };
    let bff = |release: &mut Release, change: &dyn Fn(&mut fairway_model::ServiceSpec)| {
        change(release.services.get_mut("bff").unwrap());
    };
    let digest = ContractDigest(Digest::of(b"2"));
    let old = ContractDigest(Digest::of(b"bff"));
    check_release(&with(&|r| bff(r, &|s| s.replicas = 2)), "replicas", Some("1"), Some("2"));
    check_release(&with(&|r| bff(r, &|s| s.routes.clear())), "routes", Some("/"), None);
    let route = || RouteSpec {
        host: Some("*.shop.test".to_owned()),
        path: "/api".to_owned(),
        guard: Default::default(),
    };
    check_release(
        &with(&|r| bff(r, &|s| s.routes.push(route()))),
        "routes",
        Some("/"),
        Some("/, *.shop.test/api"),
    );
    check_release(
        &with(&|r| bff(r, &|s| s.contract.as_mut().unwrap().digest = digest)),
        "contract",
        Some(&old.short()),
        Some(&digest.short()),
    );
    check_release(
        &with(&|r| bff(r, &|s| s.contract.as_mut().unwrap().file = "x.yaml".to_owned())),
        "contract.file",
        Some("contracts/bff.yaml"),
        Some("x.yaml"),
    );
    check_release(&with(&|r| r.listener = None), "listener", Some("127.0.0.1:8080"), None);
    let address = Listener { address: "[::1]:80".parse().unwrap() };
    check_release(
        &with(&|r| r.listener = Some(address.clone())),
        "listener",
        Some("127.0.0.1:8080"),
        Some("[::1]:80"),
    );
    check_release(&with(&|r| r.bake = Millis(0)), "bake", Some("30s"), Some("0ms"));
    check_release(&with(&|r| r.drain = Millis(10_001)), "drain", Some("10s"), Some("10001ms"));
    check_release(&with(&|r| r.format = 2), "format", Some("1"), Some("2"));
    check_release(
        &with(&|r| r.system = SystemName::new("other").unwrap()),
        "system",
        Some("shop"),
        Some("other"),
    );
    check_release(
        &with(&|r| r.resources.postgres = Some(PostgresSpec::Private { version: None })),
        "postgres",
        Some("private server, version 15"),
        Some("private server, the installed version"),
    );
    let url = SecretVersion(Digest::of(b"url"));
    check_release(
        &with(&|r| r.resources.postgres = Some(PostgresSpec::Existing { url })),
        "postgres",
        Some("private server, version 15"),
        Some(&format!("existing server, •••••• (version {})", url.short())),
    );
}

#[test]
fn a_program_that_becomes_a_stub_loses_its_parts() {
    let mut release = shop();
    release.services.get_mut("bff").unwrap().program = Program::Stub;
    let changes = changes(&release);
    assert_eq!((changes[0].what.as_str(), changes[0].to.as_deref()), ("program", Some("stub")));
    assert!(changes[1..].iter().all(|change| change.to.is_none()), "{changes:#?}");
}

#[test]
fn a_plain_value_that_becomes_a_secret_is_hidden() {
    let mut recorded = shop();
    edit(&mut recorded, "bff").config.insert(variable("TOKEN"), plain("hunter2"));
    let mut desired = shop();
    let secret = ConfigValue::Secret(SecretVersion(Digest::of(b"x")));
    edit(&mut desired, "bff").config.insert(variable("TOKEN"), secret);
    let plan = plan_from(&recorded, &desired);
    let ServiceChange::Update { changes } = &plan.services[&service("bff")] else { panic!("{plan:#?}") };
    assert_eq!(changes[0].from.as_deref(), Some("(a plain value, not shown because it becomes a secret)"));
}
