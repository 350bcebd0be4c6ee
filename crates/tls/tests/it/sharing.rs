//! Several edges of one environment that share certificates through a store.

use std::path::PathBuf;
use std::time::Duration;

use fairway_model::traffic::{AcmeChallenge, AcmeStorage, Certificate, CertificateSource, ListenerTls};
use fairway_model::{Digest, EnvironmentName, SecretVersion};
use fairway_protocol::edge::CertificateStatus;
use fairway_store::{Access, Key};
use fairway_tls::Settings;
use tempfile::TempDir;

use crate::acme::{DAYS_90, PUBLISH, acme, attempts, failed, hook, issued};
use crate::support::kept::{record, walk};
use crate::support::pebble::{self, Pebble};
use crate::support::{DEADLINE, Seen, Site};

/// A store and the secret that opens it. Every edge has both.
struct Store {
    home: TempDir,
    access: SecretVersion,
}

impl Store {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let access = Access {
            store: home.path().join("store").to_str().unwrap().to_owned(),
            environment: EnvironmentName::new("prod").unwrap(),
            key: Key::new([7; 32]),
        };
        let version = SecretVersion(Digest::of(access.to_secret().expose().as_bytes()));
        std::fs::create_dir(home.path().join("secrets")).unwrap();
        std::fs::write(home.path().join("secrets").join(version.hex()), access.to_secret().expose()).unwrap();
        Self { home, access: version }
    }

    fn path(&self) -> PathBuf {
        self.home.path().join("store")
    }

    /// What is wanted, kept here.
    fn holds(&self, mut wanted: Certificate) -> Certificate {
        let CertificateSource::Acme(acme) = &mut wanted.source else { panic!("only ACME is shared") };
        acme.storage = AcmeStorage::Store { access: self.access };
        wanted
    }

    async fn apply(&self, site: &Site, wanted: &Certificate) -> Vec<String> {
        let secrets = self.home.path().join("secrets");
        site.certificates.apply("prod", std::slice::from_ref(wanted), Some(&secrets)).await
    }

    /// The copy of it at a site.
    fn copy(&self, site: &Site) -> PathBuf {
        site.path("edge/shared").join(self.access.hex())
    }

    /// Something else lies where it was.
    fn go(&self) {
        std::fs::rename(self.path(), self.home.path().join("gone")).unwrap();
        std::fs::write(self.path(), "").unwrap();
    }

    fn come_back(&self) {
        std::fs::remove_file(self.path()).unwrap();
        std::fs::rename(self.home.path().join("gone"), self.path()).unwrap();
    }
}

async fn site(change: impl FnOnce(&mut Settings)) -> Site {
    Site::with(change, ListenerTls::default()).await
}

async fn serves(site: &Site) -> Seen {
    site.serves("example.com").await.unwrap()
}

fn cut_off(status: &[CertificateStatus]) -> bool {
    status.iter().all(|s| s.problem.as_ref().is_some_and(|p| p.contains(" is out of reach (")))
}

/// The server comes to one edge, and the other orders: the one that is visited answers for it.
async fn one_orders_and_the_other_answers(challenge: AcmeChallenge) {
    if pebble::missing() {
        return;
    }
    let store = Store::new();
    let (visited, ordering) = (site(|_| {}).await, site(|_| {}).await);
    let mut pebble = Pebble::patient(&visited, DAYS_90).await;
    let wanted = store.holds(acme(&pebble, challenge, &["example.com"]));
    // Both stand back after the failure of one: now it is known who orders next.
    pebble.stop().await;
    for site in [&visited, &ordering] {
        store.apply(site, &wanted).await;
        site.wait("the server is not there", failed).await;
    }
    pebble.start_again().await;
    ordering.certificates.retry("prod");
    for site in [&ordering, &visited] {
        site.wait("it is issued", issued).await;
    }
    assert_eq!(serves(&visited).await, serves(&ordering).await);
    assert_eq!(attempts(&pebble), 1, "{}", pebble.log());
    for file in walk(&store.path()) {
        let content = std::fs::read_to_string(&file).unwrap();
        assert!(!content.contains("PRIVATE KEY") && !content.contains("example.com"), "{content}");
    }
    let shared = record(&store.copy(&visited));
    assert!(shared.get("turn").is_none() && shared.get("failures").is_none(), "{shared}");

    // A machine that comes in the place of one of them has it at once, whatever the server does.
    pebble.stop().await;
    let replaced = site(|_| {}).await;
    assert_eq!(store.apply(&replaced, &wanted).await, Vec::<String>::new());
    assert_eq!(serves(&replaced).await, serves(&ordering).await);
}

#[tokio::test]
async fn one_orders_and_the_other_answers_by_http() {
    one_orders_and_the_other_answers(AcmeChallenge::Http01).await;
}

#[tokio::test]
async fn one_orders_and_the_other_answers_in_its_handshake() {
    one_orders_and_the_other_answers(AcmeChallenge::TlsAlpn01).await;
}

