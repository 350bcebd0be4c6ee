//! What a guard is asked, and what it says.

use std::borrow::Cow;
use std::net::IpAddr;

use http::{HeaderMap, Method, StatusCode};

use crate::compression::Encoding;

/// A request, as far as guards look at it.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Its method.
    pub method: &'a Method,
    /// Path and query as they came, for redirects.
    pub path_and_query: &'a str,
    /// Its host as the client named it, with or without a port.
    pub host: Option<&'a str>,
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// Who asks: [`client_address`](crate::client_address).
    pub client: IpAddr,
    /// Whether the client's connection is encrypted: [`client_https`](crate::client_https).
    pub https: bool,
    /// On which port clients reach the route over HTTPS: 443 unless another was configured.
    pub https_port: u16,
    /// Milliseconds since any fixed moment, for rates. A clock that steps back by more than a
    /// minute forgives clients what they owe.
    pub now_ms: u64,
}

/// What becomes of a request.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// It goes on. Hand this to [`Compiled::after`](crate::Compiled::after) with the answer, whoever makes it.
    Pass(Passed),
    /// It is answered by the edge.
    Answer(Box<Answer>),
}

/// What the way back has to remember of a request. It belongs to the [`Compiled`](crate::Compiled) that made it, which
/// the request keeps even when another table serves by the time that its answer comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    pub(crate) https: bool,
    pub(crate) head: bool,
    /// Which of the allowed origins asks.
    pub(crate) origin: Option<u16>,
    /// In what its answer may be encoded.
    pub(crate) encoding: Option<Encoding>,
    /// Which of the users asks.
    pub(crate) user: Option<u32>,
}

impl Passed {
    /// Whether the request showed a name and password of the route. Its `Authorization` header was for the edge then:
    /// take it out, or the service sees the key to the environment and takes it for one of its own.
    pub fn authenticated(&self) -> bool {
        self.user.is_some()
    }

    /// The same, but its answer is not compressed: for an edge that compresses as much at once as it wants to
    /// ([`Encoder`](crate::Encoder) says what one costs).
    #[must_use]
    pub fn uncompressed(self) -> Self {
        Self { encoding: None, ..self }
    }
}

/// An answer in place of the service's.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers, complete but for those of the body: [`Compiled::after`](crate::Compiled::after) is not to be
    /// called for it.
    pub headers: HeaderMap,
    /// A word for programs and metrics, such as `rate_limited`.
    pub code: &'static str,
    /// A sentence for people. Empty when the status has no body (204).
    pub message: Cow<'static, str>,
}

impl Answer {
    pub(crate) fn new(
        status: StatusCode,
        code: &'static str,
        message: impl Into<Cow<'static, str>>,
    ) -> Box<Self> {
        Box::new(Self { status, headers: HeaderMap::new(), code, message: message.into() })
    }
}
