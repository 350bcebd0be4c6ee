//! What the forwarder must know about an exchange besides the request.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

/// Who asks, over what, and how long to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// The client's address as this side sees it.
    pub client: SocketAddr,
    /// What the client speaks to this side.
    pub scheme: Scheme,
    /// Whether the client may say whom it asks for. If not, its `X-Forwarded-*` headers are replaced; if so, they are
    /// appended to (`-For`) or kept (`-Proto`, `-Host`).
    pub trusted: bool,
    /// How long to wait for what.
    pub timeouts: Timeouts,
}

impl Exchange {
    /// A request that arrived over plain HTTP from an untrusted client, with the default timeouts.
    pub fn from_client(client: SocketAddr) -> Self {
        Self { client, scheme: Scheme::Http, trusted: false, timeouts: Timeouts::default() }
    }

    /// A request that this program makes itself.
    pub fn own() -> Self {
        Self { trusted: true, ..Self::from_client(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0)) }
    }

    /// The same exchange with other timeouts.
    #[must_use]
    pub fn with_timeouts(self, timeouts: Timeouts) -> Self {
        Self { timeouts, ..self }
    }
}

/// What the client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Plain text.
    Http,
    /// TLS.
    Https,
}

impl Scheme {
    /// As in `X-Forwarded-Proto`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// How long to wait; absent means without limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For a connection.
    pub connect: Option<Duration>,
    /// From the end of the request to the head of the response.
    pub header: Option<Duration>,
    /// For the next piece of a body, either way.
    pub idle: Option<Duration>,
    /// Without a byte either way on an upgraded connection.
    pub upgrade_idle: Option<Duration>,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Some(Duration::from_secs(2)),
            header: Some(Duration::from_secs(60)),
            idle: Some(Duration::from_secs(300)),
            upgrade_idle: Some(Duration::from_secs(3600)),
        }
    }
}
