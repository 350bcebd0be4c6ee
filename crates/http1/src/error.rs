//! Why bytes are not a message.

use http::StatusCode;

/// Why a head can't be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    /// More bytes than allowed.
    #[error("the head of the message is larger than {0} bytes")]
    TooLarge(usize),
    /// More header fields than allowed.
    #[error("the message has more than {0} header fields")]
    TooManyFields(usize),
    /// A line that ends with LF alone (RFC 9112, 2.2 lets recipients accept it; proxies that do get smuggled through).
    #[error("a line ends without a carriage return")]
    BareLineFeed,
    /// Not HTTP/1.x.
    #[error("not a version of HTTP that is spoken here")]
    Version,
    /// Not of the shape of a head.
    #[error("{0}")]
    Malformed(&'static str),
    /// The length of the body can't be told for certain (RFC 9112, 6.3).
    #[error("{0}")]
    Framing(&'static str),
    /// A transfer coding other than `chunked`.
    #[error("a transfer coding other than `chunked`")]
    Coding,
    /// An expectation other than `100-continue` (RFC 9110, 10.1.1).
    #[error("an expectation other than `100-continue`")]
    Expectation,
}

impl HeadError {
    /// The status that a server answers with before it closes the connection.
    pub fn status(self) -> StatusCode {
        match self {
            Self::TooLarge(_) | Self::TooManyFields(_) => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::Version => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            Self::Coding => StatusCode::NOT_IMPLEMENTED,
            Self::Expectation => StatusCode::EXPECTATION_FAILED,
            Self::BareLineFeed | Self::Malformed(_) | Self::Framing(_) => StatusCode::BAD_REQUEST,
        }
    }
}

/// Why a body can't be read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// The connection ended before the body did.
    #[error("the connection ended before the body did")]
    Truncated,
    /// The chunks are not of their shape (RFC 9112, 7.1).
    #[error("{0}")]
    Chunk(&'static str),
    /// Trailers that are too large or not of their shape.
    #[error("{0}")]
    Trailers(&'static str),
}
