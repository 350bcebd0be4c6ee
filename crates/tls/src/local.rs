//! The edge's own authority, for machines of developers, and the stand-in of a certificate that is not issued yet.
//!
//! The root is made once and kept in a directory, its key readable for its owner only. Certificates that it signs are
//! kept in memory: making one takes well under a millisecond, and a key that is nowhere can't be copied.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, SanType,
};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use time::OffsetDateTime;

use crate::clock;
use crate::pair::{Pair, PairError};
use crate::storage::write_private;

/// How long the root is valid: nobody wants to trust one again every year.
const ROOT: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);
/// How much of that is left when the root is made anew: more than what it signs will need.
const ROOT_LEFT: Duration = Duration::from_secs(180 * 24 * 60 * 60);
/// How long a stand-in is valid. It is made anew with each start.
const STAND_IN: Duration = Duration::from_secs(365 * 24 * 60 * 60);
/// Clocks of clients may be behind by this much.
const SKEW: Duration = Duration::from_secs(60 * 60);

/// The common name of stand-ins, which is what `issuer` says of them.
pub(crate) const STAND_IN_NAME: &str = "Fairway stand-in, self-signed";

/// Why there is no local certificate.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LocalError {
    /// A file of the authority could not be read.
    #[error("{} could not be read: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    /// A file of the authority could not be written.
    #[error("{} could not be written: {source}", path.display())]
    Write { path: PathBuf, source: io::Error },
    /// The files are no authority.
    #[error("{} and {} are no authority: {reason}", certificate.display(), key.display())]
    Broken { certificate: PathBuf, key: PathBuf, reason: String },
    /// The cryptography refused.
    #[error("a certificate could not be made: {0}")]
    Make(#[from] rcgen::Error),
    /// What was made can't be served.
    #[error("a certificate was made that can't be served: {0}")]
    Pair(#[from] PairError),
}

/// The authority.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// Where its root is, below the directory of an edge.
    pub(crate) fn root_path(directory: &Path) -> PathBuf {
        directory.join("local-ca").join("root.pem")
    }

    /// Opens the authority in the directory; makes it when there is none, or when its root is about to expire.
    pub(crate) fn open(directory: &Path) -> Result<Self, LocalError> {
        let root = Self::root_path(directory);
        let key_path = directory.join("local-ca").join("root.key");
        let broken = |reason: String| LocalError::Broken {
            certificate: root.clone(),
            key: key_path.clone(),
            reason: format!(
                "{reason}; move both files away to have a new authority made, which people then have to trust again"
            ),
        };
        // The key decides: of two edges that start at once one puts it there, and both go on with it. A root that is
        // made from the same key twice is the same authority, whichever of the two files stays.
        if !key_path.exists() {
            let key = KeyPair::generate()?;
            write_private(&key_path, key.serialize_pem().as_bytes(), false)
                .map_err(|source| write(&key_path, source))?;
        }
        let key_pem = read(&key_path)?;
        let key = KeyPair::from_pem(&key_pem)
            .map_err(|error| broken(format!("the key can't be read ({error})")))?;
        let params = root_params(&key);
        if !root.exists() {
            let certificate = params.self_signed(&key)?;
            write_private(&root, certificate.pem().as_bytes(), false)
                .map_err(|source| write(&root, source))?;
        }
        let root_pem = read(&root)?;
        let pair = Pair::from_pem(root_pem.as_bytes(), key_pem.as_bytes())
            .map_err(|error| broken(error.to_string()))?;
        if pair.facts.not_after < clock::now() + ROOT_LEFT.as_secs() {
            // Same key, new dates: who trusted the old file has to trust this one.
            let certificate = params.self_signed(&key)?;
            write_private(&root, certificate.pem().as_bytes(), true)
                .map_err(|source| write(&root, source))?;
            tracing::warn!(root = %root.display(), "the local authority was about to expire; trust its new root");
        }
        Ok(Self { issuer: Issuer::new(params, key) })
    }

    /// A certificate for these names.
    pub(crate) fn issue(&self, names: &[String], lifetime: Duration) -> Result<Pair, LocalError> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name = common_name(names.first().map_or("Fairway", String::as_str));
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        valid_for(&mut params, lifetime);
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(Pair::new(vec![certificate.der().clone()], private(&key))?)
    }
}

/// A self-signed certificate for these names, so that handshakes do not fail while the real one is being issued.
pub(crate) fn stand_in(names: &[String]) -> Result<Pair, LocalError> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = common_name(STAND_IN_NAME);
    valid_for(&mut params, STAND_IN);
    let certificate = params.self_signed(&key)?;
    Ok(Pair::new(vec![certificate.der().clone()], private(&key))?)
}

/// A key as the handshake takes it.
pub(crate) fn private(key: &KeyPair) -> PrivateKeyDer<'static> {
    PrivatePkcs8KeyDer::from(key.serialize_der()).into()
}

fn root_params(key: &KeyPair) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.subject_alt_names = Vec::<SanType>::new();
    // Two machines' authorities must not have the same name, or a client that trusts both takes one for the other.
    let identifier = hex::encode(params.key_identifier(key));
    params.distinguished_name = common_name(&format!("Fairway local authority {}", &identifier[..8]));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    valid_for(&mut params, ROOT);
    params
}

fn common_name(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

fn valid_for(params: &mut CertificateParams, lifetime: Duration) {
    let now = i64::try_from(clock::now())
        .ok()
        .and_then(|now| OffsetDateTime::from_unix_timestamp(now).ok())
        .unwrap_or(OffsetDateTime::UNIX_EPOCH);
    params.not_before = now - SKEW.min(lifetime);
    params.not_after = now + lifetime;
}

fn read(path: &Path) -> Result<String, LocalError> {
    std::fs::read_to_string(path).map_err(|source| LocalError::Read { path: path.to_owned(), source })
}

fn write(path: &Path, source: io::Error) -> LocalError {
    LocalError::Write { path: path.to_owned(), source }
}
