//! All proxies in one run, in turns: A B C, A B C, …, so that what happens to the machine happens to all of them.

use crate::certificate::Certificate;
use crate::fairway::{Which, Workers};
use crate::memory::{self, Held, IDLE, Resident};
use crate::peer::{Kind, Peer, Setting, free_address};
use crate::profile;
use crate::row::{Outcome, Row, Spans};
use anyhow::Context;
use fairway_model::traffic::Upstream;
use fairway_stories::measure::machine::{self, Cores};
use fairway_stories::measure::process::{Place, Program, Running};
use fairway_stories::measure::report::{self, Cell, Line, Unit, median, table, thousands};
use fairway_stories::measure::tools::{self, Shape, wrk};
use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fmt::Write as _,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

/// What can be chosen.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// How many rounds; each number is the median of them [default: 3, or 1 with --quick]
    #[arg(long)]
    rounds: Option<usize>,
    /// One second for each measurement: to see that everything works, not for numbers
    #[arg(long)]
    quick: bool,
    /// These rows only
    #[arg(long, value_delimiter = ',', value_enum)]
    only: Vec<Row>,
    /// These proxies only
    #[arg(long, value_delimiter = ',', value_enum)]
    peers: Vec<Kind>,
    /// Another edge: a `fairway`, or a program that is called `PROGRAM HOME` [default: the one that is built in]
    #[arg(long)]
    edge: Option<PathBuf>,
    /// Sample the edge with perf in the first round and say where its time goes
    #[arg(long)]
    profile: bool,
    /// Put the tables into docs/benchmarks.md
    #[arg(long)]
    write: bool,
}

/// Where the tables of the documentation are.
pub(crate) fn document() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/benchmarks.md")
}

/// Runs the comparison and prints its tables.
pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let cores = Cores::choose()?;
    let descriptors = machine::descriptors(65_536);
    machine::pin(cores.load)?;
    let directory = tempfile::Builder::new().prefix("fairway-bench-").tempdir_in("/tmp")?;
    let parts = std::env::current_exe()?;
    let upstream = free_address();
    let place = Place { core: cores.upstream, ours: cores.load };
    let _upstream = start_upstream(&parts, upstream, "bench", directory.path(), Some(place)).await?;
    let certificate = match tools::program("openssl") {
        Some(_) => Some(Certificate::make(directory.path())?),
        None => None,
    };
    let edge = Which::choose(arguments.edge.as_deref(), Workers::One)?;
    let setting = Setting {
        place: Place { core: cores.proxy, ours: cores.load },
        upstream,
        certificate: certificate.as_ref(),
        edge: &edge,
        parts: &parts,
        directory: directory.path(),
    };
    let mut comparison = Comparison::new(&arguments);
    comparison.in_rounds(&setting).await?;
    comparison.at_rest(&setting, descriptors).await?;
    let text = comparison.show();
    println!("{text}");
    for profile in &comparison.profiles {
        println!("{profile}");
    }
    if arguments.write {
        report::write(&document(), "edge", &text)?;
        eprintln!("bench: wrote docs/benchmarks.md");
    }
    Ok(ExitCode::SUCCESS)
}

/// Starts the part that answers, and waits until it does.
pub(crate) async fn start_upstream(
    parts: &Path,
    listen: SocketAddr,
    version: &str,
    directory: &Path,
    place: Option<Place>,
) -> anyhow::Result<Running> {
    let address = listen.to_string();
    let arguments = ["upstream", "--listen", &address, "--version", version].map(OsStr::new).to_vec();
    let name = format!("upstream-{version}");
    let program = Program { name: &name, path: parts, arguments, environment: Vec::new(), directory };
    let mut running = Running::start(&program, place)?;
    running.accepts(listen).await?;
    Ok(running)
}

/// Requests per second without a proxy: what load generator and upstream can do on the core that they share.
async fn direct(upstream: SocketAddr) -> anyhow::Result<Option<f64>> {
    if tools::program("wrk").is_none() {
        return Ok(None);
    }
    let shape = Shape { path: "/", connections: 64, fresh: false, script: None };
    Ok(Some(wrk(upstream, shape, Duration::from_secs(2)).await?.rate))
}

