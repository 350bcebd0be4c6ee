//! Whom a client trusts.

use std::io;
use std::path::{Path, PathBuf};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject};
use rustls::{ClientConfig, RootCertStore};

use crate::files::read_all;
use crate::pair::provider;

/// The roots that a client trusts. Two that are equal trust the same servers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roots(Vec<CertificateDer<'static>>);

/// Why there are no roots. The text has the cause: it becomes a line of a status.
#[derive(Debug, thiserror::Error)]
pub enum RootsError {
    /// The file could not be read.
    #[error("the roots in {} could not be read: {source}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file is not PEM.
    #[error("the roots in {} are not PEM that can be read: {source}", path.display())]
    Pem {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: pem::Error,
    },
    /// A certificate of the file is none that anything can be checked against.
    #[error("certificate {number} of the roots in {} can't be used: {source}", path.display())]
    Certificate {
        /// Which file.
        path: PathBuf,
        /// Which of its certificates, from 1.
        number: usize,
        /// What is wrong with it.
        #[source]
        source: rustls::Error,
    },
    /// The file has no certificate.
    #[error("there is no certificate in {} (`-----BEGIN CERTIFICATE-----`)", .0.display())]
    Empty(PathBuf),
    /// The system has none.
    #[error("the system has no roots: {0}")]
    System(#[source] io::Error),
}

impl Roots {
    /// Those in a PEM file, or the system's. It reads files.
    ///
    /// # Errors
    /// See [`RootsError`]; a file is used as a whole or not at all.
    pub fn read(file: Option<&Path>) -> Result<Self, RootsError> {
        let Some(path) = file else { return Self::of_the_system() };
        let content = read_all(path).map_err(|source| RootsError::Read { path: path.to_owned(), source })?;
        let roots: Vec<_> = CertificateDer::pem_slice_iter(&content)
            .collect::<Result<_, _>>()
            .map_err(|source| RootsError::Pem { path: path.to_owned(), source })?;
        if roots.is_empty() {
            return Err(RootsError::Empty(path.to_owned()));
        }
        let mut store = RootCertStore::empty();
        for (index, root) in roots.iter().enumerate() {
            store.add(root.clone()).map_err(|source| RootsError::Certificate {
                path: path.to_owned(),
                number: index + 1,
                source,
            })?;
        }
        Ok(Self(roots))
    }

    fn of_the_system() -> Result<Self, RootsError> {
        let found = rustls_native_certs::load_native_certs();
        if found.certs.is_empty() {
            let words: Vec<String> = found.errors.iter().map(ToString::to_string).collect();
            return Err(RootsError::System(io::Error::other(words.join("; "))));
        }
        Ok(Self(found.certs))
    }

    /// How a client speaks TLS 1.2 and 1.3 that trusts these roots: it remembers sessions and shows no certificate.
    pub fn client_config(&self) -> ClientConfig {
        let mut store = RootCertStore::empty();
        // What nothing can be checked against is in the stores of some systems; it was refused of files.
        store.add_parsable_certificates(self.0.iter().cloned());
        ClientConfig::builder_with_provider(provider().clone())
            .with_safe_default_protocol_versions()
            .expect("the provider has suites for both versions")
            .with_root_certificates(store)
            .with_no_client_auth()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_root() {
        let place = tempfile::tempdir().unwrap();
        let check = |content: &str, expect: &str| {
            let path = place.path().join("roots.pem");
            std::fs::write(&path, content).unwrap();
            let error = Roots::read(Some(&path)).unwrap_err();
            let words = error.to_string().replace(&path.display().to_string(), "FILE");
            assert!(words.starts_with(expect), "{words}");
        };
        check("", "there is no certificate in FILE");
        check("-----BEGIN CERTIFICATE-----\n", "the roots in FILE are not PEM that can be read: ");
        check(
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "certificate 1 of the roots in FILE can't be used: ",
        );
        let missing = Roots::read(Some(&place.path().join("missing.pem"))).unwrap_err();
        assert!(missing.to_string().contains("could not be read: No such file"), "{missing}");
    }

    #[test]
    fn roots_are_known_again() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("roots.pem");
        let write = || {
            let key = rcgen::KeyPair::generate().unwrap();
            let root = rcgen::CertificateParams::new([]).unwrap().self_signed(&key).unwrap();
            std::fs::write(&path, root.pem()).unwrap();
            Roots::read(Some(&path)).unwrap()
        };
        let first = write();
        assert_eq!(first, Roots::read(Some(&path)).unwrap());
        assert_ne!(first, write());
    }
}
