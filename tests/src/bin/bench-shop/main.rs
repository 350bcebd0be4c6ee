//! The shop under load: `cargo xtask bench shop`.
//!
//! The four programs as they are delivered, with a PostgreSQL of their own, on one machine with the load. Requests go
//! through the gateway; the same requests to the service itself and through nginx say what the gateway costs.

mod database;
mod growth;
mod peers;
mod people;
mod plans;
mod rest;
mod row;
mod shop;
mod table;

use anyhow::{Context, bail};
use clap::Parser;
use database::Database;
use fairway_stories::measure::{report, tools};
use row::{Row, Spans};
use shop::Shop;
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

#[derive(Parser)]
#[command(name = "bench-shop", about = "The shop under load")]
struct Arguments {
    /// How many rounds; each number is the median of them [default: 3, or 1 with --quick]
    #[arg(long)]
    rounds: Option<usize>,
    /// One second for each measurement and few rows: to see that everything works, not for numbers
    #[arg(long)]
    quick: bool,
    /// These parts only
    #[arg(long, value_delimiter = ',', value_enum)]
    only: Vec<Part>,
    /// Put the tables into docs/benchmarks.md
    #[arg(long)]
    write: bool,
}

/// What can be measured alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// `GET /bff/bootstrap` of nobody
    Bootstrap,
    /// `GET /bff/bootstrap` of a customer
    SignedIn,
    /// A page of the product list
    Products,
    /// One product
    Product,
    /// Adding to the cart
    Cart,
    /// Placing an order
    Order,
    /// Memory and start
    Rest,
    /// Lists as they grow
    Growth,
}

impl Part {
    fn row(self) -> Option<Row> {
        match self {
            Self::Bootstrap => Some(Row::Bootstrap),
            Self::SignedIn => Some(Row::SignedIn),
            Self::Products => Some(Row::Products),
            Self::Product => Some(Row::Product),
            Self::Cart => Some(Row::Cart),
            Self::Order => Some(Row::Order),
            Self::Rest | Self::Growth => None,
        }
    }
}

impl Arguments {
    fn wants(&self, part: Part) -> bool {
        self.only.is_empty() || self.only.contains(&part)
    }

    fn rows(&self) -> Vec<Row> {
        let all = <Part as clap::ValueEnum>::value_variants().iter();
        all.filter(|part| self.wants(**part)).filter_map(|part| part.row()).collect()
    }

    fn spans(&self) -> Spans {
        let seconds = if self.quick { 1 } else { 3 };
        Spans { warm_up: Duration::from_secs(1), lasts: Duration::from_secs(seconds) }
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let ran = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("no runtime")
        .and_then(|runtime| runtime.block_on(run(&arguments)));
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Where the tables of the documentation are.
fn document() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/benchmarks.md")
}

async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    if let Some(what) = fairway_stories::missing() {
        bail!("needs {what}; nothing was run");
    }
    let directory = tempfile::Builder::new().prefix("fairway-bench-").tempdir_in("/tmp")?;
    let database = Database::start(directory.path()).await?;
    // Whatever comes, the server ends with the benchmark.
    let measured = unless_interrupted(measure(arguments, &database, directory.path())).await;
    database.stop().await?;
    let text = measured?;
    println!("{text}");
    if arguments.write {
        report::write(&document(), "shop", &text)?;
        eprintln!("bench: wrote docs/benchmarks.md");
    }
    Ok(())
}

async fn measure(arguments: &Arguments, database: &Database, directory: &Path) -> anyhow::Result<String> {
    let spans = arguments.spans();
    let rounds = arguments.rounds.unwrap_or(if arguments.quick { 1 } else { 3 });
    let mut shop = Shop::open(database, directory).await?;
    let mut text = String::new();
    let at_rest = if arguments.wants(Part::Rest) { Some(rest::measure(&shop).await?) } else { None };
    let rows = arguments.rows();
    if !rows.is_empty() {
        let people = people::log_in(&shop).await?;
        let nginx = match tools::program("nginx") {
            Some(program) => Some(peers::Nginx::start(&program, &shop, directory).await?),
            None => None,
        };
        let measured =
            row::in_rounds(&rows, rounds, spans, &mut shop, database, &people, nginx.as_ref()).await?;
        text.push_str(&table::load(&measured, nginx.is_some()));
        text.push_str(&table::notes(&measured, rounds, spans, &database.version()));
    }
    if let Some(at_rest) = at_rest {
        text.push_str(&rest::show(&at_rest, &shop)?);
    }
    if arguments.wants(Part::Growth) {
        let sizes = if arguments.quick { &growth::SIZES[..2] } else { &growth::SIZES[..] };
        text.push_str(&growth::measure(&mut shop, database, sizes, spans).await?);
    }
    Ok(text)
}

/// Ctrl-C and SIGTERM drop the work, and with it every process that it has started.
async fn unless_interrupted<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        ended = work => ended,
        _ = tokio::signal::ctrl_c() => bail!("interrupted; what was started has been stopped"),
        _ = terminate.recv() => bail!("told to end; what was started has been stopped"),
    }
}
