//! TLS towards targets.

use std::fmt;
use std::io;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{AlertDescription, CertificateError, ClientConfig};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::exchange::Protocol;

/// How targets are spoken to in TLS: whom to trust, and the name that their certificates must be for.
///
/// A connection is used again only by exchanges that ask for a clone of what it was made with. Clones share their
/// sessions, too, so that later connections are resumed.
#[derive(Clone)]
pub struct Tls(Arc<Terms>);

struct Terms {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
    protocol: Protocol,
}

impl Tls {
    /// With these roots and this name, for exchanges in this protocol. It is what the target is offered (ALPN, RFC 7301).
    pub fn new(mut config: ClientConfig, name: ServerName<'static>, protocol: Protocol) -> Self {
        config.alpn_protocols = vec![alpn(protocol).to_vec()];
        Self(Arc::new(Terms { config: Arc::new(config), name, protocol }))
    }

    pub(crate) async fn secure(&self, stream: TcpStream) -> Result<TlsStream<TcpStream>, TlsError> {
        let Terms { config, name, protocol } = &*self.0;
        let connecting = TlsConnector::from(Arc::clone(config)).connect(name.clone(), stream);
        let stream = connecting.await.map_err(TlsError::of)?;
        // A server of HTTP/1.1 may know nothing of ALPN; HTTP/2 must be agreed on (RFC 9113, 3.2).
        if *protocol == Protocol::Http2 && stream.get_ref().1.alpn_protocol() != Some(alpn(*protocol)) {
            let source = io::Error::other("no protocol was agreed on");
            return Err(TlsError { fault: TlsFault::Protocol, source });
        }
        Ok(stream)
    }
}

fn alpn(protocol: Protocol) -> &'static [u8] {
    match protocol {
        Protocol::Http1 => b"http/1.1",
        Protocol::Http2 => b"h2",
    }
}

impl PartialEq for Tls {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Tls {}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("name", &self.0.name).finish_non_exhaustive()
    }
}

/// Why a handshake failed.
#[derive(Debug)]
pub(crate) struct TlsError {
    pub(crate) fault: TlsFault,
    pub(crate) source: io::Error,
}

impl TlsError {
    fn of(source: io::Error) -> Self {
        let error = source.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>());
        let fault = error.map_or(TlsFault::Handshake, TlsFault::of);
        Self { fault, source }
    }
}

/// What was wrong with a handshake, in words that anybody may read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsFault {
    /// No root that is trusted vouches for the certificate.
    #[error("its certificate is not of an authority that is trusted")]
    Authority,
    /// The certificate is for somebody else.
    #[error("its certificate is for another name")]
    Name,
    /// The certificate is not valid now.
    #[error("its certificate has expired or is not valid yet")]
    Dates,
    /// Anything else about the certificate.
    #[error("its certificate can't be accepted")]
    Certificate,
    /// The two sides do not speak the same version of HTTP.
    #[error("it did not agree on the version of HTTP")]
    Protocol,
    /// What answered was no TLS.
    #[error("it does not speak TLS")]
    NotTls,
    /// Anything else.
    #[error("the handshake failed")]
    Handshake,
}

impl TlsFault {
    fn of(error: &rustls::Error) -> Self {
        use CertificateError as Bad;
        match error {
            rustls::Error::InvalidCertificate(bad) => match bad {
                Bad::UnknownIssuer | Bad::BadSignature => Self::Authority,
                Bad::NotValidForName | Bad::NotValidForNameContext { .. } => Self::Name,
                Bad::Expired
                | Bad::ExpiredContext { .. }
                | Bad::NotValidYet
                | Bad::NotValidYetContext { .. } => Self::Dates,
                _ => Self::Certificate,
            },
            rustls::Error::AlertReceived(AlertDescription::NoApplicationProtocol)
            | rustls::Error::NoApplicationProtocol => Self::Protocol,
            rustls::Error::InvalidMessage(_) => Self::NotTls,
            _ => Self::Handshake,
        }
    }
}
