//! Bodies, piece by piece.

use bytes::{Bytes, BytesMut};
use http::HeaderMap;

use crate::chunked::Chunked;
use crate::error::BodyError;
use crate::framing::Framing;

/// Reads one body from the bytes of a connection.
#[derive(Debug)]
pub struct BodyDecoder(Kind);

#[derive(Debug)]
enum Kind {
    Length(u64),
    Chunked(Chunked),
    UntilClose,
    Over,
}

/// What is next in a body.
#[derive(Debug, PartialEq, Eq)]
pub enum Decoded {
    /// A piece of it.
    Data(Bytes),
    /// What follows it. The body is over.
    Trailers(HeaderMap),
    /// The body is over.
    End,
    /// More bytes are needed.
    More,
}

impl BodyDecoder {
    /// For a body of this length.
    pub fn new(framing: Framing) -> Self {
        Self(match framing {
            Framing::Empty | Framing::Length(0) => Kind::Over,
            Framing::Length(length) => Kind::Length(length),
            Framing::Chunked => Kind::Chunked(Chunked::default()),
            Framing::UntilClose => Kind::UntilClose,
        })
    }

    /// Takes the next piece from the front of `bytes`; what belongs to the next message stays.
    ///
    /// # Errors
    /// When the chunks are malformed. Where the next message begins is unknown then.
    pub fn decode(&mut self, bytes: &mut BytesMut) -> Result<Decoded, BodyError> {
        let step = match &mut self.0 {
            Kind::Over => return Ok(Decoded::End),
            Kind::Length(left) => {
                if bytes.is_empty() {
                    return Ok(Decoded::More);
                }
                let count = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                *left -= count as u64;
                let over = *left == 0;
                let data = bytes.split_to(count).freeze();
                if over {
                    self.0 = Kind::Over;
                }
                return Ok(Decoded::Data(data));
            }
            Kind::UntilClose => {
                let data = bytes.split().freeze();
                return Ok(if data.is_empty() { Decoded::More } else { Decoded::Data(data) });
            }
            Kind::Chunked(chunked) => chunked.decode(bytes)?,
        };
        if matches!(step, Decoded::End | Decoded::Trailers(_)) {
            self.0 = Kind::Over;
        }
        Ok(step)
    }

    /// Tells that the connection has ended, and all of its bytes were decoded.
    ///
    /// # Errors
    /// When the body had not.
    pub fn closed(&mut self) -> Result<(), BodyError> {
        match self.0 {
            Kind::Over => Ok(()),
            Kind::UntilClose => {
                self.0 = Kind::Over;
                Ok(())
            }
            Kind::Length(_) | Kind::Chunked(_) => Err(BodyError::Truncated),
        }
    }

    /// Whether all of it was read.
    pub fn is_over(&self) -> bool {
        matches!(self.0, Kind::Over)
    }

    /// How many bytes are still to come, if that is known.
    pub fn left(&self) -> Option<u64> {
        match self.0 {
            Kind::Over => Some(0),
            Kind::Length(left) => Some(left),
            Kind::Chunked(_) | Kind::UntilClose => None,
        }
    }
}
