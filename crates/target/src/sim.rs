//! A target in memory: a virtual world with instances, routes, databases and artifacts, under a virtual clock.
//!
//! The simulator keeps the same journal as a real target ([`crate::lifecycle`]) and does one small step at a time;
//! between any two of them its daemon can be made to die ([`Sim::fail_after`]) and brought back ([`Sim::restart`]), or
//! the caller can be. What a program does is said by its artifact ([`SimProgram::bytes`]).
//!
//! Time is virtual. Usually whoever waits lets it jump to the next thing that happens, so nothing ever waits for real;
//! with [`SimOptions::manual_clock`] it stands still until [`Sim::advance`].

mod bug;
mod calls;
mod prepare;
mod program;
mod world;

pub use bug::Bug;
pub use program::{SimBehaviour, SimProgram};

use crate::{Progress, TargetError, lifecycle::Lifecycle};
use fairway_model::{EnvironmentName, Failure, FailureKind, Generation, Millis, ReleaseStatus, ServiceName};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard},
};
use tokio::sync::watch;
use world::World;

/// When a simulation begins, in milliseconds since the Unix epoch.
const BEGINNING: u64 = 1_700_000_000_000;

/// How a simulation is set up.
#[derive(Debug, Clone)]
pub struct SimOptions {
    /// How long a release that has not switched outlives its caller.
    pub lease: Millis,
    /// Time stands still until [`Sim::advance`]; otherwise it jumps ahead whenever a caller waits.
    pub manual_clock: bool,
    /// Deliberate defects.
    pub bugs: BTreeSet<Bug>,
}

impl Default for SimOptions {
    fn default() -> Self {
        Self { lease: Millis::from_secs(30), manual_clock: false, bugs: BTreeSet::new() }
    }
}

/// Who is lost at an injected failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// The call breaks off; the daemon lives.
    Caller,
    /// The daemon dies: every call breaks off, nothing goes on until [`Sim::restart`], instances and routes stay.
    Daemon,
}

/// A simulated target. Clones are the same target.
#[derive(Debug, Clone)]
pub struct Sim {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    world: Mutex<World>,
    fault: Mutex<Option<(u64, Loss)>>,
    /// Counts changes, for those who wait under a manual clock.
    changes: watch::Sender<u64>,
    manual: bool,
}

impl Default for Sim {
    fn default() -> Self {
        Self::new(SimOptions::default())
    }
}

impl Sim {
    /// A world without anything in it.
    #[must_use]
    pub fn new(options: SimOptions) -> Self {
        let SimOptions { lease, manual_clock, bugs } = options;
        let world = World {
            now: BEGINNING,
            lease,
            bugs,
            down: false,
            life: 0,
            artifacts: BTreeMap::new(),
            places: BTreeMap::new(),
        };
        let inner = Inner {
            world: Mutex::new(world),
            fault: Mutex::new(None),
            changes: watch::Sender::new(0),
            manual: manual_clock,
        };
        Self { inner: Arc::new(inner) }
    }

    /// Lets this much time pass, with everything that becomes due on the way. The daemon works on by itself.
    pub fn advance(&self, time: Millis) {
        let mut world = self.world();
        let until = world.now + time.0;
        world.advance_to(until);
        drop(world);
        self.changed();
    }

    /// The virtual time, in milliseconds since the Unix epoch.
    #[must_use]
    pub fn now(&self) -> u64 {
        self.world().now
    }

    /// After this many further steps someone is lost. A step is one change of the journal or of the world; 0 is
    /// before the next one.
    pub fn fail_after(&self, steps: u64, loss: Loss) {
        *self.fault() = Some((steps, loss));
    }

    /// Whether the failure of [`Sim::fail_after`] is still to come; takes it back.
    #[must_use]
    pub fn cancel_failure(&self) -> bool {
        self.fault().take().is_some()
    }

    /// The daemon dies, if it lives, and comes back. Calls that were going on break off.
    pub fn restart(&self) {
        self.world().restart();
        self.changed();
    }

    /// The daemon dies.
    pub fn kill(&self) {
        let mut world = self.world();
        world.down = true;
        world.life += 1;
        drop(world);
        self.changed();
    }

    /// Which version answers for a service, as a request through the edge would show; `None` when none does.
    #[must_use]
    pub fn ask(&self, environment: &EnvironmentName, service: &ServiceName) -> Option<String> {
        let mut world = self.world();
        // Between two requests the daemon has had time for what is due.
        world.settle();
        world.ask(environment, service)
    }

