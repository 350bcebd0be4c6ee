//! What a user types.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Takes a repository of services from contract to production.
///
/// A system is described in one `fairway.yaml`. `plan` says what would change in an environment, `apply` does exactly
/// that without losing a request, `revert` takes it back.
#[derive(Debug, Parser)]
#[command(
    name = "fairway",
    version,
    propagate_version = true,
    max_term_width = 110,
    disable_help_subcommand = true
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Flags of every command.
#[derive(Debug, Args)]
pub(crate) struct Common {
    /// Work in the project of this directory instead of the current one
    #[arg(short = 'C', long = "directory", global = true, env = "FAIRWAY_DIRECTORY", value_name = "DIR")]
    pub(crate) directory: Option<PathBuf>,
    /// Where operations, releases and plans are kept: a directory or `s3://bucket/prefix` [default: .fairway/store]
    #[arg(long, global = true, env = "FAIRWAY_STORE", value_name = "LOCATION")]
    pub(crate) store: Option<String>,
    /// Print one JSON object on standard output instead of text
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// No colours (also: NO_COLOR)
    #[arg(long, global = true)]
    pub(crate) no_color: bool,
    /// Say more: -v debug, -vv trace; goes to standard error
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write a commented fairway.yaml for this repository
    Init(Init),
    /// Validate the manifest, the configuration of every environment and the contracts
    Check(Check),
    /// Explain a key of fairway.yaml, such as `services.ready`
    Explain {
        /// Path of the key; without it, the top level
        key: Option<String>,
    },
    /// Build, plan, apply, then follow the logs; Ctrl-C stops the environment
    Up(Up),
    /// Stop everything of an environment
    Down(Down),
    /// What runs, since when, and how it is
    Status(Environment),
    /// What the edge serves: routes, instances, certificates, and what went through
    Routes(DevEnvironment),
    /// Traffic as it is now: rates, errors, latency, by service and release; Ctrl-C leaves
    Top(Top),
    /// The logs of services
    Logs(Logs),
    /// What applying would change
    Plan(Plan),
    /// Make an environment what the repository (or a saved plan) says
    Apply(Apply),
    /// Take an environment back to an earlier release
    Revert(Revert),
    /// The releases of an environment, newest first
    History(History),
    /// What differs between two releases, or between a release and the repository
    Diff(Diff),
    /// Contracts: compare versions, list operations
    #[command(subcommand)]
    Contract(Contract),
    /// Configuration: the effective values and where they come from
    #[command(subcommand)]
    Config(Config),
    /// Free an environment that somebody else's lease holds
    Unlock(Unlock),
    /// Check this machine: what is installed, what limits can be enforced, what is stale
    Doctor,
    /// Print a completion script for a shell
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
    /// The daemon that owns this host (started by `up` and `apply` when it is needed)
    Agent(Daemon),
    /// The data plane of this host (started by the agent)
    Edge(EdgeDaemon),
    /// Print what is generated from the program itself
    #[command(hide = true)]
    Generate {
        /// What
        what: Generated,
    },
}

/// An environment by name.
#[derive(Debug, Args)]
pub(crate) struct Environment {
    /// The environment, as the manifest names it, or an instance of it such as `test/pr-42`
    #[arg(value_name = "ENV", env = "FAIRWAY_ENV")]
    pub(crate) environment: String,
}

/// An environment by name, `dev` when none is given.
#[derive(Debug, Args)]
pub(crate) struct DevEnvironment {
    /// The environment
    #[arg(value_name = "ENV", env = "FAIRWAY_ENV", default_value = "dev")]
    pub(crate) environment: String,
}

