//! The command line: arguments to settings to a verb, and words for a terminal.

mod args;
mod commands;
mod render;
mod settings;

use args::{Arguments, Command};
use clap::Parser;
use fairway_delivery::{Error, exit};
use settings::Context;
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { exit::INVALID } else { exit::DONE });
        }
    };
    match arguments.command {
        Command::Agent(daemon) => return commands::daemon::agent(daemon),
        Command::Edge(daemon) => return commands::daemon::edge(daemon),
        _ => {}
    }
    log(arguments.common.verbose);
    let events = matches!(
        &arguments.command,
        Command::Apply(args::Apply { events: true, .. }) | Command::Revert(args::Revert { events: true, .. })
    );
    let context = Context::new(arguments.common, events);
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: the runtime cannot be started: {error}");
            return ExitCode::from(exit::UNEXPECTED);
        }
    };
    let result = runtime.block_on(commands::run(arguments.command, &context));
    context.progress.finish();
    // Something may still wait for a terminal or a file; the answer is there, so nobody waits for it.
    runtime.shutdown_background();
    match result {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            report(&error, events, &context);
            ExitCode::from(error.exit_code())
        }
    }
}

fn report(error: &Error, events: bool, context: &Context) {
    if events {
        // Whoever reads a stream line by line is told the end of it in the same way.
        settings::print([render::error::json(error).to_string()]);
    } else if context.json {
        settings::print_json(&render::error::json(error));
    }
    let root = context.project().ok().map(|project| project.root().to_owned());
    eprintln!("{}", render::error::error(error, context.paint_error, root.as_deref()));
}

fn log(verbose: u8) {
    let level = match verbose {
        0 => "warn",
        1 => "debug",
        _ => "trace",
    };
    let filter = EnvFilter::try_from_env("FAIRWAY_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
}
