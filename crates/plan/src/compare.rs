//! What differs between two releases, value by value. Every type is taken apart completely, so that a field that is
//! added to the model does not compile until it is compared here.

mod edge;

use fairway_model::{
    Artifact, ArtifactKind, Change, ConfigValue, ContractRef, DatabaseSpec, Limits, Listener, Migration,
    Millis, PostgresSpec, ProbeSpec, Probes, ProcessSpec, Program, Release, Resources, RouteSpec,
    ServiceSpec,
};
use std::{collections::BTreeMap, fmt::Display};

/// What stands for a plain value that is about to become a secret: it probably is the secret.
const HIDDEN: &str = "(a plain value, not shown because it becomes a secret)";

pub(crate) use edge::is_of_the_edge;

/// Collects differences.
#[derive(Default)]
struct Differences(Vec<Change>);

impl Differences {
    /// Adds a change when the two texts differ.
    fn text(&mut self, what: impl Into<String>, from: Option<String>, to: Option<String>) {
        if from != to {
            self.0.push(Change { what: what.into(), from, to });
        }
    }

    /// Adds a change when the two values differ, shown by `show`.
    fn value<T: PartialEq + ?Sized>(
        &mut self,
        what: impl Into<String>,
        from: Option<&T>,
        to: Option<&T>,
        show: impl Fn(&T) -> String,
    ) {
        if from != to {
            self.0.push(Change { what: what.into(), from: from.map(&show), to: to.map(&show) });
        }
    }

    /// Adds a change for each key whose values differ.
    fn map<K: Ord + Display, V: PartialEq>(
        &mut self,
        what: &str,
        from: Option<&BTreeMap<K, V>>,
        to: Option<&BTreeMap<K, V>>,
        show: impl Fn(&V) -> String,
    ) {
        for (key, from, to) in pairs(from, to) {
            self.value(format!("{what} {key}"), from, to, &show);
        }
    }
}

/// The keys of two maps in order, each with its values.
fn pairs<'a, K: Ord, V>(
    from: Option<&'a BTreeMap<K, V>>,
    to: Option<&'a BTreeMap<K, V>>,
) -> impl Iterator<Item = (&'a K, Option<&'a V>, Option<&'a V>)> {
    let mut all: BTreeMap<&K, (Option<&V>, Option<&V>)> = BTreeMap::new();
    for (key, value) in from.into_iter().flatten() {
        all.entry(key).or_default().0 = Some(value);
    }
    for (key, value) in to.into_iter().flatten() {
        all.entry(key).or_default().1 = Some(value);
    }
    all.into_iter().map(|(key, (from, to))| (key, from, to))
}

/// What differs between two states of a service; everything when it is new.
pub(crate) fn services(from: Option<&ServiceSpec>, to: &ServiceSpec) -> Vec<Change> {
    let mut differences = Differences::default();
    if from == Some(to) {
        return differences.0;
    }
    let ServiceSpec { program, contract, routes, replicas, traffic } = to;
    let from_program = from.map(|from| &from.program);
    if from_program.is_none_or(|from| std::mem::discriminant(from) != std::mem::discriminant(program)) {
        let word = |program: &Program| match program {
            Program::Process(_) => "process".to_owned(),
            Program::Stub => "stub".to_owned(),
        };
        // A new process is told by its parts; a new stub has none.
        if from.is_some() || matches!(program, Program::Stub) {
            differences.text("program", from_program.map(word), Some(word(program)));
        }
    }
    process(&mut differences, from.and_then(ServiceSpec::process), to.process());
    let from_routes = from.map(|from| from.routes.as_slice()).filter(|routes| !routes.is_empty());
    let to_routes = Some(routes.as_slice()).filter(|routes| !routes.is_empty());
    let shown = |routes: &[RouteSpec]| routes.iter().map(route).collect::<Vec<_>>().join(", ");
    differences.text("routes", from_routes.map(shown), to_routes.map(shown));
    edge::guards(&mut differences, from.map(|from| from.routes.as_slice()), routes);
    edge::traffic(&mut differences, from.map(|from| &from.traffic), traffic);
    // A new stub runs nothing, whatever its number.
    if from.is_some() || to.process().is_some() {
        differences.text("replicas", from.map(|from| from.replicas.to_string()), Some(replicas.to_string()));
    }
    let from_contract = from.and_then(|from| from.contract.as_ref());
    contracts(&mut differences, from_contract, contract.as_ref());
    differences.0
}

fn contracts(differences: &mut Differences, from: Option<&ContractRef>, to: Option<&ContractRef>) {
    differences
        .value("contract", from.map(|from| &from.digest), to.map(|to| &to.digest), |digest| digest.short());
    let file = |contract: &ContractRef| {
        let ContractRef { file, digest: _ } = contract;
        file.clone()
    };
    if from.is_some() && to.is_some() {
        differences.text("contract.file", from.map(file), to.map(file));
    }
}

