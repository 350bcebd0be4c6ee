//! What the tests share: an edge that speaks TLS on loopback, clients, and an authority that is none of ours.

pub(crate) mod dns;
pub(crate) mod double;
pub(crate) mod kept;
pub(crate) mod pebble;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use fairway_model::traffic::{Certificate, CertificateSource, ListenerTls};
use fairway_protocol::edge::CertificateStatus;
use fairway_tls::{AcceptError, Certificates, Settings};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme, SupportedProtocolVersion};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// How long a test waits for what must happen.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// Certificates, a TLS and a plain listener on loopback, and a directory; all gone when it is dropped.
pub(crate) struct Site {
    pub(crate) home: TempDir,
    pub(crate) certificates: Certificates,
    pub(crate) tls: SocketAddr,
    pub(crate) plain: SocketAddr,
    /// How handshakes ended: the protocol, or why not.
    pub(crate) handshakes: mpsc::UnboundedReceiver<Result<String, AcceptError>>,
    tasks: Vec<JoinHandle<()>>,
}

impl Drop for Site {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Site {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}, ListenerTls::default()).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Settings), options: ListenerTls) -> Self {
        let home = tempfile::tempdir().unwrap();
        Self::at(home, change, options).await
    }

    /// In a directory that is there already: an edge that was started again.
    pub(crate) async fn at(home: TempDir, change: impl FnOnce(&mut Settings), options: ListenerTls) -> Self {
        let mut settings = Settings::new(home.path().join("edge"));
        settings.poll = Duration::from_millis(10);
        settings.look = Duration::from_millis(100);
        change(&mut settings);
        let certificates = Certificates::start(settings).unwrap();
        let (ended, handshakes) = mpsc::unbounded_channel();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let tls = listener.local_addr().unwrap();
        let config = certificates.server_config(&options);
        let tls_task = tokio::spawn({
            let certificates = certificates.clone();
            async move {
                while let Ok((stream, _)) = listener.accept().await {
                    let (certificates, config, ended) = (certificates.clone(), config.clone(), ended.clone());
                    tokio::spawn(async move {
                        let mut stream = match certificates.accept(&config, stream).await {
                            Ok(stream) => stream,
                            Err(error) => return drop(ended.send(Err(error))),
                        };
                        let protocol = stream.get_ref().1.alpn_protocol().unwrap_or_default();
                        let protocol = String::from_utf8(protocol.to_vec()).unwrap();
                        // A client that only wanted the handshake may be gone; that is its affair.
                        let _ = stream.write_all(b"hello").await;
                        let _ = stream.shutdown().await;
                        drop(ended.send(Ok(protocol)));
                    });
                }
            }
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let plain = listener.local_addr().unwrap();
        let plain_task = tokio::spawn({
            let certificates = certificates.clone();
            async move {
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(answer_challenge(certificates.clone(), stream));
                }
            }
        });
        Self { home, certificates, tls, plain, handshakes, tasks: vec![tls_task, plain_task] }
    }

    /// The edge dies and is started again with what it keeps.
    pub(crate) async fn restarted(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        let home = std::mem::replace(&mut self.home, tempfile::tempdir().unwrap());
        drop(self);
        Self::at(home, change, ListenerTls::default()).await
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Waits until the status is as it should be.
    pub(crate) async fn wait(
        &self,
        what: &str,
        is: impl Fn(&[CertificateStatus]) -> bool,
    ) -> Vec<CertificateStatus> {
        let mut changes = self.certificates.changes();
        let waited = tokio::time::timeout(DEADLINE, async {
            loop {
                let status = self.certificates.status();
                if is(&status) {
                    return status;
                }
                changes.changed().await.unwrap();
            }
        })
        .await;
        waited.unwrap_or_else(|_| {
            let log = std::fs::read_to_string(self.path("pebble/log")).unwrap_or_default();
            panic!("not within {DEADLINE:?}: {what}; {:#?}\n{log}", self.certificates.status())
        })
    }

    /// A handshake with a client that takes any certificate. The answer is the certificate's names and issuer.
    pub(crate) async fn serves(&self, name: &str) -> Result<Seen, String> {
        let stream =
            connect(self.tls, name, anyone(&[&rustls::version::TLS13, &rustls::version::TLS12])).await?;
        Ok(Seen::of(&stream))
    }
}

/// What a client saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) leaf: Vec<u8>,
    pub(crate) names: Vec<String>,
    pub(crate) issuer: String,
}

impl Seen {
    pub(crate) fn of(stream: &TlsStream<TcpStream>) -> Self {
        let leaf = stream.get_ref().1.peer_certificates().unwrap()[0].to_vec();
        let (_, parsed) = x509_parser::parse_x509_certificate(&leaf).unwrap();
        let names = match parsed.subject_alternative_name().unwrap() {
            Some(names) => names.value.general_names.iter().map(ToString::to_string).collect(),
            None => Vec::new(),
        };
        let issuer = parsed.issuer().to_string();
        Self { names, issuer, leaf: leaf.clone() }
    }
}