    /// How often the migration of a service has run.
    #[must_use]
    pub fn migrations(&self, environment: &EnvironmentName, service: &ServiceName) -> u64 {
        let world = self.world();
        let database = world.places.get(environment).and_then(|place| place.databases.get(service));
        database.map_or(0, |database| database.migrations)
    }

    /// The journal of an environment, as a real target would have it on disk.
    #[must_use]
    pub fn journal(&self, environment: &EnvironmentName) -> Option<Lifecycle> {
        self.world().places.get(environment).map(|place| place.journal.clone())
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.inner.world.lock().expect("a panic while the world is changed ends the simulation")
    }

    fn fault(&self) -> MutexGuard<'_, Option<(u64, Loss)>> {
        self.inner.fault.lock().expect("nothing panics while a failure is looked up")
    }

    fn changed(&self) {
        self.inner.changes.send_modify(|count| *count += 1);
    }

    /// A step is about to be made; this may be where someone is lost.
    fn before_step(&self, world: &mut World) -> Result<(), TargetError> {
        let mut fault = self.fault();
        match *fault {
            Some((0, loss)) => {
                *fault = None;
                if loss == Loss::Daemon {
                    world.down = true;
                    world.life += 1;
                }
                Err(unreachable("the connection broke"))
            }
            Some((left, loss)) => {
                *fault = Some((left - 1, loss));
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// One call's way through the steps: `check` says when there is an answer, and the daemon works in between.
    async fn drive<T>(
        &self,
        environment: &EnvironmentName,
        call: &mut Call<'_>,
        mut check: impl FnMut(&mut Lifecycle, u64) -> Option<Result<T, TargetError>> + Send,
    ) -> Result<T, TargetError> {
        let mut changes = self.inner.changes.subscribe();
        loop {
            let waits = {
                let mut world = self.world();
                call.alive(&world)?;
                let now = world.now;
                let journal = &mut world.place(environment).journal;
                call.report(journal);
                if let Some(answer) = check(journal, now) {
                    call.report(journal);
                    return answer;
                }
                self.before_step(&mut world).inspect_err(|_| self.changed())?;
                let did = world.step(environment);
                if !did && !self.inner.manual && !world.jump() {
                    return Err(internal("the simulated world waits for something that never happens"));
                }
                !did && self.inner.manual
            };
            if waits {
                // The sender lives as long as this simulation.
                let _ = changes.changed().await;
            } else {
                self.changed();
                tokio::task::yield_now().await;
            }
        }
    }
}

/// One call: whose life of the daemon it belongs to, and which events it has passed on.
struct Call<'a> {
    life: u64,
    generation: Generation,
    reported: Option<u64>,
    progress: &'a dyn Progress,
    repeats: bool,
}

impl<'a> Call<'a> {
    fn begin(world: &World, generation: Generation, progress: &'a dyn Progress) -> Result<Self, TargetError> {
        let call = Self {
            life: world.life,
            generation,
            reported: None,
            progress,
            repeats: world.has(Bug::RepeatsEvents),
        };
        call.alive(world)?;
        Ok(call)
    }

    fn alive(&self, world: &World) -> Result<(), TargetError> {
        if world.down {
            return Err(unreachable("the daemon does not answer"));
        }
        if world.life != self.life {
            return Err(unreachable("the daemon was restarted"));
        }
        Ok(())
    }

    /// Passes on the events since the call began.
    fn report(&mut self, journal: &Lifecycle) {
        let Some(entry) = journal.release(self.generation) else { return };
        let known = *self.reported.get_or_insert(entry.sequence);
        for event in entry.events.iter().filter(|event| event.sequence > known) {
            self.progress.event(event);
            if self.repeats {
                self.progress.event(event);
            }
        }
        self.reported = Some(entry.sequence);
    }
}

fn unreachable(reason: &str) -> TargetError {
    TargetError::Unreachable { target: "the simulated target".to_owned(), reason: reason.to_owned() }
}

fn internal(message: &str) -> TargetError {
    Failure::new(FailureKind::Internal, message, "the simulated world is as it was", "correct the test")
        .into()
}

fn failed<T>(failure: Box<Failure>) -> Result<T, TargetError> {
    Err(TargetError::Failed(failure))
}

fn status(journal: &Lifecycle, generation: Generation) -> Result<ReleaseStatus, TargetError> {
    journal.status(generation, 0).ok_or_else(|| internal("a release that was just there is gone"))
}
