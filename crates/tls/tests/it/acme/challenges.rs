//! Proofs that a name is ours, in every way, and what becomes of them.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use fairway_model::traffic::{AcmeChallenge, ListenerTls};
use fairway_protocol::edge::CertificateOrigin;
use fairway_tls::AcceptError;

use super::{DAYS_90, PUBLISH, acme, failed, hook, issued};
use crate::support::kept::{documents, record, walk};
use crate::support::pebble::{self, Pebble};
use crate::support::{DEADLINE, Site};

#[tokio::test]
async fn http_01() {
    if pebble::missing() {
        return;
    }
    let site = Site::new().await;
    let pebble = Pebble::start(&site, DAYS_90).await;
    let wanted = acme(&pebble, AcmeChallenge::Http01, &["Example.com", "www.example.com"]);
    // Nothing is wrong with a certificate that is on its way, and handshakes do not fail meanwhile.
    assert_eq!(site.certificates.apply("prod", &[wanted], None).await, Vec::<String>::new());
    assert!(site.serves("example.com").await.is_ok());
    let status = site.wait("it is issued", issued).await;
    assert_eq!(status[0].source, CertificateOrigin::Acme);
    assert_eq!(status[0].names, ["example.com", "www.example.com"]);
    assert!(status[0].issuer.as_ref().unwrap().starts_with("Pebble Intermediate CA"), "{status:?}");
    let left = status[0].next_attempt.unwrap()
        - u64::try_from(time::OffsetDateTime::now_utc().unix_timestamp()).unwrap();
    assert!((DAYS_90 * 6 / 10..=DAYS_90 * 2 / 3).contains(&left), "{left}");
    let seen = site.serves("www.example.com").await.unwrap();
    assert!(seen.issuer.contains("Pebble Intermediate CA"), "{seen:?}");
    assert_eq!(seen.names.len(), 2);

    // What is kept is private, and what was answered is not answered any more.
    for file in walk(&site.path("edge/storage")) {
        assert_eq!(
            std::fs::metadata(&file).unwrap().permissions().mode() & 0o777,
            0o600,
            "{}",
            file.display()
        );
    }
    assert_eq!(documents(&site.path("edge/storage")).len(), 2, "an account and a certificate");
    let token = pebble.log().lines().find_map(|line| Some(line.split_once("acme-challenge/")?.1.to_owned()));
    let token = token
        .expect("the server looked for it")
        .split(|c: char| !(c.is_alphanumeric() || "-_".contains(c)))
        .next()
        .unwrap()
        .to_owned();
    assert_eq!(site.certificates.http01(&token), None);
    assert_eq!(site.certificates.http01(""), None);
}

#[tokio::test]
async fn tls_alpn_01() {
    if pebble::missing() {
        return;
    }
    let mut site = Site::new().await;
    let pebble = Pebble::start(&site, DAYS_90).await;
    let wanted = acme(&pebble, AcmeChallenge::TlsAlpn01, &["example.com"]);
    site.certificates.apply("prod", &[wanted], None).await;
    site.wait("it is issued", issued).await;
    let visit = site.handshakes.recv().await;
    assert!(matches!(visit, Some(Err(AcceptError::AcmeChallenge))), "{visit:?}");
    assert!(site.serves("example.com").await.unwrap().issuer.contains("Pebble"));
}

#[tokio::test]
async fn dns_01_with_a_wildcard() {
    if pebble::missing() {
        return;
    }
    let site = Site::new().await;
    let pebble = Pebble::start(&site, DAYS_90).await;
    let challenge = hook(&site, &pebble.records, PUBLISH);
    // Two values of one record: the one of the name and the one of its wildcard.
    let wanted = acme(&pebble, challenge, &["example.com", "*.example.com"]);
    site.certificates.apply("prod", &[wanted], None).await;
    site.wait("it is issued", issued).await;
    assert!(site.serves("any.example.com").await.unwrap().issuer.contains("Pebble"));
    let calls = std::fs::read_to_string(pebble.records.join("calls")).unwrap();
    let call = |verb| format!("{verb} _acme-challenge.example.com\n");
    assert_eq!(calls, [call("present"), call("present"), call("cleanup"), call("cleanup")].concat());
    assert_eq!(std::fs::read_to_string(pebble.records.join("_acme-challenge.example.com")).unwrap(), "");
}

