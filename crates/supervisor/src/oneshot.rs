//! Commands that run once: migrations, seeds, builds.

use crate::{Exit, Identity, LogPolicy, Process, Spec, StartError, StopError, log::Rotation};
use std::{path::PathBuf, time::Duration};
use tokio::time::Instant;

/// What became of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// How it ended.
    pub exit: Exit,
    /// Was it stopped because it took too long? Then `exit` is what the stop led to.
    pub timed_out: bool,
    /// Its output.
    pub log: PathBuf,
    /// How long it ran.
    pub duration: Duration,
    /// What was asked for and could not be had: limits that are not enforced.
    pub notes: Vec<String>,
}

impl Outcome {
    /// Did it do its work: ended by itself, in time, with code 0?
    #[must_use]
    pub fn success(&self) -> bool {
        self.exit.success() && !self.timed_out
    }
}

/// A command that runs. Dropping it kills the command and everything it has started, because nobody would look at
/// the result; a supervisor that is killed leaves it running, and its [`Identity`] finds it again.
#[derive(Debug)]
pub struct OneShot {
    process: Option<Process>,
    spec: Spec,
    began: Instant,
    _rotation: Rotation,
}

impl OneShot {
    /// Starts the command. `spec.restart` is not looked at: it runs once.
    ///
    /// # Errors
    /// [`StartError`]; nothing runs then.
    pub async fn start(spec: &Spec) -> Result<Self, StartError> {
        let process = Process::start(spec).await?;
        Ok(Self {
            process: Some(process),
            spec: spec.clone(),
            began: Instant::now(),
            _rotation: rotation(&spec.log),
        })
    }

    /// What to write down in order to find it again.
    ///
    /// # Panics
    /// Never: the process is there until the command has been waited for.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        self.process.as_ref().expect("it is taken by `wait` only, which consumes self").identity()
    }

    /// Waits for its end. At `timeout`, counted from now, it is stopped with everything it has started: first with
    /// the signal and the grace of its stop policy, then with SIGKILL.
    ///
    /// # Errors
    /// [`StopError`] when something of it cannot be stopped.
    pub async fn wait(mut self, timeout: Duration) -> Result<Outcome, StopError> {
        let process = self.process.as_ref().expect("it is taken below only");
        let (exit, timed_out) = match tokio::time::timeout(timeout, process.wait()).await {
            Ok(exit) => {
                process.sweep().await?;
                (exit, false)
            }
            Err(_) => {
                let stopped = process.stop(self.spec.stop).await?;
                match stopped.how {
                    crate::How::Exited(exit) => (exit, true),
                    crate::How::Killed => (Exit::Signal(libc::SIGKILL), true),
                }
            }
        };
        let notes = process.notes().to_vec();
        self.process = None;
        Ok(Outcome {
            exit,
            timed_out,
            log: self.spec.log.path.clone(),
            duration: self.began.elapsed(),
            notes,
        })
    }
}

impl Drop for OneShot {
    fn drop(&mut self) {
        if let Some(process) = self.process.take() {
            process.kill_now();
            // The rest of the burial needs waiting; without a runtime the system does it when the supervisor ends.
            if let Ok(runtime) = tokio::runtime::Handle::try_current() {
                runtime.spawn(async move {
                    if let Err(error) = process.sweep().await {
                        tracing::warn!(%error, "a command that nobody waits for could not be ended");
                    }
                });
            }
        }
    }
}

fn rotation(policy: &LogPolicy) -> Rotation {
    Rotation::start(policy.clone())
}

/// Why a command has no outcome.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub enum OneShotError {
    /// It was not started.
    Start(#[from] StartError),
    /// It was stopped and something of it is left.
    Stop(#[from] StopError),
}

/// Runs a command to its end, or to `timeout`. Dropping the future kills the command.
///
/// # Errors
/// [`OneShotError`] when it did not start or could not be stopped. A command that fails is an [`Outcome`].
pub async fn run_once(spec: &Spec, timeout: Duration) -> Result<Outcome, OneShotError> {
    Ok(OneShot::start(spec).await?.wait(timeout).await?)
}
