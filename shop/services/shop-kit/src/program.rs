//! From the process to the service: subcommand, logging, exit code.

use std::fmt;
use std::process::ExitCode;

use crate::metrics;
use crate::settings::Environment;
use crate::telemetry;

/// What a service program is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Answer requests until told to stop.
    Serve,
    /// Bring the database's schema up to date, then exit.
    Migrate,
    /// Put example data into the database, then exit.
    Seed,
}

impl Command {
    fn name(self) -> &'static str {
        match self {
            Self::Serve => "serve",
            Self::Migrate => "migrate",
            Self::Seed => "seed",
        }
    }

    /// Reads the arguments after the program's name. No argument means `serve`.
    ///
    /// # Errors
    /// A usage text when the arguments are not exactly one of `known`.
    pub fn parse<S: AsRef<str>>(program: &str, known: &[Self], arguments: &[S]) -> Result<Self, String> {
        let usage = || {
            let names: Vec<_> = known.iter().map(|c| c.name()).collect();
            format!("usage: {program} {}", names.join("|"))
        };
        match arguments {
            [] => Ok(Self::Serve),
            [one] => known.iter().copied().find(|c| c.name() == one.as_ref()).ok_or_else(|| {
                format!("{program} has no command `{}`; nothing was done. {}", one.as_ref(), usage())
            }),
            _ => Err(format!("{program} takes one command; nothing was done. {}", usage())),
        }
    }
}

/// Why a program ends with an error: the message and everything behind it, in one line.
#[derive(Debug)]
pub struct Failure(String);

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        let mut text = error.to_string();
        let mut source = error.source();
        while let Some(inner) = source {
            text.push_str(": ");
            text.push_str(&inner.to_string());
            source = inner.source();
        }
        Self(text)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Runs a service program: parses the command, starts logging at `{prefix}_LOG_LEVEL`, serves its numbers at
/// `{prefix}_METRICS_ADDR` if that is set, runs `work` and maps its end to an exit code (0 done, 1 failed, 3 wrong
/// usage).
pub async fn run<W>(program: &'static str, prefix: &str, known: &[Command], work: W) -> ExitCode
where
    W: AsyncFnOnce(Command, Environment) -> Result<(), Failure>,
{
    let environment = Environment::of_process();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let command = match Command::parse(program, known, &arguments) {
        Ok(command) => command,
        Err(usage) => {
            eprintln!("{usage}");
            return ExitCode::from(3);
        }
    };
    if let Err(error) = telemetry::start(&environment.text(&format!("{prefix}_LOG_LEVEL"), "info")) {
        eprintln!("{prefix}_LOG_LEVEL: {error}; nothing was started");
        return ExitCode::from(3);
    }
    let done = match serve_metrics(prefix, command, &environment) {
        Ok(()) => work(command, environment).await,
        Err(failure) => Err(failure),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            tracing::error!(service = program, command = command.name(), error = %failure, "failed");
            eprintln!("{program} {}: {failure}", command.name());
            ExitCode::FAILURE
        }
    }
}

fn serve_metrics(prefix: &str, command: Command, environment: &Environment) -> Result<(), Failure> {
    let address = environment.optional_address(&format!("{prefix}_METRICS_ADDR"))?;
    if let Some(address) = address
        && command == Command::Serve
    {
        let address = metrics::serve(address)?;
        tracing::info!(%address, "metrics listening");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands() {
        let all = [Command::Serve, Command::Migrate, Command::Seed];
        let check = |arguments: &[&str], expect: Result<Command, &str>| {
            let got = Command::parse("identity", &all, arguments);
            assert_eq!(
                got.as_ref().map_err(String::as_str),
                expect.as_ref().map_err(|e| *e),
                "{arguments:?}"
            );
        };
        check(&[], Ok(Command::Serve));
        check(&["migrate"], Ok(Command::Migrate));
        check(&["seed"], Ok(Command::Seed));
        check(
            &["sed"],
            Err("identity has no command `sed`; nothing was done. usage: identity serve|migrate|seed"),
        );
        check(
            &["seed", "now"],
            Err("identity takes one command; nothing was done. usage: identity serve|migrate|seed"),
        );
    }
}
