//! What requests find their way by: one immutable value for all environments.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fairway_forward::{Protocol, Timeouts, Tls};
use fairway_guard::Compiled as Guard;
use fairway_health::{Ask, Budget, Pick, Roster, Rules};
use fairway_model::traffic::{ListenerTls, Options, Otlp, Treatment};
use fairway_protocol::edge::Latency;
use fairway_route::{Compiled, Matcher, MatcherBuilder, Stub, Table};

use crate::access_log::Origin;
use crate::histogram;
use crate::instance::{Instance, Passage};
use crate::otlp::{Counts, Exporter};
use crate::own::OwnCounters;
use crate::queue::{Crowd, Queue};
use crate::regime::Regime;
use crate::trust::{self, Trust};

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
    /// Few: comparing keys is cheaper than hashing one.
    pub(crate) doors: BTreeMap<DoorKey, Arc<Door>>,
    /// By environment and name.
    pub(crate) services: HashMap<Arc<str>, HashMap<Arc<str>, Arc<Service>>>,
    /// What becomes [`Registry::guards`] when this begins to serve.
    pub(crate) guards: HashMap<(Arc<str>, String), Arc<Guard>>,
}

/// What is behind one listener.
#[derive(Debug)]
pub(crate) struct Door {
    pub(crate) matcher: Matcher<Arc<Routed>>,
    /// The environments that listen here.
    pub(crate) environments: Vec<Arc<Landmark>>,
    /// Whether and how TLS is spoken here.
    pub(crate) tls: Option<ListenerTls>,
}

#[derive(Default)]
struct DoorBuilder {
    matcher: MatcherBuilder<Arc<Routed>>,
    environments: Vec<Arc<Landmark>>,
    tls: Option<ListenerTls>,
}

/// An environment in answers and counters.
#[derive(Debug)]
pub(crate) struct Landmark {
    pub(crate) name: Arc<str>,
    pub(crate) generation: u64,
    pub(crate) options: Arc<Regime>,
    pub(crate) counters: Arc<EnvironmentCounters>,
}

/// Counters of an environment, over all its tables.
#[derive(Debug, Default)]
pub(crate) struct EnvironmentCounters {
    pub(crate) unrouted: AtomicU64,
    /// What the edge answered where no route was found.
    pub(crate) own: OwnCounters,
}

/// Counters of a service, over all tables.
#[derive(Debug, Default)]
pub(crate) struct ServiceCounters {
    /// The number of the next request, for the wheel.
    number: AtomicU64,
    pub(crate) no_instance: AtomicU64,
    pub(crate) stubbed: AtomicU64,
    /// What the edge answered in its place.
    pub(crate) own: OwnCounters,
    pub(crate) complaints: Complaints,
    pub(crate) budget: Budget,
    /// Requests that wait for an instance that is at its limit.
    pub(crate) queue: Arc<Queue>,
    /// Requests that are held, or wait for an instance to be there.
    pub(crate) held: Arc<Crowd>,
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

/// What a route leads to, and past what.
#[derive(Debug)]
pub(crate) struct Routed {
    pub(crate) service: Arc<Service>,
    pub(crate) guard: Arc<Guard>,
    pub(crate) options: Arc<Regime>,
    /// The port for HTTPS of the environment.
    pub(crate) https_port: u16,
}

impl Routed {
    /// Whether requests fare alike on both.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        let guarded_alike =
            Arc::ptr_eq(&self.guard, &other.guard) || (self.guard.is_empty() && other.guard.is_empty());
        guarded_alike && Arc::ptr_eq(&self.service, &other.service)
    }
}

/// A service of one table.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) name: Arc<str>,
    pub(crate) environment: Arc<str>,
    pub(crate) generation: u64,
    pub(crate) members: Vec<Member>,
    pub(crate) roster: Roster,
    pub(crate) stub: Option<Stub>,
    pub(crate) timeouts: Timeouts,
    pub(crate) protocol: Protocol,
    pub(crate) tls: Option<Tls>,
    pub(crate) treatment: Treatment,
    /// Over how long goodbyes are spread.
    pub(crate) goodbye_spread: Duration,
    pub(crate) counters: Arc<ServiceCounters>,
}

/// An instance in a table.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) instance: Arc<Instance>,
    pub(crate) address: SocketAddr,
    /// For the access log.
    pub(crate) origin: Origin,
}

impl Service {
    /// The number of the next request.
    pub(crate) fn number(&self) -> u64 {
        self.counters.number.fetch_add(1, Ordering::Relaxed)
    }

    /// Chooses an instance for a request, which began then, and counts it in.
    pub(crate) fn admit(self: &Arc<Self>, ask: &Ask<'_>, began: Instant) -> Pick<Passage> {
        let most = self.treatment.limits.exchanges;
        let picked = self.roster.pick(ask, |index| self.members[index].instance.enter(most, began));
        match picked {
            Pick::Instance(mut choice) => {
                let trial = choice.trial.take();
                choice.entered.belongs_to(Arc::clone(self), choice.index, trial);
                Pick::Instance(choice)
            }
            other => other,
        }
    }
}