#[tokio::test]
async fn the_turn_of_an_edge_that_died_runs_out() {
    if pebble::missing() {
        return;
    }
    let store = Store::new();
    let turn = |settings: &mut Settings| settings.turn = Duration::from_secs(3);
    let (dying, other) = (site(turn).await, site(turn).await);
    let pebble = Pebble::patient(&dying, DAYS_90).await;
    // Its hook never returns; that of the other one does.
    let waits = format!("{PUBLISH}\n mkfifo \"$1/wait\"; touch \"$1/ready\"; cat \"$1/wait\"");
    let hangs = hook(&dying, &pebble.records, &waits);
    store.apply(&dying, &store.holds(acme(&pebble, hangs, &["example.com"]))).await;
    let ready = pebble.records.join("ready");
    let called = async {
        while !ready.exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(DEADLINE, called).await.unwrap();
    let publishes = hook(&other, &pebble.records, PUBLISH);
    store.apply(&other, &store.holds(acme(&pebble, publishes, &["example.com"]))).await;
    let copy = store.copy(&dying);
    assert_eq!(attempts(&pebble), 1);
    // What the server needs lies in the same directory.
    let _home = {
        // It dies without a word.
        let mut dying = dying;
        std::mem::replace(&mut dying.home, tempfile::tempdir().unwrap())
    };
    let until = record(&copy)["turn"]["until"].as_u64().unwrap();
    other.wait("it is issued", issued).await;
    let now = u64::try_from(time::OffsetDateTime::now_utc().unix_timestamp()).unwrap();
    assert!(now > until, "{now} {until}: the other one did not wait");
    assert_eq!(attempts(&pebble), 2, "{}", pebble.log());
}

#[tokio::test]
async fn a_store_that_is_gone_stops_orders_and_nothing_else() {
    if pebble::missing() {
        return;
    }
    let store = Store::new();
    let (first, second) = (site(|_| {}).await, site(|_| {}).await);
    let pebble = Pebble::patient(&first, 12).await;
    let wanted = store.holds(acme(&pebble, AcmeChallenge::Http01, &["example.com"]));
    store.apply(&first, &wanted).await;
    let status = first.wait("it is issued", issued).await;
    let (seen, not_after) = (serves(&first).await, status[0].not_after);
    let renewal = status[0].next_attempt.unwrap();
    store.apply(&second, &wanted).await;
    second.wait("it is there too", issued).await;
    store.go();
    let status = first.wait("it is cut off", cut_off).await;
    let problem = status[0].problem.clone().unwrap();
    assert!(problem.contains("the certificate from before, valid until"), "{problem}");
    assert!(problem.ends_with("serves on; orders wait"), "{problem}");

    // An edge that is started again serves its copy.
    let second = second.restarted(|_| {}).await;
    store.apply(&second, &wanted).await;
    assert!(serves(&second).await == seen);
    // What is due waits.
    let now = || u64::try_from(time::OffsetDateTime::now_utc().unix_timestamp()).unwrap();
    let due = async {
        while now() <= renewal + 1 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(DEADLINE, due).await.unwrap();
    assert!(cut_off(&first.certificates.status()) && cut_off(&second.certificates.status()));
    assert_eq!(attempts(&pebble), 1, "{}", pebble.log());
    store.come_back();
    for site in [&first, &second] {
        let renewed = |status: &[CertificateStatus]| issued(status) && status[0].not_after > not_after;
        site.wait("it is renewed", renewed).await;
        assert!(serves(site).await != seen);
    }
}

#[tokio::test]
async fn an_access_that_is_missing_or_none_is_told() {
    let store = Store::new();
    let site = site(|_| {}).await;
    let acme = fairway_model::traffic::Acme {
        directory: "https://127.0.0.1:1/dir".to_owned(),
        roots: None,
        contact: None,
        challenge: AcmeChallenge::Http01,
        storage: AcmeStorage::Local,
        account: None,
    };
    let names = vec!["example.com".to_owned()];
    let wanted = store.holds(Certificate { names, source: CertificateSource::Acme(acme) });
    let nobody = site.certificates.apply("prod", std::slice::from_ref(&wanted), None).await;
    assert!(nobody[0].contains("nobody said where the secrets are"), "{nobody:?}");
    site.certificates.remove("prod").await;
    let file = store.home.path().join("secrets").join(store.access.hex());
    std::fs::write(&file, r#"{"format":9}"#).unwrap();
    let problems = store.apply(&site, &wanted).await;
    assert!(problems[0].contains("is not of a shape that is known"), "{problems:?}");
    site.certificates.remove("prod").await;
    std::fs::remove_file(&file).unwrap();
    let problems = store.apply(&site, &wanted).await;
    assert!(problems[0].contains("how to reach the store is not in "), "{problems:?}");
    assert!(problems[0].contains("a self-signed stand-in serves; orders wait"), "{problems:?}");
}
