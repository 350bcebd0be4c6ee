//! A certificate chain with its private key: read from PEM, found to belong together, its facts known.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem};
use rustls::sign::CertifiedKey;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

/// What signs and what it may say, ready to serve.
#[derive(Debug, Clone)]
pub(crate) struct Pair {
    /// For the handshake.
    pub(crate) key: Arc<CertifiedKey>,
    /// For people and plans.
    pub(crate) facts: Facts,
}

/// What a certificate says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Facts {
    /// Host names and addresses that it is for, in the one way to write them.
    pub(crate) names: Vec<String>,
    /// Who signed it: common name and organisation.
    pub(crate) issuer: String,
    /// First second of validity, since 1970.
    pub(crate) not_before: u64,
    /// Last second of validity, since 1970.
    pub(crate) not_after: u64,
}

/// Why a chain and a key can't be served.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PairError {
    /// No `BEGIN CERTIFICATE`.
    #[error("there is no certificate in PEM form (`-----BEGIN CERTIFICATE-----`)")]
    NoCertificate,
    /// Not PEM.
    #[error("the certificate chain is not PEM that can be read")]
    ChainPem(#[source] pem::Error),
    /// Not X.509.
    #[error("certificate {0} of the chain is not X.509 that can be read")]
    NotX509(usize),
    /// No key.
    #[error("there is no private key in PEM form (`-----BEGIN PRIVATE KEY-----`, unencrypted)")]
    NoKey,
    /// Not PEM.
    #[error("the private key is not PEM that can be read")]
    KeyPem(#[source] pem::Error),
    /// A kind that is not spoken.
    #[error(
        "the private key is of a kind that is not supported (RSA from 2048 bits, ECDSA P-256 and P-384, Ed25519 are)"
    )]
    KeyKind(#[source] rustls::Error),
    /// Two files of different pairs.
    #[error("the private key does not belong to the first certificate of the chain")]
    Mismatch,
}

impl Pair {
    /// Reads both from PEM.
    pub(crate) fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, PairError> {
        let chain: Vec<_> =
            CertificateDer::pem_slice_iter(chain).collect::<Result<_, _>>().map_err(PairError::ChainPem)?;
        if chain.is_empty() {
            return Err(PairError::NoCertificate);
        }
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| match error {
            pem::Error::NoItemsFound => PairError::NoKey,
            other => PairError::KeyPem(other),
        })?;
        Self::new(chain, key)
    }

    /// From what was just made.
    pub(crate) fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, PairError> {
        let leaf = chain.first().ok_or(PairError::NoCertificate)?;
        let (_, leaf) = X509Certificate::from_der(leaf).map_err(|_| PairError::NotX509(1))?;
        let facts = Facts::of(&leaf);
        // A file cut off in its middle must be found now and not by the clients.
        for (index, link) in chain.iter().enumerate().skip(1) {
            X509Certificate::from_der(link).map_err(|_| PairError::NotX509(index + 1))?;
        }
        let key = provider().key_provider.load_private_key(key).map_err(PairError::KeyKind)?;
        // The library's own comparison refuses certificates with critical extensions that it does not know, which
        // includes those that answer ACME challenges. Every key of our provider knows its public half.
        if key.public_key().is_none_or(|public| public.as_ref() != leaf.public_key().raw) {
            return Err(PairError::Mismatch);
        }
        Ok(Self { key: Arc::new(CertifiedKey::new(chain, key)), facts })
    }
}

impl Facts {
    fn of(parsed: &X509Certificate<'_>) -> Self {
        let mut names = Vec::new();
        if let Ok(Some(extension)) = parsed.subject_alternative_name() {
            for name in &extension.value.general_names {
                let name = match name {
                    GeneralName::DNSName(name) => (*name).to_owned(),
                    GeneralName::IPAddress(bytes) => match address(bytes) {
                        Some(address) => address,
                        None => continue,
                    },
                    _ => continue,
                };
                if let Ok(name) = crate::names::normalise(&name)
                    && !names.contains(&name)
                {
                    names.push(name);
                }
            }
        }
        Self {
            names,
            issuer: issuer(parsed),
            not_before: seconds(parsed.validity().not_before.timestamp()),
            not_after: seconds(parsed.validity().not_after.timestamp()),
        }
    }
}

fn issuer(certificate: &X509Certificate<'_>) -> String {
    let name = certificate.issuer();
    let text = |value: Option<&x509_parser::x509::AttributeTypeAndValue<'_>>| {
        value.and_then(|v| v.as_str().ok()).map(str::to_owned)
    };
    let common = text(name.iter_common_name().next());
    let organization = text(name.iter_organization().next());
    match (common, organization) {
        (Some(common), Some(organization)) => format!("{common}, {organization}"),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => name.to_string(),
    }
}

fn address(bytes: &[u8]) -> Option<String> {
    if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
        return Some(Ipv4Addr::from(v4).to_string());
    }
    <[u8; 16]>::try_from(bytes).ok().map(|v6| Ipv6Addr::from(v6).to_string())
}

fn seconds(timestamp: i64) -> u64 {
    timestamp.try_into().unwrap_or(0)
}

/// The cryptography that everything here uses, whatever the process has installed as its default.
pub(crate) fn provider() -> &'static Arc<CryptoProvider> {
    static PROVIDER: std::sync::LazyLock<Arc<CryptoProvider>> =
        std::sync::LazyLock::new(|| Arc::new(rustls::crypto::ring::default_provider()));
    &PROVIDER
}
