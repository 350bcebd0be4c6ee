//! What the forwarder must know about an exchange besides the request.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fairway_http1::Present;
use http::{HeaderMap, HeaderValue, StatusCode, Version};

use crate::tls::Tls;

/// Who asks, over what, and how long to wait.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// The client's address as this side sees it.
    pub client: SocketAddr,
    /// What the client speaks to this side.
    pub scheme: Scheme,
    /// Whether the client may say whom it asks for. If not, its `X-Forwarded-*` headers are replaced; if so, they are
    /// appended to (`-For`) or kept (`-Proto`, `-Host`).
    pub trusted: bool,
    /// Whether `X-Request-Id` and `traceparent` of the request are this side's own, and not what an untrusted client
    /// claims.
    pub identified: bool,
    /// How long to wait for what.
    pub timeouts: Timeouts,
    /// What the target speaks.
    pub protocol: Protocol,
    /// How TLS is spoken with the target, made for the same protocol; plain text without it.
    pub tls: Option<Tls>,
    /// The client's IP address as a header value, if it is at hand: making it anew costs.
    pub client_text: Option<HeaderValue>,
    /// Where interim responses (1xx) go; they are dropped without it.
    pub interim: Option<Interim>,
}

impl Exchange {
    /// A request that arrived over plain HTTP from an untrusted client, with the default timeouts.
    pub fn from_client(client: SocketAddr) -> Self {
        Self {
            client,
            scheme: Scheme::Http,
            trusted: false,
            identified: false,
            timeouts: Timeouts::default(),
            protocol: Protocol::Http1,
            tls: None,
            client_text: None,
            interim: None,
        }
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

/// What a target speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1.
    #[default]
    Http1,
    /// HTTP/2, known beforehand (RFC 9113, 3.3), or agreed on where TLS is spoken (3.2).
    Http2,
}

/// Interim responses (RFC 9110, 15.2) on their way from the target to the client: `100 Continue`, `103 Early Hints`.
/// Whoever waits for the response looks here each time that the waiting is resumed.
#[derive(Clone, Debug, Default)]
pub struct Interim(Arc<Mutex<Vec<(StatusCode, HeaderMap)>>>);

impl Interim {
    pub(crate) fn add(&self, status: StatusCode, mut headers: HeaderMap) {
        let present = Present::of(&headers);
        crate::headers::response(&mut headers, present, Version::HTTP_11, false);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((status, headers));
    }

    /// What has come since the last call, in order.
    #[must_use]
    pub fn take(&self) -> Vec<(StatusCode, HeaderMap)> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
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
