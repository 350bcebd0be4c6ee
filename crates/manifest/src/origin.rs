//! Where a configuration value came from.

use fairway_model::Redacted;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A layer of configuration; a later one wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layer {
    /// `env` of the service in the manifest.
    Manifest,
    /// `config/base.yaml`.
    Base,
    /// `config/environments/<environment>.yaml`.
    Environment,
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Manifest => "manifest",
            Self::Base => "base",
            Self::Environment => "environment",
        })
    }
}

/// Where a configuration value came from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Origin {
    /// The layer that won.
    pub layer: Layer,
    /// The file it stands in.
    pub file: String,
    /// The line of the value, from 1.
    pub line: usize,
    /// The column of the value in characters, from 1.
    pub column: usize,
    /// Variables of the process environment that supplied parts of the value, with their prefix, in order.
    pub variables: Vec<String>,
    /// Variables that could have supplied a part and were not set, so that the default counted.
    pub defaulted: Vec<String>,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { layer: _, file, line, column: _, variables, defaulted } = self;
        write!(f, "{file}:{line}")?;
        if !variables.is_empty() {
            write!(f, " from {}", variables.join(", "))?;
        }
        if !defaulted.is_empty() {
            write!(f, " (default: {} is not set)", defaulted.join(", "))?;
        }
        Ok(())
    }
}

/// A value that may be shown, or one that may not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Value {
    /// A value that may be shown.
    Plain(String),
    /// A secret.
    Secret(Redacted),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(value) => f.write_str(value),
            Self::Secret(value) => value.fmt(f),
        }
    }
}

/// A configuration value with its history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Resolved {
    /// What the service gets.
    pub value: Value,
    /// Where it came from.
    pub origin: Origin,
}

impl Resolved {
    /// The value may not be shown.
    #[must_use]
    pub fn is_secret(&self) -> bool {
        matches!(self.value, Value::Secret(_))
    }
}
