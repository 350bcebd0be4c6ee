//! HTTP/1.1 messages on the wire: heads and bodies, read strictly and written, without I/O.
//!
//! # Design
//!
//! Whoever owns a socket reads bytes into a [`BytesMut`](bytes::BytesMut) and asks:
//!
//! * a [`HeadScanner`] where the head ends: it looks at each byte once, however slowly they come;
//! * [`request_head`] or [`response_head`] what it says: headers share the bytes that were read;
//! * a [`BodyDecoder`] for the body, piece by piece, without ever waiting for all of it;
//! * [`encode`] for the bytes of a message to be sent. What frames a message ([`Framing`]) is never copied from what was
//!   received: it is written anew, so that two programs in a row can't disagree about where a message ends.
//!
//! **Strict where it matters.** A proxy that reads a request otherwise than the server behind it lets requests be
//! smuggled. What [RFC 9112] lets a recipient repair is refused here when it comes from a client: bare line feeds, folded
//! lines, `Content-Length` beside `Transfer-Encoding`, lengths that are repeated or not just digits, codings other than
//! `chunked`, several hosts. Each refusal has its status ([`HeadError::status`]). Responses are read a little more
//! leniently, for they come from programs that somebody chose to run; what is ambiguous there ends the connection.
//!
//! [RFC 9112]: https://www.rfc-editor.org/rfc/rfc9112

mod body;
mod chunked;
pub mod encode;
mod error;
mod fields;
mod framing;
mod head;
mod present;
mod request;
mod response;

pub use body::{BodyDecoder, Decoded};
pub use error::{BodyError, HeadError};
pub use fields::{Headers, Lines};
pub use framing::Framing;
pub use head::{HeadScanner, skip_empty_lines};
pub use present::Present;
pub use request::{RequestHead, request_head};
pub use response::{ResponseHead, response_head};

/// The most header fields that a head can have, whatever a caller's own limit says.
pub const MOST_FIELDS: usize = 256;
