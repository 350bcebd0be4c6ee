//! TLS of an environment, as people write it.

use super::is_default;
use crate::schema;
use fairway_model::{
    SecretVersion,
    traffic::{self, ListenerTls, TlsVersion},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{net::SocketAddr, path::PathBuf};

/// A public listener that speaks TLS. It has the same routes as `listen`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// Its address; port 0 takes any free port.
    #[schemars(schema_with = "schema::socket_address", extend("examples" = ["0.0.0.0:443"]))]
    pub listen: SocketAddr,

    /// The oldest version of TLS that is spoken: `"1.2"` or `"1.3"`.
    #[serde(default)]
    #[schemars(schema_with = "schema::tls_version", extend("examples" = ["1.3"]))]
    pub minimum: TlsVersion,

    /// What it shows; the name that a client asks for decides which. A `local` environment has one of the edge's own
    /// authority when this is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), extend("examples" = [[{"acme": {"contact": "ops@example.com"}}]]))]
    pub certificates: Option<Vec<Certificate>>,
}

/// A certificate: of `files`, of the edge's own authority (`local`), or of an `acme` server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Certificate {
    /// From PEM files of the host.
    Files(FilesCertificate),
    /// Issued by the edge's own authority.
    Local(LocalCertificate),
    /// Issued by an ACME server and renewed in time.
    Acme(AcmeCertificate),
}

/// A certificate from files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FilesCertificate {
    /// PEM files of the host that the environment runs on, read again when they change. They are not looked for when
    /// the manifest is checked: they need not be on this machine.
    #[schemars(extend("examples" = [{"chain": "/etc/ssl/shop.pem", "key": "/etc/ssl/shop.key"}]))]
    pub files: CertificateFiles,
    /// The hosts it is for. When left out: of `files`, those that the certificate itself names; otherwise the hosts of
    /// all routes that no other certificate names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::host_list", extend("examples" = [["*.shop.example.com"]]))]
    pub names: Vec<String>,
}

/// A certificate of the edge's own authority.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LocalCertificate {
    /// Issued by the edge's own authority, for machines of developers. Browsers must be told once to trust it.
    #[schemars(extend("const" = true, "examples" = [true]))]
    pub local: bool,
    /// The hosts it is for. When left out: of `files`, those that the certificate itself names; otherwise the hosts of
    /// all routes that no other certificate names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::host_list", extend("examples" = [["shop.localhost"]]))]
    pub names: Vec<String>,
}

/// A certificate of an ACME server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AcmeCertificate {
    /// Issued by an ACME server and renewed when the server suggests, else when a third of its lifetime is left. Using a
    /// server agrees to its terms.
    #[schemars(extend("examples" = [{"contact": "ops@example.com"}]))]
    pub acme: Acme,
    /// The hosts it is for. When left out: of `files`, those that the certificate itself names; otherwise the hosts of
    /// all routes that no other certificate names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::host_list", extend("examples" = [["{environment.domain}"]]))]
    pub names: Vec<String>,
}

/// PEM files, as absolute paths on the host that the environment runs on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CertificateFiles {
    /// The certificate, then those between it and the root.
    #[schemars(extend("format" = "absolute-path", "pattern" = "^/", "examples" = ["/etc/ssl/shop.pem"]))]
    pub chain: String,
    /// Its private key.
    #[schemars(extend("format" = "absolute-path", "pattern" = "^/", "examples" = ["/etc/ssl/shop.key"]))]
    pub key: String,
}

/// An ACME server, and how it is shown that the names are ours.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Acme {
    /// The URL of its directory; that of Let's Encrypt when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend(
        "format" = "https-url",
        "pattern" = "^https://",
        "examples" = ["https://acme-staging-v02.api.letsencrypt.org/directory"]
    ))]
    pub directory: Option<String>,
    /// A PEM file on the host with the roots that the server's own certificate is checked against; those of the
    /// system when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "absolute-path", "pattern" = "^/", "examples" = ["/etc/ssl/acme-roots.pem"]))]
    pub roots: Option<String>,
    /// The mail address that the server may write to.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "mail-address", "pattern" = "@", "examples" = ["ops@example.com"]))]
    pub contact: Option<String>,
    /// How it is shown that the names are ours. `http-01`: the server asks on port 80, which must reach `listen`.
    /// `tls-alpn-01`: it asks on port 443, which must reach `tls.listen`. `dns-01`: a program publishes a record;
    /// names with `*` need it.
    #[schemars(extend("examples" = ["tls-alpn-01"]))]
    pub challenge: AcmeChallenge,
    /// Where account and certificates are kept. `local`: in the home of the edge, for it alone. `store`: in the project's
    /// store, sealed, for all edges of the environment: one of them orders, the others have what it gets and answer for
    /// it. The host needs the store then: for a bucket, `AWS_*` of whoever starts its agent.
    #[serde(skip_serializing_if = "is_default")]
    #[schemars(extend("examples" = ["store"]))]
    pub storage: AcmeStorage,
    /// The account that the authority gave its customer, for those that issue to nobody else.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = [{"id": "kid-1", "key": "${ACME_KEY}"}]))]
    pub account: Option<ExternalAccount>,
}

