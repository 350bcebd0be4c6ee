//! Asking in TLS.

use rustls::{ClientConfig, pki_types::ServerName};
use std::{io, sync::Arc};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

/// HTTP/2 by its name in TLS (RFC 9113, 3.1).
const H2: &[u8] = b"h2";

/// How an instance is asked that speaks TLS: whom to trust, and the name that its certificate must be for.
#[derive(Debug, Clone)]
pub struct Tls {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

/// Says how an instance is asked now: what is trusted may change. The error is for people.
pub type Secure = Arc<dyn Fn() -> Result<Tls, String> + Send + Sync>;

impl Tls {
    /// With these roots and this name. The instance chooses the version of HTTP (ALPN, RFC 7301).
    #[must_use]
    pub fn new(mut config: ClientConfig, name: ServerName<'static>) -> Self {
        config.alpn_protocols = vec![H2.to_vec(), b"http/1.1".to_vec()];
        Self { config: Arc::new(config), name }
    }

    pub(super) async fn connect(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        TlsConnector::from(Arc::clone(&self.config)).connect(self.name.clone(), stream).await
    }
}

/// Whether the instance chose HTTP/2.
pub(super) fn chose_http2(stream: &TlsStream<TcpStream>) -> bool {
    stream.get_ref().1.alpn_protocol() == Some(H2)
}
