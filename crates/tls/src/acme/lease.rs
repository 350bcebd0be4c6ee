//! One order for a set of names at a time, among all edges that share a storage.
//!
//! A lease is a document that is created if absent and rewritten while the order goes on. One whose time is over
//! belongs to an edge that died. Two edges may come to that conclusion together and both order: that costs a
//! certificate, not correctness.

use std::convert::Infallible;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::AcmeError;
use super::stored::{load, save};
use crate::clock;
use crate::storage::Storage;

/// For how long a lease is good when it is not renewed.
const GOOD_FOR: Duration = Duration::from_secs(60);
/// How often it is renewed.
const RENEWED: Duration = Duration::from_secs(20);

#[derive(Debug, Serialize, Deserialize)]
struct Document {
    format: u32,
    until: u64,
}

/// The right to order.
#[derive(Debug)]
pub(crate) struct Lease<'a> {
    storage: &'a dyn Storage,
    name: String,
}

impl<'a> Lease<'a> {
    /// Takes it. None: another edge has it.
    pub(crate) async fn take(storage: &'a dyn Storage, name: String) -> Result<Option<Self>, AcmeError> {
        let content = serde_json::to_vec(&document()).expect("numbers serialise");
        // The second time after an abandoned one was taken away.
        for _ in 0..2 {
            if storage.create(&name, &content).await? {
                return Ok(Some(Self { storage, name }));
            }
            match load::<Document>(storage, &name).await {
                Ok(Some(theirs)) if theirs.until >= clock::now() => return Ok(None),
                // It was given back in between.
                Ok(None) => {}
                // Abandoned, or nothing that can be read: either way nobody will give it back.
                Ok(Some(_)) | Err(AcmeError::Document { .. }) => storage.remove(&name).await?,
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Renews it for as long as this is polled.
    pub(crate) async fn keep(&self) -> Infallible {
        loop {
            tokio::time::sleep(RENEWED).await;
            if let Err(error) = save(self.storage, &self.name, &document()).await {
                tracing::warn!(%error, "an order goes on that others do not know of");
            }
        }
    }

    /// Gives it back.
    pub(crate) async fn release(self) {
        if let Err(error) = self.storage.remove(&self.name).await {
            tracing::warn!(%error, "a lease stays behind until its time is over");
        }
    }
}

fn document() -> Document {
    Document { format: 1, until: clock::now() + GOOD_FOR.as_secs() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::Directory;

    #[tokio::test]
    async fn one_has_it_until_it_is_given_back_or_abandoned() {
        let home = tempfile::tempdir().unwrap();
        let storage = Directory::new(home.path());
        let take = || Lease::take(&storage, "lease.json".to_owned());
        let first = take().await.unwrap().unwrap();
        assert!(take().await.unwrap().is_none());
        first.release().await;
        let abandoned = take().await.unwrap().unwrap();
        drop(abandoned);
        assert!(take().await.unwrap().is_none());
        storage.write("lease.json", br#"{"format":1,"until":1}"#).await.unwrap();
        assert!(take().await.unwrap().is_some());
        storage.write("lease.json", b"nonsense").await.unwrap();
        assert!(take().await.unwrap().is_some());
        assert!(take().await.unwrap().is_none());
    }
}
