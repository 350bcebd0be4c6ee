//! What a target's author provides for the suite.

use crate::{ArtifactSource, Target};
use async_trait::async_trait;
use fairway_model::{EnvironmentName, Listener, Millis, Resources, ServiceName, ServiceSpec};
use std::time::Duration;

/// How a small program behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behaviour {
    /// It becomes ready and stays so.
    Good,
    /// It starts and its readiness probe never succeeds.
    NeverReady,
    /// It writes at least one line and ends with a status other than 0 as soon as it is started.
    ExitsAtStart,
    /// It becomes ready, and its readiness probe fails soon after it got traffic (well within [`Timing::bake`]).
    FailsAfterSwitch,
    /// Its migration command writes at least one line and ends with a status other than 0.
    /// Only asked for with a database.
    BadMigration,
}

/// A service that a case wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Its name.
    pub name: ServiceName,
    /// What it answers when [`Fixture::ask`] asks.
    pub version: String,
    /// How it behaves.
    pub behaviour: Behaviour,
    /// It has a database with a migration command.
    pub database: bool,
    /// How many instances.
    pub replicas: u32,
}

/// A service as a release holds it, and the bytes it needs.
#[derive(Debug, Clone)]
pub struct Made {
    /// The service. The same wish must give the same specification, different ones different specifications.
    pub spec: ServiceSpec,
    /// Files that the case brings to the target.
    pub artifacts: Vec<ArtifactSource>,
}

/// How patient the cases are.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// The bake of an ordinary release.
    pub bake: Millis,
    /// A bake that does not end while a case runs.
    pub long_bake: Millis,
    /// The drain deadline.
    pub drain: Millis,
    /// How long a case waits, in real time, for something that a target does by itself.
    pub patience: Duration,
    /// An exit at the start must be reported within this real time; well below the start deadline of the specifications.
    pub fast: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            bake: Millis(400),
            long_bake: Millis::from_secs(120),
            drain: Millis::from_secs(5),
            patience: Duration::from_secs(20),
            fast: Duration::from_secs(8),
        }
    }
}

/// A fresh target with its surroundings.
#[async_trait]
pub trait Fixture: Send + Sync {
    /// The target.
    fn target(&self) -> &dyn Target;

    /// The environment that the case may use.
    fn environment(&self) -> EnvironmentName;

    /// How patient the cases are.
    fn timing(&self) -> Timing {
        Timing::default()
    }

    /// Services may have databases; without, the cases about them are skipped.
    fn has_databases(&self) -> bool;

    /// The public listener of the releases.
    fn listener(&self) -> Option<Listener> {
        None
    }

    /// The resources of a release in which some service has a database.
    fn resources(&self) -> Resources;

    /// Makes a service. The start deadline of a [`Behaviour::NeverReady`] should be short, that of others long.
    async fn make(&self, wanted: &Wanted) -> Made;

    /// Kills the target's daemon without warning and starts it again; instances and routes live on. Returns when the
    /// daemon answers. Calls that are going on may break off with [`crate::TargetError::Unreachable`].
    async fn restart(&self);

    /// Which version answers for a service behind the edge: the answer of one real request, `None` when there is
    /// no route or no instance behind it.
    async fn ask(&self, service: &ServiceName) -> Option<String>;

    /// Lets the lease of a caller that went away run out.
    async fn lose_lease(&self);
}
