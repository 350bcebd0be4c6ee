//! Contracts as they were when they were applied: the files of each, so that a later version can be compared.

use crate::{Store, StoreError, layout, storage::Created};
use bytes::Bytes;
use fairway_model::{ContractDigest, canonical_json};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Version of the stored form of a contract's files.
const CONTRACT_FORMAT: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    format: u32,
    entry: String,
    files: BTreeMap<String, String>,
}

impl Store {
    /// Keeps the files of a contract under the digest of its meaning. Files that say the same in other words have the
    /// same digest; whoever came first is kept.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]; [`StoreError::Corrupt`] when what is kept already cannot be read.
    pub async fn put_contract(
        &self,
        digest: ContractDigest,
        entry: &str,
        files: BTreeMap<String, String>,
    ) -> Result<(), StoreError> {
        let stored = Stored { format: CONTRACT_FORMAT, entry: entry.to_owned(), files };
        match self.storage.create(&layout::contract(digest), Bytes::from(canonical_json(&stored))).await? {
            Created::Yes => Ok(()),
            // Which words were kept does not matter, but they must be there.
            Created::Taken => self.get_contract(digest).await.map(drop),
        }
    }

    /// The entry and the files of a contract; `None` when nobody kept it here.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`], [`StoreError::Format`] or [`StoreError::Unavailable`].
    pub async fn get_contract(
        &self,
        digest: ContractDigest,
    ) -> Result<Option<(String, BTreeMap<String, String>)>, StoreError> {
        let path = layout::contract(digest);
        let Some(content) = self.storage.read(&path).await? else { return Ok(None) };
        let stored: Stored = self.decode(&path, &content, CONTRACT_FORMAT)?;
        Ok(Some((stored.entry, stored.files)))
    }
}
