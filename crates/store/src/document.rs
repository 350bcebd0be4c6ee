//! Releases and plans: written once under the digest of their content, verified whenever they are read.

use crate::{Store, StoreError, layout};
use bytes::Bytes;
use fairway_model::{Digest, Plan, PlanId, RELEASE_FORMAT, Release, ReleaseDigest, canonical_json};
use serde::{Deserialize, de::DeserializeOwned};

/// Newest stored form of a [`Plan`] that is known here.
pub const PLAN_FORMAT: u32 = 1;

/// Just enough of a document to tell how to read the rest.
#[derive(Deserialize)]
struct Envelope {
    format: Option<u64>,
}

impl Store {
    /// Writes a release down. Writing what is there already is fine.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]; [`StoreError::Corrupt`] when something else lies at its address.
    pub async fn put_release(&self, release: &Release) -> Result<ReleaseDigest, StoreError> {
        let digest = release.digest();
        self.put_addressed(&layout::release(digest), digest.0, canonical_json(release)).await?;
        Ok(digest)
    }

    /// Reads a release.
    ///
    /// # Errors
    /// [`StoreError::Missing`], [`StoreError::Corrupt`], [`StoreError::Format`] or [`StoreError::Unavailable`].
    pub async fn get_release(&self, digest: ReleaseDigest) -> Result<Release, StoreError> {
        self.get_addressed(&layout::release(digest), digest.0, "release", RELEASE_FORMAT).await
    }

    /// Writes a plan down. Writing what is there already is fine.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]; [`StoreError::Corrupt`] when something else lies at its address.
    pub async fn put_plan(&self, plan: &Plan) -> Result<PlanId, StoreError> {
        let id = plan.id();
        self.put_addressed(&layout::plan(id), id.0, canonical_json(plan)).await?;
        Ok(id)
    }

    /// Reads a plan.
    ///
    /// # Errors
    /// [`StoreError::Missing`], [`StoreError::Corrupt`], [`StoreError::Format`] or [`StoreError::Unavailable`].
    pub async fn get_plan(&self, id: PlanId) -> Result<Plan, StoreError> {
        self.get_addressed(&layout::plan(id), id.0, "plan", PLAN_FORMAT).await
    }

    async fn put_addressed(&self, path: &str, digest: Digest, content: Vec<u8>) -> Result<(), StoreError> {
        match self.storage.create(path, Bytes::from(content)).await? {
            crate::storage::Created::Yes => Ok(()),
            // What an address names is never replaced; but a damaged document must not pass for a written one.
            crate::storage::Created::Taken => match self.storage.read(path).await? {
                Some(found) => self.verify(path, digest, &found),
                None => Err(self.corrupt(path, "it exists and cannot be read".to_owned())),
            },
        }
    }

    async fn get_addressed<T: DeserializeOwned>(
        &self,
        path: &str,
        digest: Digest,
        what: &'static str,
        known: u32,
    ) -> Result<T, StoreError> {
        let Some(content) = self.storage.read(path).await? else {
            return Err(StoreError::Missing {
                store: self.storage.name().to_owned(),
                what,
                path: path.to_owned(),
                next: "Check that this is the store in which it was made",
            });
        };
        self.verify(path, digest, &content)?;
        self.decode(path, &content, known)
    }

    /// Reads a document of a format up to `known`; what a later Fairway wrote is told from damage.
    pub(crate) fn decode<T: DeserializeOwned>(
        &self,
        path: &str,
        content: &[u8],
        known: u32,
    ) -> Result<T, StoreError> {
        let envelope: Envelope =
            serde_json::from_slice(content).map_err(|error| self.corrupt(path, error.to_string()))?;
        match envelope.format {
            Some(format) if format > u64::from(known) => {
                return Err(StoreError::Format {
                    store: self.storage.name().to_owned(),
                    path: path.to_owned(),
                    found: format,
                    known,
                });
            }
            Some(1..) => {}
            Some(0) | None => return Err(self.corrupt(path, "it has no format number".to_owned())),
        }
        serde_json::from_slice(content).map_err(|error| self.corrupt(path, error.to_string()))
    }

    fn verify(&self, path: &str, digest: Digest, content: &[u8]) -> Result<(), StoreError> {
        let found = Digest::of(content);
        if found == digest {
            return Ok(());
        }
        Err(self.corrupt(path, format!("its content has the digest {}", found.short())))
    }

    pub(crate) fn corrupt(&self, path: &str, reason: String) -> StoreError {
        StoreError::Corrupt { store: self.storage.name().to_owned(), path: path.to_owned(), reason }
    }
}
