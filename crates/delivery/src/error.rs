//! Why a verb did not do what it was asked, with everything a caller needs to say so.

use crate::{exit, process::ProcessError, project::ProjectError};
use fairway_host::HostError;
use fairway_manifest::Problems;
use fairway_model::{EnvironmentName, Failure, Generation, NameError, ServiceName, Verdict};
use fairway_oplog::Refusal;
use fairway_store::{NextError, StoreError};
use fairway_target::TargetError;
use std::{fmt::Write as _, path::PathBuf};

/// Why a verb did not do what it was asked. Each has an exit code ([`Error::exit_code`]) and advice ([`Error::next`]).
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no project, or it cannot be read.
    #[error(transparent)]
    Project(#[from] ProjectError),
    /// What people wrote is wrong.
    #[error("the manifest is not valid")]
    Manifest(Problems),
    /// The environment is not in the manifest.
    #[error("there is no environment `{name}` in the manifest; there are {known}")]
    NoEnvironment {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// A text is not a name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The command line asks for something that makes no sense here.
    #[error("{0}")]
    Usage(String),
    /// The environment's target is of a kind that this version cannot reach.
    #[error(
        "the environment {environment} runs on {target}, and this version of Fairway delivers to `local` only"
    )]
    UnsupportedTarget {
        /// The environment.
        environment: EnvironmentName,
        /// Its target.
        target: String,
    },
    /// A service could not be built.
    #[error("{service} could not be built: {source}")]
    Build {
        /// The service.
        service: ServiceName,
        /// What happened.
        #[source]
        source: ProcessError,
    },
    /// A build succeeded and left nothing.
    #[error("the build of {service} left no {}", path.display())]
    NoOutput {
        /// The service.
        service: ServiceName,
        /// What it should have left.
        path: PathBuf,
    },
    /// An artifact could not be read or packed.
    #[error("{} could not be packed", path.display())]
    Pack {
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A gate refused the plan.
    #[error("the plan is refused")]
    Refused(Vec<Verdict>),
    /// The log refused the operation: stale plan, somebody else's lock, something unfinished.
    #[error(transparent)]
    Log(#[from] Refusal),
    /// The release failed before the switch.
    #[error("release {generation} of {environment} failed before the switch: {failure}")]
    Failed {
        /// The environment.
        environment: EnvironmentName,
        /// The release.
        generation: Generation,
        /// What the target reported.
        failure: Box<Failure>,
    },
    /// The release failed after the switch and went back.
    #[error("release {generation} of {environment} failed after the switch and was reverted: {failure}")]
    Reverted {
        /// The environment.
        environment: EnvironmentName,
        /// The release.
        generation: Generation,
        /// What the target reported.
        failure: Box<Failure>,
    },
    /// The release failed after the switch and could not go back.
    #[error("release {generation} of {environment} failed after the switch and could not go back: {failure}")]
    Stuck {
        /// The environment.
        environment: EnvironmentName,
        /// The release.
        generation: Generation,
        /// What the target reported.
        failure: Box<Failure>,
    },
    /// Another operation took the environment over while this one was on its way.
    #[error(
        "release {generation} of {environment} was taken over by a newer operation while it was on its way"
    )]
    Superseded {
        /// The environment.
        environment: EnvironmentName,
        /// The release.
        generation: Generation,
    },
    /// What a saved plan was made for is not there any more.
    #[error("the plan is stale: {} has moved since it was made: {}. Nothing was changed; plan again and look at what is different", environment, moved.join("; "))]
    Moved {
        /// The environment.
        environment: EnvironmentName,
        /// What moved, a line each.
        moved: Vec<String>,
    },
    /// The caller interrupted its own release.
    #[error("interrupted: {}", match stands {
        Some(generation) => format!("release {generation} of {environment} had switched already and stands; the next command sees it through"),
        None => format!("nothing was switched in {environment}"),
    })]
    Interrupted {
        /// The environment.
        environment: EnvironmentName,
        /// The release that stands, when it had switched already.
        stands: Option<Generation>,
    },
    /// The caller interrupted the giving up, too.
    #[error("left at once: it is not known here what became of {environment}")]
    Left {
        /// The environment.
        environment: EnvironmentName,
    },
    /// There is nothing to go back to.
    #[error(transparent)]
    NothingToRevert(#[from] fairway_oplog::TargetError),
    /// The target could not be reached or refused a question.
    #[error(transparent)]
    Target(TargetError),
    /// The agent of a host could not be reached or started.
    #[error(transparent)]
    Host(HostError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The operation could not be written to the log.
    #[error("the log could not be written: {0}")]
    Append(String),
    /// A file of the caller could not be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A contract could not be read; every problem with its place.
    #[error("{0}")]
    Contract(String),
    /// The target says something else than what was applied.
    #[error(
        "release {generation} of {environment} was switched, but the target does not confirm it: {difference}"
    )]
    NotConfirmed {
        /// The environment.
        environment: EnvironmentName,
        /// The release.
        generation: Generation,
        /// What differs.
        difference: String,
    },
}

