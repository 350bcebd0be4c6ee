//! What requests find their way by: one immutable value for all environments.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fairway_forward::{Protocol, Timeouts};
use fairway_model::traffic::Upstream;
use fairway_route::{Compiled, Matcher, MatcherBuilder, Stub, Table, Wheel};

use crate::instance::{Instance, Passage};

/// Which listener. Environments may share an address; a port that the edge chose belongs to one listener.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum DoorKey {
    /// This address.
    Address(SocketAddr),
    /// Any free port for a listener of an environment, on the address.
    Chosen(String, String, SocketAddr),
}

impl DoorKey {
    pub(crate) fn new(environment: &str, listener: &str, address: SocketAddr) -> Self {
        if address.port() == 0 {
            Self::Chosen(environment.to_owned(), listener.to_owned(), address)
        } else {
            Self::Address(address)
        }
    }

    /// What to bind.
    pub(crate) fn address(&self) -> SocketAddr {
        match self {
            Self::Address(address) | Self::Chosen(_, _, address) => *address,
        }
    }
}

/// Everything a request needs to find its way.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) doors: HashMap<DoorKey, Arc<Door>>,
    /// By environment and name.
    pub(crate) services: HashMap<Arc<str>, HashMap<Arc<str>, Arc<Service>>>,
}

/// What is behind one listener.
#[derive(Debug)]
pub(crate) struct Door {
    pub(crate) matcher: Matcher<Arc<Service>>,
    /// The environments that listen here.
    pub(crate) environments: Vec<Arc<Landmark>>,
}

#[derive(Default)]
struct DoorBuilder {
    matcher: MatcherBuilder<Arc<Service>>,
    environments: Vec<Arc<Landmark>>,
}

/// An environment in answers and counters.
#[derive(Debug)]
pub(crate) struct Landmark {
    pub(crate) name: Arc<str>,
    pub(crate) generation: u64,
    pub(crate) counters: Arc<EnvironmentCounters>,
}

/// Counters of an environment, over all its tables.
#[derive(Debug, Default)]
pub(crate) struct EnvironmentCounters {
    pub(crate) unrouted: AtomicU64,
}

/// Counters of a service, over all tables.
#[derive(Debug, Default)]
pub(crate) struct ServiceCounters {
    /// The number of the next request, for the wheel.
    number: AtomicU64,
    pub(crate) no_instance: AtomicU64,
    pub(crate) stubbed: AtomicU64,
    pub(crate) complaints: Complaints,
}

/// Keeps the log readable while a service is down: one line a second, with the number of those left out.
#[derive(Debug, Default)]
pub(crate) struct Complaints {
    /// The second after the one of the last line.
    next: AtomicU64,
    unsaid: AtomicU64,
}

impl Complaints {
    /// Whether to say it now, in the so-and-so-manieth second; then also how many were not said before.
    pub(crate) fn say(&self, second: u64) -> Option<u64> {
        let next = self.next.fetch_max(second + 1, Ordering::Relaxed);
        if next > second {
            self.unsaid.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        Some(self.unsaid.swap(0, Ordering::Relaxed))
    }
}

/// A service of one table.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) name: Arc<str>,
    pub(crate) environment: Arc<str>,
    pub(crate) generation: u64,
    pub(crate) members: Vec<Member>,
    wheel: Wheel,
    pub(crate) stub: Option<Stub>,
    pub(crate) timeouts: Timeouts,
    pub(crate) protocol: Protocol,
    /// For how long a request waits while nobody accepts connections.
    pub(crate) patience: Duration,
    pub(crate) counters: Arc<ServiceCounters>,
}

/// An instance in a table.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) instance: Arc<Instance>,
    pub(crate) address: SocketAddr,
}

/// What came of looking for an instance.
#[derive(Debug)]
pub(crate) enum Admitted {
    /// The exchange is counted on this member, by index.
    To(usize, Passage),
    /// No instance has a weight.
    Nobody,
    /// The chosen instance takes no more: the table is no longer the one that serves.
    Outdated,
}

impl Service {
    /// Chooses an instance for the next request and counts it in.
    pub(crate) fn admit(&self) -> Admitted {
        let number = self.counters.number.fetch_add(1, Ordering::Relaxed);
        let Some(chosen) = self.wheel.pick(number) else { return Admitted::Nobody };
        match self.members[chosen].instance.enter() {
            Some(passage) => Admitted::To(chosen, passage),
            None => Admitted::Outdated,
        }
    }

    /// Members that take requests, beginning behind one of them.
    pub(crate) fn others(&self, than: usize) -> impl Iterator<Item = usize> + use<> {
        let count = self.members.len();
        let takes: Vec<usize> =
            (1..count).map(|step| (than + step) % count).filter(|place| self.wheel.takes(*place)).collect();
        takes.into_iter()
    }
}

/// One environment's table, ready for use.
#[derive(Clone, Debug)]
pub(crate) struct Placed {
    pub(crate) table: Arc<Table>,
    pub(crate) compiled: Arc<Compiled>,
    /// What of a stored table could not be used.
    pub(crate) problems: Vec<String>,
}

impl Placed {
    /// The listeners of this environment.
    pub(crate) fn doors(&self) -> impl Iterator<Item = (&String, DoorKey)> {
        let environment = &self.table.environment;
        self.compiled.listeners.iter().map(|(name, at)| (name, DoorKey::new(environment, name, *at)))
    }
}

