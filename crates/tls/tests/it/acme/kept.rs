//! What is kept, by one edge and by several.

use std::sync::{Arc, Mutex};

use fairway_model::traffic::{AcmeChallenge, ListenerTls};
use fairway_protocol::edge::CertificateStatus;
use fairway_tls::{Directory, Storage, StorageError, Version};

use super::{DAYS_90, PUBLISH, acme, attempts, failed, hook, issued};
use crate::support::Site;
use crate::support::kept::record;
use crate::support::pebble::{self, Pebble};

#[tokio::test]
async fn what_is_kept_serves_at_once_after_a_restart_and_on_another_edge() {
    if pebble::missing() {
        return;
    }
    let site = Site::new().await;
    let mut pebble = Pebble::start(&site, DAYS_90).await;
    let wanted = [acme(&pebble, AcmeChallenge::Http01, &["example.com"])];
    site.certificates.apply("prod", &wanted, None).await;
    site.wait("it is issued", issued).await;
    let seen = site.serves("example.com").await.unwrap();
    pebble.stop().await;
    let site = site.restarted(|_| {}).await;
    assert_eq!(site.certificates.apply("prod", &wanted, None).await, Vec::<String>::new());
    assert!(issued(&site.certificates.status()));
    assert_eq!(site.serves("example.com").await.unwrap(), seen);
    let shared = Arc::new(Directory::new(site.path("edge/storage")));
    let other = Site::with(|settings| settings.storage = shared, ListenerTls::default()).await;
    other.certificates.apply("prod", &wanted, None).await;
    assert_eq!(other.serves("example.com").await.unwrap(), seen);
}

#[tokio::test]
async fn it_is_renewed_in_time_and_by_one_edge_for_all() {
    if pebble::missing() {
        return;
    }
    let site = Site::new().await;
    let pebble = Pebble::patient(&site, 9).await;
    let wanted = [acme(&pebble, AcmeChallenge::Http01, &["example.com"])];
    site.certificates.apply("prod", &wanted, None).await;
    let status = site.wait("it is issued", issued).await;
    let first = status[0].not_after.unwrap();
    // With a third of its nine seconds left (the server counts eight), or a little earlier.
    assert!((first - 4..=first - 2).contains(&status[0].next_attempt.unwrap()), "{status:?}");
    let shared = Arc::new(Directory::new(site.path("edge/storage")));
    let other = Site::with(|settings| settings.storage = shared, ListenerTls::default()).await;
    other.certificates.apply("prod", &wanted, None).await;
    let renewed = |status: &[CertificateStatus]| issued(status) && status[0].not_after.unwrap() > first;
    let second = site.wait("it is renewed", renewed).await[0].not_after.unwrap();
    let adopted = other.wait("the other has it too", renewed).await[0].not_after.unwrap();
    assert!(adopted >= second);
    assert!(site.serves("example.com").await.unwrap().issuer.contains("Pebble"));
}

#[tokio::test]
async fn edges_that_share_a_storage_order_once_and_answer_for_each_other() {
    if pebble::missing() {
        return;
    }
    // The server comes to the first; the second is asked to get the certificate.
    let visited = Site::new().await;
    let pebble = Pebble::patient(&visited, DAYS_90).await;
    let wanted = [acme(&pebble, AcmeChallenge::Http01, &["example.com"])];
    let storage = Arc::new(Directory::new(visited.path("edge/storage")));
    let ordering = Site::with(|settings| settings.storage = storage, ListenerTls::default()).await;
    ordering.certificates.apply("prod", &wanted, None).await;
    visited.certificates.apply("prod", &wanted, None).await;
    ordering.wait("it is issued", issued).await;
    visited.wait("the other has it too", issued).await;
    assert_eq!(visited.serves("example.com").await.unwrap(), ordering.serves("example.com").await.unwrap());
    assert_eq!(attempts(&pebble), 1, "{}", pebble.log());
    // Nobody's turn it is, and no answers stay behind.
    assert!(record(&visited.path("edge/storage")).get("turn").is_none());
    for token in ["", "..", "../account", "a/b"] {
        assert_eq!(visited.certificates.http01_shared(token).await, None, "{token}");
    }
}

