//! Accounts at ACME servers.

use fairway_model::traffic::{AcmeChallenge, Certificate, CertificateSource, ExternalAccount};
use fairway_model::{Digest, SecretVersion};

use super::{DAYS_90, acme, failed, issued};
use crate::support::Site;
use crate::support::kept::documents;
use crate::support::pebble::{self, Pebble};

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
