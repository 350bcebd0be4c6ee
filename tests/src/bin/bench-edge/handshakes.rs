//! Full TLS handshakes per second, each followed by one request: nothing is resumed, nothing is verified, so that the
//! client costs less than the server.

use anyhow::Context;
use fairway_stories::measure::rate::exchange;
use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{net::TcpStream, task::JoinSet, time::timeout};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        self, ClientConfig, DigitallySignedStruct, SignatureScheme,
        client::{
            Resumption,
            danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        },
        pki_types::{CertificateDer, ServerName, UnixTime},
    },
};

/// How long a handshake and its request may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Handshakes {
    /// Handshakes with an answered request.
    pub(crate) done: u64,
    /// Those that failed.
    pub(crate) failed: u64,
    /// How long it went on.
    pub(crate) lasted: Duration,
}

/// A client that believes everybody.
pub(crate) fn connector(protocols: &[&str]) -> anyhow::Result<TlsConnector> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .context("the versions of TLS")?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody))
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// One connection with a finished handshake.
pub(crate) async fn connect(
    connector: &TlsConnector,
    address: SocketAddr,
) -> anyhow::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let name = ServerName::try_from("localhost").expect("localhost is a name");
    Ok(connector.connect(name, stream).await?)
}

/// One handshake and one request on it.
async fn once(connector: &TlsConnector, address: SocketAddr, buffer: &mut [u8]) -> anyhow::Result<()> {
    let mut stream = connect(connector, address).await?;
    let request = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    exchange(&mut stream, request, buffer).await.map(drop)
}

/// Loops of handshakes for a while.
pub(crate) async fn run(
    address: SocketAddr,
    concurrent: usize,
    lasts: Duration,
) -> anyhow::Result<Handshakes> {
    let connector = connector(&["http/1.1"])?;
    let begin = Instant::now();
    let mut loops = JoinSet::new();
    for _ in 0..concurrent {
        let connector = connector.clone();
        loops.spawn(async move {
            let mut buffer = vec![0; 4096];
            let mut count = Handshakes::default();
            while begin.elapsed() < lasts {
                match timeout(PATIENCE, once(&connector, address, &mut buffer)).await {
                    Ok(Ok(())) => count.done += 1,
                    _ => count.failed += 1,
                }
            }
            count
        });
    }
    let mut total = Handshakes::default();
    while let Some(ended) = loops.join_next().await {
        let count = ended.context("a loop of the load ended with a panic")?;
        total.done += count.done;
        total.failed += count.failed;
    }
    total.lasted = begin.elapsed();
    Ok(total)
}

/// Verifies nothing: what is measured is the server.
#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ECDSA_NISTP256_SHA256]
    }
}