/// What has been chosen and what has been measured.
struct Comparison {
    rows: Vec<Row>,
    kinds: Vec<Kind>,
    rounds: usize,
    spans: Spans,
    /// Requests per second without a proxy, in each round.
    limits: Vec<f64>,
    /// Whether the edge is sampled.
    profile: bool,
    /// Where its time goes.
    profiles: Vec<String>,
    /// The version of our edge.
    version: Option<String>,
    outcomes: BTreeMap<(Row, Kind), Vec<Outcome>>,
    resident: BTreeMap<Kind, Resident>,
    held: Vec<Held>,
}

impl Comparison {
    fn new(arguments: &Arguments) -> Self {
        let chosen = |row: &Row| arguments.only.is_empty() || arguments.only.contains(row);
        // Ratios are relative to the first column, which stays.
        let wanted = |kind: &Kind| {
            arguments.peers.is_empty() || *kind == Kind::Nginx || arguments.peers.contains(kind)
        };
        let seconds = if arguments.quick { 1 } else { 5 };
        Self {
            rows: Row::ALL.into_iter().filter(chosen).collect(),
            kinds: Kind::ALL.into_iter().filter(wanted).collect(),
            rounds: arguments.rounds.unwrap_or(if arguments.quick { 1 } else { 3 }).max(1),
            spans: Spans { warm_up: Duration::from_secs(1), lasts: Duration::from_secs(seconds) },
            limits: Vec::new(),
            profile: arguments.profile,
            profiles: Vec::new(),
            version: None,
            outcomes: BTreeMap::new(),
            resident: BTreeMap::new(),
            held: Vec::new(),
        }
    }

    fn has(&self, row: Row) -> bool {
        self.rows.contains(&row)
    }

    fn present(&self) -> Vec<Kind> {
        self.kinds.iter().copied().filter(|kind| kind.missing().is_none()).collect()
    }

    async fn in_rounds(&mut self, setting: &Setting<'_>) -> anyhow::Result<()> {
        let rows: Vec<Row> = Row::IN_ROUNDS.into_iter().filter(|row| self.has(*row)).collect();
        if rows.is_empty() {
            return Ok(());
        }
        let post = setting.directory.join("post.lua");
        let script = format!(
            "wrk.method = \"POST\"\nwrk.body = string.rep(\"x\", {})\nwrk.headers[\"Content-Type\"] = \"text/plain\"\n",
            1024
        );
        fs::write(&post, script)?;
        let mut peers = Vec::new();
        for kind in self.present() {
            let peer = Peer::start(kind, setting).await?;
            if let Some(control) = &peer.control {
                self.version = Some(control.info().await?.version);
            }
            peers.push(peer);
        }
        for round in 1..=self.rounds {
            self.limits.extend(direct(setting.upstream).await?);
            for row in &rows {
                if row.tool().is_some_and(|tool| tools::program(tool).is_none()) {
                    continue;
                }
                for peer in &mut peers {
                    let name = peer.kind.name();
                    let sampled = self.profile && round == 1 && peer.kind == Kind::Fairway;
                    let measuring = row.measure(peer, self.spans, &post);
                    let measured = if sampled && row.tool() == Some("wrk") {
                        // Sampling begins with the warm-up and ends before the load does.
                        let sampling = profile::sample(*row, peer, setting.directory, self.spans.lasts);
                        let (measured, sampled) = tokio::join!(measuring, sampling);
                        if matches!(measured, Ok(Some(_))) {
                            self.profiles.push(sampled?);
                        }
                        measured
                    } else {
                        measuring.await
                    };
                    peer.running.alive()?;
                    let what = || format!("{} through {name}", row.label());
                    let Some(outcome) = measured.with_context(what)? else { continue };
                    let Outcome { value, cpu, busy, idle, bad } = outcome;
                    eprintln!(
                        "round {round}/{}  {row:<10?} {name:<8} {value:>9.0}  {cpu:>6.1} µs CPU each  core {:>3.0} % used {:>3.0} % idle{}",
                        self.rounds,
                        busy * 100.0,
                        idle * 100.0,
                        if bad > 0 { format!("  {bad} went wrong") } else { String::new() },
                    );
                    self.outcomes.entry((*row, peer.kind)).or_default().push(outcome);
                }
            }
        }
        Ok(())
    }

