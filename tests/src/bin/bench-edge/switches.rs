//! Releases under load, without the rest of Fairway: tables switch from one set of instances to another, the old set
//! drains and ends for real, and whatever traffic there is notices nothing.
//!
//! Each set is made of processes of its own. They are killed the moment the edge says that nothing is in flight on
//! them: whatever it had not counted breaks, and is counted as failed by its client.

use crate::compare::{document, start_upstream};
use crate::fairway::{Edge, Which, Workers, table_of};
use crate::peer::free_address;
use anyhow::{Context, ensure};
use fairway_edge::client::Client;
use fairway_stories::measure::machine;
use fairway_stories::measure::process::Running;
use fairway_stories::measure::report::{self, median, thousands};
use fairway_stories::{Kind, Load, Tally, Target, speaks_h2};
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant},
};

/// How many instances a set has.
const INSTANCES: usize = 2;
/// How long streams may take to end before they are cut.
const GRACE: Duration = Duration::from_secs(5);
/// How long a set may take until nothing is in flight on it.
const DRAIN: Duration = Duration::from_secs(30);
/// The environment of the tables.
const ENVIRONMENT: &str = "switches";

/// What can be chosen.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// How many switches
    #[arg(long, default_value_t = 100)]
    switches: u64,
    /// At least so many requests in all
    #[arg(long, default_value_t = 1_000_000)]
    requests: u64,
    /// Another edge: a `fairway`, or a program that is called `PROGRAM HOME` [default: the one that is built in]
    #[arg(long)]
    edge: Option<PathBuf>,
    /// Put the table into docs/benchmarks.md
    #[arg(long)]
    write: bool,
}

/// A set of instances: one release.
struct Set {
    release: u64,
    addresses: Vec<SocketAddr>,
    processes: Vec<Running>,
}

impl Set {
    async fn start(parts: &Path, directory: &Path, release: u64) -> anyhow::Result<Self> {
        let (mut addresses, mut processes) = (Vec::new(), Vec::new());
        for number in 0..INSTANCES {
            let address = free_address();
            let name = format!("v{release}-{number}");
            processes.push(start_upstream(parts, address, &name, directory, None).await?);
            addresses.push(address);
        }
        Ok(Self { release, addresses, processes })
    }

    fn ids(&self) -> impl Iterator<Item = String> + '_ {
        (0..self.addresses.len()).map(|number| id(self.release, number))
    }

    /// Waits until nothing is in flight on it, tells streams to end, and ends the processes at once then.
    async fn retire(self, client: &Client) -> anyhow::Result<()> {
        for id in self.ids() {
            client.close_instance(ENVIRONMENT, &id, GRACE).await?;
        }
        let begin = Instant::now();
        loop {
            let stats = client.stats(Some(ENVIRONMENT)).await?;
            let services = stats.environments.get(ENVIRONMENT).into_iter().flat_map(|e| e.services.values());
            let instances = services.flat_map(|service| &service.instances);
            let busy: u64 =
                instances.filter(|(id, _)| self.ids().any(|own| own == **id)).map(|(_, i)| i.in_flight).sum();
            if busy == 0 {
                break;
            }
            ensure!(begin.elapsed() < DRAIN, "{busy} exchanges of release {} do not end", self.release);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        // Dropping kills: nothing may depend on their goodwill.
        drop(self.processes);
        Ok(())
    }
}

fn id(release: u64, number: usize) -> String {
    format!("bench-{release}-{number}")
}

