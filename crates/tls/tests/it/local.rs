//! The edge's own authority.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use fairway_model::traffic::{Certificate, CertificateSource, ListenerTls};
use fairway_protocol::edge::{CertificateOrigin, CertificateStatus};
use fairway_tls::{Certificates, Settings};
use rcgen::{CertificateParams, KeyPair};

use crate::support::{Site, connect, trusting};

fn local(names: &[&str]) -> Certificate {
    Certificate { names: names.iter().map(|n| (*n).to_owned()).collect(), source: CertificateSource::Local }
}

#[tokio::test]
async fn who_trusts_the_root_trusts_every_name() {
    let site = Site::new().await;
    assert_eq!(site.certificates.local_root(), None);
    let wanted = [local(&["shop.localhost", "*.shop.localhost", "127.0.0.1", "::1"]), local(&["other.test"])];
    assert_eq!(site.certificates.apply("dev", &wanted, None).await, Vec::<String>::new());
    let root = site.certificates.local_root().unwrap();
    assert_eq!(root, site.path("edge/local-ca/root.pem"));
    for name in ["shop.localhost", "api.shop.localhost", "127.0.0.1", "other.test"] {
        connect(site.tls, name, trusting(&root)).await.unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    let status = site.certificates.status();
    assert_eq!(status[0].source, CertificateOrigin::Local);
    assert!(status[0].issuer.as_ref().unwrap().starts_with("Fairway local authority "), "{status:?}");
    let days = |seconds: u64| {
        seconds.saturating_sub(u64::try_from(time::OffsetDateTime::now_utc().unix_timestamp()).unwrap())
            / (24 * 60 * 60)
    };
    assert!((89..=90).contains(&days(status[0].not_after.unwrap())), "{status:?}");
    // A third left, or up to a twentieth earlier.
    assert!((55..=60).contains(&days(status[0].next_attempt.unwrap())), "{status:?}");
}

#[tokio::test]
async fn the_root_stays_and_its_key_is_private() {
    let site = Site::new().await;
    site.certificates.apply("dev", &[local(&["a.test"])], None).await;
    let root = std::fs::read(site.path("edge/local-ca/root.pem")).unwrap();
    let key = site.path("edge/local-ca/root.key");
    assert_eq!(std::fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::metadata(key.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);
    let before = site.serves("a.test").await.unwrap();
    let site = site.restarted(|_| {}).await;
    site.certificates.apply("dev", &[local(&["a.test"])], None).await;
    assert_eq!(std::fs::read(site.path("edge/local-ca/root.pem")).unwrap(), root);
    let after = site.serves("a.test").await.unwrap();
    assert_eq!(after.issuer, before.issuer);
    assert_ne!(after.leaf, before.leaf, "leaves are in memory only");
    let trusted = site.certificates.local_root().unwrap();
    connect(site.tls, "a.test", trusting(&trusted)).await.unwrap();
}

#[tokio::test]
async fn two_machines_have_two_authorities() {
    let (one, two) = (Site::new().await, Site::new().await);
    for site in [&one, &two] {
        site.certificates.apply("dev", &[local(&["a.test"])], None).await;
    }
    assert_ne!(one.serves("a.test").await.unwrap().issuer, two.serves("a.test").await.unwrap().issuer);
    let stranger = one.certificates.local_root().unwrap();
    let refused = connect(two.tls, "a.test", trusting(&stranger)).await.unwrap_err();
    assert!(refused.contains("UnknownIssuer"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn edges_that_start_at_once_make_one_authority() {
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("edge");
    let starts = (0..8).map(|number| {
        let directory = directory.clone();
        tokio::spawn(async move {
            let certificates = Certificates::start(Settings::new(directory)).unwrap();
            let name = format!("n{number}.test");
            let problems = certificates.apply("dev", &[local(&[&name])], None).await;
            assert_eq!(problems, Vec::<String>::new());
            certificates.status()[0].issuer.clone().unwrap()
        })
    });
    let mut issuers = Vec::new();
    for start in starts.collect::<Vec<_>>() {
        issuers.push(start.await.unwrap());
    }
    issuers.sort_unstable();
    issuers.dedup();
    assert_eq!(issuers.len(), 1, "{issuers:?}");
    let site = Site::at(home, |_| {}, ListenerTls::default()).await;
    site.certificates.apply("dev", &[local(&["a.test"])], None).await;
    assert_eq!(site.certificates.status()[0].issuer.as_ref(), issuers.first());
    connect(site.tls, "a.test", trusting(&site.certificates.local_root().unwrap())).await.unwrap();
}

#[tokio::test]
async fn files_that_are_no_authority_are_named() {
    for (file, content, expect) in [
        ("root.key", "nonsense", "the key can't be read"),
        ("root.pem", "nonsense", "there is no certificate in PEM form"),
    ] {
        let site = Site::new().await;
        site.certificates.apply("dev", &[local(&["a.test"])], None).await;
        std::fs::write(site.path("edge/local-ca").join(file), content).unwrap();
        let site = site.restarted(|_| {}).await;
        let problems = site.certificates.apply("dev", &[local(&["a.test"])], None).await;
        let both = format!(
            "a.test: {} and {} are no authority: {expect}",
            site.path("edge/local-ca/root.pem").display(),
            site.path("edge/local-ca/root.key").display()
        );
        assert!(problems[0].starts_with(&both), "{problems:?}");
        assert!(problems[0].contains("move both files away to have a new authority made"), "{problems:?}");
        assert_eq!(site.certificates.local_root(), None);
        // What is written there is somebody's; it is not replaced.
        assert_eq!(std::fs::read_to_string(site.path("edge/local-ca").join(file)).unwrap(), content);
    }
}

#[tokio::test]
async fn it_is_made_anew_in_time() {
    let site = Site::with(|s| s.local_lifetime = Duration::from_secs(3), ListenerTls::default()).await;
    site.certificates.apply("dev", &[local(&["a.test"])], None).await;
    let first = site.certificates.status()[0].not_after.unwrap();
    let renewed = |status: &[CertificateStatus]| status[0].not_after.unwrap() > first;
    site.wait("the next one", renewed).await;
    connect(site.tls, "a.test", trusting(&site.certificates.local_root().unwrap())).await.unwrap();
}

#[tokio::test]
async fn a_root_that_is_about_to_expire_is_made_anew() {
    let site = Site::new().await;
    let directory = site.path("edge/local-ca");
    std::fs::create_dir_all(&directory).unwrap();
    let key = KeyPair::generate().unwrap();
    let mut old = CertificateParams::default();
    old.not_after = time::OffsetDateTime::now_utc() + time::Duration::days(30);
    let old = old.self_signed(&key).unwrap().pem();
    std::fs::write(directory.join("root.key"), key.serialize_pem()).unwrap();
    std::fs::write(directory.join("root.pem"), &old).unwrap();
    assert_eq!(site.certificates.apply("dev", &[local(&["a.test"])], None).await, Vec::<String>::new());
    let root = site.certificates.local_root().unwrap();
    assert_ne!(std::fs::read_to_string(&root).unwrap(), old);
    assert_eq!(std::fs::read_to_string(directory.join("root.key")).unwrap(), key.serialize_pem());
    connect(site.tls, "a.test", trusting(&root)).await.unwrap();
}

#[tokio::test]
async fn names_are_needed_and_checked() {
    let site = Site::new().await;
    let problems = site
        .certificates
        .apply("dev", &[local(&[]), local(&["bücher.example"]), local(&["a.test"])], None)
        .await;
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems[0].starts_with("certificate: a certificate that is issued needs names"), "{problems:?}");
    assert!(problems[1].starts_with("bücher.example: `bücher.example` is not a host name"), "{problems:?}");
    assert!(site.serves("a.test").await.is_ok());
}
