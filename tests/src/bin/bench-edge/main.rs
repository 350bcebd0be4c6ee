//! Proxies side by side, and the edge under switches: `cargo xtask bench edge` and `cargo xtask bench switches`.
//!
//! Each proxy is a process of its own on one core; the upstream and the load generator share the other one. The
//! upstream and the byte splice are parts of this program, started by it as processes of their own.

mod certificate;
mod compare;
mod fairway;
mod handshakes;
mod memory;
mod peer;
mod profile;
mod row;
mod splice;
mod switches;
mod upstream;

use clap::{Parser, Subcommand};
use fairway_stories::measure::machine;
use std::{net::SocketAddr, path::PathBuf, process::ExitCode};

#[derive(Parser)]
#[command(name = "bench-edge", about = "Proxies side by side, and the edge under switches")]
struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// nginx, a byte splice, the edge, haproxy and caddy under the same load, in turns
    Edge(compare::Arguments),
    /// Route tables switch and instances end while every kind of traffic goes on
    Switches(switches::Arguments),
    /// The process that answers behind the proxies
    #[command(hide = true)]
    Upstream {
        #[arg(long)]
        listen: SocketAddr,
        #[arg(long, default_value = "bench")]
        version: String,
    },
    /// The edge as `fairway edge` runs it, with as many threads as are asked for
    #[command(hide = true)]
    Serve {
        home: PathBuf,
        #[arg(long)]
        workers: usize,
    },
    /// The process that copies bytes and does nothing else
    #[command(hide = true)]
    Splice {
        #[arg(long)]
        listen: SocketAddr,
        #[arg(long)]
        upstream: SocketAddr,
    },
}

fn main() -> ExitCode {
    match run(Arguments::parse().what) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(what: What) -> anyhow::Result<ExitCode> {
    let here = || tokio::runtime::Builder::new_current_thread().enable_all().build();
    match what {
        What::Edge(arguments) => here()?.block_on(unless_interrupted(compare::run(arguments))),
        What::Switches(arguments) => {
            let runtime =
                tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
            runtime.block_on(unless_interrupted(switches::run(arguments)))
        }
        What::Upstream { listen, version } => {
            machine::end_with_parent()?;
            here()?.block_on(upstream::serve(listen, &version))?;
            Ok(ExitCode::SUCCESS)
        }
        What::Serve { home, workers } => {
            machine::end_with_parent()?;
            fairway_edge::log_to_stderr();
            fairway_edge::run_blocking(fairway_edge::Settings {
                workers,
                ..fairway_edge::Settings::new(home)
            })?;
            Ok(ExitCode::SUCCESS)
        }
        What::Splice { listen, upstream } => {
            machine::end_with_parent()?;
            here()?.block_on(splice::serve(listen, upstream))?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Ctrl-C and SIGTERM drop the work, and with it every process that it has started.
async fn unless_interrupted(
    work: impl Future<Output = anyhow::Result<ExitCode>>,
) -> anyhow::Result<ExitCode> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        ended = work => ended,
        _ = tokio::signal::ctrl_c() => anyhow::bail!("interrupted; what was started has been stopped"),
        _ = terminate.recv() => anyhow::bail!("told to end; what was started has been stopped"),
    }
}
