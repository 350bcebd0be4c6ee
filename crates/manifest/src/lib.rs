//! `fairway.yaml` and its config layers: parse with places, validate everything at once, lower to the model.
//!
//! Three stages, each a type, so that nobody can skip one:
//!
//! 1. text → [`Parsed`] by [`Manifest::parse`]. One JSON Schema is generated from the types ([`schema()`]). The same
//!    schema drives the checker, which walks a tree with places and goes on after a mistake, and [`explain`]; editors
//!    read it too. So what is documented, what is accepted and what is understood cannot differ.
//! 2. [`Parsed`] → [`Report`] by [`check`]: what is wrong with the system as a whole.
//! 3. [`Parsed`] → [`Resolution`] by [`resolve`]: the release of one environment, with every configuration value
//!    merged from its layers, every `${VAR}` filled in, and a note of where each came from.
//!
//! Nothing here reads a file, the environment or a clock: [`Sources`] and [`Inputs`] bring them. Problems
//! ([`Problem`]) are plain data with places; whoever shows them renders them.

mod check;
mod contracts;
mod detect;
pub mod edge;
mod environment;
mod explain;
mod format;
mod initial;
mod interpolate;
mod layers;
mod manifest;
mod origin;
mod parse;
mod place;
mod probe;
mod problem;
mod quantity;
mod resolve;
mod schema;
mod service;
mod shape;
mod sources;
mod suggest;
mod walk;
mod yaml;

pub use check::check;
pub use contracts::contract_digests;
pub use detect::{Detected, DetectedContract, DetectedProject, ProjectKind, detect};
pub use environment::{Approval, Data, Environment, Per, Target, TargetError};
pub use explain::{ExplainError, Explanation, explain};
pub use fairway_model::Redacted;
pub use initial::render_initial;
pub use layers::{BASE_FILE, CONFIG_DIRECTORY, Config, environment_file, is_secret_name};
pub use manifest::{ExistingPostgres, Manifest, Postgres, PrivatePostgres, Resources};
pub use origin::{Layer, Origin, Resolved, Value};
pub use parse::Parsed;
pub use place::{NodePlace, Path, Places, Span};
pub use probe::{Probe, ProbeSettings};
pub use problem::{Problem, Problems, Report, Severity};
pub use quantity::{Cpu, Duration, Memory, QuantityError, Size};
pub use resolve::{
    EDGE_SECRETS, Inputs, POSTGRES_SECRET, Resolution, SecretVersions, check_passwords, config,
    find_environment, resolve,
};
pub use schema::{config_schema, schema};
pub use service::{Build, Database, Expose, Limits, Route, Service, Start, Stop};
pub use sources::Sources;