    async fn at_rest(&mut self, setting: &Setting<'_>, descriptors: u64) -> anyhow::Result<()> {
        let directory = setting.directory.join("at-rest");
        fs::create_dir_all(&directory)?;
        let setting = &Setting { directory: &directory, ..*setting };
        if self.has(Row::Memory) {
            for kind in self.present() {
                let found = memory::of(kind, setting).await?;
                let name = kind.name();
                eprintln!(
                    "memory  {name:<8} {:>9.1} MB  {:>6.1} KB each",
                    found.idle / 1024.0,
                    found.connection
                );
                self.resident.insert(kind, found);
            }
        }
        if self.has(Row::Websockets) {
            self.held = memory::websockets(setting, descriptors).await?;
        }
        Ok(())
    }

    fn cells(&self, row: Row, value: impl Fn(&Outcome) -> f64) -> Vec<Cell> {
        let cell = |kind: &Kind| {
            let tool = row.tool().filter(|tool| tools::program(tool).is_none());
            if let Some(missing) = kind.missing().or(tool) {
                return Cell::Needs(missing);
            }
            match self.outcomes.get(&(row, *kind)) {
                Some(outcomes) => Cell::Rounds(outcomes.iter().map(&value).collect()),
                None => Cell::None,
            }
        };
        self.kinds.iter().map(cell).collect()
    }

    fn resident(&self, value: impl Fn(&Resident) -> f64) -> Vec<Cell> {
        let cell = |kind: &Kind| match (kind.missing(), self.resident.get(kind)) {
            (Some(missing), _) => Cell::Needs(missing),
            (None, Some(found)) => Cell::Rounds(vec![value(found)]),
            (None, None) => Cell::None,
        };
        self.kinds.iter().map(cell).collect()
    }

    fn show(&self) -> String {
        let columns: Vec<String> = self.kinds.iter().map(|kind| self.column(*kind)).collect();
        let (mut more, mut less) = (Vec::new(), Vec::new());
        for row in Row::IN_ROUNDS.into_iter().filter(|row| self.has(*row)) {
            let label = row.label().to_owned();
            if row == Row::Paced {
                less.push(Line { label, unit: Unit::Micros, cells: self.cells(row, |found| found.value) });
                continue;
            }
            more.push(Line { label, unit: Unit::PerSecond, cells: self.cells(row, |found| found.value) });
        }
        for row in Row::IN_ROUNDS.into_iter().filter(|row| self.has(*row)) {
            let label = if row == Row::Paced { "5,000 requests/s" } else { row.label() };
            let label = format!("CPU time each: {label}");
            less.push(Line { label, unit: Unit::Micros, cells: self.cells(row, |found| found.cpu) });
        }
        if self.has(Row::Memory) {
            let line = |label: String, unit, cells| Line { label, unit, cells };
            less.push(line("resident, idle".to_owned(), Unit::Megabytes, self.resident(|found| found.idle)));
            less.push(line(
                format!("resident for each of {} idle connections", thousands(IDLE as f64)),
                Unit::Kilobytes,
                self.resident(|found| found.connection),
            ));
        }
        let mut parts = vec![
            table("per second (more is better)", &columns, &more),
            table("less is better", &columns, &less),
        ];
        parts.extend((!self.held.is_empty()).then(|| show_held(&self.held)));
        parts.push(self.notes());
        parts.retain(|part| !part.is_empty());
        parts.join("\n")
    }

    fn column(&self, kind: Kind) -> String {
        let version = if kind == Kind::Fairway { self.version.clone() } else { kind.version() };
        match version {
            Some(version) => format!("{} {version}", kind.name()),
            None => kind.name().to_owned(),
        }
    }

    /// What a reader must know to believe the tables.
    fn notes(&self) -> String {
        let mut notes = vec![format!(
            "{} rounds of {} s each after {} s of warm-up.",
            self.rounds,
            self.spans.lasts.as_secs(),
            self.spans.warm_up.as_secs()
        )];
        if !self.limits.is_empty() {
            notes.push(format!(
                "Load generator and upstream alone, without a proxy, on the core that they share: {}/s (64 connections, small body).",
                thousands(median(self.limits.clone()))
            ));
        }
        for kind in [Kind::Fairway, Kind::Nginx] {
            if let (Some(with), Some(without)) =
                (self.outcomes.get(&(Row::Log, kind)), self.outcomes.get(&(Row::Small, kind)))
            {
                let ratios = with.iter().zip(without).map(|(with, without)| with.value / without.value);
                notes.push(format!(
                    "{} with its access log{} on: {:.2} of its requests/s without.",
                    kind.name(),
                    if kind == Kind::Fairway { " and all metrics, read every second," } else { "" },
                    median(ratios.collect())
                ));
            }
        }
        notes.extend(self.doubts());
        notes.iter().map(|note| format!("- {note}\n")).collect()
    }

