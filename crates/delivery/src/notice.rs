//! What a verb tells its caller while it works. Every entrance renders these in its own way.

use fairway_model::{ArtifactDigest, EnvironmentName, Event, Generation, Millis, Plan, ServiceName};

/// Something worth telling while a verb works.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Notice {
    /// A build began; the services that it makes.
    Building {
        /// Their names.
        services: Vec<ServiceName>,
        /// The command line.
        command: String,
    },
    /// A line of a build's diagnostics.
    BuildLine(String),
    /// A build ended well.
    Built {
        /// The service.
        service: ServiceName,
        /// Address of what was made.
        artifact: ArtifactDigest,
        /// Bytes.
        size: u64,
    },
    /// An artifact is on the target now.
    Delivered {
        /// Which.
        artifact: ArtifactDigest,
        /// How long it took.
        took: Millis,
    },
    /// The plan that is about to be executed.
    Planned(Box<Plan>),
    /// The intent is in the log; from here on a crash is finished by whoever comes next.
    Committed {
        /// The environment.
        environment: EnvironmentName,
        /// The number of the release.
        generation: Generation,
    },
    /// An earlier operation had not finished; this is what became of it.
    Settled {
        /// Its number.
        generation: Generation,
        /// What became of it, in words.
        outcome: String,
    },
    /// The target reported something.
    Event(Event),
    /// Something that is odd and not fatal.
    Warning(String),
}

/// Receives notices.
pub trait Reporter: Send + Sync {
    /// Something happened.
    fn notice(&self, notice: Notice);
}

/// A reporter that nobody watches.
#[derive(Debug, Clone, Copy)]
pub struct Quiet;

impl Reporter for Quiet {
    fn notice(&self, _notice: Notice) {}
}

/// Hands a target's events to a reporter.
pub(crate) struct Events<'a>(pub(crate) &'a dyn Reporter);

impl fairway_target::Progress for Events<'_> {
    fn event(&self, event: &Event) {
        self.0.notice(Notice::Event(event.clone()));
    }
}