/// Connects. A name that is an address is not asked for, as clients do.
pub(crate) async fn connect(
    address: SocketAddr,
    name: &str,
    config: ClientConfig,
) -> Result<TlsStream<TcpStream>, String> {
    connect_with(address, name, Arc::new(config)).await
}

pub(crate) async fn connect_with(
    address: SocketAddr,
    name: &str,
    config: Arc<ClientConfig>,
) -> Result<TlsStream<TcpStream>, String> {
    let tcp = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut stream =
        TlsConnector::from(config).connect(name, tcp).await.map_err(|error| error.to_string())?;
    // In TLS 1.3 the client is done before the server is, and tickets come after that: only reading shows both.
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.map_err(|error| error.to_string())?;
    assert_eq!(answer, b"hello");
    Ok(stream)
}

/// A client that takes any certificate.
pub(crate) fn anyone(versions: &[&'static SupportedProtocolVersion]) -> ClientConfig {
    let schemes =
        rustls::crypto::ring::default_provider().signature_verification_algorithms.supported_schemes();
    let verifier = Arc::new(Anyone(schemes));
    builder(versions).dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth()
}

/// A client that trusts the authority in this file.
pub(crate) fn trusting(root: &Path) -> ClientConfig {
    use rustls::pki_types::pem::PemObject;
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(root).unwrap()).unwrap();
    builder(&[&rustls::version::TLS13]).with_root_certificates(roots).with_no_client_auth()
}

fn builder(
    versions: &[&'static SupportedProtocolVersion],
) -> rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier> {
    ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
}

/// A client that takes any certificate, if its key signs in one of these ways.
pub(crate) fn offering(schemes: Vec<SignatureScheme>) -> ClientConfig {
    let verifier = Arc::new(Anyone(schemes));
    builder(&[&rustls::version::TLS13])
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth()
}

#[derive(Debug)]
struct Anyone(Vec<SignatureScheme>);

impl ServerCertVerifier for Anyone {
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
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let provider = rustls::crypto::ring::default_provider();
        rustls::crypto::verify_tls12_signature(
            message,
            cert,
            dss,
            &provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let provider = rustls::crypto::ring::default_provider();
        rustls::crypto::verify_tls13_signature(
            message,
            cert,
            dss,
            &provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.clone()
    }
}

/// What an edge does on its plain listeners for an ACME server.
async fn answer_challenge(certificates: Certificates, mut stream: TcpStream) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut request).await.unwrap_or(0) == 0 {
            return;
        }
    }
    let request = String::from_utf8(request).unwrap();
    let path = request.split(' ').nth(1).unwrap_or_default();
    let answer = match path.strip_prefix("/.well-known/acme-challenge/") {
        Some(token) => certificates.http01_shared(token).await,
        None => None,
    };
    let answer = match answer {
        Some(text) => format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/octet-stream\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{text}",
            text.len()
        ),
        None => "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_owned(),
    };
    let _ = stream.write_all(answer.as_bytes()).await;
    let _ = stream.shutdown().await;
}

/// A chain and a key in PEM, made by an authority of the test.
pub(crate) fn make(names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    make_with(names, &key, change)
}

pub(crate) fn make_with(
    names: &[&str],
    key: &KeyPair,
    change: impl FnOnce(&mut CertificateParams),
) -> (String, String) {
    let authority_key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::default();
    authority.distinguished_name.remove(DnType::CommonName);
    authority.distinguished_name.push(DnType::CommonName, "Test authority");
    authority.distinguished_name.push(DnType::OrganizationName, "Example");
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let authority_certificate = authority.self_signed(&authority_key).unwrap();
    let mut params =
        CertificateParams::new(names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>()).unwrap();
    let now = time::OffsetDateTime::now_utc();
    params.not_before = now - time::Duration::days(1);
    params.not_after = now + time::Duration::days(89);
    change(&mut params);
    let leaf = params.signed_by(key, &Issuer::new(authority, &authority_key)).unwrap();
    (leaf.pem() + &authority_certificate.pem(), key.serialize_pem())
}

/// Writes both as `<name>.pem` and `<name>.key`, each by a rename as careful tools do.
pub(crate) fn put(directory: &Path, name: &str, (chain, key): &(String, String)) -> Certificate {
    let files =
        [(directory.join(format!("{name}.pem")), chain), (directory.join(format!("{name}.key")), key)];
    for (path, content) in &files {
        let new = path.with_extension("new");
        std::fs::write(&new, content).unwrap();
        std::fs::rename(&new, path).unwrap();
    }
    let [(chain, _), (key, _)] = files;
    Certificate { names: Vec::new(), source: CertificateSource::Files { chain, key } }
}
