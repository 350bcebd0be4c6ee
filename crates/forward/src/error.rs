//! Why no response could be had.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use http::StatusCode;

use crate::tls::TlsFault;

/// Why an exchange failed before the head of a response arrived.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There was no address to try.
    #[error("there is no instance to send the request to")]
    NoTarget,
    /// No connection could be made. Nothing was sent.
    #[error("could not connect to {address}")]
    Refused {
        /// The last address that was tried.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A connection was made, and TLS could not be spoken on it. Nothing of the request was sent.
    #[error("no TLS with {address}: {fault}")]
    Tls {
        /// The last address that was tried.
        address: SocketAddr,
        /// What was wrong.
        fault: TlsFault,
        /// The same in detail.
        #[source]
        source: io::Error,
    },
    /// No connection was made in time. Nothing was sent.
    #[error("no connection to {address} within {} ms", after.as_millis())]
    ConnectTimeout {
        /// The last address that was tried.
        address: SocketAddr,
        /// The limit.
        after: Duration,
    },
    /// The request was sent and no answer came in time.
    #[error("no answer from {address} within {} ms", after.as_millis())]
    HeaderTimeout {
        /// Who did not answer.
        address: SocketAddr,
        /// The limit.
        after: Duration,
    },
    /// The request was sent, whole or in part, and the connection ended before an answer, or the answer was not HTTP.
    #[error("the connection to {address} ended before an answer")]
    Broken {
        /// Who broke off.
        address: SocketAddr,
        /// What was seen.
        #[source]
        source: io::Error,
    },
    /// The target switched protocols although nobody had asked it to.
    #[error("{address} answered 101 to a request that asked for no upgrade")]
    Unasked {
        /// Who answered so.
        address: SocketAddr,
    },
    /// The target has not announced that it takes WebSockets over HTTP/2. Nothing was sent.
    #[error("{address} takes no WebSockets over HTTP/2: it has not sent SETTINGS_ENABLE_CONNECT_PROTOCOL")]
    NoWebSocket {
        /// Who takes none.
        address: SocketAddr,
    },
    /// The client went away while its request was being sent on.
    #[error("the client went away before its request was complete")]
    ClientGone,
    /// The client stopped sending in the middle of its request.
    #[error("the client sent nothing of its request body for {} ms", after.as_millis())]
    ClientSlow {
        /// The limit.
        after: Duration,
    },
    /// The request can't be forwarded as it is.
    #[error("the request can't be forwarded: {0}")]
    Request(&'static str),
}

impl Error {
    /// The status that a proxy answers with.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::NoTarget => StatusCode::SERVICE_UNAVAILABLE,
            Self::Refused { .. }
            | Self::Tls { .. }
            | Self::Broken { .. }
            | Self::Unasked { .. }
            | Self::NoWebSocket { .. } => StatusCode::BAD_GATEWAY,
            Self::ConnectTimeout { .. } | Self::HeaderTimeout { .. } => StatusCode::GATEWAY_TIMEOUT,
            Self::ClientSlow { .. } => StatusCode::REQUEST_TIMEOUT,
            Self::ClientGone | Self::Request(_) => StatusCode::BAD_REQUEST,
        }
    }

    /// Whether no byte of the request was sent, so that another address may be tried.
    pub fn is_dial(&self) -> bool {
        matches!(self, Self::Refused { .. } | Self::Tls { .. } | Self::ConnectTimeout { .. })
    }
}
