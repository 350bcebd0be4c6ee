//! Random releases, and random trouble for a world in which one of them runs.

use crate::{
    shop::{artifact, database, environment, process, service, variable},
    world::World,
};
use fairway_model::{
    ConfigValue, ContractDigest, ContractRef, Digest, EdgeSpec, InstanceState, Listener, MigrationEffect,
    Millis, PostgresSpec, Program, RELEASE_FORMAT, Release, Resources, RouteSpec, SecretVersion, ServedBy,
    ServiceSpec, SystemName, TimeoutSpec, TrafficSpec,
    traffic::{AccessLog, Guard, Options, Treatment},
};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Names whose alphabetical order is not the order of their needs.
const NAMES: [&str; 6] = ["delta", "alpha", "foxtrot", "bravo", "echo", "charlie"];

/// What varies about one service. Small ranges, so that two releases often agree about a service.
#[derive(Debug, Clone)]
struct Traits {
    present: bool,
    stub: bool,
    artifact: u8,
    config: Option<u8>,
    secret: Option<u8>,
    replicas: u32,
    needs: u8,
    contract: Option<u8>,
    routed: bool,
    migrations: Option<Option<Vec<u8>>>,
    worker: bool,
    guarded: bool,
    patient: bool,
}

fn traits() -> impl Strategy<Value = Traits> {
    (
        (
            proptest::bool::weighted(0.8),
            proptest::bool::weighted(0.15),
            0..2_u8,
            proptest::option::of(0..2_u8),
        ),
        (proptest::option::weighted(0.3, 0..2_u8), 0..3_u32, any::<u8>(), proptest::option::of(0..2_u8)),
        (
            any::<bool>(),
            proptest::option::of(proptest::option::of(proptest::collection::vec(0..3_u8, 0..3))),
            proptest::bool::weighted(0.2),
            any::<(bool, bool)>(),
        ),
    )
        .prop_map(|(a, b, c)| Traits {
            present: a.0,
            stub: a.1,
            artifact: a.2,
            config: a.3,
            secret: b.0,
            replicas: b.1,
            needs: b.2,
            contract: b.3,
            routed: c.0,
            migrations: c.1,
            worker: c.2,
            guarded: c.3.0,
            patient: c.3.1,
        })
}

fn effect(number: u8) -> MigrationEffect {
    [MigrationEffect::Additive, MigrationEffect::Unknown, MigrationEffect::Destructive]
        [usize::from(number) % 3]
}

fn service_spec(index: usize, traits: &Traits) -> ServiceSpec {
    let name = NAMES[index];
    let needs: Vec<&str> =
        (0..index).filter(|other| traits.needs & (1 << other) != 0).map(|other| NAMES[other]).collect();
    let mut spec = process(name, &needs);
    spec.artifact = artifact(&format!("artifact {}", traits.artifact));
    if let Some(value) = traits.config {
        spec.config.insert(variable("MODE"), ConfigValue::Plain(format!("mode {value}")));
    }
    if let Some(value) = traits.secret {
        spec.config.insert(variable("TOKEN"), ConfigValue::Secret(SecretVersion(Digest::of(&[value]))));
    }
    if traits.worker {
        spec.listen = None;
    }
    if let Some(migrations) = &traits.migrations {
        let mut database = database(&[]);
        database.migrations = migrations.as_ref().map(|numbers| {
            let mut numbers = numbers.clone();
            numbers.sort_unstable();
            numbers.dedup();
            numbers.iter().map(|n| crate::shop::migration(&format!("{n}.sql"), effect(*n))).collect()
        });
        spec.database = Some(database);
    }
    ServiceSpec {
        program: if traits.stub { Program::Stub } else { Program::Process(Box::new(spec)) },
        contract: traits.contract.map(|version| ContractRef {
            file: format!("{name}.yaml"),
            digest: ContractDigest(Digest::of(&[version])),
        }),
        routes: if traits.routed {
            vec![RouteSpec { host: None, path: format!("/{name}"), guard: guard(traits.guarded) }]
        } else {
            Vec::new()
        },
        replicas: traits.replicas,
        traffic: TrafficSpec {
            timeouts: TimeoutSpec {
                header: traits.patient.then_some(Millis::from_secs(90)),
                ..TimeoutSpec::default()
            },
            treatment: Treatment::default(),
        },
    }
}

fn guard(guarded: bool) -> Guard {
    Guard { security_headers: guarded, ..Guard::default() }
}

