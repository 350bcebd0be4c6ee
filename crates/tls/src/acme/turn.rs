//! A turn while it lasts: the versions of a record that its edge writes.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;

use super::AcmeError;
use super::record::{Answer, Record};
use super::stored::{Failures, Issued, load, save};
use crate::clock;
use crate::storage::Storage;

/// How often a change is made anew because a version came in between.
const ROUNDS: usize = 8;

/// A version of a record, and its number; 0 before there is any.
#[derive(Debug, Clone, Default)]
pub(crate) struct Head {
    pub(crate) number: u64,
    pub(crate) record: Record,
}

impl Head {
    /// The newest version of a record.
    pub(crate) async fn read(storage: &dyn Storage, name: &str) -> Result<Self, AcmeError> {
        let newest = storage.newest(name).await?;
        let record =
            newest.map(|version| Ok::<_, AcmeError>((version.number, load(name, &version.content)?)));
        Ok(record.transpose()?.map_or_else(Self::default, |(number, record)| Self { number, record }))
    }

    /// Writes the version that follows. None: somebody else has.
    async fn follow(
        &self,
        storage: &dyn Storage,
        name: &str,
        record: Record,
    ) -> Result<Option<Self>, AcmeError> {
        let number = self.number + 1;
        Ok(save(storage, name, number, &record).await?.then_some(Self { number, record }))
    }
}

/// An edge's turn at a record.
#[derive(Debug)]
pub(crate) struct Turn {
    storage: Arc<dyn Storage>,
    name: String,
    edge: String,
    length: Duration,
    head: Mutex<Head>,
}

impl Turn {
    /// Takes the turn that this version leaves open. None: another edge was faster.
    pub(crate) async fn take(
        storage: Arc<dyn Storage>,
        name: &str,
        edge: &str,
        length: Duration,
        head: &Head,
    ) -> Result<Option<Self>, AcmeError> {
        let taken = head.follow(&*storage, name, head.record.taken(edge, until(length))).await?;
        let (name, edge) = (name.to_owned(), edge.to_owned());
        Ok(taken.map(|head| Self { storage, name, edge, length, head: Mutex::new(head) }))
    }

    /// Where the documents of this turn are.
    pub(crate) fn storage(&self) -> &dyn Storage {
        &*self.storage
    }

    /// The certificate that there is.
    pub(crate) async fn certificate(&self) -> Option<Issued> {
        self.head.lock().await.record.issued.clone()
    }

    /// Renews the turn, three times in its length, for as long as it is this edge's. The answer is that it is no more.
    pub(crate) async fn keep(&self) -> AcmeError {
        loop {
            tokio::time::sleep(self.length / 3).await;
            match self.change(|record| record.renewed(until(self.length))).await {
                Ok(()) => {}
                Err(AcmeError::Overtaken) => return AcmeError::Overtaken,
                Err(error) => tracing::warn!(%error, "an order goes on that other edges may not know of"),
            }
        }
    }

    /// Lets other edges answer the server.
    pub(crate) async fn answer(&self, answers: Vec<Answer>) -> Result<(), AcmeError> {
        self.change(|record| record.answering(answers.clone())).await
    }

    /// The turn brought a certificate. It is everybody's, even if the turn was lost meanwhile.
    pub(crate) async fn issued(&self, issued: &Issued) -> Result<(), AcmeError> {
        self.write(|record| Ok(record.with_certificate(&self.edge, issued.clone()))).await
    }

    /// It did not.
    pub(crate) async fn failed(&self, failures: &Failures) -> Result<(), AcmeError> {
        self.change(|record| record.with_failure(failures.clone())).await
    }

    /// It ends without either.
    pub(crate) async fn give_back(&self) -> Result<(), AcmeError> {
        self.change(Record::given_back).await
    }

    /// Changes the record while it is this edge's turn.
    async fn change(&self, change: impl Fn(&Record) -> Record) -> Result<(), AcmeError> {
        self.write(|record| match record.is_turn_of(&self.edge) {
            true => Ok(change(record)),
            false => Err(AcmeError::Overtaken),
        })
        .await
    }

    async fn write(&self, change: impl Fn(&Record) -> Result<Record, AcmeError>) -> Result<(), AcmeError> {
        let mut head = self.head.lock().await;
        for _ in 0..ROUNDS {
            if let Some(next) = head.follow(&*self.storage, &self.name, change(&head.record)?).await? {
                *head = next;
                return Ok(());
            }
            *head = Head::read(&*self.storage, &self.name).await?;
        }
        Err(AcmeError::Overtaken)
    }
}

/// When a turn ends that begins or is renewed now.
fn until(length: Duration) -> u64 {
    clock::now().saturating_add(length.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::Directory;

    const LENGTH: Duration = Duration::from_secs(60);

    async fn edges() -> (tempfile::TempDir, Arc<dyn Storage>) {
        let home = tempfile::tempdir().unwrap();
        let storage = Arc::new(Directory::new(home.path()));
        (home, storage)
    }

    #[tokio::test]
    async fn a_turn_is_taken_once_and_ends() {
        let (_home, storage) = edges().await;
        let head = Head::read(&*storage, "a").await.unwrap();
        let first = Turn::take(storage.clone(), "a", "one", LENGTH, &head).await.unwrap().unwrap();
        assert!(Turn::take(storage.clone(), "a", "two", LENGTH, &head).await.unwrap().is_none());
        let failures = Failures::new(1, 7, None, "no".to_owned());
        first.failed(&failures).await.unwrap();
        let head = Head::read(&*storage, "a").await.unwrap();
        assert_eq!((head.number, head.record.turn.as_ref()), (2, None));
        assert_eq!(head.record.failures, Some(failures));
    }

    #[tokio::test]
    async fn who_was_overtaken_changes_nothing_but_brings_its_certificate() {
        let (_home, storage) = edges().await;
        let first = Turn::take(storage.clone(), "a", "one", LENGTH, &Head::default()).await.unwrap().unwrap();
        let head = Head::read(&*storage, "a").await.unwrap();
        let second = Turn::take(storage.clone(), "a", "two", LENGTH, &head).await.unwrap().unwrap();
        let late = first.give_back().await.unwrap_err();
        assert!(matches!(late, AcmeError::Overtaken), "{late}");
        let issued = Issued::new(&["a.test".to_owned()], "https://x", "chain".to_owned(), "key".to_owned());
        first.issued(&issued).await.unwrap();
        let record = Head::read(&*storage, "a").await.unwrap().record;
        assert_eq!(record.issued, Some(issued));
        assert!(record.is_turn_of("two"));
        // The second finds a version that it did not write, and goes on with it.
        second.give_back().await.unwrap();
        let record = Head::read(&*storage, "a").await.unwrap().record;
        assert!(record.issued.is_some() && record.turn.is_none());
    }
}
