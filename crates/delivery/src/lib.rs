//! The verbs: check, plan, apply, revert, up, down, status, history and diff, for every entrance alike.
//!
//! An entrance (a terminal, a comment, an API) turns what it was given into [`Settings`], opens a [`Delivery`], calls
//! a verb and renders what comes back. Verbs decide nothing that can be decided in a pure crate: they read, ask,
//! call, and write down.
//!
//! | verb | what it does |
//! |---|---|
//! | [`Delivery::desired`] | read the repository, build, resolve: what should be |
//! | [`Delivery::plan`] | compare that with what is recorded and observed |
//! | [`Delivery::apply`] | commit the plan to the log, then realise it on the target |
//! | [`Delivery::plan_revert`] | plan the way back to an older release |
//! | [`Delivery::settle`] | finish what somebody else began and did not finish |
//! | [`Delivery::down`] | stop everything |

mod applying;
mod artifact;
mod build;
mod context;
mod contracts;
mod desired;
mod error;
pub mod exit;
mod git;
mod looking;
mod notice;
mod planning;
mod process;
mod project;
mod reverting;
mod saved;
mod secret;
mod settle;
mod survey;

pub use applying::{Applied, Done};
pub use artifact::{Packed, pack};
pub use context::{Delivery, Settings};
pub use contracts::ContractDiff;
pub use desired::Desired;
pub use error::Error;
pub use looking::ReleaseDiff;
pub use notice::{Notice, Quiet, Reporter};
pub use planning::{Gates, Planned};
pub use process::ProcessError;
pub use project::{MANIFEST, Project, ProjectError};
pub use settle::{Manner, PATIENCE};
pub use survey::survey;
