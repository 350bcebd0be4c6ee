//! A plan in a file: shown now, applied exactly later.

use crate::{Applied, Delivery, Desired, Error, Gates, planning::Planned};
use fairway_model::Assignment;
use fairway_oplog::Intent;
use fairway_target::Target;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Version of the file's form.
const FORMAT: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Saved {
    format: u32,
    intent: Intent,
    assignment: Assignment,
}

impl Delivery {
    /// Writes a plan to a file. Its artifacts and secrets are brought to the target now, so that it can be applied
    /// later from anywhere without building anything.
    ///
    /// # Errors
    /// When a gate refuses the plan, the target cannot be reached or the file cannot be written.
    pub async fn save_plan(
        &self,
        planned: &Planned,
        desired: &Desired,
        target: &dyn Target,
        file: &Path,
    ) -> Result<(), Error> {
        self.deliver(planned, desired, target).await?;
        let saved = Saved { format: FORMAT, intent: planned.intent, assignment: planned.assignment.clone() };
        let text =
            serde_json::to_vec_pretty(&saved).expect("a plan serialises to JSON: its map keys are strings");
        std::fs::write(file, text).map_err(|source| {
            Error::Usage(format!(
                "the plan cannot be saved as {}: {source}. No environment was changed",
                file.display()
            ))
        })
    }

    /// Reads a plan from a file.
    ///
    /// # Errors
    /// When the file cannot be read, is no plan, or holds a plan and a release that do not belong together.
    pub async fn load_plan(&self, file: &Path) -> Result<Planned, Error> {
        let text = std::fs::read(file).map_err(|source| Error::File { path: file.to_owned(), source })?;
        let not_a_plan = |why: String| {
            Error::Usage(format!("{} is not a saved plan: {why}. Nothing was changed", file.display()))
        };
        let saved: Saved = serde_json::from_slice(&text).map_err(|error| not_a_plan(error.to_string()))?;
        let Saved { format, intent, assignment } = saved;
        if format != FORMAT {
            return Err(not_a_plan(format!("it has format {format}, and this Fairway knows {FORMAT}")));
        }
        if assignment.release.digest() != assignment.plan.child {
            return Err(not_a_plan(
                "its release is not the one that the plan names; it was changed by hand".to_owned(),
            ));
        }
        let serving = match assignment.plan.base.serving {
            Some((_, digest)) => Some(self.store.get_release(digest).await?),
            None => None,
        };
        Ok(Planned { assignment, serving, intent })
    }

    /// Applies a plan that was saved, exactly as it was shown: refused when the log or the world has moved since.
    ///
    /// # Errors
    /// [`Error::Log`] with a stale plan, [`Error::Moved`], and as for [`Delivery::apply`].
    pub async fn apply_saved(&self, planned: Planned, target: &dyn Target) -> Result<Applied, Error> {
        let environment = &planned.plan().environment;
        let state = self.store.state(environment).await?;
        state.check_base(&planned.plan().base)?;
        let observed = target.observe(environment).await?;
        // What the gates were told stands in the plan's verdicts; asked again, they decide nothing here.
        let gates = Gates { allow_breaking: true, allow_destructive: true };
        let now =
            self.plan_against(&state, &observed, &planned.assignment.release, planned.intent, gates).await?;
        let moved = fairway_plan::moved_since(planned.plan(), now.plan());
        if !moved.is_empty() {
            return Err(Error::Moved { environment: environment.clone(), moved });
        }
        self.execute(planned, target).await
    }
}
