//! The trait that every target implements.

use async_trait::async_trait;
use fairway_model::{
    ArtifactDigest, Assignment, EnvironmentName, Event, Failure, Generation, Observed, Redacted,
    ReleaseStatus, SecretVersion,
};
use std::{collections::BTreeSet, path::PathBuf};

/// Why a target did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// The target could not be reached, or the connection broke: what it did is not known, and asking again is safe.
    #[error("{target} cannot be reached: {reason}")]
    Unreachable {
        /// Which target, as people know it.
        target: String,
        /// What happened on the way.
        reason: String,
    },
    /// The target answered that it will not or could not.
    #[error("{0}")]
    Failed(Box<Failure>),
}

impl TargetError {
    /// The failure that the target reported, if it was reached.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Unreachable { .. } => None,
            Self::Failed(failure) => Some(failure),
        }
    }
}

impl From<Failure> for TargetError {
    fn from(failure: Failure) -> Self {
        Self::Failed(Box::new(failure))
    }
}

/// Where the bytes of an artifact are on the caller's side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArtifactSource {
    /// Their address.
    pub digest: ArtifactDigest,
    /// A file with exactly these bytes.
    pub path: PathBuf,
}

/// Receives events while a target works. Each event is delivered once, in order.
pub trait Progress: Send + Sync {
    /// Something happened.
    fn event(&self, event: &Event);
}

/// A [`Progress`] that nobody watches.
#[derive(Debug, Clone, Copy)]
pub struct Silent;

impl Progress for Silent {
    fn event(&self, _event: &Event) {}
}

/// A place that runs services.
#[async_trait]
pub trait Target: Send + Sync {
    /// The target as people know it: `this machine`, `ssh://deploy@staging.example.com`.
    fn describe(&self) -> String;

    /// What is there. A part that cannot be seen is [`fairway_model::Sight::Unknown`], not an error.
    async fn observe(&self, environment: &EnvironmentName) -> Result<Observed, TargetError>;

    /// Which of these artifacts the target does not have yet.
    async fn missing(
        &self,
        artifacts: &BTreeSet<ArtifactDigest>,
    ) -> Result<BTreeSet<ArtifactDigest>, TargetError>;

    /// Brings one artifact. Bringing it twice is the same as once; bytes that do not hash to the digest are refused.
    async fn deliver(&self, artifact: &ArtifactSource) -> Result<(), TargetError>;

    /// Brings one version of a secret.
    async fn put_secret(
        &self,
        environment: &EnvironmentName,
        version: SecretVersion,
        value: &Redacted,
    ) -> Result<(), TargetError>;

    /// Makes everything ready beside what runs; returns when the release is [`fairway_model::Phase::Prepared`]
    /// or later. Nothing has moved when this fails. The caller's lease lasts while it waits; when the caller goes
    /// away before the switch, the target aborts the release by itself.
    ///
    /// Asked again with the same assignment, it joins what is going on, or repeats the failure that ended the release.
    /// Another plan with a number that is taken, or with an older one, is [`fairway_model::FailureKind::Stale`]; while
    /// another release is before its switch and its caller is alive, it is [`fairway_model::FailureKind::WrongPhase`].
    /// A release that bakes does not stand in the way: it is superseded. The rules are [`crate::lifecycle`].
    async fn prepare(
        &self,
        assignment: &Assignment,
        progress: &dyn Progress,
    ) -> Result<ReleaseStatus, TargetError>;

    /// Moves all routes to the prepared release at once.
    async fn switch(
        &self,
        environment: &EnvironmentName,
        generation: Generation,
        progress: &dyn Progress,
    ) -> Result<ReleaseStatus, TargetError>;

    /// Waits until the bake is over: [`fairway_model::Phase::Baked`], or an error whose failure is
    /// [`fairway_model::FailureKind::Bake`] after the routes went back, or [`fairway_model::FailureKind::Superseded`].
    /// A first release has nothing to go back to: trouble in it leaves it serving, in [`fairway_model::Phase::Stuck`].
    async fn bake(
        &self,
        environment: &EnvironmentName,
        generation: Generation,
        progress: &dyn Progress,
    ) -> Result<ReleaseStatus, TargetError>;

    /// Drains and stops what the release no longer needs; returns in [`fairway_model::Phase::Applied`].
    async fn retire(
        &self,
        environment: &EnvironmentName,
        generation: Generation,
        progress: &dyn Progress,
    ) -> Result<ReleaseStatus, TargetError>;

    /// Gives up a release that has not switched; stops what it started. Aborting what is already aborted is fine.
    async fn abort(&self, environment: &EnvironmentName, generation: Generation) -> Result<(), TargetError>;

    /// Where a release stands, without waiting; `None` when the target has never heard of it. Whoever asks counts as
    /// the release's caller, so asking renews its lease; [`Target::observe`] does not.
    async fn release(
        &self,
        environment: &EnvironmentName,
        generation: Generation,
    ) -> Result<Option<ReleaseStatus>, TargetError>;

    /// Stops everything of an environment; `purge` also deletes its databases, secrets and logs. Destroying what is
    /// not there is fine. Without `purge` the newest accepted generation is remembered.
    async fn destroy(&self, environment: &EnvironmentName, purge: bool) -> Result<(), TargetError>;
}