impl Error {
    /// The exit code for this error.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Project(
                ProjectError::NotFound { .. }
                | ProjectError::NoDirectory { .. }
                | ProjectError::NotText { .. },
            )
            | Self::Manifest(_)
            | Self::NoEnvironment { .. }
            | Self::Name(_)
            | Self::Usage(_)
            | Self::UnsupportedTarget { .. }
            | Self::NothingToRevert(_)
            | Self::Contract(_) => exit::INVALID,
            Self::Refused(_) | Self::Log(Refusal::Gate { .. }) => exit::REFUSED,
            Self::Build { .. }
            | Self::NoOutput { .. }
            | Self::Failed { .. }
            | Self::Interrupted { stands: None, .. } => exit::FAILED,
            Self::Reverted { .. } => exit::REVERTED,
            Self::Stuck { .. } | Self::NotConfirmed { .. } => exit::STUCK,
            Self::Log(_) | Self::Superseded { .. } | Self::Moved { .. } => exit::STALE,
            Self::Target(TargetError::Unreachable { .. }) | Self::Host(_) => exit::UNREACHABLE,
            Self::Project(_)
            | Self::Interrupted { .. }
            | Self::Left { .. }
            | Self::Pack { .. }
            | Self::Target(_)
            | Self::Store(_)
            | Self::Append(_)
            | Self::File { .. } => exit::UNEXPECTED,
        }
    }

    /// The failure that the target reported, if there is one.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Failed { failure, .. } | Self::Reverted { failure, .. } | Self::Stuck { failure, .. } => {
                Some(failure)
            }
            Self::Target(error) => error.failure(),
            _ => None,
        }
    }

    /// What was not changed, as a sentence, when the message does not say it already.
    #[must_use]
    pub fn unchanged(&self) -> Option<String> {
        if let Some(failure) = self.failure() {
            return Some(failure.unchanged.clone()).filter(|text| !text.is_empty());
        }
        Some(match self {
            Self::Build { .. } | Self::NoOutput { .. } | Self::Pack { .. } => {
                "No environment was changed.".to_owned()
            }
            Self::Refused(_) | Self::Manifest(_) => "Nothing was changed.".to_owned(),
            _ => return None,
        })
    }

    /// What to do next, as a sentence, when the message does not say it already.
    #[must_use]
    pub fn next(&self) -> Option<String> {
        if let Some(failure) = self.failure() {
            return Some(failure.next.clone()).filter(|text| !text.is_empty());
        }
        Some(match self {
            Self::Project(ProjectError::NotFound { .. }) => {
                "Go to the repository of your system, or run `fairway init` to write a manifest.".to_owned()
            }
            Self::Build { service, .. } => format!("Mend the build of {service} and run the command again."),
            Self::Pack { .. } => {
                "Correct what the build leaves, or have git ignore what does not belong to it, and run the command again."
                    .to_owned()
            }
            Self::NoOutput { .. } => "Correct `output` of the service's `build` in the manifest.".to_owned(),
            Self::UnsupportedTarget { .. } => "Choose an environment whose target is `local`.".to_owned(),
            Self::Interrupted { environment, stands: Some(_) } => {
                format!("`fairway revert {environment}` takes it back.")
            }
            Self::Left { environment } => format!(
                "Look at `fairway status {environment}`; what has not switched is given up by itself, \
                 and the next command finishes what has."
            ),
            Self::Superseded { environment, .. } => format!("Look at `fairway history {environment}`."),
            Self::NotConfirmed { environment, .. } => {
                format!("Look at `fairway status {environment}`, then apply again or revert.")
            }
            Self::Target(TargetError::Unreachable { .. }) => {
                "Nothing is known about what it did; asking again is safe.".to_owned()
            }
            _ => return None,
        })
    }

    /// The last lines of output that explain the error: of a build, or of a failing instance.
    #[must_use]
    pub fn log(&self) -> &[String] {
        match self {
            Self::Build { source: ProcessError::Failed { tail, .. }, .. } => tail,
            _ => self.failure().map_or(&[], |failure| &failure.log),
        }
    }

    /// The whole error with its causes, in one line.
    #[must_use]
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut source = std::error::Error::source(self);
        while let Some(cause) = source {
            let words = cause.to_string();
            if !text.contains(&words) {
                let _ = write!(text, ": {words}");
            }
            source = cause.source();
        }
        text
    }
}

impl From<TargetError> for Error {
    fn from(error: TargetError) -> Self {
        Self::Target(error)
    }
}

impl From<HostError> for Error {
    fn from(error: HostError) -> Self {
        match error {
            HostError::Failed(failure) => Self::Target(TargetError::Failed(failure)),
            other => Self::Host(other),
        }
    }
}

impl From<Problems> for Error {
    fn from(problems: Problems) -> Self {
        Self::Manifest(problems)
    }
}

impl From<NextError<Refusal>> for Error {
    fn from(error: NextError<Refusal>) -> Self {
        match error {
            NextError::Refused(refusal) => Self::Log(refusal),
            NextError::Store(error) => Self::Store(error),
            other => Self::Append(other.to_string()),
        }
    }
}
