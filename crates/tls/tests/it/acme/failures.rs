//! What does not work, what is told of it, and when it is tried again.

use std::time::Duration;

use fairway_model::traffic::{AcmeChallenge, AcmeStorage, Certificate, CertificateSource, ListenerTls};

use super::{DAYS_90, PUBLISH, acme, attempts, failed, hook, issued};
use crate::support::double::Double;
use crate::support::kept::record;
use crate::support::pebble::{self, Pebble};
use crate::support::{DEADLINE, Site};

#[tokio::test]
async fn what_failed_is_told_is_remembered_and_is_tried_again() {
    if pebble::missing() {
        return;
    }
    let site = Site::new().await;
    let pebble = Pebble::patient(&site, DAYS_90).await;
    // The program says that all is well, and nothing can be seen.
    let challenge = hook(&site, &pebble.records, "");
    let wanted = [acme(&pebble, challenge, &["example.com"])];
    site.certificates.apply("prod", &wanted, None).await;
    let status = site.wait("it failed", failed).await;
    let problem = status[0].problem.clone().unwrap();
    assert!(
        problem.starts_with("the server did not accept that example.com is ours (dns-01): "),
        "{problem}"
    );
    assert!(
        problem
            .contains("check that the hook waits until the record _acme-challenge.example.com can be seen")
    );
    assert!(status[0].stand_in && status[0].serving);
    assert!(site.serves("example.com").await.is_ok());

    // An edge that is started again waits as the one before would have.
    let next = status[0].next_attempt;
    let site = site.restarted(|_| {}).await;
    let problems = site.certificates.apply("prod", &wanted, None).await;
    assert!(
        problems[0].contains("the server did not accept that example.com is ours (dns-01): "),
        "{problems:?}"
    );
    let again = site.certificates.status()[0].next_attempt;
    // The jitter may differ, the minute does not.
    assert!(again >= next, "{again:?} {next:?}");
    assert_eq!(attempts(&pebble), 1);

    // Somebody mends it, and says so.
    std::fs::write(site.path("hook.sh"), PUBLISH).unwrap();
    site.certificates.retry("other");
    assert_eq!(attempts(&pebble), 1);
    site.certificates.retry("prod");
    site.wait("it is issued", issued).await;
    assert_eq!(attempts(&pebble), 2);
    assert!(record(&site.path("edge/storage")).get("failures").is_none());
}

#[tokio::test]
async fn a_server_that_is_down_costs_nothing_but_time() {
    if pebble::missing() {
        return;
    }
    let site = Site::new().await;
    let mut pebble = Pebble::start(&site, DAYS_90).await;
    pebble.stop().await;
    let wanted = acme(&pebble, AcmeChallenge::Http01, &["example.com"]);
    site.certificates.apply("prod", &[wanted], None).await;
    let status = site.wait("it failed", failed).await;
    let problem = status[0].problem.clone().unwrap();
    assert!(problem.starts_with("the account at https://127."), "{problem}");
    assert!(problem.contains("Connection refused"), "{problem}");
    assert!(site.serves("example.com").await.is_ok());
    pebble.start_again().await;
    site.certificates.retry("prod");
    site.wait("it is issued", issued).await;
}

