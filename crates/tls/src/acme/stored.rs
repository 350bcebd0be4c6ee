//! What is kept of accounts and certificates, as JSON with a format number.

use fairway_model::traffic::Acme;
use instant_acme::CertificateIdentifier;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{AcmeError, short_digest};
use crate::pair::Pair;
use crate::plan::Attempts;
use crate::storage::{Storage, Version};

pub(crate) const FORMAT: u32 = 1;

/// Names of the documents for a server, and for a set of names on it.
#[derive(Debug, Clone)]
pub(crate) struct Records {
    server: String,
    names: String,
}

/// An account.
#[derive(Serialize, Deserialize)]
pub(crate) struct StoredAccount {
    format: u32,
    /// Whom the server was told to write to.
    pub(crate) contact: Option<String>,
    /// Its key and address, as the library writes them; none once the server has forgotten it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) credentials: Option<Value>,
}

/// A certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Issued {
    format: u32,
    /// For which names it was asked.
    pub(crate) names: Vec<String>,
    /// By which server.
    pub(crate) directory: String,
    /// PEM.
    pub(crate) chain: String,
    /// PEM.
    pub(crate) key: String,
}

/// What failed since it last worked. Kept, so that an edge that is started again and again does not ask again and
/// again, and neither do others.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Failures {
    format: u32,
    /// How often.
    pub(crate) failed: u32,
    /// When last, in seconds since 1970.
    pub(crate) last: u64,
    /// Until when the server asked to be left alone, in seconds since 1970.
    #[serde(default)]
    pub(crate) not_before: Option<u64>,
    /// Why.
    pub(crate) problem: String,
}

impl StoredAccount {
    pub(crate) fn new(contact: Option<String>, credentials: Option<Value>) -> Self {
        Self { format: FORMAT, contact, credentials }
    }
}

impl Issued {
    pub(crate) fn new(names: &[String], directory: &str, chain: String, key: String) -> Self {
        Self { format: FORMAT, names: names.to_owned(), directory: directory.to_owned(), chain, key }
    }

    /// As servers call it that are told of its successor; none without a key of its issuer.
    pub(crate) fn identifier(&self) -> Option<CertificateIdentifier<'static>> {
        let leaf = CertificateDer::from_pem_slice(self.chain.as_bytes()).ok()?;
        CertificateIdentifier::try_from(&leaf).ok().map(CertificateIdentifier::into_owned)
    }

    /// Ready to serve.
    pub(crate) fn pair(&self) -> Result<Pair, AcmeError> {
        Ok(Pair::from_pem(self.chain.as_bytes(), self.key.as_bytes())?)
    }
}

impl Failures {
    pub(crate) fn new(failed: u32, last: u64, not_before: Option<u64>, problem: String) -> Self {
        Self { format: FORMAT, failed, last, not_before, problem }
    }

    /// For the plan.
    pub(crate) fn attempts(&self) -> Attempts {
        Attempts { failed: self.failed, last: self.last }
    }
}

impl Records {
    /// The challenge is no part of it: a certificate is good however it was proven.
    pub(crate) fn new(acme: &Acme, names: &[String]) -> Self {
        let mut sorted: Vec<&str> = names.iter().map(String::as_str).collect();
        sorted.sort_unstable();
        let mut server = vec![acme.directory.as_str()];
        // Whoever gets another account elsewhere gets another one at the server.
        server.extend(acme.account.as_ref().map(|account| account.id.as_str()));
        Self { server: short_digest(&server), names: short_digest(&sorted) }
    }

    pub(crate) fn account(&self) -> String {
        format!("acme/{}/account", self.server)
    }

    /// What edges know together about the names.
    pub(crate) fn record(&self) -> String {
        format!("acme/{}/{}", self.server, self.names)
    }
}