    /// Where the numbers are not what they seem.
    fn doubts(&self) -> Vec<String> {
        let mut doubts = Vec::new();
        for row in Row::IN_ROUNDS {
            let part = |of: &dyn Fn(&Outcome) -> f64, above: f64| -> Vec<(Kind, f64)> {
                let found = self.kinds.iter().filter_map(|kind| {
                    let outcomes = self.outcomes.get(&(row, *kind))?;
                    Some((*kind, median(outcomes.iter().map(of).collect())))
                });
                found.filter(|(_, part)| *part > above).collect()
            };
            let idle = part(&|found| found.idle, 0.05);
            if row.is_at_limit() && !idle.is_empty() {
                doubts.push(format!(
                    "{}: the load was the limit, the proxy's core had nothing to do for a part of the time ({}); compare CPU time.",
                    row.label(),
                    percents(&idle)
                ));
            }
            let others = part(&|found| 1.0 - found.idle - found.busy, 0.05);
            if !others.is_empty() {
                doubts.push(format!(
                    "{}: the machine was not quiet, others used the proxy's core ({}).",
                    row.label(),
                    percents(&others)
                ));
            }
            for kind in &self.kinds {
                let outcomes = self.outcomes.get(&(row, *kind)).into_iter().flatten();
                let bad: u64 = outcomes.map(|found| found.bad).sum();
                if bad > 0 {
                    doubts.push(format!("{}, {}: {bad} requests went wrong.", row.label(), kind.name()));
                }
            }
        }
        doubts
    }
}

/// Names in a row, each with a part in percent.
fn percents(found: &[(Kind, f64)]) -> String {
    let shown = found.iter().map(|(kind, part)| format!("{} {:.0} %", kind.name(), part * 100.0));
    shown.collect::<Vec<_>>().join(", ")
}

#[expect(clippy::cast_precision_loss, reason = "counts for people")]
fn show_held(held: &[Held]) -> String {
    let count = |count: usize| thousands(count as f64);
    let mut table =
        "| idle WebSockets, to an instance of | tried | held | echoed after 5 s | resident | each |\n\
                     |---|---|---|---|---|---|\n"
            .to_owned();
    for Held { speaks, tried, opened, echoed, resident, each } in held {
        let _ = writeln!(
            table,
            "| {} | {} | {} | {} | {} | {} |",
            if *speaks == Upstream::H2c { "HTTP/2" } else { "HTTP/1.1" },
            count(*tried),
            count(*opened),
            count(*echoed),
            Unit::Megabytes.show(*resident),
            Unit::Kilobytes.show(*each),
        );
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum;

    fn names() -> Vec<String> {
        let values = Row::value_variants().iter().filter_map(Row::to_possible_value);
        values.map(|value| value.get_name().to_owned()).collect()
    }

    fn comparison(only: Vec<Row>) -> Comparison {
        let arguments = Arguments {
            rounds: None,
            quick: true,
            only,
            peers: vec![Kind::Splice],
            edge: None,
            write: false,
            profile: false,
        };
        Comparison::new(&arguments)
    }

    #[test]
    fn every_row_can_be_chosen_by_its_name() {
        assert_eq!(
            names(),
            ["small", "many", "large", "fresh", "post", "paced", "tls", "h2", "log", "memory", "websockets"]
        );
        assert_eq!(comparison(Vec::new()).rows.len(), names().len());
    }

    #[test]
    fn nginx_stays_because_the_others_are_compared_with_it() {
        assert_eq!(comparison(Vec::new()).kinds, [Kind::Nginx, Kind::Splice]);
    }

    #[test]
    fn a_proxy_that_was_not_at_its_limit_is_named() {
        let mut comparison = comparison(vec![Row::Small]);
        let outcome = Outcome { value: 30_000.0, cpu: 20.0, busy: 0.6, idle: 0.3, bad: 3 };
        comparison.outcomes.insert((Row::Small, Kind::Splice), vec![outcome]);
        let notes = comparison.notes();
        assert!(notes.contains("the load was the limit"), "{notes}");
        assert!(notes.contains("(splice 30 %)"), "{notes}");
        assert!(notes.contains("others used the proxy's core (splice 10 %)"), "{notes}");
        assert!(notes.contains("splice: 3 requests went wrong"), "{notes}");
    }
}
