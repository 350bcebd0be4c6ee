//! Verbs that only look: check, state, configuration, differences.

use crate::{Delivery, Desired, Error};
use fairway_manifest::{Config, Parsed, Problem};
use fairway_model::{EnvironmentName, Generation, Observed, Plan, PlanBase, Release, Sight};
use fairway_oplog::State;
use fairway_plan::{Context, PlanInput};

/// What differs between two releases.
#[derive(Debug, Clone)]
pub struct ReleaseDiff {
    /// The differences, in the form of a plan whose steps do not matter.
    pub plan: Plan,
    /// The newer release.
    pub to: Release,
}

impl Delivery {
    /// What is wrong with the manifest, and with the configuration of these environments; of all that exist once
    /// when none is named.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn check(&self, parsed: &Parsed, environments: &[EnvironmentName]) -> Result<Vec<Problem>, Error> {
        let sources = self.sources(&parsed.manifest)?;
        let mut problems = fairway_manifest::check(parsed, &sources).problems;
        let all: Vec<EnvironmentName>;
        let environments = if environments.is_empty() {
            let once =
                parsed.manifest.environments.iter().filter(|(_, environment)| environment.per.is_none());
            all = once.filter_map(|(name, _)| EnvironmentName::new(name.clone()).ok()).collect();
            &all
        } else {
            environments
        };
        for environment in environments {
            if let Err(found) =
                fairway_manifest::config(parsed, environment, &self.process_environment, &sources)
            {
                problems.extend(found.iter().cloned());
            }
        }
        // The manifest first: what is wrong there may be why something else is.
        problems.sort_by(|a, b| (a.file != crate::MANIFEST, a).cmp(&(b.file != crate::MANIFEST, b)));
        problems.dedup();
        Ok(problems)
    }

    /// What the log of an environment adds up to.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn state(&self, environment: &EnvironmentName) -> Result<State, Error> {
        Ok(self.store.state(environment).await?)
    }

    /// The configuration of an environment with the history of each value.
    ///
    /// # Errors
    /// When the manifest or a layer is not valid, or a variable is not set.
    pub fn config(&self, environment: &str) -> Result<Config, Error> {
        let parsed = self.manifest()?;
        let name = self.environment(&parsed.manifest, environment)?;
        let sources = self.sources(&parsed.manifest)?;
        Ok(fairway_manifest::config(&parsed, &name, &self.process_environment, &sources)?)
    }

    /// What differs between two releases of an environment; `None` is the one that serves, and what the repository
    /// says now.
    ///
    /// # Errors
    /// When a release does not exist, or the repository cannot be built.
    pub async fn diff(
        &self,
        environment: &EnvironmentName,
        from: Option<Generation>,
        to: Option<Generation>,
    ) -> Result<ReleaseDiff, Error> {
        let state = self.store.state(environment).await?;
        let old = match (from, state.serving()) {
            (Some(generation), _) => Some((generation, self.release_of(&state, generation).await?)),
            (None, Some(serving)) => {
                Some((serving.generation, self.store.get_release(serving.release).await?))
            }
            (None, None) => None,
        };
        let to = match to {
            Some(generation) => self.release_of(&state, generation).await?,
            None => {
                let Desired { release, .. } = self.desired(environment.as_str()).await?;
                release
            }
        };
        // With nothing observed, the older release is taken as it is recorded: only what is wanted is compared.
        let unseen = || "only two releases are compared".to_owned();
        let observed = Observed {
            instances: Sight::Unknown { reason: unseen() },
            routes: Sight::Unknown { reason: unseen() },
            databases: Sight::Unknown { reason: unseen() },
            artifacts: Sight::Unknown { reason: unseen() },
            ..Observed::nothing(environment.clone())
        };
        let contracts = match &old {
            Some((_, old)) => self.contract_findings(old, &to).await?,
            None => std::collections::BTreeMap::new(),
        };
        let serving = old.as_ref().map(|(_, release)| release);
        let plan = fairway_plan::plan(&PlanInput {
            environment,
            base: PlanBase {
                serving: old.as_ref().map(|(generation, release)| (*generation, release.digest())),
                generation: state.generation(),
            },
            serving,
            desired: &to,
            observed: &observed,
            context: Context {
                contracts,
                allow_breaking: true,
                allow_destructive: true,
                ..Context::default()
            },
        });
        Ok(ReleaseDiff { plan, to })
    }

    async fn release_of(&self, state: &State, generation: Generation) -> Result<Release, Error> {
        match state.entry(generation) {
            Some(entry) => Ok(self.store.get_release(entry.committed.release).await?),
            None => Err(Error::Usage(format!(
                "{} has no release {generation}; see `fairway history {}`",
                state.environment(),
                state.environment()
            ))),
        }
    }

    /// Takes the lock of an environment away from whoever holds it, with a reason in the log.
    ///
    /// # Errors
    /// When it is not locked, or its lease has not run out and `force` was not said.
    pub async fn unlock(&self, environment: &EnvironmentName, force: bool) -> Result<(), Error> {
        let state = self.store.state(environment).await?;
        if let Some(lock) = state.lock()
            && !lock.is_expired(crate::context::now())
            && !force
        {
            return Err(Error::Usage(format!(
                "{} holds {environment} ({}), and the lease has not run out: nothing was changed; say --force to take it away",
                lock.holder, lock.reason
            )));
        }
        self.store
            .append_next(environment, |state| {
                fairway_oplog::unlock(state, &self.writer(), "unlocked by hand")
            })
            .await?;
        Ok(())
    }
}
