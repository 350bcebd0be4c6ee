//! What the edges of an environment share: documents that change, sealed.
//!
//! A document changes by a new version: a number that nobody has written yet, created if it is absent. Whoever writes
//! number 8 has read number 7; whoever finds 8 taken reads it and decides again. The last version counts.
//!
//! The store keeps ciphertext (AES-256-GCM). The key comes with the [`Access`] and lies in no document; a document is
//! bound to its path, so that one that was put in another's place does not open. Under another key the documents are
//! others: they lie in another folder.

use crate::{Access, Store, StoreError, access::Key, layout, layout::LAST_NUMBER, storage::Created};
use bytes::Bytes;
use fairway_model::EnvironmentName;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Version of the stored form.
const SEALED_FORMAT: u32 = 1;

/// One version of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// Counts from 1.
    pub number: u64,
    /// What it holds.
    pub content: Vec<u8>,
}

/// The name of a document: parts of `a-z`, `0-9`, `-` and `_`, separated by `/`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DocumentName(String);

impl DocumentName {
    /// Checks a name.
    #[must_use]
    pub fn new(name: &str) -> Option<Self> {
        let plain = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
        let part = |part: &str| !part.is_empty() && part.bytes().all(plain);
        name.split('/').all(part).then(|| Self(name.to_owned()))
    }

    /// As it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sealed {
    format: u32,
    /// Hexadecimal, as the next.
    nonce: String,
    sealed: String,
}

/// The shared documents of an environment.
#[derive(Clone)]
pub struct Shared {
    store: Store,
    environment: EnvironmentName,
    folder: String,
    key: LessSafeKey,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { store, environment, folder, key: _ } = self;
        f.debug_struct("Shared")
            .field("store", store)
            .field("environment", environment)
            .field("folder", folder)
            .finish_non_exhaustive()
    }
}

impl Shared {
    /// Opens the store of an [`Access`]; credentials of a bucket are those of the process, as in [`Store::open`].
    ///
    /// # Errors
    /// As for [`Store::open`].
    pub fn open(access: &Access) -> Result<Self, StoreError> {
        Ok(Self::new(Store::open(&access.store)?, access.environment.clone(), &access.key))
    }

    /// The documents of an environment in a store that is open.
    #[must_use]
    pub fn new(store: Store, environment: EnvironmentName, key: &Key) -> Self {
        let folder = layout::shared(&environment, &key.id());
        let key = UnboundKey::new(&AES_256_GCM, key.bytes()).expect("the key has the length of the cipher");
        Self { store, environment, folder, key: LessSafeKey::new(key) }
    }

    /// The store, for people.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The number of the newest version of a document; `None` when there is none.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], or [`StoreError::Foreign`] for a file that is no version.
    pub async fn newest(&self, name: &DocumentName) -> Result<Option<u64>, StoreError> {
        let paths = self.store.storage.list(&layout::document(&self.folder, name), None).await?;
        let number = |path: &String| layout::version_number(path).ok_or_else(|| self.store.foreign(path));
        paths.last().map(number).transpose()
    }

    /// Reads a version; `None` when there is no such version.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Format`], or [`StoreError::Corrupt`] when it does not open.
    pub async fn get(&self, name: &DocumentName, number: u64) -> Result<Option<Version>, StoreError> {
        let path = layout::version(&self.folder, name, number);
        let Some(content) = self.store.storage.read(&path).await? else { return Ok(None) };
        let sealed: Sealed = self.store.decode(&path, &content, SEALED_FORMAT)?;
        let content = unseal(&self.key, &path, &sealed);
        let content = content.ok_or_else(|| {
            self.store.corrupt(&path, "it was sealed with another key or for another place".to_owned())
        })?;
        Ok(Some(Version { number, content }))
    }

    /// Writes a version unless there is one with its number. False: there is, and it stays.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]; whether it was written is then not known.
    pub async fn create(&self, name: &DocumentName, version: &Version) -> Result<bool, StoreError> {
        let path = layout::version(&self.folder, name, version.number);
        if !(1..=LAST_NUMBER).contains(&version.number) {
            return Err(self.store.foreign(&path));
        }
        let sealed = seal(&self.key, &path, &version.content);
        let content = serde_json::to_vec(&sealed).expect("words and a number serialise");
        Ok(matches!(self.store.storage.create(&path, Bytes::from(content)).await?, Created::Yes))
    }
}

fn seal(key: &LessSafeKey, path: &str, content: &[u8]) -> Sealed {
    let mut nonce = [0; NONCE_LEN];
    SystemRandom::new().fill(&mut nonce).expect("the system gives random numbers");
    let mut sealed = content.to_vec();
    key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(path), &mut sealed)
        .expect("documents are far smaller than the cipher allows");
    Sealed { format: SEALED_FORMAT, nonce: hex::encode(nonce), sealed: hex::encode(sealed) }
}

fn unseal(key: &LessSafeKey, path: &str, sealed: &Sealed) -> Option<Vec<u8>> {
    let nonce = Nonce::try_assume_unique_for_key(&hex::decode(&sealed.nonce).ok()?).ok()?;
    let mut content = hex::decode(&sealed.sealed).ok()?;
    let length = key.open_in_place(nonce, Aad::from(path), &mut content).ok()?.len();
    content.truncate(length);
    Some(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_nowhere_else() {
        for name in ["a", "certificates/k-1/x_2"] {
            assert_eq!(DocumentName::new(name).map(|name| name.0).as_deref(), Some(name));
        }
        for name in ["", "/", "a/", "/a", "a//b", "..", "a/../b", "A", "a.json", "a b"] {
            assert_eq!(DocumentName::new(name), None, "{name}");
        }
    }
}
