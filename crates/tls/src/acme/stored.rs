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

/// What failed since it last worked. Kept, so that an edge that is started again and again does not ask again and again.
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

/// Where the answer to a challenge is kept for other edges. None for tokens that a server must not choose (RFC 8555, 8.1:
/// base64url), which could name anything.
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
