//! A small shop, and the one way in which the cases plan it.

use crate::world::World;
use fairway_model::{
    Artifact, ArtifactDigest, ArtifactKind, ConfigValue, ContractDigest, ContractRef, DatabaseSpec, Digest,
    EnvironmentName, Generation, Limits, Listener, Migration, MigrationEffect, Millis, Observed, Plan,
    PlanBase, PostgresSpec, ProbeSpec, Probes, ProcessSpec, Program, RELEASE_FORMAT, Release, Resources,
    RouteSpec, ServiceName, ServiceSpec, StepKind, SystemName, VariableName,
};
use fairway_plan::{Context, PlanInput};
use std::collections::BTreeMap;

pub(crate) fn service(name: &str) -> ServiceName {
    ServiceName::new(name).unwrap()
}

pub(crate) fn variable(name: &str) -> VariableName {
    VariableName::new(name).unwrap()
}

pub(crate) fn environment() -> EnvironmentName {
    EnvironmentName::new("staging").unwrap()
}

pub(crate) fn artifact(text: &str) -> Artifact {
    Artifact {
        digest: ArtifactDigest(Digest::of(text.as_bytes())),
        kind: ArtifactKind::File { name: "program".to_owned() },
        size: 1_000,
    }
}

pub(crate) fn migration(name: &str, effect: MigrationEffect) -> Migration {
    Migration { name: name.to_owned(), digest: Digest::of(name.as_bytes()), effect }
}

pub(crate) fn process(name: &str, needs: &[&str]) -> ProcessSpec {
    let prefix = name.to_ascii_uppercase().replace('-', "_");
    let ready = ProbeSpec {
        path: "/ready".to_owned(),
        interval: Millis(500),
        timeout: Millis::from_secs(1),
        rise: 1,
        fall: 3,
    };
    ProcessSpec {
        artifact: artifact(name),
        command: vec![name.to_owned(), "serve".to_owned()],
        config: BTreeMap::from([(variable("LOG_LEVEL"), ConfigValue::Plain("info".to_owned()))]),
        listen: Some(variable(&format!("{prefix}_HTTP_ADDR"))),
        needs: needs
            .iter()
            .map(|need| (service(need), variable(&format!("{}_URL", need.to_ascii_uppercase()))))
            .collect(),
        database: None,
        probes: Probes { ready: Some(ready), live: None, tls: None, start_deadline: Millis::from_secs(30) },
        limits: Limits { cpu_millis: Some(500), memory_bytes: Some(512 << 20), pids: None },
        stop_grace: Millis::from_secs(10),
    }
}

pub(crate) fn database(migrations: &[(&str, MigrationEffect)]) -> DatabaseSpec {
    DatabaseSpec {
        env: variable("DB_DSN"),
        migrate: Some(vec!["migrate".to_owned()]),
        seed: Some(vec!["seed".to_owned()]),
        migrations: Some(migrations.iter().map(|(name, effect)| migration(name, *effect)).collect()),
    }
}

fn spec(name: &str, program: Program) -> ServiceSpec {
    ServiceSpec {
        program,
        contract: Some(ContractRef {
            file: format!("contracts/{name}.yaml"),
            digest: ContractDigest(Digest::of(name.as_bytes())),
        }),
        routes: Vec::new(),
        replicas: 1,
        traffic: Default::default(),
    }
}

/// identity and commerce with databases, a gateway in front of them, and a stub.
pub(crate) fn shop() -> Release {
    let mut identity = process("identity", &[]);
    identity.database = Some(database(&[("0001_users.sql", MigrationEffect::Additive)]));
    let mut commerce = process("commerce", &["identity"]);
    commerce.database = Some(database(&[("0001_items.sql", MigrationEffect::Additive)]));
    let bff = process("bff", &["identity", "commerce", "ai"]);
    let mut services = BTreeMap::new();
    for (name, program) in [
        ("identity", Program::Process(Box::new(identity))),
        ("commerce", Program::Process(Box::new(commerce))),
        ("bff", Program::Process(Box::new(bff))),
        ("ai", Program::Stub),
    ] {
        services.insert(service(name), spec(name, program));
    }
    services.get_mut("bff").unwrap().routes =
        vec![RouteSpec { host: None, path: "/".to_owned(), guard: Default::default() }];
    Release {
        format: RELEASE_FORMAT,
        system: SystemName::new("shop").unwrap(),
        environment: environment(),
        listener: Some(Listener { address: "127.0.0.1:8080".parse().unwrap() }),
        edge: Default::default(),
        services,
        resources: Resources { postgres: Some(PostgresSpec::Private { version: Some("15".to_owned()) }) },
        bake: Millis::from_secs(30),
        drain: Millis::from_secs(10),
    }
}

/// The process of a service, to change it.
pub(crate) fn edit<'a>(release: &'a mut Release, name: &str) -> &'a mut ProcessSpec {
    match &mut release.services.get_mut(name).unwrap().program {
        Program::Process(process) => process,
        Program::Stub => panic!("{name} is a stub"),
    }
}

/// The shop with one process changed.
pub(crate) fn changed(name: &str, change: impl FnOnce(&mut ProcessSpec)) -> Release {
    let mut release = shop();
    change(edit(&mut release, name));
    release
}

/// Plans from a recorded release (as generation 4) to a desired one.
pub(crate) fn plan_with(
    recorded: Option<&Release>,
    desired: &Release,
    observed: &Observed,
    context: Context,
) -> Plan {
    let base = match recorded {
        Some(release) => {
            PlanBase { serving: Some((Generation(4), release.digest())), generation: Generation(4) }
        }
        None => PlanBase { serving: None, generation: Generation(0) },
    };
    let environment = environment();
    fairway_plan::plan(&PlanInput {
        environment: &environment,
        base,
        serving: recorded,
        desired,
        observed,
        context,
    })
}

/// Plans from a world in which the recorded release runs as it should.
pub(crate) fn plan_from(recorded: &Release, desired: &Release) -> Plan {
    plan_with(Some(recorded), desired, &World::running(recorded, Generation(4)).observe(), Context::default())
}

/// The steps in short: `start commerce`.
pub(crate) fn steps(plan: &Plan) -> Vec<String> {
    plan.steps
        .iter()
        .map(|step| {
            let service = step.service.as_ref().map_or(String::new(), |service| format!(" {service}"));
            let more = match step.kind {
                StepKind::Start { replicas, .. } if replicas != 1 => format!(" ({replicas})"),
                _ => String::new(),
            };
            format!("{}{service}{more}", step.kind.verb())
        })
        .collect()
}