#[tokio::test]
async fn what_can_not_work_is_refused_at_once() {
    let site = Site::new().await;
    let mut acme = fairway_model::traffic::Acme {
        directory: "https://127.0.0.1:1/dir".to_owned(),
        roots: None,
        contact: None,
        challenge: AcmeChallenge::Http01,
        storage: AcmeStorage::Local,
        account: None,
    };
    let mut check = Vec::new();
    let mut case = |acme: &fairway_model::traffic::Acme, names: &[&str], expect: &'static str| {
        let names = names.iter().map(|n| (*n).to_owned()).collect();
        check.push((Certificate { names, source: CertificateSource::Acme(acme.clone()) }, expect));
    };
    case(&acme, &[], "a certificate that is issued needs names");
    case(&acme, &["10.0.0.1"], "10.0.0.1 is an IP address");
    case(
        &acme,
        &["*.example.com"],
        "*.example.com needs the challenge dns-01: http-01 can only prove single names",
    );
    acme.challenge = AcmeChallenge::TlsAlpn01;
    case(&acme, &["*.example.com"], "*.example.com needs the challenge dns-01: tls-alpn-01 can only");
    acme.challenge = AcmeChallenge::Dns01 { hook: Vec::new() };
    case(&acme, &["example.com"], "the hook of the challenge dns-01 is empty");
    acme.challenge = AcmeChallenge::Http01;
    acme.directory = "http://acme.test/dir".to_owned();
    case(&acme, &["example.com"], "the ACME directory `http://acme.test/dir` is no https:// address");
    for (wanted, expect) in check {
        let problems = site.certificates.apply("prod", std::slice::from_ref(&wanted), None).await;
        assert!(problems.len() == 1 && problems[0].contains(expect), "{wanted:?}: {problems:?}");
        assert_eq!(site.certificates.status()[0].next_attempt, None);
    }
}

#[tokio::test]
async fn roots_that_are_none_are_named() {
    let site = Site::new().await;
    let path = site.path("roots.pem");
    let acme = fairway_model::traffic::Acme {
        directory: "https://127.0.0.1:1/dir".to_owned(),
        roots: Some(path.clone()),
        contact: None,
        challenge: AcmeChallenge::Http01,
        storage: AcmeStorage::Local,
        account: None,
    };
    let wanted = Certificate { names: vec!["a.test".to_owned()], source: CertificateSource::Acme(acme) };
    std::fs::write(&path, "").unwrap();
    site.certificates.apply("prod", &[wanted], None).await;
    let status = site.wait("it failed", failed).await;
    let expect = format!("the ACME server can't be asked: there is no certificate in {} (", path.display());
    assert!(status[0].problem.as_ref().unwrap().starts_with(&expect), "{status:?}");
}

#[tokio::test]
async fn a_server_that_wants_to_be_left_alone_is() {
    let site = Site::new().await;
    let limited = (
        "HTTP/1.1 429 Too Many Requests\r\nretry-after: 7200\r\ncontent-type: application/problem+json",
        r#"{"type":"urn:ietf:params:acme:error:rateLimited","detail":"too many certificates\n already issued"}"#,
    );
    let double = Double::start(&site, Some(limited)).await;
    let names = vec!["example.com".to_owned()];
    let wanted = Certificate { names, source: CertificateSource::Acme(double.acme()) };
    site.certificates.apply("prod", &[wanted], None).await;
    let status = site.wait("it failed", failed).await;
    let problem = status[0].problem.clone().unwrap();
    assert!(
        problem.contains(": too many certificates  already issued (rateLimited); a self-signed"),
        "{problem}"
    );
    let now = u64::try_from(time::OffsetDateTime::now_utc().unix_timestamp()).unwrap();
    let wait = status[0].next_attempt.unwrap() - now;
    assert!((7_000..=7_201).contains(&wait), "{wait}");
}

#[tokio::test]
async fn a_server_that_is_none_or_says_nothing_is_told_so() {
    for (answer, expect) in [
        (
            Some(("HTTP/1.1 201 Created\r\nlocation: /1", "<html>")),
            "what it answered is not ACME (expected value at",
        ),
        (
            Some(("HTTP/1.1 502 Bad Gateway", "<html>")),
            " answered 502 Bad Gateway; a self-signed stand-in serves",
        ),
        (None, "it was not done within 1 s"),
    ] {
        let limit = if answer.is_none() { Duration::from_secs(1) } else { DEADLINE };
        let site = Site::with(|s| s.attempt_limit = limit, ListenerTls::default()).await;
        let double = Double::start(&site, answer).await;
        let names = vec!["example.com".to_owned()];
        let wanted = Certificate { names, source: CertificateSource::Acme(double.acme()) };
        site.certificates.apply("prod", &[wanted], None).await;
        let status = site.wait("it failed", failed).await;
        let problem = status[0].problem.clone().unwrap();
        assert!(problem.contains(expect), "{problem}");
        assert!(site.serves("example.com").await.is_ok());
    }
}