#[tokio::test]
async fn a_hook_that_fails_or_hangs_is_reported_with_its_words() {
    if pebble::missing() {
        return;
    }
    for (script, limit, expect) in [
        (
            "echo no zone for $3 >&2; exit 3",
            DEADLINE,
            "failed (exit status: 3); it said: no zone for _acme-challenge.example.com",
        ),
        (
            "echo waiting; sleep 600 & echo $! > $1/child; wait",
            Duration::from_secs(2),
            "did not end within 2 s and was killed; it said: waiting",
        ),
    ] {
        let site = Site::with(|s| s.hook_limit = limit, ListenerTls::default()).await;
        let pebble = Pebble::start(&site, DAYS_90).await;
        let challenge = hook(&site, &pebble.records, script);
        site.certificates.apply("prod", &[acme(&pebble, challenge, &["example.com"])], None).await;
        let status = site.wait("it failed", failed).await;
        let problem = status[0].problem.clone().unwrap();
        assert!(problem.contains(expect), "{problem}");
        assert!(problem.contains("; a self-signed stand-in serves; tried again at 20"), "{problem}");
        assert!(site.serves("example.com").await.is_ok());
        // What it started is gone with it, or waits for somebody to notice.
        if let Ok(child) = std::fs::read_to_string(pebble.records.join("child")) {
            let state = std::fs::read_to_string(format!("/proc/{}/stat", child.trim())).unwrap_or_default();
            assert!(state.is_empty() || state.contains(") Z "), "{state}");
        }
    }
    let site = Site::new().await;
    let pebble = Pebble::start(&site, DAYS_90).await;
    let nothing = AcmeChallenge::Dns01 { hook: vec!["/nowhere/to/be/found".to_owned()] };
    site.certificates.apply("prod", &[acme(&pebble, nothing, &["example.com"])], None).await;
    let status = site.wait("it failed", failed).await;
    let problem = status[0].problem.clone().unwrap();
    assert!(
        problem.starts_with("the hook `/nowhere/to/be/found` could not be started: No such file"),
        "{problem}"
    );
}

#[tokio::test]
async fn an_order_is_given_up_and_cleaned_up_when_the_edge_ends() {
    if pebble::missing() {
        return;
    }
    let waits = r#"mkfifo "$1/wait.$2"; touch "$1/ready"; cat "$1/wait.$2""#;
    for (script, clean) in [
        (format!("{PUBLISH}\nif [ $2 = present ]; then {waits}; fi"), true),
        // Its end is not waited for for ever.
        (format!("{waits}\n{PUBLISH}"), false),
    ] {
        let limit = if clean { DEADLINE } else { Duration::from_millis(500) };
        let site = Site::with(|s| s.shutdown_limit = limit, ListenerTls::default()).await;
        let pebble = Pebble::start(&site, DAYS_90).await;
        let challenge = hook(&site, &pebble.records, &script);
        site.certificates.apply("prod", &[acme(&pebble, challenge, &["example.com"])], None).await;
        let ready = pebble.records.join("ready");
        let called = async {
            while !ready.exists() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(DEADLINE, called).await.unwrap();
        tokio::time::timeout(DEADLINE, site.certificates.shutdown()).await.unwrap();
        let calls = std::fs::read_to_string(pebble.records.join("calls")).unwrap_or_default();
        assert_eq!(calls.ends_with("cleanup _acme-challenge.example.com\n"), clean, "{calls}");
        // Giving up is no failure: the next edge asks at once.
        let record = record(&site.path("edge/storage"));
        assert!(record.get("failures").is_none(), "{record}");
        assert_eq!(record.get("turn").is_none(), clean, "{record}");
        assert!(site.serves("example.com").await.is_ok());
    }
}
