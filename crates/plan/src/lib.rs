//! Desired, recorded and observed state in; ordered steps with reasons, reversibility and verdicts out.
//!
//! [`plan`] is a pure function of its [`PlanInput`]: no clock, no network, no randomness. The same input gives the
//! same [`fairway_model::Plan`] with the same id, and planning what is already there gives an empty one.
//!
//! # Three states
//!
//! | state | where it comes from | what it decides |
//! |---|---|---|
//! | desired | the manifest, or an older release that is brought back | what should run |
//! | recorded | the release that the log says serves | what *changes*: [`fairway_model::ServiceChange`] |
//! | observed | the target | what is *to be done*: steps; and what is to be repaired |
//!
//! What could not be observed never causes a removal. Where a [`fairway_model::Sight`] is unknown, the recorded
//! release is assumed to be there, and a verdict says so.
//!
//! # Steps
//!
//! In the order of [`fairway_model::StepKind`]; within a kind, services stand in the order of their needs, the needed
//! one first.
//!
//! | step | when |
//! |---|---|
//! | deliver | the artifact of a service is missing at the target |
//! | database server | a database is to be made, or the server's own settings changed |
//! | database | the service has none yet |
//! | migrate | the database is new; or instances start from a changed specification, and there are migrations that have not run, or nobody knows (see [`migration`]) |
//! | seed | the database is new |
//! | start | fewer usable instances of the wanted specification exist than wanted. `replicas` is the number that should be ready afterwards, not the number to add |
//! | switch | the release is another one, instances start or leave, or the edge serves something else than the release says |
//! | bake | the release is another one and there is one to go back to |
//! | retire | instances of a specification exist that the release does not want, or more than it wants. What is retired is whatever exceeds the release's wish for that specification |
//! | remove | the recorded release has the service, the desired one has not. Its database stays |
//!
//! An instance is usable for a specification that was recorded while its supervisor looks after it (starting, ready,
//! unready, restarting); for a specification that was not recorded only when it is ready, which is what makes a revert
//! inside the bake window a mere switch.
//!
//! # Gates
//!
//! | verdict | note | warn | refuse |
//! |---|---|---|---|
//! | contract | compatible | nobody could tell; breaking, and every consumer changes with it, or it was allowed, or it is a revert | breaking, and a consumer stays as it is or is outside (the service has public routes) |
//! | migration | | unknown; edited after it ran; destructive and allowed | destructive |
//! | observation | | something could not be seen; an instance is unwell; the target is busy, or ahead of the log | the input contradicts itself |
//! | revert | additive migrations stay; a database stays | unknown or destructive migrations stay | |

mod again;
mod compare;
mod contract;
mod decide;
mod describe;
mod input;
pub mod migration;
mod observation;
mod order;
mod plan;
mod schema;
mod steps;
mod text;

pub use again::moved_since;
pub use describe::{Line, LineKind, PlanText, describe};
pub use input::{Context, ContractFinding, FindingLevel, PlanInput};
pub use plan::plan;
