//! An operation that was committed and not finished: its caller died, or is still at it.

use crate::{Delivery, Error, Notice, applying::failure_of, context};
use fairway_model::{Assignment, EnvironmentName, Millis, Phase};
use fairway_oplog::{Intent, Outcome, Pending, Refusal};
use fairway_target::Target;
use std::time::{Duration, Instant};

/// How long a caller waits for somebody else's release without having been told to: a little longer than the lease
/// of a caller that has died.
pub const PATIENCE: Duration = Duration::from_secs(15);

/// How often a release that somebody else drives is looked at.
const LOOK: Duration = Duration::from_millis(200);

/// What the caller wants with an environment that something is going on in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// Let what is going on come to its end, for at most this long.
    Wait(Duration),
    /// Take over what has switched already, without waiting for its bake: a revert cannot wait.
    TakeOver,
}

impl Manner {
    /// To wait as long as is asked for, and at least as long as it takes to know that a caller is dead.
    #[must_use]
    pub fn wait(asked: Option<Millis>) -> Self {
        Self::Wait(asked.map_or(PATIENCE, |asked| Duration::from(asked).max(PATIENCE)))
    }
}

impl Delivery {
    /// Brings an unfinished operation to its end, or says who is at it.
    ///
    /// What has switched stands: it is seen through to its end. What has not is given up by the target when its
    /// caller's lease has run out; until then somebody is at it.
    ///
    /// # Errors
    /// [`Refusal::Unfinished`] when somebody is still at it, and whatever target and store say.
    pub async fn settle(
        &self,
        environment: &EnvironmentName,
        target: &dyn Target,
        manner: Manner,
    ) -> Result<(), Error> {
        let begin = Instant::now();
        let mut told = false;
        loop {
            let state = self.store.state(environment).await?;
            let Some(pending) = state.pending() else { return Ok(()) };
            if pending.committed.intent == Intent::Down {
                return self.finish_down(environment, pending.committed.generation, target).await;
            }
            if self.settled(environment, pending, target, manner).await? {
                return Ok(());
            }
            let patience = match manner {
                Manner::Wait(patience) => patience,
                Manner::TakeOver => self.patience,
            };
            if begin.elapsed() >= patience {
                return Err(Error::Log(Refusal::Unfinished {
                    environment: environment.clone(),
                    generation: pending.committed.generation,
                    by: pending.by.to_string(),
                    at: pending.at,
                }));
            }
            if !told {
                told = true;
                let patience = Millis::from(patience);
                let Pending { committed, by, .. } = pending;
                self.reporter.notice(Notice::Warning(format!(
                    "release {} of {environment} by {by} is on its way; waiting up to {patience} for it",
                    committed.generation
                )));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// One look; true when there is nothing left to wait for.
    async fn settled(
        &self,
        environment: &EnvironmentName,
        pending: &Pending,
        target: &dyn Target,
        manner: Manner,
    ) -> Result<bool, Error> {
        let generation = pending.committed.generation;
        // Observing does not renew the caller's lease; asking for the release would.
        let observed = target.observe(environment).await?;
        let phase = observed.activity.filter(|(newest, _)| *newest == generation).map(|(_, phase)| phase);
        let outcome = match phase {
            // The target has never heard of it: its caller died between the commit and the first request. A caller
            // that is alive makes that request within moments, and gets a refusal afterwards, because it is not pending.
            None if observed.generation < generation => {
                let age = context::now().saturating_sub(pending.at);
                if u128::from(age) < self.patience.as_millis() / 3 {
                    return Ok(false);
                }
                Outcome::Aborted { reason: "its caller went away before the target heard of it".to_owned() }
            }
            None => Outcome::Aborted { reason: "the target knows nothing of it any more".to_owned() },
            Some(Phase::Preparing | Phase::Prepared | Phase::Switching) => return Ok(false),
            Some(phase) => match target.release(environment, generation).await? {
                None => Outcome::Aborted { reason: "the target knows nothing of it any more".to_owned() },
                Some(status) => match phase {
                    Phase::Applied => Outcome::Applied { evidence: status.evidence },
                    Phase::Aborted => Outcome::Aborted { reason: failure_of(&status).message },
                    Phase::Failed => Outcome::Failed { failure: failure_of(&status) },
                    Phase::Reverted => Outcome::Reverted { failure: failure_of(&status) },
                    Phase::Stuck => Outcome::Stuck { failure: failure_of(&status) },
                    // It serves. A revert goes on from here; everybody else sees it through.
                    _ if manner == Manner::TakeOver => Outcome::Applied { evidence: status.evidence },
                    _ => {
                        let assignment = Assignment {
                            plan: self.store.get_plan(pending.committed.plan).await?,
                            release: self.store.get_release(pending.committed.release).await?,
                        };
                        let result = self.see_through(&assignment, target).await;
                        self.record(environment, generation, &result).await?;
                        self.tell(
                            generation,
                            if result.is_ok() { "it was seen through to its end" } else { "it failed" },
                        );
                        return result.map(|_| true);
                    }
                },
            },
        };
        self.tell(generation, outcome.word());
        self.finish(environment, generation, outcome).await?;
        Ok(true)
    }

    /// Gives up this caller's own release after the call that drove it was dropped: what has not switched is aborted;
    /// what has stands, and whoever comes next sees it through. Returns the error that says which.
    ///
    /// # Errors
    /// When the target or the store cannot be asked: then nothing is known, and the lease decides.
    pub async fn interrupt(
        &self,
        environment: &EnvironmentName,
        target: &dyn Target,
    ) -> Result<Error, Error> {
        let state = self.store.state(environment).await?;
        let Some(pending) = state.pending().filter(|pending| pending.by == self.author) else {
            return Ok(Error::Interrupted { environment: environment.clone(), stands: None });
        };
        let generation = pending.committed.generation;
        let phase = target.observe(environment).await?.activity.filter(|(newest, _)| *newest == generation);
        if let Some((_, phase)) = phase.filter(|(_, phase)| *phase > Phase::Prepared) {
            let stands = phase.is_serving() || phase == Phase::Switching;
            return Ok(Error::Interrupted {
                environment: environment.clone(),
                stands: stands.then_some(generation),
            });
        }
        target.abort(environment, generation).await?;
        let reason = "interrupted by its caller".to_owned();
        self.finish(environment, generation, Outcome::Aborted { reason }).await?;
        Ok(Error::Interrupted { environment: environment.clone(), stands: None })
    }

    fn tell(&self, generation: fairway_model::Generation, outcome: &str) {
        self.reporter.notice(Notice::Settled { generation, outcome: outcome.to_owned() });
    }
}
