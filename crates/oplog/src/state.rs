//! What the log of an environment adds up to.

use crate::{Author, Committed, LeaseId, Outcome};
use fairway_model::{EnvironmentName, Generation, PlanBase, PlanId, ReleaseDigest};
use serde::Serialize;

/// What the log of an environment adds up to. It comes from [`State::fold`] alone, so it is always the state of a valid log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct State {
    pub(crate) environment: EnvironmentName,
    pub(crate) last: u64,
    pub(crate) generation: Generation,
    pub(crate) serving: Option<Serving>,
    pub(crate) pending: Option<Pending>,
    pub(crate) stuck: Option<Generation>,
    pub(crate) lock: Option<Lock>,
    pub(crate) history: Vec<Entry>,
}

/// The release that serves according to the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Serving {
    /// Its number.
    pub generation: Generation,
    /// Its content.
    pub release: ReleaseDigest,
    /// The plan that brought it.
    pub plan: PlanId,
    /// When it was applied, in milliseconds since the Unix epoch.
    pub at: u64,
    /// Who committed it.
    pub by: Author,
}

/// A release that was committed and has not come to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pending {
    /// What was committed.
    pub committed: Committed,
    /// When, in milliseconds since the Unix epoch.
    pub at: u64,
    /// By whom.
    pub by: Author,
    /// The number of the operation.
    pub number: u64,
}

/// The lock of an environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Lock {
    /// The lease.
    pub lease: LeaseId,
    /// The number of the operation that locked: everything written under the lease carries it.
    pub fence: u64,
    /// Who holds it, as people know them.
    pub holder: String,
    /// Who wrote the lock.
    pub by: Author,
    /// Milliseconds since the Unix epoch when it was taken.
    pub at: u64,
    /// Milliseconds since the Unix epoch after which anyone may take it over.
    pub until: u64,
    /// What for.
    pub reason: String,
}

impl Lock {
    /// Its time is over, so that anyone may take it over. Until someone does, its holder still has it.
    #[must_use]
    pub fn is_expired(&self, now: u64) -> bool {
        now >= self.until
    }
}

/// One release in the history of an environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// What was committed.
    pub committed: Committed,
    /// The number of the operation that committed it.
    pub number: u64,
    /// When, in milliseconds since the Unix epoch.
    pub at: u64,
    /// By whom.
    pub by: Author,
    /// How it ended; `None` while it is pending.
    pub finish: Option<Finish>,
}

impl Entry {
    /// It was applied: this release has served. A release that took the environment down is applied but has not served.
    #[must_use]
    pub fn has_served(&self) -> bool {
        self.is_applied() && self.committed.intent != crate::Intent::Down
    }

    /// Its outcome is [`Outcome::Applied`].
    #[must_use]
    pub fn is_applied(&self) -> bool {
        matches!(self.finish, Some(Finish { outcome: Outcome::Applied { .. }, .. }))
    }

    /// How it stands in one word: `pending`, `applied`, `failed`, `reverted`, `aborted`, `stuck`.
    #[must_use]
    pub fn word(&self) -> &'static str {
        self.finish.as_ref().map_or("pending", |finish| finish.outcome.word())
    }
}

/// The end of a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finish {
    /// How it ended.
    pub outcome: Outcome,
    /// When, in milliseconds since the Unix epoch.
    pub at: u64,
    /// Who wrote it down.
    pub by: Author,
    /// The number of the operation.
    pub number: u64,
}

/// Who writes an operation, when, and under which lease: what every constructor needs and no pure function can find out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Writer {
    /// Who.
    pub by: Author,
    /// Milliseconds since the Unix epoch.
    pub now: u64,
    /// The lease that the writer believes to hold, if it took one.
    pub lease: Option<LeaseId>,
}

impl State {
    /// The state of an empty log.
    #[must_use]
    pub fn new(environment: EnvironmentName) -> Self {
        Self {
            environment,
            last: 0,
            generation: Generation(0),
            serving: None,
            pending: None,
            stuck: None,
            lock: None,
            history: Vec::new(),
        }
    }

    /// The environment.
    #[must_use]
    pub fn environment(&self) -> &EnvironmentName {
        &self.environment
    }

    /// The number of the newest operation; 0 for an empty log.
    #[must_use]
    pub fn last(&self) -> u64 {
        self.last
    }

    /// The highest generation that was ever given out.
    #[must_use]
    pub fn generation(&self) -> Generation {
        self.generation
    }

    /// The release that serves.
    #[must_use]
    pub fn serving(&self) -> Option<&Serving> {
        self.serving.as_ref()
    }

    /// The release that is on its way.
    #[must_use]
    pub fn pending(&self) -> Option<&Pending> {
        self.pending.as_ref()
    }

    /// The generation that switched and could not go back, if nothing was applied since: what the routes point at
    /// is not what [`State::serving`] says, and a person should look.
    #[must_use]
    pub fn stuck(&self) -> Option<Generation> {
        self.stuck
    }

    /// The lock, expired or not.
    #[must_use]
    pub fn lock(&self) -> Option<&Lock> {
        self.lock.as_ref()
    }

    /// Every release that was ever committed, oldest first.
    #[must_use]
    pub fn history(&self) -> &[Entry] {
        &self.history
    }

    /// The release of a generation.
    #[must_use]
    pub fn entry(&self, generation: Generation) -> Option<&Entry> {
        // Generations grow along the history.
        let at = self.history.binary_search_by_key(&generation, |entry| entry.committed.generation).ok()?;
        self.history.get(at)
    }

    /// What a plan is made against now.
    #[must_use]
    pub fn base(&self) -> PlanBase {
        PlanBase {
            serving: self.serving.as_ref().map(|serving| (serving.generation, serving.release)),
            generation: self.generation,
        }
    }
}
