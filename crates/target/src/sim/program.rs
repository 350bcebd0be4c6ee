//! What a simulated program does. In the simulated world an artifact's bytes are a small JSON text that says so,
//! which makes a program as content-addressed as a real one.

use serde::{Deserialize, Serialize};

/// What a simulated program does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SimProgram {
    /// What it answers when it is asked who it is.
    pub version: String,
    /// How it behaves.
    pub behaviour: SimBehaviour,
    /// How long it takes from its start to ready, in milliseconds.
    pub start_ms: u64,
}

/// How a simulated program behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SimBehaviour {
    /// It becomes ready and stays so.
    Good,
    /// It starts and its readiness probe never succeeds.
    NeverReady,
    /// It ends as soon as it is started.
    ExitsAtStart,
    /// It becomes ready, and its readiness probe fails a little after it got traffic.
    FailsAfterSwitch,
    /// Its migration command fails.
    BadMigration,
}

impl SimProgram {
    /// A program that works.
    #[must_use]
    pub fn good(version: impl Into<String>) -> Self {
        Self { version: version.into(), behaviour: SimBehaviour::Good, start_ms: 20 }
    }

    /// The same program with another behaviour.
    #[must_use]
    pub fn behaving(mut self, behaviour: SimBehaviour) -> Self {
        self.behaviour = behaviour;
        self
    }

    /// The bytes of its artifact.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        fairway_model::canonical_json(self)
    }

    /// Reads an artifact. One that does not describe a simulated program (a real binary) is a good program that
    /// answers with the first digits of its digest.
    pub(super) fn read(bytes: &[u8], short: &str) -> Self {
        serde_json::from_slice(bytes).unwrap_or_else(|_| Self::good(short))
    }
}
