//! What a handshake costs the server, without sockets: both sides in one thread, the server's share measured.
//!
//! ```text
//! cargo run --release -p fairway-tls --example handshakes [-- SECONDS]
//! ```

use std::sync::Arc;
use std::time::{Duration, Instant};

use fairway_model::traffic::{Certificate, CertificateSource, ListenerTls};
use fairway_tls::{Certificates, Settings};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, ClientConnection, ServerConnection};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let seconds: u64 = match std::env::args().nth(1) {
        Some(text) => text.parse()?,
        None => 2,
    };
    let home = tempfile::tempdir()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let certificates = runtime.block_on(async {
        let certificates = Certificates::start(Settings::new(home.path()))?;
        let wanted = Certificate { names: vec!["example.test".to_owned()], source: CertificateSource::Local };
        certificates.apply("bench", &[wanted], None).await;
        Ok::<_, fairway_tls::StartError>(certificates)
    })?;
    let config = certificates.server_config(&ListenerTls::default());
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(certificates.local_root().ok_or("no local authority")?)?)?;
    println!("ECDSA P-256, one thread; the server's share");
    for (version, name) in [(&rustls::version::TLS13, "TLS 1.3"), (&rustls::version::TLS12, "TLS 1.2")] {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut client = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])?
            .with_root_certificates(roots.clone())
            .with_no_client_auth();
        for resumed in [false, true] {
            if !resumed {
                client.resumption = rustls::client::Resumption::disabled();
            } else {
                client.resumption = rustls::client::Resumption::in_memory_sessions(64);
            }
            let client = Arc::new(client.clone());
            let (mut count, mut spent) = (0_u32, Duration::ZERO);
            let began = Instant::now();
            // The first one fills the client's memory.
            one(&client, &config)?;
            while began.elapsed() < Duration::from_secs(seconds) {
                spent += one(&client, &config)?;
                count += 1;
            }
            let each = spent / count.max(1);
            let kind = if resumed { "resumed" } else { "full" };
            println!(
                "{name} {kind:8} {:>8.1} µs {:>8.0}/s",
                each.as_secs_f64() * 1e6,
                1.0 / each.as_secs_f64()
            );
        }
    }
    Ok(())
}

/// One handshake; how long the server worked for it.
fn one(
    client: &Arc<ClientConfig>,
    server: &Arc<rustls::ServerConfig>,
) -> Result<Duration, Box<dyn std::error::Error>> {
    let mut client = ClientConnection::new(client.clone(), "example.test".try_into()?)?;
    let began = Instant::now();
    let mut server = ServerConnection::new(server.clone())?;
    let mut spent = began.elapsed();
    let mut wire = Vec::new();
    loop {
        wire.clear();
        while client.wants_write() {
            client.write_tls(&mut wire)?;
        }
        let idle = wire.is_empty();
        let began = Instant::now();
        let mut rest = &wire[..];
        while !rest.is_empty() {
            server.read_tls(&mut rest)?;
            server.process_new_packets()?;
        }
        let mut answer = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut answer)?;
        }
        spent += began.elapsed();
        let mut rest = &answer[..];
        while !rest.is_empty() {
            client.read_tls(&mut rest)?;
            client.process_new_packets()?;
        }
        if idle && answer.is_empty() && !client.is_handshaking() && !server.is_handshaking() {
            return Ok(spent);
        }
    }
}