/// Runs the switches and prints what came of the traffic.
pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    machine::descriptors(65_536);
    let directory = tempfile::Builder::new().prefix("fairway-bench-").tempdir_in("/tmp")?;
    let parts = std::env::current_exe()?;
    let program = Which::choose(arguments.edge.as_deref(), Workers::Two)?;
    let mut edge = Edge::start(&program, directory.path(), None).await?;
    let address = free_address();
    let mut set = Set::start(&parts, directory.path(), 1).await?;
    switch(&edge.client, address, &set).await?;
    let h2 = speaks_h2(address, "/").await;
    let target = Target {
        paths: ["/", "/16k", "/other"].map(str::to_owned).into(),
        kept: 12,
        post: 4,
        fresh: 4,
        h2: if h2 { 2 } else { 0 },
        streams: 8,
        socket: "/ws".to_owned(),
        events: "/events".to_owned(),
        pause: Duration::ZERO,
        ..Target::usual(address)
    };
    let load = Load::start(&target);
    let between = arguments.requests.div_ceil(arguments.switches + 1);
    let mut took = Vec::new();
    load.flow(between).await?;
    for release in 2..=arguments.switches + 1 {
        let next = Set::start(&parts, directory.path(), release).await?;
        took.push(switch(&edge.client, address, &next).await?.as_secs_f64() * 1000.0);
        std::mem::replace(&mut set, next).retire(&edge.client).await?;
        load.flow(between).await?;
        edge.running.alive()?;
        if release % 10 == 1 {
            eprintln!("{} switches, {} requests", release - 1, load.answered());
        }
    }
    let tally = load.stop().await;
    let text = show(&tally, &took, h2);
    println!("{text}");
    if arguments.write {
        report::write(&document(), "switches", &text)?;
        eprintln!("bench: wrote docs/benchmarks.md");
    }
    Ok(if tally.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Moves everything to a set; how long the edge took to say that it serves.
async fn switch(client: &Client, listen: SocketAddr, set: &Set) -> anyhow::Result<Duration> {
    let instances = set.addresses.iter().enumerate();
    let instances: Vec<_> = instances.map(|(number, address)| (id(set.release, number), *address)).collect();
    let table = table_of(ENVIRONMENT, set.release, listen, &instances)?;
    let begin = Instant::now();
    client.apply(&table).await.context("the edge refused the table")?;
    Ok(begin.elapsed())
}

#[expect(clippy::cast_precision_loss, reason = "counts for people")]
fn show(tally: &Tally, took: &[f64], h2: bool) -> String {
    let count = |count: u64| thousands(count as f64);
    let rows = Kind::ALL.map(|kind| {
        let found = tally.kinds.get(&kind).copied().unwrap_or_default();
        if kind == Kind::H2 && !h2 {
            return format!("| {} | - | - |", kind.name());
        }
        format!("| {} | {} | {} |", kind.name(), count(found.good), count(found.failed))
    });
    let reasons = tally.reasons.iter().map(|(reason, number)| format!("- {number} × {reason}\n"));
    let reasons: String = reasons.collect();
    format!(
        "| switches | requests | failed | requests/s | streams reopened | instances that answered | switch median / max |\n|---|---|---|---|---|---|---|\n| {} | {} | {} | {} | {} | {} | {:.1} / {:.1} ms |\n\n| traffic | well | failed |\n|---|---|---|\n{}\n{reasons}",
        took.len(),
        count(tally.answered + tally.failed),
        count(tally.failed),
        thousands(tally.rate()),
        count(tally.reopened),
        tally.versions.len(),
        median(took.to_vec()),
        took.iter().copied().fold(f64::NAN, f64::max),
        rows.join("\n"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use fairway_stories::Count;

    #[test]
    fn failures_are_named_with_their_kind_and_reason() {
        let mut tally = Tally { answered: 999, failed: 1, ..Tally::default() };
        tally.kinds.insert(Kind::Fresh, Count { good: 999, failed: 1 });
        tally.reasons.insert("fresh connection: refused".to_owned(), 1);
        tally.lasted = Duration::from_secs(1);
        let text = show(&tally, &[1.0, 3.0, 2.0], false);
        assert!(text.contains("| 3 | 1,000 | 1 | 999 | 0 | 0 | 2.0 / 3.0 ms |"), "{text}");
        assert!(text.contains("| fresh connection | 999 | 1 |"), "{text}");
        assert!(text.contains("| HTTP/2 | - | - |"), "{text}");
        assert!(text.contains("- 1 × fresh connection: refused"), "{text}");
    }
}
