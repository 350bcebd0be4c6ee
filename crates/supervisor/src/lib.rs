//! Processes on one host: start in their own session, watch, stop, restart with backoff, keep logs and limits, find again after a crash.
//!
//! # Design
//!
//! A supervisor that takes its children with it when it dies turns its own defect into an outage. Here nothing that
//! a child needs belongs to the supervisor:
//!
//! * A child runs in a **session of its own** ([`Process::start`]), its output goes **straight into its log file**
//!   (opened for appending, so neither a pipe nor a copying task stands between), and no parent-death signal is
//!   set. The supervisor can be killed at any moment; the child notices nothing and loses no line.
//! * What is needed to find a child again is one small serialisable value, [`Identity`]: process id, start time and
//!   boot id. A process id alone is never trusted; the kernel hands it out again.
//! * Children are watched through **process descriptors** (`pidfd`), own and adopted ones alike. The descriptor
//!   cannot come to mean another process, and waiting on it needs no signal handler and no polling.
//! * **Stopping means the whole family**: the process group, the session, and the control group where there is one.
//!   [`Process::stop`] comes back when nothing of it is left, or says which processes survived.
//!
//! [`Instance`] is the layer above: one task owns one process and its state ([`State`]); everybody else holds a
//! `watch` receiver. Restart decisions are made by a pure counter ([`RestartCounter`]), probe thresholds by another
//! ([`probe::Counter`]); both take time as an argument.
//!
//! # Limits of this design
//!
//! Log files are rotated by the owner of the instance. While no supervisor runs, a log file grows beyond its limit;
//! the next one cuts it back. Adopted processes are not children of the adopter, so their exit code is
//! [`Exit::Unknown`].
//!
//! Under systemd the supervisor's unit needs `KillMode=process`, otherwise systemd kills the children with it, and
//! `Delegate=yes` for limits.

mod backoff;
pub mod cgroup;
mod error;
mod exec;
mod exit;
mod group;
mod identity;
mod instance;
pub mod log;
mod oneshot;
pub mod probe;
mod process;
mod procfs;
mod spawn;
mod spec;
mod state;

pub use backoff::{Backoff, GiveUp, RestartCounter, Verdict};
pub use error::{StartError, StopError};
pub use exit::{Exit, How, Stopped};
pub use identity::{Identity, find_by_env};
pub use instance::{Adoption, Instance};
pub use log::LogPolicy;
pub use oneshot::{OneShot, OneShotError, Outcome, run_once};
pub use process::Process;
pub use spec::{Limits, Restart, Spec, StopPolicy, StopSignal, User};
pub use state::{State, Status};
