//! One file for each command: settings to a call, and its answer to a renderer.

mod apply;
mod check;
mod config;
mod contract;
pub(crate) mod daemon;
mod diff;
mod doctor;
mod down;
mod explain;
mod generate;
mod history;
mod init;
mod interrupt;
mod logs;
mod place;
mod plan;
mod revert;
mod routes;
mod status;
mod top;
mod unlock;
mod up;

use crate::{args::Command, settings::Context};
use fairway_delivery::Error;

/// Runs a command; the exit code, or why it did not do what it was asked.
pub(crate) async fn run(command: Command, context: &Context) -> Result<u8, Error> {
    match command {
        Command::Init(arguments) => init::run(&arguments, context),
        Command::Check(arguments) => check::run(&arguments, context).await,
        Command::Explain { key } => explain::run(key.as_deref(), context),
        Command::Up(arguments) => Box::pin(up::run(&arguments, context)).await,
        Command::Down(arguments) => down::run(&arguments, context).await,
        Command::Status(arguments) => status::run(&arguments, context).await,
        Command::Routes(arguments) => routes::run(&arguments, context).await,
        Command::Top(arguments) => top::run(&arguments, context).await,
        Command::Logs(arguments) => logs::run(&arguments, context).await,
        Command::Plan(arguments) => plan::run(&arguments, context).await,
        Command::Apply(arguments) => Box::pin(apply::run(&arguments, context)).await,
        Command::Revert(arguments) => revert::run(&arguments, context).await,
        Command::History(arguments) => history::run(&arguments, context).await,
        Command::Diff(arguments) => diff::run(&arguments, context).await,
        Command::Contract(arguments) => contract::run(&arguments, context).await,
        Command::Config(arguments) => config::run(&arguments, context).await,
        Command::Unlock(arguments) => unlock::run(&arguments, context).await,
        Command::Doctor => doctor::run(context).await,
        Command::Completions { shell } => Ok(generate::completions(shell)),
        Command::Generate { what } => Ok(generate::run(what)),
        Command::Agent(_) | Command::Edge(_) => unreachable!("daemons are started before anything else is"),
    }
}
