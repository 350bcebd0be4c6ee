//! The host as a target.

use crate::{Host, HostError, host::path, wire::Payload};
use async_trait::async_trait;
use fairway_model::{
    ArtifactDigest, Assignment, EnvironmentName, Failure, FailureKind, Generation, Observed, Phase, Redacted,
    ReleaseStatus, SecretVersion,
};
use fairway_protocol::agent::SecretValue;
use fairway_target::{ArtifactSource, Progress, Target, TargetError};
use http::{Method, StatusCode};
use std::collections::BTreeSet;

/// How long the agent may wait for the next event before it answers.
const WAIT_MS: u64 = 3_000;

impl Host {
    fn target_error(&self, error: HostError) -> TargetError {
        error.into_target(self.name().to_owned())
    }

    /// Sends a verb about a release.
    async fn verb(
        &self,
        environment: &EnvironmentName,
        generation: Generation,
        verb: &str,
    ) -> Result<ReleaseStatus, HostError> {
        let path = format!("{}/releases/{generation}/{verb}", path(environment));
        self.ask(Method::POST, &path, &Payload::Empty).await
    }

    /// Hands out the events that nobody has seen yet; answers the number of the last one.
    fn report(&self, environment: &EnvironmentName, status: &ReleaseStatus, progress: &dyn Progress) -> u64 {
        let mut seen = self.seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let last = seen.entry((environment.clone(), status.generation)).or_insert(0);
        for event in &status.events {
            if event.sequence > *last {
                *last = event.sequence;
                progress.event(event);
            }
        }
        *last
    }

    /// Follows a release until `done`; each question renews the caller's lease.
    async fn follow(
        &self,
        environment: &EnvironmentName,
        mut status: ReleaseStatus,
        progress: &dyn Progress,
        done: impl Fn(&ReleaseStatus) -> bool,
    ) -> Result<ReleaseStatus, HostError> {
        loop {
            let after = self.report(environment, &status, progress);
            if status.failure.is_some() || done(&status) {
                return Ok(status);
            }
            let path = format!(
                "{}/releases/{}?after={after}&wait_ms={WAIT_MS}",
                path(environment),
                status.generation
            );
            status = self.get(&path).await?;
        }
    }
}

/// A release that failed is an error with its failure.
fn unless_failed(status: ReleaseStatus) -> Result<ReleaseStatus, HostError> {
    match status.failure {
        Some(failure) => Err(HostError::Failed(Box::new(failure))),
        None => Ok(status),
    }
}

#[async_trait]
impl Target for Host {
    fn describe(&self) -> String {
        self.name().to_owned()
    }

    async fn observe(&self, environment: &EnvironmentName) -> Result<Observed, TargetError> {
        self.get(&path(environment)).await.map_err(|error| self.target_error(error))
    }

    async fn missing(
        &self,
        artifacts: &BTreeSet<ArtifactDigest>,
    ) -> Result<BTreeSet<ArtifactDigest>, TargetError> {
        let mut missing = BTreeSet::new();
        for artifact in artifacts {
            if !self.has(artifact).await.map_err(|error| self.target_error(error))? {
                missing.insert(*artifact);
            }
        }
        Ok(missing)
    }

    async fn deliver(&self, artifact: &ArtifactSource) -> Result<(), TargetError> {
        let delivered = async {
            if self.has(&artifact.digest).await? {
                return Ok(());
            }
            let file = Payload::File(artifact.path.clone());
            self.patiently(Method::PUT, &format!("/v1/artifacts/{}", artifact.digest), &file).await.map(drop)
        };
        delivered.await.map_err(|error| match error {
            HostError::Local { what, source } => TargetError::Failed(Box::new(Failure::new(
                FailureKind::Missing,
                format!("artifact {} in {what} cannot be read: {source}", artifact.digest.short()),
                "Nothing was sent",
                "Build it again",
            ))),
            other => self.target_error(other),
        })
    }

