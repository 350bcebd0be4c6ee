//! The nouns of a delivery as types that cannot be wrong: names, digests, generations, releases, plans and what was observed.
//!
//! Everything that crosses a boundary between rooms of the house is made of these types. They know no files,
//! no clients and no clock: whoever needs a time or an identity passes it in. What is hashed or printed is
//! ordered (`BTreeMap`), so the same content always has the same digest.

mod assignment;
mod digest;
mod edge;
mod event;
mod failure;
mod name;
mod observed;
mod plan;
mod quantity;
mod redacted;
mod release;
mod service;
pub mod traffic;

pub use assignment::{Assignment, BakeReport, Evidence, Phase, ReleaseStatus};
pub use digest::{
    ArtifactDigest, ContractDigest, Digest, DigestError, PlanId, ReleaseDigest, SecretVersion, SpecDigest,
    canonical_json,
};
pub use edge::{EdgeSpec, TimeoutSpec, TlsSpec, TrafficSpec};
pub use event::{Event, EventKind};
pub use failure::{Failure, FailureKind, ProbeReport};
pub use name::{EnvironmentName, NameError, ServiceName, SystemName, VariableName};
pub use observed::{InstanceState, Observed, ObservedInstance, ObservedRoutes, ServedBy, Sight};
pub use plan::{
    Change, Gate, Plan, PlanBase, Reversibility, ServiceChange, Step, StepKind, Verdict, VerdictLevel,
};
pub use quantity::{Generation, Millis, ParseQuantityError};
pub use redacted::Redacted;
pub use release::{Listener, PostgresSpec, RELEASE_FORMAT, Release, Resources};
pub use service::{
    Artifact, ArtifactKind, ConfigValue, ContractRef, DatabaseSpec, Limits, Migration, MigrationEffect,
    ProbeSpec, Probes, ProcessSpec, Program, RouteSpec, ServiceSpec,
};
