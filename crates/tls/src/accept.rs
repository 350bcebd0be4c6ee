//! A handshake with the words that its failures deserve.

use std::io;
use std::sync::Arc;

use fairway_model::traffic::AcmeChallenge;
use rustls::ServerConfig;
use rustls::server::Acceptor;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_rustls::StartHandshake;
use tokio_rustls::server::TlsStream;

use crate::certificates::Certificates;
use crate::problem::chain_of;
use crate::serving::{ACME_TLS, asks_for_challenge};

/// Fatal alerts as records. Nothing is encrypted yet when they are sent.
const UNRECOGNIZED_NAME: [u8; 7] = [21, 3, 3, 0, 2, 2, 112];
const PROTOCOL_VERSION: [u8; 7] = [21, 3, 1, 0, 2, 2, 70];
/// Where the client says the newest version that it speaks, up to 1.2: after the record's header and the message's.
const VERSION: std::ops::Range<usize> = 9..11;
const TLS_1_2: [u8; 2] = [3, 3];
/// The first byte of a TLS connection: a record that holds a handshake.
const HANDSHAKE: u8 = 22;
/// How much of a plain request is read and thrown away.
const MOST_UNREAD: usize = 64 * 1024;
const PLAIN_HTTP: &[u8] = b"HTTP/1.1 400 Bad Request\r\nserver: fairway-edge\r\ncontent-type: text/plain\r\n\
content-length: 51\r\nconnection: close\r\n\r\nThis port speaks TLS: write https:// in the address";

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    /// The client asked for a name that no certificate is for; it got the alert `unrecognized_name`.
    #[error("no certificate for the name `{0}`")]
    UnknownName(String),
    /// The first byte is none of TLS. A client that spoke plain HTTP got a 400 that says so.
    #[error("the client does not speak TLS")]
    NotTls,
    /// This was an ACME server looking for the answer to its challenge, and it got it. Nothing follows.
    #[error("an ACME server checked a challenge")]
    AcmeChallenge,
    /// The client speaks TLS 1.1 at most; it got the alert `protocol_version`.
    #[error("the client speaks TLS 1.1 at most")]
    OldVersion,
    /// The handshake failed: versions, ciphers, a client that does not trust the certificate, a connection that broke.
    #[error("handshake failed: {}", chain_of(.0))]
    Handshake(io::Error),
}

impl Certificates {
    /// Does the handshake of one connection. Give it a deadline; it has none of its own, and dropping it is safe.
    ///
    /// The same as handing the configuration to a `TlsAcceptor`, except that a client that asks for an unknown name
    /// is told with the alert made for it (the library knows only `access_denied`), that plain HTTP gets an answer
    /// that people can read, and that an ACME server's visit ends here.
    pub async fn accept<IO>(&self, config: &Arc<ServerConfig>, io: IO) -> Result<TlsStream<IO>, AcceptError>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        // A task is as large as the largest thing that it ever waits for. What a handshake needs goes with it.
        Box::pin(self.handshake(config, io)).await
    }

    async fn handshake<IO>(
        &self,
        config: &Arc<ServerConfig>,
        mut io: IO,
    ) -> Result<TlsStream<IO>, AcceptError>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        let mut acceptor = Acceptor::default();
        let mut buffer = [0; 2048];
        let mut first = true;
        let accepted = loop {
            let read = io.read(&mut buffer).await.map_err(AcceptError::Handshake)?;
            let mut bytes = &buffer[..read];
            match bytes.first() {
                None => return Err(AcceptError::Handshake(io::ErrorKind::UnexpectedEof.into())),
                Some(&byte) if first && byte != HANDSHAKE => {
                    if byte.is_ascii_uppercase() {
                        // It may be gone already; there is nobody else to tell.
                        let _ = io.write_all(PLAIN_HTTP).await;
                        let _ = io.shutdown().await;
                        // What is left unread would turn the end into a reset, which takes the answer with it.
                        let mut left = MOST_UNREAD;
                        while left > 0 {
                            match io.read(&mut buffer).await {
                                Ok(read) if read > 0 => left = left.saturating_sub(read),
                                _ => break,
                            }
                        }
                    }
                    return Err(AcceptError::NotTls);
                }
                // Where the library would speak of what else it misses in such a hello.
                Some(_) if first && bytes.get(VERSION).is_some_and(|version| *version < TLS_1_2[..]) => {
                    let _ = io.write_all(&PROTOCOL_VERSION).await;
                    let _ = io.shutdown().await;
                    return Err(AcceptError::OldVersion);
                }
                Some(_) => first = false,
            }
            // Everything goes in before the hello is looked at: what follows it (early data that another server once
            // allowed) is the connection's to skip.
            while !bytes.is_empty() {
                acceptor.read_tls(&mut bytes).map_err(AcceptError::Handshake)?;
            }
            match acceptor.accept() {
                Ok(None) => {}
                Ok(Some(accepted)) => break accepted,
                Err((error, mut alert)) => {
                    let mut words = Vec::new();
                    alert.write_all(&mut words).map_err(AcceptError::Handshake)?;
                    let _ = io.write_all(&words).await;
                    let _ = io.shutdown().await;
                    return Err(AcceptError::Handshake(io::Error::new(io::ErrorKind::InvalidData, error)));
                }
            }
        };
        let hello = accepted.client_hello();
        if asks_for_challenge(&hello) && !self.resolver().knows(&hello) {
            self.look_for_answers(&AcmeChallenge::TlsAlpn01).await;
        }
        if !self.resolver().knows(&hello) {
            let name = hello.server_name().unwrap_or_default().to_owned();
            let _ = io.write_all(&UNRECOGNIZED_NAME).await;
            let _ = io.shutdown().await;
            return Err(AcceptError::UnknownName(name));
        }
        let start = StartHandshake::from_parts(accepted, io);
        let mut stream = start.into_stream(config.clone()).await.map_err(AcceptError::Handshake)?;
        if stream.get_ref().1.alpn_protocol() == Some(ACME_TLS) {
            let _ = stream.shutdown().await;
            return Err(AcceptError::AcmeChallenge);
        }
        Ok(stream)
    }
}