/// A directory on a disk that is full for some versions.
#[derive(Debug)]
struct Full {
    directory: Directory,
    refuses: Mutex<&'static str>,
}

#[async_trait::async_trait]
impl Storage for Full {
    async fn newest(&self, name: &str) -> Result<Option<Version>, StorageError> {
        self.directory.newest(name).await
    }

    async fn create(&self, name: &str, version: &Version) -> Result<bool, StorageError> {
        let refuses = *self.refuses.lock().unwrap();
        let content = std::str::from_utf8(&version.content).unwrap();
        if name.contains(refuses) || content.contains(refuses) {
            let source = std::io::Error::from(std::io::ErrorKind::StorageFull).into();
            return Err(StorageError { document: name.to_owned(), verb: "written", source });
        }
        self.directory.create(name, version).await
    }
}

#[tokio::test]
async fn what_can_not_be_kept_is_told_and_what_was_issued_serves() {
    if pebble::missing() {
        return;
    }
    for what in ["account", "\"answers\"", "\"turn\"", "\"issued\""] {
        let home = tempfile::tempdir().unwrap();
        let full = Full { directory: Directory::new(home.path()), refuses: Mutex::new(what) };
        let full = Arc::new(full);
        let storage = full.clone();
        let site = Site::with(|settings| settings.storage = storage, ListenerTls::default()).await;
        let pebble = Pebble::patient(&site, DAYS_90).await;
        site.certificates
            .apply("prod", &[acme(&pebble, AcmeChallenge::Http01, &["example.com"])], None)
            .await;
        let told = |status: &[CertificateStatus]| {
            status[0].problem.as_ref().is_some_and(|p| p.contains("could not be written"))
        };
        let status = site.wait(what, told).await;
        let problem = status[0].problem.clone().unwrap();
        if what == "\"issued\"" {
            assert!(problem.starts_with("it was issued and serves, but could not be kept ("), "{problem}");
            assert!(!status[0].stand_in);
            assert_eq!(attempts(&pebble), 1);
            continue;
        }
        assert!(status[0].stand_in, "{problem}");
        assert_eq!(problem.ends_with("; orders wait"), what == "\"turn\"", "{problem}");
        *full.refuses.lock().unwrap() = "nothing that is ever written";
        // An edge that is cut off looks again by itself.
        if what != "\"turn\"" {
            site.certificates.retry("prod");
        }
        site.wait("there is room again", issued).await;
    }
}

#[tokio::test]
async fn what_failed_on_one_edge_is_not_tried_on_the_next_in_the_same_minute() {
    if pebble::missing() {
        return;
    }
    let site = Site::new().await;
    let pebble = Pebble::patient(&site, DAYS_90).await;
    let wanted = [acme(&pebble, hook(&site, &pebble.records, ""), &["example.com"])];
    let storage = Arc::new(Directory::new(site.path("edge/storage")));
    let other = Site::with(|settings| settings.storage = storage, ListenerTls::default()).await;
    site.certificates.apply("prod", &wanted, None).await;
    other.certificates.apply("prod", &wanted, None).await;
    for site in [&site, &other] {
        let problem = site.wait("it failed", failed).await[0].problem.clone().unwrap();
        assert!(
            problem.starts_with("the server did not accept that example.com is ours (dns-01): "),
            "{problem}"
        );
    }
    assert_eq!(attempts(&pebble), 1, "{}", pebble.log());
    // A person can have it tried from either.
    std::fs::write(site.path("hook.sh"), PUBLISH).unwrap();
    other.certificates.retry("prod");
    other.wait("it is issued", issued).await;
    site.certificates.retry("prod");
    site.wait("it is issued", issued).await;
    assert_eq!(attempts(&pebble), 2, "{}", pebble.log());
}