/// One environment's table, ready for use.
#[derive(Clone, Debug)]
pub(crate) struct Placed {
    pub(crate) table: Arc<Table>,
    pub(crate) compiled: Arc<Compiled>,
    /// What of a stored table could not be used.
    pub(crate) problems: Vec<String>,
    /// Whose roots can't be read.
    pub(crate) doubts: Vec<String>,
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
    /// How long answers took of instances that are forgotten, by service and release: a histogram only grows for as long
    /// as one of the release is left.
    pub(crate) bygone: BTreeMap<Flock, Latency>,
    /// Where spans go.
    pub(crate) exporters: BTreeMap<Otlp, Exporter>,
    /// What became of the spans of exporters that are gone.
    pub(crate) spans: Counts,
    /// How instances are spoken to in TLS.
    pub(crate) trust: Trust,
    /// What guards remember about clients goes from table to table, by environment and route.
    pub(crate) guards: HashMap<(Arc<str>, String), Arc<Guard>>,
}

/// The instances of one service that one release started: environment, service, generation.
pub(crate) type Flock = (Arc<str>, Arc<str>, u64);

impl Registry {
    /// How long answers took, by service and release.
    pub(crate) fn latencies(&self) -> BTreeMap<Flock, Latency> {
        let mut all = self.bygone.clone();
        for instance in self.instances.values() {
            let before = all.entry(instance.flock()).or_default();
            *before = histogram::sum(before, &instance.latency());
        }
        all
    }

