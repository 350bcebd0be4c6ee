//! What a place that runs services must be able to do, the conformance suite that proves it, and a simulator.
//!
//! A release goes through the same phases on every target: prepare → switch → bake → retire. Every call is
//! idempotent and carries a generation: repeating it after a crash ends in the same world, and a target refuses
//! a generation older than the newest it has accepted ([`fairway_model::FailureKind::Stale`]).

pub mod conformance;
pub mod lifecycle;
pub mod sim;
mod target;

pub use target::{ArtifactSource, Progress, Silent, Target, TargetError};
