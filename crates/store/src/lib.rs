//! The operation log, releases, plans and documents on any object store, with create-if-absent as the only concurrency primitive.
//!
//! ```text
//! environments/<env>/operations/00000042.json   append-only; whoever creates 42 has written operation 42
//! releases/<digest>.json                        content-addressed, written once
//! plans/<digest>.json                           content-addressed, written once
//! contracts/<digest>.json                       the files of a contract, under the digest of its meaning
//! shared/<env>/<key>/<name>/00000042.json       what the edges of an environment share, sealed, version by version
//! ```
//!
//! Nothing is ever overwritten or deleted, so there is nothing to lock: a writer reads the log up to its end, builds
//! the operation that follows, and creates it. If the number is taken by then, it reads on and decides again
//! ([`Store::append_next`]). `/` in an environment's name is written `~`. What edges share follows the same rule with
//! whole documents: whoever creates the next version has changed the document ([`Shared`]).
//!
//! What is acknowledged survives a crash: in a directory, a document is written beside its place, synced, linked to
//! its name and the directory synced; in a bucket, it is one conditional `PUT` (`If-None-Match: *`). A writer that dies
//! in the middle leaves nothing that a reader can see. When the answer to a conditional `PUT` gets lost, the document
//! that is then found tells by a random mark in its metadata whether it is the writer's own. A server that ignores the
//! condition would let history fork unnoticed; the first write through a handle proves that it does not, with the
//! marker `fairway-store.json`.
//!
//! Reading verifies: format numbers first, then that a release or plan is what its address says, that operations follow
//! each other without a gap, and that they fold.

mod access;
mod contract;
mod document;
mod error;
mod layout;
mod location;
mod log;
mod shared;
mod storage;

pub use access::{Access, AccessError, Key};
pub use document::PLAN_FORMAT;
pub use error::{AppendError, NextError, StoreError};
pub use location::Location;
pub use log::Log;
pub use shared::{DocumentName, Shared, Version};

use std::{collections::BTreeMap, ffi::OsString};
use storage::Storage;

/// A store. Cloning it is cheap, and clones share connections.
#[derive(Debug, Clone)]
pub struct Store {
    storage: Storage,
    location: Location,
}

impl Store {
    /// Opens a store: a directory (created when it is not there), or `s3://bucket/prefix?endpoint=…&region=…` with
    /// credentials from the usual `AWS_*` environment variables. A bucket is not asked anything yet.
    ///
    /// # Errors
    /// [`StoreError::Location`] when the text does not name a place, [`StoreError::Open`] when the directory cannot be
    /// made or the S3 settings do not fit together.
    pub fn open(location: &str) -> Result<Self, StoreError> {
        // A variable that is not text cannot be one that is heard.
        let text =
            |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
        let settings = std::env::vars_os().filter_map(text).collect();
        Self::open_with(&Location::parse(location)?, &settings)
    }

    /// Opens a store at a location that was checked before, with these settings in place of the process's
    /// environment variables. Those that begin with `AWS_` are heard, and only for a bucket.
    ///
    /// # Errors
    /// [`StoreError::Open`].
    pub fn open_with(location: &Location, settings: &BTreeMap<String, String>) -> Result<Self, StoreError> {
        Ok(Self { storage: Storage::open(location, settings)?, location: location.clone() })
    }

    /// Where the store is. Shown, it is for people and holds no credentials.
    #[must_use]
    pub fn location(&self) -> &Location {
        &self.location
    }
}