    /// Forgets instances that no table lists and that left a while ago, or never served, and what belonged to
    /// environments that are gone.
    pub(crate) fn tidy(&mut self, placed: &BTreeMap<String, Placed>, after: Duration) {
        let listed = |environment: &str, id: &str| {
            placed.get(environment).is_some_and(|placed| {
                let mut all = placed.compiled.services.values().flat_map(|service| &service.instances);
                all.any(|backend| backend.id == id)
            })
        };
        let bygone = &mut self.bygone;
        self.instances.retain(|(environment, id), instance| {
            let stays =
                listed(environment, id) || !(instance.is_forgettable(after) || instance.never_served());
            if !stays {
                let before = bygone.entry(instance.flock()).or_default();
                *before = histogram::sum(before, &instance.latency());
            }
            stays
        });
        let left: BTreeSet<Flock> = self.instances.values().map(|instance| instance.flock()).collect();
        self.bygone.retain(|flock, _| left.contains(flock));
        let instances = &self.instances;
        let alive = |environment: &Arc<str>| {
            placed.contains_key(environment.as_ref()) || instances.keys().any(|(of, _)| of == environment)
        };
        self.services.retain(|(environment, _), _| alive(environment));
        self.environments.retain(|environment, _| alive(environment));
        self.trust.keep(placed.values().flat_map(|placed| placed.compiled.services.values()));
        self.keep_exporters(|otlp| placed.values().any(|it| it.table.options.otlp.as_ref() == Some(otlp)));
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
    let mut guards = HashMap::new();
    for (name, placed) in placed {
        let environment: Arc<str> = name.as_str().into();
        let generation = placed.table.generation;
        let options = Arc::new(Regime::new(&placed.table.options, registry));
        let services = services(&environment, generation, &options, &placed.compiled, registry);
        let counters = Arc::clone(registry.environments.entry(environment.clone()).or_default());
        let landmark =
            Landmark { name: environment.clone(), generation, options: Arc::clone(&options), counters };
        let landmark = Arc::new(landmark);
        let https_port = https_port(&placed.table);
        let doors: BTreeMap<&String, DoorKey> = placed.doors().collect();
        for (name, key) in &doors {
            let door = building.entry(key.clone()).or_default();
            door.environments.push(Arc::clone(&landmark));
            // Environments that share an address agree, or the stricter one is obeyed.
            door.tls = door.tls.max(placed.table.tls.get(*name).copied());
        }
        for route in &placed.compiled.routes {
            let key = &doors[&route.listener];
            let builder = &mut building.get_mut(key).expect("made for every door above").matcher;
            let service = Arc::clone(&services[route.service.as_str()]);
            let place = (environment.clone(), format!("{} {}{}", route.listener, route.host, route.path));
            let before = registry.guards.get(&place).map(Arc::as_ref);
            let guard = Guard::new(&route.guard, before, rand::random()).expect("the table was checked");
            let guard = Arc::new(guard);
            guards.insert(place, Arc::clone(&guard));
            let options = Arc::clone(&options);
            let routed = Arc::new(Routed { service, guard, options, https_port });
            if let Err(conflict) = builder.insert(route.host.clone(), route.path.clone(), routed) {
                let words = format!(
                    "routes[{}]: {}{} on {} is claimed by environment `{}` already",
                    route.index,
                    route.host,
                    route.path,
                    key.address(),
                    conflict.first.service.environment
                );
                clashes.push(Clash { environment: name.clone(), route: route.index, words });
            }
        }
        state.services.insert(environment, services);
    }
    state.doors = building
        .into_iter()
        .map(|(key, DoorBuilder { matcher, environments, tls })| {
            (key, Arc::new(Door { matcher: matcher.build(), environments, tls }))
        })
        .collect();
    state.guards = guards;
    (state, clashes)
}

/// The port that clients of an environment are sent to for HTTPS: the one it names, else 443 if it listens there or
/// nowhere (something in front of the edge speaks TLS then), else the first port with TLS. A port that the edge is yet to
/// choose is not known here.
fn https_port(table: &Table) -> u16 {
    if let Some(port) = table.options.https_port {
        return port.get();
    }
    let ports = table.tls.keys().filter_map(|name| table.listeners.get(name)).map(SocketAddr::port);
    let ports: Vec<u16> = ports.filter(|port| *port != 0).collect();
    if ports.contains(&443) { 443 } else { ports.first().copied().unwrap_or(443) }
}

fn services(
    environment: &Arc<str>,
    generation: u64,
    options: &Options,
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
            let id = Some(backend.id.as_str());
            let origin = Origin::new(Some(environment), Some(&name), Some(generation), id);
            Member { instance, address: backend.address, origin }
        });
        let members: Vec<Member> = members.collect();
        let counters = registry.services.entry((environment.clone(), name.clone())).or_default();
        let seats = service.instances.iter().zip(&members).map(|(backend, member)| fairway_health::Member {
            id: &backend.id,
            weight: backend.weight,
            condition: Arc::clone(&member.instance.condition),
        });
        let made = Service {
            roster: Roster::new(seats, Rules::from(&service.treatment)),
            members,
            name: name.clone(),
            environment: environment.clone(),
            generation,
            stub: service.stub.clone(),
            timeouts: timeouts(service.timeouts),
            protocol: trust::protocol(service.treatment.upstream),
            tls: registry.trust.of(&service.treatment),
            treatment: service.treatment.clone(),
            goodbye_spread: Duration::from_millis(options.goodbye_spread_ms),
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
    use std::num::NonZeroU16;

    use fairway_forward::Guard as _;

    use super::*;

    /// What instances did that are forgotten stays in the histogram of their release for as long as others are left.
    #[test]
    fn a_histogram_outlives_its_instances() {
        let mut registry = Registry::default();
        for (id, release) in [("a", 7), ("b", 7), ("c", 8)] {
            let backend = fairway_route::Backend {
                id: id.into(),
                address: ([127, 0, 0, 1], 1).into(),
                weight: 1,
                release,
            };
            let instance = Arc::new(Instance::new("dev".into(), "web".into(), &backend));
            instance.welcome(&backend, 0);
            let mut passage = instance.enter(0, std::time::Instant::now()).unwrap();
            passage.responded(http::StatusCode::OK);
            drop(passage);
            registry.instances.insert(("dev".into(), id.into()), instance);
        }
        let counts = |registry: &Registry| {
            let all = registry.latencies();
            all.into_iter().map(|((_, _, release), it)| (release, it.count)).collect::<Vec<_>>()
        };
        assert_eq!(counts(&registry), [(7, 2), (8, 1)]);
        let forget = |registry: &mut Registry, id: &str| {
            registry.instances[&("dev".into(), id.into())].drain(false);
            registry.tidy(&BTreeMap::new(), Duration::ZERO);
        };
        forget(&mut registry, "a");
        assert_eq!((registry.instances.len(), counts(&registry)), (2, vec![(7, 2), (8, 1)]));
        forget(&mut registry, "b");
        assert_eq!((registry.instances.len(), counts(&registry)), (1, vec![(8, 1)]));
    }

    #[test]
    fn where_https_is() {
        let check = |listeners: &[(&str, u16, bool)], outside: u16, expect: u16| {
            let mut table = Table::empty("dev", 1, 0);
            table.options.https_port = NonZeroU16::new(outside);
            for (name, port, tls) in listeners {
                table.listeners.insert((*name).into(), ([127, 0, 0, 1], *port).into());
                if *tls {
                    table.tls.insert((*name).into(), ListenerTls::default());
                }
            }
            assert_eq!(https_port(&table), expect, "{listeners:?}");
        };
        check(&[("public", 80, false)], 0, 443);
        check(&[("public", 80, false), ("public-tls", 8443, true)], 0, 8443);
        check(&[("a", 8443, true), ("b", 443, true)], 0, 443);
        check(&[("a", 0, true)], 0, 443);
        check(&[("public", 8080, false), ("public-tls", 8443, true)], 443, 443);
        check(&[("public", 80, false)], 8443, 8443);
    }

    #[test]
    fn one_complaint_a_second() {
        let complaints = Complaints::default();
        let said: Vec<_> = [0, 0, 0, 1, 5, 5, 4, 6].iter().map(|second| complaints.say(*second)).collect();
        assert_eq!(said, [Some(0), None, None, Some(2), Some(0), None, None, Some(2)]);
    }
}