fn process(differences: &mut Differences, from: Option<&ProcessSpec>, to: Option<&ProcessSpec>) {
    if let Some(spec) = to.or(from) {
        // Taken apart for the compiler: each name below is compared.
        let ProcessSpec {
            artifact: _,
            command: _,
            config: _,
            listen: _,
            needs: _,
            database: _,
            probes: _,
            limits: _,
            stop_grace: _,
        } = spec;
    }
    artifacts(differences, from.map(|from| &from.artifact), to.map(|to| &to.artifact));
    differences
        .value("command", from.map(|from| &from.command), to.map(|to| &to.command), |command| words(command));
    for (name, from, to) in pairs(from.map(|from| &from.config), to.map(|to| &to.config)) {
        if from != to {
            let hide = matches!((from, to), (Some(ConfigValue::Plain(_)), Some(ConfigValue::Secret(_))));
            differences.0.push(Change {
                what: format!("config {name}"),
                from: if hide { Some(HIDDEN.to_owned()) } else { from.map(ToString::to_string) },
                to: to.map(ToString::to_string),
            });
        }
    }
    let listen = |spec: &ProcessSpec| spec.listen.as_ref().map(ToString::to_string);
    differences.text("listen", from.and_then(listen), to.and_then(listen));
    differences.map("needs", from.map(|from| &from.needs), to.map(|to| &to.needs), ToString::to_string);
    databases(
        differences,
        from.and_then(|from| from.database.as_ref()),
        to.and_then(|to| to.database.as_ref()),
    );
    probes(differences, from.map(|from| &from.probes), to.map(|to| &to.probes));
    limits(differences, from.map(|from| &from.limits), to.map(|to| &to.limits));
    let grace = |spec: &ProcessSpec| duration(spec.stop_grace);
    differences.text("stop_grace", from.map(grace), to.map(grace));
}

fn artifacts(differences: &mut Differences, from: Option<&Artifact>, to: Option<&Artifact>) {
    let before = differences.0.len();
    differences
        .value("artifact", from.map(|from| &from.digest), to.map(|to| &to.digest), |digest| digest.short());
    if differences.0.len() > before {
        return;
    }
    // The same bytes: say what else about them is different.
    differences.value(
        "artifact.kind",
        from.map(|from| &from.kind),
        to.map(|to| &to.kind),
        |kind| match kind {
            ArtifactKind::File { name } => format!("file {name}"),
            ArtifactKind::Archive => "archive".to_owned(),
        },
    );
    let size = |artifact: &Artifact| {
        let Artifact { digest: _, kind: _, size } = artifact;
        size.to_string()
    };
    differences.text("artifact.size", from.map(size), to.map(size));
}

fn databases(differences: &mut Differences, from: Option<&DatabaseSpec>, to: Option<&DatabaseSpec>) {
    if let Some(spec) = to.or(from) {
        let DatabaseSpec { env: _, migrate: _, seed: _, migrations: _ } = spec;
    }
    differences.value("database.env", from.map(|from| &from.env), to.map(|to| &to.env), ToString::to_string);
    let migrate = |spec: &DatabaseSpec| spec.migrate.as_deref().map(words);
    differences.text("database.migrate", from.and_then(migrate), to.and_then(migrate));
    let seed = |spec: &DatabaseSpec| spec.seed.as_deref().map(words);
    differences.text("database.seed", from.and_then(seed), to.and_then(seed));
    migrations(
        differences,
        from.map(|from| from.migrations.as_deref()),
        to.map(|to| to.migrations.as_deref()),
    );
}

/// The outer `None` is a service without a database, the inner one a database whose migrations are not known.
fn migrations(
    differences: &mut Differences,
    from: Option<Option<&[Migration]>>,
    to: Option<Option<&[Migration]>>,
) {
    let known = |migrations: &Option<&[Migration]>| match migrations {
        Some(_) => "listed".to_owned(),
        None => "not listed".to_owned(),
    };
    if let (Some(from), Some(to)) = (&from, &to) {
        differences.text("migrations", Some(known(from)), Some(known(to)));
    }
    let (from, to) = (from.flatten().unwrap_or_default(), to.flatten().unwrap_or_default());
    let before = differences.0.len();
    let index = |migrations: &[Migration]| -> BTreeMap<String, Migration> {
        migrations.iter().map(|migration| (migration.name.clone(), migration.clone())).collect()
    };
    differences.map("migration", Some(&index(from)), Some(&index(to)), |migration| {
        let Migration { name: _, digest, effect } = migration;
        format!("{} ({})", digest.short(), crate::schema::effect_word(*effect))
    });
    if differences.0.len() == before && from != to {
        let names = |migrations: &[Migration]| {
            Some(migrations.iter().map(|migration| migration.name.as_str()).collect::<Vec<_>>().join(", "))
        };
        differences.0.push(Change { what: "migrations.order".to_owned(), from: names(from), to: names(to) });
    }
}

