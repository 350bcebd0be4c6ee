//! How TLS is spoken on a listener.

use std::sync::Arc;

use fairway_model::traffic::{ListenerTls, TlsVersion};
use rustls::ServerConfig;
use rustls::server::{NoServerSessionStorage, ProducesTickets};
use rustls::version::{TLS12, TLS13};

use crate::pair::provider;
use crate::serving::{ACME_TLS, Resolver};

/// The configuration of a listener.
///
/// * Ciphers: those of the provider, all with forward secrecy and AEAD; the client's order counts, because it knows
///   whether it has AES in hardware.
/// * Sessions are resumed by tickets alone. Their keys are random, change every six hours, are accepted for twelve and
///   never leave the process: an edge that takes over asks for full handshakes once. Nothing is kept per session, so
///   workers share no lock but the one that is taken for writing when the keys change.
/// * No early data (0-RTT): it can be replayed, and an edge can't know which requests would mind.
pub(crate) fn server_config(
    options: &ListenerTls,
    resolver: Arc<Resolver>,
    tickets: Arc<dyn ProducesTickets>,
) -> Arc<ServerConfig> {
    let versions: &[_] = match options.minimum {
        TlsVersion::V1_2 => &[&TLS13, &TLS12],
        TlsVersion::V1_3 => &[&TLS13],
    };
    let mut config = ServerConfig::builder_with_provider(provider().clone())
        .with_protocol_versions(versions)
        .expect("the provider has suites for both versions")
        .with_no_client_auth()
        .with_cert_resolver(resolver);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec(), ACME_TLS.to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.ticketer = tickets;
    Arc::new(config)
}
