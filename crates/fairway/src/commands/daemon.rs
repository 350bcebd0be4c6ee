//! `fairway agent` and `fairway edge`: the two long-lived processes of a host.

use crate::{
    args::{Daemon, EdgeDaemon},
    settings::executable,
};
use fairway_delivery::exit;
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

pub(crate) fn agent(daemon: Daemon) -> ExitCode {
    log();
    let run = || {
        let executable = executable().map_err(|error| error.to_string())?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.map_err(|error| format!("the runtime cannot be started: {error}"))?;
        let settings = fairway_agent::AgentSettings::new(daemon.home, executable, env!("CARGO_PKG_VERSION"));
        runtime.block_on(fairway_agent::run(settings)).map_err(|error| chain(&error))
    };
    ended("agent", run())
}

pub(crate) fn edge(EdgeDaemon { daemon, take_over }: EdgeDaemon) -> ExitCode {
    log();
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let settings = fairway_edge::Settings { take_over, version, ..fairway_edge::Settings::new(daemon.home) };
    ended("edge", fairway_edge::run_blocking(settings).map_err(|error| chain(&error)))
}

fn log() {
    let filter = EnvFilter::try_from_env("FAIRWAY_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().json().with_env_filter(filter).with_writer(std::io::stderr).init();
}

fn ended(name: &str, result: Result<(), String>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::from(exit::DONE),
        Err(error) => {
            tracing::error!("the {name} ends: {error}");
            ExitCode::from(exit::UNEXPECTED)
        }
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