fn probes(differences: &mut Differences, from: Option<&Probes>, to: Option<&Probes>) {
    if let Some(spec) = to.or(from) {
        let Probes { ready: _, live: _, tls: _, start_deadline: _ } = spec;
    }
    let ready = |probes: &Probes| probes.ready.as_ref().map(probe);
    differences.text("probes.ready", from.and_then(ready), to.and_then(ready));
    let live = |probes: &Probes| probes.live.as_ref().map(probe);
    differences.text("probes.live", from.and_then(live), to.and_then(live));
    let tls = |probes: &Probes| probes.tls.as_ref().map(edge::recognised);
    differences.text("probes.tls", from.and_then(tls), to.and_then(tls));
    let deadline = |probes: &Probes| duration(probes.start_deadline);
    differences.text("probes.start_deadline", from.map(deadline), to.map(deadline));
}

fn probe(probe: &ProbeSpec) -> String {
    let ProbeSpec { path, interval, timeout, rise, fall } = probe;
    let (interval, timeout) = (duration(*interval), duration(*timeout));
    format!("{path} every {interval}, timeout {timeout}, rise {rise}, fall {fall}")
}

fn limits(differences: &mut Differences, from: Option<&Limits>, to: Option<&Limits>) {
    if let Some(spec) = to.or(from) {
        let Limits { cpu_millis: _, memory_bytes: _, pids: _ } = spec;
    }
    let cpu =
        |limits: &Limits| limits.cpu_millis.map(|millis| format!("{}.{:03}", millis / 1_000, millis % 1_000));
    differences.text("limits.cpu", from.and_then(cpu), to.and_then(cpu));
    let memory = |limits: &Limits| limits.memory_bytes.map(bytes);
    differences.text("limits.memory", from.and_then(memory), to.and_then(memory));
    let pids = |limits: &Limits| limits.pids.map(|pids| pids.to_string());
    differences.text("limits.pids", from.and_then(pids), to.and_then(pids));
}

/// Bytes with the largest binary unit that divides them.
fn bytes(bytes: u64) -> String {
    for (factor, unit) in [(1 << 30, "Gi"), (1 << 20, "Mi"), (1 << 10, "Ki")] {
        if bytes >= factor && bytes.is_multiple_of(factor) {
            return format!("{}{unit}", bytes / factor);
        }
    }
    bytes.to_string()
}

/// What differs between two states of the environment itself.
pub(crate) fn environments(from: Option<&Release>, to: &Release) -> Vec<Change> {
    let mut differences = Differences::default();
    let Release { format, system, environment: _, listener, edge, services: _, resources, bake, drain } = to;
    let Resources { postgres } = resources;
    if let Some(from) = from {
        differences.text("format", Some(from.format.to_string()), Some(format.to_string()));
        differences.text("system", Some(from.system.to_string()), Some(system.to_string()));
    }
    let from_listener = from.and_then(|from| from.listener.as_ref());
    differences.value("listener", from_listener, listener.as_ref(), |listener| {
        let Listener { address } = listener;
        address.to_string()
    });
    edge::environment(&mut differences, from.map(|from| &from.edge), edge);
    let from_postgres = from.and_then(|from| from.resources.postgres.as_ref());
    differences.value("postgres", from_postgres, postgres.as_ref(), |postgres| match postgres {
        PostgresSpec::Private { version: Some(version) } => format!("private server, version {version}"),
        PostgresSpec::Private { version: None } => "private server, the installed version".to_owned(),
        PostgresSpec::Existing { url } => format!("existing server, {}", ConfigValue::Secret(*url)),
    });
    differences.text("bake", from.map(|from| duration(from.bake)), Some(duration(*bake)));
    differences.text("drain", from.map(|from| duration(from.drain)), Some(duration(*drain)));
    differences.0
}

fn route(route: &RouteSpec) -> String {
    // The guard has lines of its own.
    let RouteSpec { host, path, guard: _ } = route;
    format!("{}{path}", host.as_deref().unwrap_or_default())
}

/// A duration as people write it, or in milliseconds where that would round.
fn duration(millis: Millis) -> String {
    let exact = match millis.0 {
        0..1_000 => true,
        ms @ 1_000..60_000 => ms.is_multiple_of(100),
        ms @ 60_000..3_600_000 => ms.is_multiple_of(1_000),
        ms => ms.is_multiple_of(60_000),
    };
    if exact { millis.to_string() } else { format!("{}ms", millis.0) }
}

/// A command line for people: arguments that would not read as one word are quoted.
fn words(command: &[String]) -> String {
    let quoted = command.iter().map(|word| {
        let plain =
            !word.is_empty() && word.chars().all(|c| !c.is_whitespace() && !c.is_control() && c != '"');
        if plain { word.clone() } else { format!("{word:?}") }
    });
    quoted.collect::<Vec<_>>().join(" ")
}
