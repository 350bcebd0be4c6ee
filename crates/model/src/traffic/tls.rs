//! Certificates of listeners that speak TLS.

use crate::{SecretVersion, edge::is_default};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// One certificate with the names it is for. Which one a client gets is decided by the name it asks for (SNI).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Certificate {
    /// Host names, `*.example.com` for one level below, in ASCII (`xn--` for others). Empty: the names that the
    /// certificate itself has, which only files can mean; what is issued needs names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// Where it comes from.
    pub source: CertificateSource,
}

impl Certificate {
    /// The secrets that it takes to have it.
    pub fn secrets(&self) -> impl Iterator<Item = SecretVersion> {
        let acme = match &self.source {
            CertificateSource::Acme(acme) => Some(acme),
            CertificateSource::Files { .. } | CertificateSource::Local => None,
        };
        acme.into_iter().flat_map(|acme| {
            let access = match acme.storage {
                AcmeStorage::Local => None,
                AcmeStorage::Store { access } => Some(access),
            };
            access.into_iter().chain(acme.account.as_ref().map(|account| account.key))
        })
    }
}

/// Where a certificate comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CertificateSource {
    /// PEM files; they are read again when they change.
    Files {
        /// The certificate, then those between it and the root.
        chain: PathBuf,
        /// Its private key.
        key: PathBuf,
    },
    /// Issued by the edge's own authority, for machines of developers. Browsers must be told to trust it once.
    Local,
    /// Issued by an ACME server (RFC 8555) and renewed when a third of its lifetime is left. Using a server agrees to
    /// its terms of service. Until the first certificate is there, a self-signed one stands in.
    Acme(Acme),
}

/// How to reach an ACME server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Acme {
    /// Its directory, an `https://` address. Default: Let's Encrypt.
    #[serde(default = "directory")]
    pub directory: String,
    /// PEM file with the roots that the server's own certificate is checked against. Default: the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roots: Option<PathBuf>,
    /// Whom the server may write to: a mail address, or a URL that the server knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<String>,
    /// How it is proven that the names are ours.
    #[serde(default)]
    pub challenge: AcmeChallenge,
    /// Where account and certificates are kept.
    #[serde(default, skip_serializing_if = "is_default")]
    pub storage: AcmeStorage,
    /// The account that the authority gave its customer, which the one at the server is bound to (RFC 8555, 7.3.4).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<ExternalAccount>,
}

/// An account that was made elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExternalAccount {
    /// How the authority calls its key.
    pub id: String,
    /// The secret that holds the key (HMAC, base64url).
    pub key: SecretVersion,
}

/// Where account and certificates are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AcmeStorage {
    /// In the home of the edge, for this edge alone.
    #[default]
    Local,
    /// In the project's store, for all edges of the environment; a copy is in the home of the edge.
    Store {
        /// The secret that says where the store is and what key it takes.
        access: SecretVersion,
    },
}

fn directory() -> String {
    "https://acme-v02.api.letsencrypt.org/directory".to_owned()
}

/// How it is proven that names are ours.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AcmeChallenge {
    /// The edge answers below `/.well-known/acme-challenge/` on its plain listeners (RFC 8555, 8.3).
    #[default]
    Http01,
    /// The edge answers in the handshake of its TLS listeners (RFC 8737).
    TlsAlpn01,
    /// A program publishes a TXT record (RFC 8555, 8.4); needed for wildcards. It is called with `present` or
    /// `cleanup`, the record's name and its value, has the environment of the edge, and is killed after 120 s. A
    /// record may have several values at a time (for `example.com` and `*.example.com`): `present` adds one and
    /// returns when everybody can see it, `cleanup` takes that one away.
    Dns01 {
        /// The program and its first arguments.
        hook: Vec<String>,
    },
}

/// A listener that speaks TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ListenerTls {
    /// The oldest version that is spoken. Default 1.2.
    pub minimum: TlsVersion,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum TlsVersion {
    /// TLS 1.2 (RFC 5246) with forward secrecy and AEAD ciphers only.
    #[default]
    #[serde(rename = "1.2")]
    V1_2,
    /// TLS 1.3 (RFC 8446).
    #[serde(rename = "1.3")]
    V1_3,
}