pub(crate) fn release() -> impl Strategy<Value = Release> {
    let services = proptest::collection::vec(traits(), NAMES.len());
    let port = proptest::option::of(8080..8082_u16);
    (services, port, 0..2_u64, any::<bool>()).prop_map(|(services, port, bake, logs)| Release {
        format: RELEASE_FORMAT,
        system: SystemName::new("shop").unwrap(),
        environment: environment(),
        listener: port.map(|port| Listener { address: ([127, 0, 0, 1], port).into() }),
        edge: EdgeSpec {
            tls: None,
            options: Options { access_log: logs.then(AccessLog::default), ..Options::default() },
        },
        services: services
            .iter()
            .enumerate()
            .filter(|(_, traits)| traits.present)
            .map(|(index, traits)| (service(NAMES[index]), service_spec(index, traits)))
            .collect::<BTreeMap<_, _>>(),
        resources: Resources { postgres: Some(PostgresSpec::Private { version: None }) },
        bake: Millis::from_secs(bake),
        drain: Millis::from_secs(10),
    })
}

/// Something that happens to a world behind the log's back. Numbers pick their victim.
#[derive(Debug, Clone)]
pub(crate) enum Trouble {
    Gone(u8),
    State(u8, InstanceState),
    Copy(u8),
    Stranger,
    OtherSpec(u8),
    NoRoute(u8),
    WrongRoute(u8),
    GhostRoute,
    NoDatabase(u8),
    NoArtifact(u8),
    NotServing,
}

pub(crate) fn trouble() -> impl Strategy<Value = Trouble> {
    let state = prop_oneof![
        Just(InstanceState::Starting),
        Just(InstanceState::Unready { reason: "503".to_owned() }),
        Just(InstanceState::Restarting { reason: "exit 1".to_owned() }),
        Just(InstanceState::CrashLoop { reason: "exit 1".to_owned() }),
        Just(InstanceState::Draining),
        Just(InstanceState::Stopped),
    ];
    prop_oneof![
        any::<u8>().prop_map(Trouble::Gone),
        (any::<u8>(), state).prop_map(|(who, state)| Trouble::State(who, state)),
        any::<u8>().prop_map(Trouble::Copy),
        Just(Trouble::Stranger),
        any::<u8>().prop_map(Trouble::OtherSpec),
        any::<u8>().prop_map(Trouble::NoRoute),
        any::<u8>().prop_map(Trouble::WrongRoute),
        Just(Trouble::GhostRoute),
        any::<u8>().prop_map(Trouble::NoDatabase),
        any::<u8>().prop_map(Trouble::NoArtifact),
        Just(Trouble::NotServing),
    ]
}

fn pick(number: u8, len: usize) -> Option<usize> {
    (len > 0).then(|| usize::from(number) % len)
}

pub(crate) fn befall(world: &mut World, trouble: &Trouble) {
    match trouble {
        Trouble::Gone(who) => {
            if let Some(at) = pick(*who, world.instances.len()) {
                world.instances.remove(at);
            }
        }
        Trouble::State(who, state) => {
            if let Some(at) = pick(*who, world.instances.len()) {
                world.instances[at].state = state.clone();
            }
        }
        Trouble::Copy(who) => {
            if let Some(at) = pick(*who, world.instances.len()) {
                let mut copy = world.instances[at].clone();
                copy.id.push_str("-copy");
                world.instances.push(copy);
            }
        }
        Trouble::Stranger => {
            if let Some(mut copy) = world.instances.first().cloned() {
                copy.service = service("stranger");
                copy.id = "stranger-0".to_owned();
                world.instances.push(copy);
            }
        }
        Trouble::OtherSpec(who) => {
            if let Some(at) = pick(*who, world.instances.len()) {
                world.instances[at].spec = process("something-else", &[]).digest();
            }
        }
        Trouble::NoRoute(who) => {
            if let Some(at) = pick(*who, world.routes.services.len()) {
                let name = world.routes.services.keys().nth(at).cloned().unwrap();
                world.routes.services.remove(&name);
            }
        }
        Trouble::WrongRoute(who) => {
            if let Some(at) = pick(*who, world.routes.services.len()) {
                *world.routes.services.values_mut().nth(at).unwrap() = ServedBy::Nothing;
            }
        }
        Trouble::GhostRoute => {
            world.routes.services.insert(service("ghost"), ServedBy::Stub);
        }
        Trouble::NoDatabase(who) => {
            if let Some(at) = pick(*who, world.databases.len()) {
                let name = world.databases.iter().nth(at).cloned().unwrap();
                world.databases.remove(&name);
            }
        }
        Trouble::NoArtifact(who) => {
            if let Some(at) = pick(*who, world.artifacts.len()) {
                let artifact = *world.artifacts.iter().nth(at).unwrap();
                world.artifacts.remove(&artifact);
            }
        }
        Trouble::NotServing => world.serving = None,
    }
}
