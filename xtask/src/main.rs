//! The project's own chores: tidy, ci, bench, generate.
//!
//! `cargo xtask ci` is the CI; the workflow and `.ci/run` only call it.

mod chores;
mod layers;
mod tidy;
mod wire;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "xtask", about = "The project's own chores")]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Check the architecture: arrows point down, pure rooms stay pure, each crate says what it is
    Tidy,
    /// Format, clippy, tidy and what is generated
    Lint,
    /// Everything: lint, build, unit tests, end-to-end stories
    Ci,
    /// Write what is generated, or with `--check` fail when it differs
    Generate {
        /// Compare only
        #[arg(long)]
        check: bool,
        /// The shop's wire types and clients only; needs no built program
        #[arg(long)]
        wire: bool,
    },
    /// Run the benchmarks and print their tables (release profile)
    Bench {
        /// Which one: releases, plan, switch, memory, edge (proxies side by side), switches (the edge under
        /// switches) or shop (the services under load); without it the first four
        only: Option<String>,
        /// What `edge`, `switches` and `shop` take: `cargo xtask bench edge --help`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        options: Vec<String>,
    },
}

fn main() -> std::process::ExitCode {
    match run(Arguments::parse().chore) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            std::process::ExitCode::FAILURE
        }
    }
}

fn run(chore: Chore) -> anyhow::Result<()> {
    match chore {
        Chore::Tidy => chores::tidy(),
        Chore::Lint => chores::lint(),
        Chore::Ci => chores::ci(),
        Chore::Generate { check, wire: true } => chores::wire_types(check),
        Chore::Generate { check, wire: false } => chores::generate(check),
        Chore::Bench { only, options } => chores::bench(only.as_deref(), &options),
    }
}
