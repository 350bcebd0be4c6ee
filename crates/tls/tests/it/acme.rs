//! Certificates from a real ACME server on loopback.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fairway_model::traffic::{
    AcmeChallenge, AcmeStorage, Certificate, CertificateSource, ExternalAccount, ListenerTls,
};
use fairway_model::{Digest, SecretVersion};
use fairway_protocol::edge::{CertificateOrigin, CertificateStatus};
use fairway_tls::{AcceptError, Directory, Storage, StorageError, Version};

use crate::support::double::Double;
use crate::support::kept::{documents, record, walk};
use crate::support::pebble::{self, Pebble};
use crate::support::{DEADLINE, Site};

pub(crate) const DAYS_90: u64 = 90 * 24 * 60 * 60;

pub(crate) fn acme(pebble: &Pebble, challenge: AcmeChallenge, names: &[&str]) -> Certificate {
    Certificate {
        names: names.iter().map(|n| (*n).to_owned()).collect(),
        source: CertificateSource::Acme(pebble.acme(challenge)),
    }
}

pub(crate) fn issued(status: &[CertificateStatus]) -> bool {
    status.iter().all(|s| !s.stand_in && s.problem.is_none() && s.serving)
}

pub(crate) fn failed(status: &[CertificateStatus]) -> bool {
    status.iter().all(|s| s.problem.as_ref().is_some_and(|p| p.contains("tried again at")))
}

/// A program that publishes records where the test's name server looks.
pub(crate) fn hook(site: &Site, records: &Path, script: &str) -> AcmeChallenge {
    let path = site.path("hook.sh");
    std::fs::write(&path, script).unwrap();
    AcmeChallenge::Dns01 {
        hook: ["sh", path.to_str().unwrap(), records.to_str().unwrap()].map(str::to_owned).to_vec(),
    }
}

pub(crate) const PUBLISH: &str = r#"
set -eu
case "$2" in
  present) echo "$4" >> "$1/$3"; echo "present $3" >> "$1/calls" ;;
  cleanup) grep -v -x -e "$4" "$1/$3" > "$1/$3.new" || true; mv "$1/$3.new" "$1/$3"; echo "cleanup $3" >> "$1/calls" ;;
  *) exit 9 ;;
esac
"#;

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

/// How many orders the server has seen.
pub(crate) fn attempts(pebble: &Pebble) -> usize {
    pebble.log().matches("Added order").count()
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
async fn an_account_that_the_server_forgot_is_made_again() {
    if pebble::missing() {
        return;
    }
    let site = Site::new().await;
    let mut pebble = Pebble::start(&site, DAYS_90).await;
    site.certificates.apply("prod", &[acme(&pebble, AcmeChallenge::Http01, &["one.test"])], None).await;
    site.wait("the first is issued", issued).await;
    pebble.stop().await;
    pebble.start_again().await;
    site.certificates.apply("prod", &[acme(&pebble, AcmeChallenge::Http01, &["two.test"])], None).await;
    site.wait("the second is issued", issued).await;
}

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
    let expect = format!(
        "the roots of the ACME server, {}, can't be used: there is no certificate in it",
        path.display()
    );
    assert!(status[0].problem.as_ref().unwrap().starts_with(&expect), "{status:?}");
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
async fn an_account_is_bound_to_the_one_that_the_authority_gave() {
    if pebble::missing() {
        return;
    }
    let site = Site::new().await;
    let pebble = Pebble::for_customers(&site).await;
    let secrets = site.path("secrets");
    let key = SecretVersion(Digest::of(b"a version"));
    std::fs::create_dir(&secrets).unwrap();
    let apply = async |id: Option<&str>| {
        let mut wanted = pebble.acme(AcmeChallenge::Http01);
        wanted.account = id.map(|id| ExternalAccount { id: id.to_owned(), key });
        let names = vec!["example.com".to_owned()];
        let wanted = Certificate { names, source: CertificateSource::Acme(wanted) };
        site.certificates.apply("prod", &[wanted], Some(&secrets)).await;
    };
    for (id, value, expect) in [
        (None, None, "externalAccountRequired"),
        (Some("kid-1"), None, "the key `kid-1` of the account that the authority gave: "),
        (Some("kid-2"), Some(pebble::CUSTOMERS_KEY), "is not known to the ACME server"),
    ] {
        if let Some(value) = value {
            std::fs::write(secrets.join(key.hex()), value).unwrap();
        }
        apply(id).await;
        let problem = site.wait("it failed", failed).await[0].problem.clone().unwrap();
        assert!(problem.contains(expect), "{problem}");
    }
    apply(Some("kid-1")).await;
    // The key was missing; now it is there.
    site.wait("it failed", failed).await;
    site.certificates.retry("prod");
    site.wait("it is issued", issued).await;
}

#[tokio::test]
async fn a_new_contact_is_told_to_the_server() {
    if pebble::missing() {
        return;
    }
    let site = Site::new().await;
    let pebble = Pebble::start(&site, DAYS_90).await;
    for (contact, name) in [
        (Some("operator@example.com"), "one.test"),
        (Some("mailto:other@example.com"), "two.test"),
        (None, "three.test"),
    ] {
        let mut wanted = pebble.acme(AcmeChallenge::Http01);
        wanted.contact = contact.map(str::to_owned);
        let wanted = Certificate { names: vec![name.to_owned()], source: CertificateSource::Acme(wanted) };
        site.certificates.apply("prod", &[wanted], None).await;
        site.wait(name, issued).await;
        let documents = documents(&site.path("edge/storage"));
        let (_, account) = documents.into_iter().find(|(path, _)| path.ends_with("account")).unwrap();
        assert_eq!(account["contact"].as_str(), contact);
    }
    // One account, however often its contact changed.
    assert_eq!(pebble.log().matches("accounts in memory").count(), 1, "{}", pebble.log());
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