#[derive(Debug, Args)]
pub(crate) struct Init {
    /// Print the manifest instead of writing it
    #[arg(long)]
    pub(crate) print: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Check {
    /// Only this environment's configuration
    #[arg(value_name = "ENV")]
    pub(crate) environment: Option<String>,
    /// Fail on warnings too
    #[arg(long)]
    pub(crate) strict: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Up {
    #[command(flatten)]
    pub(crate) environment: DevEnvironment,
    /// Return when everything is ready instead of following the logs
    #[arg(short, long, conflicts_with = "watch")]
    pub(crate) detach: bool,
    /// Rebuild and release what changes in the repository
    #[arg(short, long)]
    pub(crate) watch: bool,
    #[command(flatten)]
    pub(crate) gates: Gates,
}

#[derive(Debug, Args)]
pub(crate) struct Down {
    #[command(flatten)]
    pub(crate) environment: DevEnvironment,
    /// Delete its databases, secrets and logs too; this cannot be undone
    #[arg(long)]
    pub(crate) purge: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Top {
    #[command(flatten)]
    pub(crate) environment: DevEnvironment,
    /// Look for one interval, print what it was and end
    #[arg(long)]
    pub(crate) once: bool,
    /// The time between two looks, such as `500ms` or `10s`; at least 100ms
    #[arg(short = 'n', long, value_name = "DURATION", default_value = "1s")]
    pub(crate) interval: String,
}

#[derive(Debug, Args)]
pub(crate) struct Logs {
    #[command(flatten)]
    pub(crate) environment: DevEnvironment,
    /// Only this service (repeatable)
    #[arg(short, long, value_name = "SERVICE")]
    pub(crate) service: Vec<String>,
    /// Go on with new lines as they come
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// How many earlier lines of each instance
    #[arg(short = 'n', long, default_value_t = 50, value_name = "LINES")]
    pub(crate) tail: usize,
}

/// Decisions that a gate wants to hear from a person.
#[derive(Debug, Clone, Copy, Default, Args)]
pub(crate) struct Gates {
    /// Accept breaking changes of contracts
    #[arg(long)]
    pub(crate) allow_breaking: bool,
    /// Accept migrations that drop or narrow what older code uses
    #[arg(long)]
    pub(crate) allow_destructive: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Plan {
    #[command(flatten)]
    pub(crate) environment: Environment,
    /// Save the plan, to be applied exactly as it is
    #[arg(short, long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Exit with 2 when there are changes
    #[arg(long)]
    pub(crate) detailed_exitcode: bool,
    #[command(flatten)]
    pub(crate) gates: Gates,
}

#[derive(Debug, Args)]
pub(crate) struct Apply {
    /// The environment, or a file that `plan -o` wrote
    #[arg(value_name = "ENV|FILE", env = "FAIRWAY_ENV")]
    pub(crate) what: String,
    /// Do not ask; for scripts
    #[arg(short, long, env = "FAIRWAY_YES")]
    pub(crate) yes: bool,
    /// Print every event as one line of JSON on standard output
    #[arg(long, conflicts_with = "json")]
    pub(crate) events: bool,
    /// Wait this long for another operation to end, such as `5m` [default: 15s, in which a dead caller is found out]
    #[arg(long, value_name = "DURATION")]
    pub(crate) wait: Option<String>,
    #[command(flatten)]
    pub(crate) gates: Gates,
}

#[derive(Debug, Args)]
pub(crate) struct Revert {
    #[command(flatten)]
    pub(crate) environment: Environment,
    /// The number of the release to go back to [default: the one that served before]
    #[arg(value_name = "N")]
    pub(crate) generation: Option<u64>,
    /// Do not ask; for scripts
    #[arg(short, long, env = "FAIRWAY_YES")]
    pub(crate) yes: bool,
    /// Print every event as one line of JSON on standard output
    #[arg(long, conflicts_with = "json")]
    pub(crate) events: bool,
    #[command(flatten)]
    pub(crate) gates: Gates,
}

#[derive(Debug, Args)]
pub(crate) struct History {
    #[command(flatten)]
    pub(crate) environment: Environment,
    /// How many
    #[arg(short = 'n', long, default_value_t = 20)]
    pub(crate) limit: usize,
}

#[derive(Debug, Args)]
pub(crate) struct Diff {
    #[command(flatten)]
    pub(crate) environment: Environment,
    /// A release of the environment [default: the one that serves]
    #[arg(value_name = "FROM")]
    pub(crate) from: Option<u64>,
    /// Another release of it [default: what the repository says now]
    #[arg(value_name = "TO")]
    pub(crate) to: Option<u64>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Contract {
    /// Compare two versions of a contract: breaking, compatible, unknown
    Diff {
        /// The old version: a file, or `REV:path` from git
        old: String,
        /// The new version: a file
        new: String,
    },
    /// List the operations of a contract
    Operations {
        /// The file
        file: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Config {
    /// Print the configuration of every service in an environment
    Show {
        #[command(flatten)]
        environment: Environment,
        /// Only this service
        #[arg(short, long)]
        service: Option<String>,
        /// Say where each value comes from
        #[arg(long)]
        origin: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Unlock {
    #[command(flatten)]
    pub(crate) environment: Environment,
    /// Free it even though its lease has not run out; recorded in the log
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Daemon {
    /// Directory with its state
    #[arg(long, value_name = "DIR")]
    pub(crate) home: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct EdgeDaemon {
    #[command(flatten)]
    pub(crate) daemon: Daemon,
    /// Take the listeners over from the edge that runs in this directory, without losing a connection; if none runs,
    /// just start
    #[arg(long)]
    pub(crate) take_over: bool,
}

/// What `generate` prints.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Generated {
    /// JSON Schema of fairway.yaml
    Schema,
    /// Reference of the command line, as Markdown
    Cli,
    /// Rules of contract comparison, as Markdown
    ContractRules,
}
