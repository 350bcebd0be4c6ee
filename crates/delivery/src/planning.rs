//! `plan`: what applying would change.

use crate::{Delivery, Error, desired::Desired};
use fairway_model::{Assignment, EnvironmentName, Observed, Plan, Release};
use fairway_oplog::{Intent, State};
use fairway_plan::{Context, PlanInput};
use fairway_target::Target;
use std::collections::{BTreeMap, BTreeSet};

/// Decisions that a gate wants to hear from a person.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Gates {
    /// Accept breaking changes of contracts.
    pub allow_breaking: bool,
    /// Accept migrations that drop or narrow what older code uses.
    pub allow_destructive: bool,
}

/// A plan with what is needed to show and to apply it.
#[derive(Debug, Clone)]
pub struct Planned {
    /// The plan and the release that it leads to.
    pub assignment: Assignment,
    /// The release that serves now.
    pub serving: Option<Release>,
    /// What it is meant to do.
    pub intent: Intent,
}

impl Planned {
    /// The plan.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.assignment.plan
    }
}

impl Delivery {
    /// Plans what the repository says now. Everything is built first, because a plan names what it would run.
    ///
    /// # Errors
    /// When the manifest is not valid, a build fails, or the target or the store cannot be reached.
    pub async fn plan(&self, environment: &str, gates: Gates) -> Result<(Planned, Desired), Error> {
        let desired = self.desired(environment).await?;
        let manifest = self.manifest()?.manifest;
        let environment = self.environment(&manifest, environment)?;
        let target = self.target(&manifest, &environment).await?;
        let planned =
            self.plan_release(&environment, &*target, &desired.release, Intent::Apply, gates).await?;
        Ok((planned, desired))
    }

    /// Plans any release against what is recorded and observed now.
    pub(crate) async fn plan_release(
        &self,
        environment: &EnvironmentName,
        target: &dyn Target,
        desired: &Release,
        intent: Intent,
        gates: Gates,
    ) -> Result<Planned, Error> {
        let state = self.store.state(environment).await?;
        let observed = target.observe(environment).await?;
        self.plan_against(&state, &observed, desired, intent, gates).await
    }

    pub(crate) async fn plan_against(
        &self,
        state: &State,
        observed: &Observed,
        desired: &Release,
        intent: Intent,
        gates: Gates,
    ) -> Result<Planned, Error> {
        let serving = match state.serving() {
            Some(serving) => Some(self.store.get_release(serving.release).await?),
            None => None,
        };
        let context = Context {
            contracts: match &serving {
                Some(serving) => self.contract_findings(serving, desired).await?,
                None => BTreeMap::new(),
            },
            migrated: self.migrated(state, observed).await?,
            allow_breaking: gates.allow_breaking,
            allow_destructive: gates.allow_destructive,
            is_revert: matches!(intent, Intent::Revert { .. } | Intent::Restore { .. }),
        };
        let plan = fairway_plan::plan(&PlanInput {
            environment: state.environment(),
            base: state.base(),
            serving: serving.as_ref(),
            desired,
            observed,
            context,
        });
        Ok(Planned { assignment: Assignment { plan, release: desired.clone() }, serving, intent })
    }

    /// The migrations that earlier releases have run on databases that still exist.
    async fn migrated(
        &self,
        state: &State,
        observed: &Observed,
    ) -> Result<BTreeMap<fairway_model::ServiceName, BTreeSet<fairway_model::Digest>>, Error> {
        let mut migrated: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        let applied: BTreeSet<_> = state
            .history()
            .iter()
            .filter(|entry| entry.has_served())
            .map(|entry| entry.committed.release)
            .collect();
        for release in applied {
            for (service, spec) in self.store.get_release(release).await?.services {
                let exists = observed.databases.known().is_none_or(|databases| databases.contains(&service));
                let migrations =
                    spec.process().and_then(|p| p.database.as_ref()).and_then(|d| d.migrations.as_ref());
                if let (true, Some(migrations)) = (exists, migrations) {
                    migrated
                        .entry(service)
                        .or_default()
                        .extend(migrations.iter().map(|migration| migration.digest));
                }
            }
        }
        Ok(migrated)
    }
}