/// Where account and certificates are kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum AcmeStorage {
    /// In the home of the edge.
    #[default]
    Local,
    /// In the project's store.
    Store,
}

/// An account that was made elsewhere (external account binding, RFC 8555).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExternalAccount {
    /// How the authority calls the key.
    #[schemars(length(min = 1), extend("examples" = ["kid-1"]))]
    pub id: String,
    /// The key (HMAC) as the authority shows it, in base64url: `${NAME}` of the process environment, a secret.
    #[schemars(schema_with = "schema::variable_text", extend("examples" = ["${ACME_KEY}"]))]
    pub key: String,
}

/// The secrets that a certificate takes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct CertificateSecrets {
    /// To reach the store.
    pub(crate) access: Option<SecretVersion>,
    /// The key of the external account.
    pub(crate) account: Option<SecretVersion>,
}

/// How it is shown that names are ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, deny_unknown_fields)]
pub enum AcmeChallenge {
    /// The edge answers the server itself.
    Edge(EdgeChallenge),
    /// A program publishes a record.
    Dns {
        /// The program and its first arguments: an absolute path on the host, or a name that is looked up in `PATH`
        /// there. It is called with `present` or `cleanup`, the name of the record and its value; `present` returns when
        /// everybody can see the record, within 120 s.
        #[serde(rename = "dns-01")]
        #[schemars(schema_with = "schema::command", extend("examples" = [["/usr/local/bin/dns-hook"]]))]
        dns_01: Vec<String>,
    },
}

/// What the edge answers itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum EdgeChallenge {
    /// On its plain listener.
    #[serde(rename = "http-01")]
    Http01,
    /// In the handshake of its TLS listener.
    #[serde(rename = "tls-alpn-01")]
    TlsAlpn01,
}

impl Default for AcmeChallenge {
    fn default() -> Self {
        Self::Edge(EdgeChallenge::Http01)
    }
}

impl Tls {
    /// The certificates that are written, or the one that a machine of a developer has without a word.
    pub(crate) fn certificates(&self, local: bool) -> Vec<Certificate> {
        match &self.certificates {
            Some(certificates) => certificates.clone(),
            None if local => vec![Certificate::Local(LocalCertificate { local: true, names: Vec::new() })],
            None => Vec::new(),
        }
    }

    pub(crate) fn settings(&self) -> ListenerTls {
        ListenerTls { minimum: self.minimum }
    }
}

impl Certificate {
    /// The names as they are written, with their placeholders.
    pub(crate) fn names(&self) -> &[String] {
        match self {
            Self::Files(FilesCertificate { names, .. })
            | Self::Local(LocalCertificate { names, .. })
            | Self::Acme(AcmeCertificate { names, .. }) => names,
        }
    }

    /// Without names it is for the hosts of the routes; a certificate from files names its hosts itself.
    pub(crate) fn takes_hosts(&self) -> bool {
        self.names().is_empty() && !matches!(self, Self::Files(_))
    }

    pub(crate) fn acme(&self) -> Option<&Acme> {
        match self {
            Self::Acme(AcmeCertificate { acme, .. }) => Some(acme),
            Self::Files(_) | Self::Local(_) => None,
        }
    }

    /// The certificate for these names, as an edge has it.
    pub(crate) fn spec(&self, names: Vec<String>, secrets: CertificateSecrets) -> traffic::Certificate {
        let source = match self {
            Self::Files(FilesCertificate { files: CertificateFiles { chain, key }, names: _ }) => {
                traffic::CertificateSource::Files { chain: chain.into(), key: key.into() }
            }
            Self::Local(_) => traffic::CertificateSource::Local,
            Self::Acme(AcmeCertificate { acme, names: _ }) => {
                traffic::CertificateSource::Acme(acme.spec(secrets))
            }
        };
        traffic::Certificate { names, source }
    }
}

/// Let's Encrypt.
const DIRECTORY: &str = "https://acme-v02.api.letsencrypt.org/directory";

impl Acme {
    fn spec(&self, secrets: CertificateSecrets) -> traffic::Acme {
        let Self { directory, roots, contact, challenge, storage, account } = self;
        traffic::Acme {
            directory: directory.clone().unwrap_or_else(|| DIRECTORY.to_owned()),
            roots: roots.as_ref().map(PathBuf::from),
            contact: contact.clone(),
            challenge: match challenge {
                AcmeChallenge::Edge(EdgeChallenge::Http01) => traffic::AcmeChallenge::Http01,
                AcmeChallenge::Edge(EdgeChallenge::TlsAlpn01) => traffic::AcmeChallenge::TlsAlpn01,
                AcmeChallenge::Dns { dns_01 } => traffic::AcmeChallenge::Dns01 { hook: dns_01.clone() },
            },
            storage: match (storage, secrets.access) {
                (AcmeStorage::Store, Some(access)) => traffic::AcmeStorage::Store { access },
                (AcmeStorage::Store, None) | (AcmeStorage::Local, _) => traffic::AcmeStorage::Local,
            },
            account: account
                .as_ref()
                .zip(secrets.account)
                .map(|(account, key)| traffic::ExternalAccount { id: account.id.clone(), key }),
        }
    }
}