/// Reads a version of a document. One of a newer format is an error: what it means is not known.
pub(crate) fn load<T: DeserializeOwned>(name: &str, content: &[u8]) -> Result<T, AcmeError> {
    #[derive(Deserialize)]
    struct Head {
        format: u32,
    }
    let bad = |reason: String| AcmeError::Document { document: name.to_owned(), reason };
    let head: Head = serde_json::from_slice(content).map_err(|error| bad(error.to_string()))?;
    if head.format != FORMAT {
        return Err(bad(format!("its format is {} and not {FORMAT}", head.format)));
    }
    serde_json::from_slice(content).map_err(|error| bad(error.to_string()))
}

/// Writes a version of a document. False: somebody else has written it.
pub(crate) async fn save(
    storage: &dyn Storage,
    name: &str,
    number: u64,
    document: &impl Serialize,
) -> Result<bool, AcmeError> {
    let content = serde_json::to_vec_pretty(document)
        .map_err(|error| AcmeError::Document { document: name.to_owned(), reason: error.to_string() })?;
    Ok(storage.create(name, &Version { number, content }).await?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acme::record::Record;

    /// Documents as the first edges wrote them. They must load for as long as there are edges.
    #[test]
    fn format_1() {
        const ACCOUNT: &str = r#"{"format":1,"contact":"ops@example.com","credentials":{
            "id":"https://acme.test/acct/1",
            "key_pkcs8":"MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgAAAA",
            "directory":"https://acme.test/dir"}}"#;
        const FORGOTTEN: &str = r#"{"format":1,"contact":null}"#;
        const RECORD: &str = r#"{"format":1,
            "issued":{"format":1,"names":["example.com"],"directory":"https://acme.test/dir",
                "chain":"-----BEGIN CERTIFICATE-----","key":"-----BEGIN PRIVATE KEY-----"},
            "turn":{"edge":"5f0c","until":1900000060,
                "answers":[{"name":"example.com","token":"t","authorization":"t.k"}]},
            "failures":{"format":1,"failed":3,"last":1900000000,"problem":"no"}}"#;
        let account: StoredAccount = load("account", ACCOUNT.as_bytes()).unwrap();
        assert_eq!(account.contact.as_deref(), Some("ops@example.com"));
        assert!(account.credentials.is_some());
        let account: StoredAccount = load("account", FORGOTTEN.as_bytes()).unwrap();
        assert!(account.credentials.is_none());
        let record: Record = load("record", RECORD.as_bytes()).unwrap();
        let issued = record.issued.clone().unwrap();
        assert_eq!(
            (issued.names, issued.directory.as_str()),
            (vec!["example.com".to_owned()], "https://acme.test/dir")
        );
        assert_eq!(record.failures, Some(Failures::new(3, 1_900_000_000, None, "no".to_owned())));
        assert_eq!(record.answers_for("other", 1_900_000_060)[0].authorization, "t.k");
        assert_eq!(load::<Record>("record", br#"{"format":1}"#).unwrap(), Record::default());
        // What they are called does not change either.
        let acme: Acme = serde_json::from_str(r#"{"directory":"https://acme.test/dir"}"#).unwrap();
        let records = Records::new(&acme, &["b.test".to_owned(), "a.test".to_owned()]);
        assert_eq!(records.account(), "acme/5427093541c0f03b/account");
        assert_eq!(records.record(), "acme/5427093541c0f03b/c2cb48ebb25f9ea7");
        let sorted = Records::new(&acme, &["a.test".to_owned(), "b.test".to_owned()]);
        assert_eq!(records.record(), sorted.record());
    }

    #[test]
    fn what_is_not_known_is_refused_by_name() {
        for (content, expect) in [
            (r#"{"format":2}"#, "acme/x is not what this edge writes there: its format is 2 and not 1"),
            ("nonsense", "acme/x is not what this edge writes there: expected"),
            (r#"{"format":1}"#, "acme/x is not what this edge writes there: missing field"),
        ] {
            let error = load::<Issued>("acme/x", content.as_bytes()).unwrap_err().to_string();
            assert!(error.starts_with(expect), "{error}");
        }
    }
}