    async fn put_secret(
        &self,
        environment: &EnvironmentName,
        version: SecretVersion,
        value: &Redacted,
    ) -> Result<(), TargetError> {
        let body = Payload::Bytes(SecretValue { value: value.clone() }.to_body().into());
        let path = format!("{}/secrets/{version}", path(environment));
        let sent = self.patiently(Method::PUT, &path, &body).await;
        sent.map(drop).map_err(|error| self.target_error(error))
    }

    async fn prepare(
        &self,
        assignment: &Assignment,
        progress: &dyn Progress,
    ) -> Result<ReleaseStatus, TargetError> {
        let environment = &assignment.plan.environment;
        let body =
            serde_json::to_vec(assignment).map(|bytes| Payload::Bytes(bytes.into())).map_err(|error| {
                TargetError::Unreachable {
                    target: self.name().to_owned(),
                    reason: format!("the assignment cannot be written: {error}"),
                }
            })?;
        let prepared = async {
            let path = format!("{}/releases/{}/prepare", path(environment), assignment.generation());
            let status = self.ask(Method::POST, &path, &body).await?;
            let ready = |status: &ReleaseStatus| status.phase != Phase::Preparing;
            unless_failed(self.follow(environment, status, progress, ready).await?)
        };
        prepared.await.map_err(|error| self.target_error(error))
    }

    async fn switch(
        &self,
        environment: &EnvironmentName,
        generation: Generation,
        progress: &dyn Progress,
    ) -> Result<ReleaseStatus, TargetError> {
        let status =
            self.verb(environment, generation, "switch").await.map_err(|error| self.target_error(error))?;
        self.report(environment, &status, progress);
        Ok(status)
    }

    async fn bake(
        &self,
        environment: &EnvironmentName,
        generation: Generation,
        progress: &dyn Progress,
    ) -> Result<ReleaseStatus, TargetError> {
        let baked = async {
            loop {
                let status = self.verb(environment, generation, "bake").await?;
                if status.phase != Phase::Baking {
                    self.report(environment, &status, progress);
                    return Ok(status);
                }
                // What ends the wait is asked about again: only the agent says whether it is the end of a good bake.
                self.follow(environment, status, progress, |status| status.phase != Phase::Baking).await?;
            }
        };
        baked.await.map_err(|error| self.target_error(error))
    }

    async fn retire(
        &self,
        environment: &EnvironmentName,
        generation: Generation,
        progress: &dyn Progress,
    ) -> Result<ReleaseStatus, TargetError> {
        let retired = async {
            let status = self.verb(environment, generation, "retire").await?;
            unless_failed(
                self.follow(environment, status, progress, |status| status.phase == Phase::Applied).await?,
            )
        };
        retired.await.map_err(|error| self.target_error(error))
    }

    async fn abort(&self, environment: &EnvironmentName, generation: Generation) -> Result<(), TargetError> {
        let path = format!("{}/releases/{generation}/abort", path(environment));
        let aborted = self.ask::<Option<ReleaseStatus>>(Method::POST, &path, &Payload::Empty).await;
        aborted.map(drop).map_err(|error| self.target_error(error))
    }

    async fn release(
        &self,
        environment: &EnvironmentName,
        generation: Generation,
    ) -> Result<Option<ReleaseStatus>, TargetError> {
        let path = format!("{}/releases/{generation}", path(environment));
        match self.get(&path).await {
            Ok(status) => Ok(Some(status)),
            Err(HostError::Failed(failure)) if failure.kind == FailureKind::WrongPhase => Ok(None),
            Err(error) => Err(self.target_error(error)),
        }
    }

    async fn destroy(&self, environment: &EnvironmentName, purge: bool) -> Result<(), TargetError> {
        let path = format!("{}?purge={purge}", path(environment));
        let destroyed = self.patiently(Method::DELETE, &path, &Payload::Empty).await;
        destroyed.map(drop).map_err(|error| self.target_error(error))
    }
}

impl Host {
    /// Is this artifact there? Asking keeps it there for a while.
    async fn has(&self, artifact: &ArtifactDigest) -> Result<bool, HostError> {
        let path = format!("/v1/artifacts/{artifact}");
        let (status, _) = self.patiently(Method::HEAD, &path, &Payload::Empty).await?;
        Ok(status == StatusCode::OK)
    }
}
