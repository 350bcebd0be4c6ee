//! What is kept of accounts and certificates, as JSON with a format number.

use instant_acme::AccountCredentials;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{AcmeError, short_digest};
use crate::pair::Pair;
use crate::plan::Attempts;
use crate::storage::Storage;

const FORMAT: u32 = 1;

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
    /// Its key and address.
    pub(crate) credentials: AccountCredentials,
}

/// A certificate.
#[derive(Debug, Clone, Serialize, Deserialize)]
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
/// again.
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
    pub(crate) fn new(contact: Option<String>, credentials: AccountCredentials) -> Self {
        Self { format: FORMAT, contact, credentials }
    }
}

impl Issued {
    pub(crate) fn new(names: &[String], directory: &str, chain: String, key: String) -> Self {
        Self { format: FORMAT, names: names.to_owned(), directory: directory.to_owned(), chain, key }
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
    pub(crate) fn new(directory: &str, names: &[String]) -> Self {
        let mut sorted: Vec<&str> = names.iter().map(String::as_str).collect();
        sorted.sort_unstable();
        Self { server: short_digest(&[directory]), names: short_digest(&sorted) }
    }

    pub(crate) fn account(&self) -> String {
        format!("acme/{}/account.json", self.server)
    }

    pub(crate) fn certificate(&self) -> String {
        format!("acme/{}/certificate-{}.json", self.server, self.names)
    }

    /// Who is asking for the certificate now.
    pub(crate) fn lease(&self) -> String {
        format!("acme/{}/lease-{}.json", self.server, self.names)
    }

    pub(crate) fn failures(&self) -> String {
        format!("acme/{}/failures-{}.json", self.server, self.names)
    }
}

/// Reads a document. One of a newer format is an error: what it means is not known.
pub(crate) async fn load<T: DeserializeOwned>(
    storage: &dyn Storage,
    name: &str,
) -> Result<Option<T>, AcmeError> {
    #[derive(Deserialize)]
    struct Head {
        format: u32,
    }
    let Some(content) = storage.read(name).await? else { return Ok(None) };
    let bad = |reason: String| AcmeError::Document { document: name.to_owned(), reason };
    let head: Head = serde_json::from_slice(&content).map_err(|error| bad(error.to_string()))?;
    if head.format != FORMAT {
        return Err(bad(format!("its format is {} and not {FORMAT}", head.format)));
    }
    serde_json::from_slice(&content).map(Some).map_err(|error| bad(error.to_string()))
}

/// Where the answer to a challenge is kept for other edges. None for tokens that a server must not choose (RFC 8555,
/// 8.1: base64url), which could name anything.
pub(crate) fn challenge(token: &str) -> Option<String> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    ((1..=256).contains(&token.len()) && token.bytes().all(plain)).then(|| format!("acme/challenges/{token}"))
}

/// Writes a document.
pub(crate) async fn save(
    storage: &dyn Storage,
    name: &str,
    document: &impl Serialize,
) -> Result<(), AcmeError> {
    let content = serde_json::to_vec_pretty(document)
        .map_err(|error| AcmeError::Document { document: name.to_owned(), reason: error.to_string() })?;
    Ok(storage.write(name, &content).await?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::Directory;

    /// Documents as the first edges wrote them. They must load for as long as there are edges.
    #[tokio::test]
    async fn format_1() {
        const ACCOUNT: &str = r#"{"format":1,"contact":"ops@example.com","credentials":{
            "id":"https://acme.test/acct/1",
            "key_pkcs8":"MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgAAAA",
            "directory":"https://acme.test/dir"}}"#;
        const ISSUED: &str = r#"{"format":1,"names":["example.com"],"directory":"https://acme.test/dir",
            "chain":"-----BEGIN CERTIFICATE-----","key":"-----BEGIN PRIVATE KEY-----"}"#;
        const FAILURES: &str = r#"{"format":1,"failed":3,"last":1900000000,"problem":"no"}"#;
        let home = tempfile::tempdir().unwrap();
        let storage = Directory::new(home.path());
        storage.write("account", ACCOUNT.as_bytes()).await.unwrap();
        storage.write("issued", ISSUED.as_bytes()).await.unwrap();
        storage.write("failures", FAILURES.as_bytes()).await.unwrap();
        let account: StoredAccount = load(&storage, "account").await.unwrap().unwrap();
        assert_eq!(account.contact.as_deref(), Some("ops@example.com"));
        let issued: Issued = load(&storage, "issued").await.unwrap().unwrap();
        assert_eq!(
            (issued.names, issued.directory.as_str()),
            (vec!["example.com".to_owned()], "https://acme.test/dir")
        );
        let failures: Failures = load(&storage, "failures").await.unwrap().unwrap();
        assert_eq!(failures, Failures::new(3, 1_900_000_000, None, "no".to_owned()));
        // What they are called does not change either.
        let records = Records::new("https://acme.test/dir", &["b.test".to_owned(), "a.test".to_owned()]);
        assert_eq!(records.certificate(), "acme/5427093541c0f03b/certificate-c2cb48ebb25f9ea7.json");
        let sorted = Records::new("https://acme.test/dir", &["a.test".to_owned(), "b.test".to_owned()]);
        assert_eq!(records.certificate(), sorted.certificate());
    }

    #[tokio::test]
    async fn what_is_not_known_is_refused_by_name() {
        let home = tempfile::tempdir().unwrap();
        let storage = Directory::new(home.path());
        for (content, expect) in [
            (r#"{"format":2}"#, "acme/x.json is not what this edge writes there: its format is 2 and not 1"),
            ("nonsense", "acme/x.json is not what this edge writes there: expected"),
            (r#"{"format":1}"#, "acme/x.json is not what this edge writes there: missing field"),
        ] {
            storage.write("acme/x.json", content.as_bytes()).await.unwrap();
            let error = load::<Issued>(&storage, "acme/x.json").await.unwrap_err().to_string();
            assert!(error.starts_with(expect), "{error}");
        }
        assert!(load::<Issued>(&storage, "acme/none.json").await.unwrap().is_none());
    }

    #[test]
    fn tokens_name_nothing_else() {
        assert_eq!(challenge("aZ-_9").as_deref(), Some("acme/challenges/aZ-_9"));
        for token in ["", "..", "a/b", "a.b", "ä", "a\0", &"a".repeat(257)] {
            assert_eq!(challenge(token), None, "{token}");
        }
    }
}
