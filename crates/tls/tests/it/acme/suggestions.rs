//! When a server suggests that a certificate is replaced.

use fairway_model::traffic::{Certificate, CertificateSource};
use fairway_protocol::edge::CertificateStatus;
use fairway_tls::{Directory, Storage, Version};
use sha2::{Digest, Sha256};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

use super::failed;
use crate::support::double::Double;
use crate::support::{Site, make};

/// As documents are called.
fn short_digest(part: &str) -> String {
    hex::encode(&Sha256::digest([part.as_bytes(), &[0]].concat())[..8])
}

/// An edge that has a certificate for 89 days of a server that suggests a window, in days from now.
async fn kept(start: i64, end: i64) -> (Site, Double) {
    let site = Site::new().await;
    let at = |days| (OffsetDateTime::now_utc() + Duration::days(days)).format(&Rfc3339).unwrap();
    let window = serde_json::json!({ "suggestedWindow": { "start": at(start), "end": at(end) } });
    let account = ("HTTP/1.1 201 Created\r\nlocation: https://127.0.0.1/1\r\nreplay-nonce: n", "{}");
    let double = Double::saying(&site, Some(account), Some(window.to_string())).await;
    let acme = double.acme();
    let (chain, key) = make(&["example.com"], |params| params.use_authority_key_identifier_extension = true);
    let issued = serde_json::json!({
        "format": 1, "names": ["example.com"], "directory": acme.directory, "chain": chain, "key": key,
    });
    let content = serde_json::json!({ "format": 1, "issued": issued }).to_string().into_bytes();
    let record = format!("acme/{}/{}", short_digest(&acme.directory), short_digest("example.com"));
    let storage = Directory::new(site.path("edge/storage"));
    assert!(storage.create(&record, &Version { number: 1, content }).await.unwrap());
    let wanted = Certificate { names: vec!["example.com".to_owned()], source: CertificateSource::Acme(acme) };
    site.certificates.apply("prod", &[wanted], None).await;
    (site, double)
}

/// In how many days the next one is asked for.
fn days(status: &[CertificateStatus]) -> i64 {
    let next = i64::try_from(status[0].next_attempt.unwrap()).unwrap();
    (next - OffsetDateTime::now_utc().unix_timestamp()) / (24 * 60 * 60)
}

#[tokio::test]
async fn it_is_renewed_in_the_window() {
    let (site, _double) = kept(10, 12).await;
    let status = site.wait("the server was asked", |status| (9..12).contains(&days(status))).await;
    assert_eq!(status[0].problem, None);
}

#[tokio::test]
async fn a_window_that_is_over_means_now() {
    let (site, _double) = kept(-3, -1).await;
    let status = site.wait("the next one is ordered", failed).await;
    assert!(status[0].problem.as_ref().unwrap().contains("took no order"), "{status:?}");
}

/// RFC 9773, 5; and a server that does not want to hear of it is asked as for a first one.
#[tokio::test]
async fn an_order_names_the_certificate_that_it_replaces() {
    let (site, double) = kept(-3, -1).await;
    site.wait("the next one is ordered", failed).await;
    let heard = double.asked().await;
    let [first, second] = &heard.orders[..] else { panic!("{heard:#?}") };
    assert_eq!(first["replaces"], heard.certificate.unwrap());
    assert_eq!(second.get("replaces"), None);
    assert_eq!(first["identifiers"], second["identifiers"]);
}

#[tokio::test]
async fn a_window_after_the_last_day_is_none() {
    let (site, double) = kept(80, 100).await;
    double.asked().await;
    // With a third of 90 days left, or a twentieth of them earlier.
    site.wait("the usual rule", |status| (53..60).contains(&days(status))).await;
}