/// What outlives the tables: instances and counters.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    pub(crate) instances: BTreeMap<(Arc<str>, String), Arc<Instance>>,
    pub(crate) services: BTreeMap<(Arc<str>, Arc<str>), Arc<ServiceCounters>>,
    pub(crate) environments: BTreeMap<Arc<str>, Arc<EnvironmentCounters>>,
}

impl Registry {
    /// Forgets instances that no table lists and that left a while ago, or never served, and what belonged to
    /// environments that are gone.
    pub(crate) fn tidy(&mut self, placed: &BTreeMap<String, Placed>, after: Duration) {
        let listed = |environment: &str, id: &str| {
            placed.get(environment).is_some_and(|placed| {
                let mut all = placed.compiled.services.values().flat_map(|service| &service.instances);
                all.any(|backend| backend.id == id)
            })
        };
        self.instances.retain(|(environment, id), instance| {
            listed(environment, id) || !(instance.is_forgettable(after) || instance.never_served())
        });
        let instances = &self.instances;
        let alive = |environment: &Arc<str>| {
            placed.contains_key(environment.as_ref()) || instances.keys().any(|(of, _)| of == environment)
        };
        self.services.retain(|(environment, _), _| alive(environment));
        self.environments.retain(|environment, _| alive(environment));
    }
}

/// A claim of one environment on what another one has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Clash {
    pub(crate) environment: String,
    pub(crate) route: usize,
    pub(crate) words: String,
}

/// Makes the value for these tables. Where two environments claim the same requests the first by name keeps them.
pub(crate) fn build(placed: &BTreeMap<String, Placed>, registry: &mut Registry) -> (State, Vec<Clash>) {
    let mut state = State::default();
    let mut clashes = Vec::new();
    let mut building: HashMap<DoorKey, DoorBuilder> = HashMap::new();
    for (name, placed) in placed {
        let environment: Arc<str> = name.as_str().into();
        let generation = placed.table.generation;
        let services = services(&environment, generation, &placed.compiled, registry);
        let counters = Arc::clone(registry.environments.entry(environment.clone()).or_default());
        let landmark = Arc::new(Landmark { name: environment.clone(), generation, counters });
        let doors: BTreeMap<&String, DoorKey> = placed.doors().collect();
        for key in doors.values() {
            building.entry(key.clone()).or_default().environments.push(Arc::clone(&landmark));
        }
        for route in &placed.compiled.routes {
            let key = &doors[&route.listener];
            let builder = &mut building.get_mut(key).expect("made for every door above").matcher;
            let service = Arc::clone(&services[route.service.as_str()]);
            if let Err(conflict) = builder.insert(route.host.clone(), route.path.clone(), service) {
                let words = format!(
                    "routes[{}]: {}{} on {} is claimed by environment `{}` already",
                    route.index,
                    route.host,
                    route.path,
                    key.address(),
                    conflict.first.environment
                );
                clashes.push(Clash { environment: name.clone(), route: route.index, words });
            }
        }
        state.services.insert(environment, services);
    }
    state.doors = building
        .into_iter()
        .map(|(key, DoorBuilder { matcher, environments })| {
            (key, Arc::new(Door { matcher: matcher.build(), environments }))
        })
        .collect();
    (state, clashes)
}

fn services(
    environment: &Arc<str>,
    generation: u64,
    compiled: &Compiled,
    registry: &mut Registry,
) -> HashMap<Arc<str>, Arc<Service>> {
    let mut services = HashMap::new();
    for (name, service) in &compiled.services {
        let name: Arc<str> = name.as_str().into();
        let members = service.instances.iter().map(|backend| {
            let key = (environment.clone(), backend.id.clone());
            let new = || Arc::new(Instance::new(environment.clone(), name.clone(), backend));
            let instance = Arc::clone(registry.instances.entry(key).or_insert_with(new));
            Member { instance, address: backend.address }
        });
        let counters = registry.services.entry((environment.clone(), name.clone())).or_default();
        let made = Service {
            members: members.collect(),
            name: name.clone(),
            environment: environment.clone(),
            generation,
            wheel: Wheel::new(service.instances.iter().map(|backend| backend.weight)),
            stub: service.stub.clone(),
            timeouts: timeouts(service.timeouts),
            protocol: match service.treatment.upstream {
                Upstream::Http1 => Protocol::Http1,
                Upstream::H2c => Protocol::H2c,
            },
            patience: Duration::from_millis(service.treatment.retries.patience_ms),
            counters: Arc::clone(counters),
        };
        services.insert(name, Arc::new(made));
    }
    services
}

fn timeouts(from: fairway_route::Timeouts) -> Timeouts {
    let limit = |ms: u64| (ms > 0).then(|| Duration::from_millis(ms));
    let fairway_route::Timeouts { connect_ms, header_ms, idle_ms, upgrade_idle_ms } = from;
    Timeouts {
        connect: limit(connect_ms),
        header: limit(header_ms),
        idle: limit(idle_ms),
        upgrade_idle: limit(upgrade_idle_ms),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_complaint_a_second() {
        let complaints = Complaints::default();
        let said: Vec<_> = [0, 0, 0, 1, 5, 5, 4, 6].iter().map(|second| complaints.say(*second)).collect();
        assert_eq!(said, [Some(0), None, None, Some(2), Some(0), None, None, Some(2)]);
    }
}
