//! A storage in the project's store, which every edge of an environment reaches, with a copy on this machine.
//!
//! What it takes to open the store (where it is, whose documents, their key) is a secret value that the agent keeps in
//! a file. It is read when the store is first needed, and again until it opens: a store that can't be reached keeps
//! nothing from being served.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use fairway_model::Redacted;
use fairway_store::{Access, DocumentName, Shared, Version};
use tokio::sync::OnceCell;

use crate::problem::chain_of;
use crate::storage::{Directory, Storage, StorageError};

/// How long the store may take for one question. The store itself repeats what failed for longer.
const LIMIT: Duration = Duration::from_secs(10);
/// How long where somebody waits for the table that the certificate is in: better a stand-in than no table.
const FIRST: Duration = Duration::from_secs(2);

/// The store that this access leads to, and a copy of what it said last.
#[derive(Debug)]
pub(crate) struct Sharing {
    access: Option<PathBuf>,
    copy: Directory,
    shared: OnceCell<Shared>,
    /// What was read last: the same number holds the same.
    seen: Mutex<HashMap<String, Version>>,
}

impl Sharing {
    /// `access` is the file that the secret value is in.
    pub(crate) fn new(access: Option<PathBuf>, copy: Directory) -> Self {
        Self { access, copy, shared: OnceCell::new(), seen: Mutex::default() }
    }

    async fn shared(&self) -> Result<&Shared, Error> {
        self.shared
            .get_or_try_init(|| async {
                let path = self.access.clone().ok_or("nobody said where the secrets are")?;
                let opened = tokio::task::spawn_blocking(move || open(&path)).await;
                opened.unwrap_or_else(|stopped| Err(stopped.into()))
            })
            .await
    }

    async fn ask(&self, name: &str) -> Result<Option<Version>, Error> {
        let shared = self.shared().await?;
        let name = document(name)?;
        let newest = shared.newest(&name).await?;
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner).get(name.as_str()).cloned();
        match (newest, seen) {
            // The same, or less than there was: what a store has lost is not forgotten here.
            (newest, Some(seen)) if newest.is_none_or(|newest| newest <= seen.number) => Ok(Some(seen)),
            (Some(newest), _) => Ok(shared.get(&name, newest).await?),
            (None, _) => Ok(None),
        }
    }

    async fn tell(&self, name: &str, version: &Version) -> Result<bool, Error> {
        Ok(self.shared().await?.create(&document(name)?, version).await?)
    }

    /// Notes what the store said, or what it will not hear: after a restart that is what there is.
    async fn note(&self, name: &str, version: &Version) {
        let before = {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.insert(name.to_owned(), version.clone())
        };
        if before.as_ref() != Some(version)
            && let Err(error) = self.copy.put(name, version).await
        {
            tracing::warn!(error = chain_of(&error), "the copy of what edges share stays behind");
        }
    }
}

type Error = Box<dyn std::error::Error + Send + Sync>;

fn open(access: &Path) -> Result<Shared, Error> {
    let value = std::fs::read_to_string(access)
        .map_err(|error| format!("how to reach the store is not in {}: {error}", access.display()))?;
    Ok(Shared::open(&Access::from_secret(&Redacted::new(value))?)?)
}

fn document(name: &str) -> Result<DocumentName, Error> {
    DocumentName::new(name).ok_or_else(|| format!("`{name}` is no name of a document").into())
}

async fn within<T>(work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let late = |_| format!("the store did not answer within {} s", LIMIT.as_secs());
    tokio::time::timeout(LIMIT, work).await.map_err(late)?
}

#[async_trait]
impl Storage for Sharing {
    async fn newest(&self, name: &str) -> Result<Option<Version>, StorageError> {
        let failed = |source| StorageError { document: format!("{name} of the store"), verb: "read", source };
        let newest = within(self.ask(name)).await.map_err(failed)?;
        if let Some(version) = &newest {
            self.note(name, version).await;
        }
        Ok(newest)
    }

    async fn create(&self, name: &str, version: &Version) -> Result<bool, StorageError> {
        let failed =
            |source| StorageError { document: format!("{name} of the store"), verb: "written", source };
        let created = within(self.tell(name, version)).await;
        match &created {
            Ok(true) => self.note(name, version).await,
            // Nobody else has it then; the copy does not go on as if somebody had.
            Err(_) if let Err(error) = self.copy.put(name, version).await => {
                tracing::warn!(error = chain_of(&error), "what could not be shared is not kept here either");
            }
            _ => {}
        }
        created.map_err(failed)
    }

    async fn at_hand(&self, name: &str) -> Result<Option<Version>, StorageError> {
        match self.copy.newest(name).await? {
            Some(version) => Ok(Some(version)),
            None => tokio::time::timeout(FIRST, self.newest(name)).await.unwrap_or_else(|_| {
                let source = format!("the store did not answer within {} s", FIRST.as_secs()).into();
                Err(StorageError { document: format!("{name} of the store"), verb: "read", source })
            }),
        }
    }
}
