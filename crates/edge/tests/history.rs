//! Any history of tables, removals, stale requests and restarts leaves the edge serving exactly what was last accepted.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as loudly as the tests")]

mod support;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use fairway_edge::{Edge, Settings};
use fairway_route::{Backend, Service, Table};
use http::{Method, StatusCode};
use proptest::prelude::*;
use support::upstream::Upstream;
use support::wire::{Client, request, text};
use support::{nobody, route, within};

const ENVIRONMENTS: [&str; 2] = ["dev", "test/pr-1"];
const NAMES: [&str; 3] = ["a", "b", "c"];

/// One thing that happens.
#[derive(Clone, Debug)]
enum Act {
    /// A table for an environment, so many generations ahead of the last (or behind), listening on one of two
    /// addresses, with these weights for the three instances (3: not listed).
    Apply { environment: usize, ahead: i64, address: usize, weights: [u32; 3] },
    /// A removal, so many generations ahead.
    Remove { environment: usize, ahead: i64 },
    /// The edge ends and starts again.
    Restart,
}

fn act() -> impl Strategy<Value = Act> {
    let environment = 0..ENVIRONMENTS.len();
    prop_oneof![
        6 => (environment.clone(), -1i64..3, 0..2usize, [0u32..4, 0..4, 0..4])
            .prop_map(|(environment, ahead, address, weights)| Act::Apply { environment, ahead, address, weights }),
        1 => (environment, -1i64..2).prop_map(|(environment, ahead)| Act::Remove { environment, ahead }),
        1 => Just(Act::Restart),
    ]
}

/// What should be served: by environment the generation, and the address and weights while it is there.
#[derive(Default)]
struct Expected {
    tables: BTreeMap<usize, (u64, usize, [u32; 3])>,
    removed: BTreeMap<usize, u64>,
}

async fn play(acts: Vec<Act>) {
    let home = tempfile::tempdir().unwrap();
    let mut upstreams = Vec::new();
    for name in NAMES {
        upstreams.push(Upstream::named(name).await);
    }
    let addresses = [nobody().await, nobody().await];
    let mut edge = Edge::start(Settings::new(home.path())).await.unwrap();
    let mut expected = Expected::default();
    for act in acts {
        match act.clone() {
            Act::Apply { environment, ahead, address, weights } => {
                let last = expected.tables.get(&environment).map(|(generation, ..)| *generation);
                let removed = expected.removed.get(&environment).copied();
                let generation = last.or(removed).unwrap_or(5).saturating_add_signed(ahead);
                let table = table(environment, generation, addresses[address], weights, &upstreams);
                let same = expected.tables.get(&environment) == Some(&(generation, address, weights));
                let newer =
                    last.is_none_or(|last| generation > last) && removed.is_none_or(|at| generation >= at);
                let applied = edge.apply(table).await;
                assert_eq!(applied.is_ok(), newer || same, "{act:?}: {applied:?}");
                if newer {
                    expected.tables.insert(environment, (generation, address, weights));
                    expected.removed.remove(&environment);
                }
            }
            Act::Remove { environment, ahead } => {
                let last = expected.tables.get(&environment).map(|(generation, ..)| *generation);
                let at = expected.removed.get(&environment).copied();
                let generation = last.or(at).unwrap_or(5).saturating_add_signed(ahead);
                let removed = edge.remove(ENVIRONMENTS[environment], generation).await;
                let newer = last.is_none_or(|last| generation >= last);
                assert_eq!(removed.is_ok(), newer, "{act:?}: {removed:?}");
                if newer {
                    expected.tables.remove(&environment);
                    let at = at.unwrap_or(0).max(generation);
                    expected.removed.insert(environment, at);
                }
            }
            Act::Restart => {
                edge.shutdown(Duration::from_secs(5)).await;
                edge = Edge::start(Settings::new(home.path())).await.unwrap();
            }
        }
        for (number, address) in addresses.iter().enumerate() {
            look(*address, number, &expected).await;
        }
    }
    edge.shutdown(Duration::from_secs(5)).await;
}

fn table(
    environment: usize,
    generation: u64,
    address: SocketAddr,
    weights: [u32; 3],
    upstreams: &[Upstream],
) -> Table {
    let mut table = Table::empty(ENVIRONMENTS[environment], generation, 0);
    table.listeners.insert("public".into(), address);
    let listed = (0..3).filter(|number| weights[*number] < 3);
    let instances = listed.map(|number| Backend {
        weight: weights[number],
        ..support::backend(NAMES[number], upstreams[number].address, generation)
    });
    let mut service = Service { instances: instances.collect(), ..Service::default() };
    service.treatment.retries.patience_ms = 0;
    table.services.insert("web".into(), service);
    table.routes.push(route(Some(&format!("host-{environment}.test")), "/", "web"));
    table
}

/// Asks for each environment on an address and compares.
async fn look(address: SocketAddr, number: usize, expected: &Expected) {
    let here: Vec<usize> = expected
        .tables
        .iter()
        .filter(|(_, (_, at, _))| *at == number)
        .map(|(environment, _)| *environment)
        .collect();
    let client = Client::try_connect(address).await;
    if here.is_empty() {
        assert!(client.is_err(), "{address} should be closed");
        return;
    }
    let mut client = client.unwrap();
    for environment in 0..ENVIRONMENTS.len() {
        let weights = here.contains(&environment).then(|| expected.tables[&environment].2);
        for _ in 0..3 {
            let host = format!("host-{environment}.test");
            let (status, body) = text(client.send(request(Method::GET, "/", &[("host", &host)])).await).await;
            let Some(weights) = weights else {
                assert_eq!(status, StatusCode::NOT_FOUND, "{body}");
                continue;
            };
            let takes: Vec<&str> =
                (0..3).filter(|it| (1..3).contains(&weights[*it])).map(|it| NAMES[it]).collect();
            if takes.is_empty() {
                assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{body}");
            } else {
                assert!(
                    status == StatusCode::OK && takes.contains(&body.as_str()),
                    "{status} {body} of {takes:?}"
                );
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn what_was_last_accepted_is_served(acts in prop::collection::vec(act(), 1..16)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(within(play(acts)));
    }
}
