//! A certificate authority for tests: servers with its certificates, and clients that trust it.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use std::sync::Arc;

use rcgen::{BasicConstraints, Certificate, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::{ClientConfig, RootCertStore, ServerConfig};

/// Signs certificates of servers.
#[derive(Debug)]
pub struct Authority {
    root: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// One that nobody trusts yet.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "two are never the same")]
    pub fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root = params.self_signed(&key).unwrap();
        Self { root, issuer: Issuer::new(params, key) }
    }

    /// Its root in PEM.
    #[must_use]
    pub fn root(&self) -> String {
        self.root.pem()
    }

    /// A certificate for this name and its key, in PEM.
    #[must_use]
    pub fn issue(&self, name: &str) -> String {
        let (certificate, key) = self.sign(name, |_| {});
        certificate.pem() + &key.serialize_pem()
    }

    fn sign(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> (Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        change(&mut params);
        (params.signed_by(&key, &self.issuer).unwrap(), key)
    }

    /// A server with a certificate for this name that offers these protocols.
    #[must_use]
    pub fn server(&self, name: &str, protocols: &[&[u8]]) -> Arc<ServerConfig> {
        self.server_with(name, protocols, |_| {})
    }

    /// The same, with a say in the certificate.
    ///
    /// # Panics
    /// When there can be no such certificate.
    #[must_use]
    pub fn server_with(
        &self,
        name: &str,
        protocols: &[&[u8]],
        change: impl FnOnce(&mut CertificateParams),
    ) -> Arc<ServerConfig> {
        let (certificate, key) = self.sign(name, change);
        let chain = vec![certificate.der().clone()];
        let mut config =
            ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_no_client_auth()
                .with_single_cert(chain, PrivatePkcs8KeyDer::from(key.serialize_der()).into())
                .unwrap();
        config.alpn_protocols = protocols.iter().map(|it| it.to_vec()).collect();
        Arc::new(config)
    }

    /// A client that trusts what this signed.
    #[must_use]
    pub fn client(&self) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.root.der().clone()).unwrap();
        ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth()
    }
}
