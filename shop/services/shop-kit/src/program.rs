//! From the process to the service: subcommand, logging, exit code.

use std::fmt;
use std::process::ExitCode;

use crate::metrics;
use crate::settings::{Environment, Variable};
use crate::telemetry;

/// Asks any program for every variable, with its default and its meaning.
const SETTINGS: &str = "settings";

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

/// A service program: what it is called, what it can be asked to do and what it can be told.
#[derive(Debug, Clone, Copy)]
pub struct Program {
    /// Its name.
    pub name: &'static str,
    /// What it can be asked to do. All can be asked for their `settings`, too.
    pub commands: &'static [Command],
    /// Every variable it reads.
    pub variables: &'static [Variable],
    /// The one with the level of its log.
    pub log_level: Variable,
    /// The one with the address that its numbers are served at.
    pub metrics_address: Variable,
    /// The one with its version.
    pub version: Variable,
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
            let names: Vec<_> = known.iter().map(|c| c.name()).chain([SETTINGS]).collect();
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

/// Variables as one would set them in a file, each after its meaning.
fn settings_text(variables: &[Variable]) -> String {
    variables
        .iter()
        .map(|Variable { name, default, meaning }| format!("# {meaning}\n{name}={default}\n"))
        .collect()
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

impl Program {
    /// Runs the program: parses the command, starts logging, serves its numbers if they have an address, runs `work`
    /// and maps its end to an exit code (0 done, 1 failed, 3 wrong usage).
    pub async fn run<W>(self, work: W) -> ExitCode
    where
        W: AsyncFnOnce(Command, Environment) -> Result<(), Failure>,
    {
        let Self { name: program, commands, variables, log_level, .. } = self;
        let environment = Environment::of_process();
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        if arguments == [SETTINGS] {
            print!("{}", settings_text(variables));
            return ExitCode::SUCCESS;
        }
        let command = match Command::parse(program, commands, &arguments) {
            Ok(command) => command,
            Err(usage) => {
                eprintln!("{usage}");
                return ExitCode::from(3);
            }
        };
        if let Err(error) = telemetry::start(&environment.text(log_level)) {
            eprintln!("{}: {error}; nothing was started", log_level.name);
            return ExitCode::from(3);
        }
        let done = match self.serve_metrics(command, &environment) {
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

    fn serve_metrics(&self, command: Command, environment: &Environment) -> Result<(), Failure> {
        let address = environment.optional_address(self.metrics_address)?;
        if let Some(address) = address
            && command == Command::Serve
        {
            let address = metrics::serve(address)?;
            tracing::info!(%address, "metrics listening");
        }
        Ok(())
    }
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
            Err(
                "identity has no command `sed`; nothing was done. usage: identity serve|migrate|seed|settings",
            ),
        );
        check(
            &["seed", "now"],
            Err("identity takes one command; nothing was done. usage: identity serve|migrate|seed|settings"),
        );
    }

    #[test]
    fn variables_as_a_file() {
        let variables = [("A", ":1", "where"), ("B", "", "who")].map(|(name, default, meaning)| Variable {
            name,
            default,
            meaning,
        });
        assert_eq!(settings_text(&variables), "# where\nA=:1\n# who\nB=\n");
    }
}
