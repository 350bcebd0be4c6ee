//! Requests that recipients are known to read differently, and what the edge has to make of them.
//!
//! Gathered from RFC 9110 and 9112, from what is published about desynchronisation (CL.TE, TE.CL, TE.TE, CL.0, 0.CL,
//! chunk extensions, obfuscated `Expect`), and from the bugs that differential testing found in other servers. Where
//! the standard leaves a choice, both ways are named; neither may let a marker request through.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of this")]

#[path = "corpus_framing.rs"]
mod framing;
#[path = "corpus_heads.rs"]
mod heads;

pub use framing::{chunks, codings, lengths};
pub use heads::{fields, hosts, lines, sequences, sizes};

/// The request that an attacker hides. It must never arrive as a request unless the client plainly sent it as one.
pub const HIDDEN: &str = "GET /smuggled HTTP/1.1\r\nHost: edge.test\r\nContent-Length: 0\r\n\r\n";

/// Refused for what it looks like.
pub const BAD: &[u16] = &[400];
/// Refused for what it looks like, or because the coding is not known.
pub const CODING: &[u16] = &[400, 501];
/// Refused for its version.
pub const VERSION: &[u16] = &[400, 505];
/// Refused for its size.
pub const LARGE: &[u16] = &[400, 413, 414, 431];

/// What has to become of a case. Requests are named as their summary: `POST /path 5`.
#[derive(Clone, Debug)]
pub enum Expect {
    /// Answered with one of these; then the connection ends. Nothing of it arrives as a complete request.
    Refused(&'static [u16]),
    /// These arrive, in this order, and are answered.
    Arrives(Vec<&'static str>),
    /// One or the other.
    Either(&'static [u16], Vec<&'static str>),
    /// Refused, or these arrive and the connection ends after the answer.
    EitherAndEnds(&'static [u16], Vec<&'static str>),
    /// These arrive and are answered; what follows is refused, with one of these or by the end of
    /// the connection.
    ThenRefused(Vec<&'static str>, &'static [u16]),
    /// Refused, or waited for until the end of the connection: nothing arrives as a complete request.
    Never(&'static [u16]),
    /// It is never complete: nothing arrives as a complete request, and the end of the connection ends it.
    Unfinished,
}

pub use Expect::{Arrives, Either, EitherAndEnds, Never, Refused, ThenRefused, Unfinished};

impl Expect {
    /// The requests that the client can be said to have meant.
    pub fn meant(&self) -> &[&'static str] {
        match self {
            Arrives(meant) | Either(_, meant) | EitherAndEnds(_, meant) | ThenRefused(meant, _) => meant,
            Refused(_) | Never(_) | Unfinished => &[],
        }
    }
}

#[derive(Clone, Debug)]
pub struct Case {
    pub group: &'static str,
    pub name: String,
    pub bytes: Vec<u8>,
    pub expect: Expect,
}

/// Everything.
pub fn all() -> Vec<Case> {
    [lengths(), codings(), chunks(), fields(), lines(), hosts(), sequences(), sizes()].concat()
}

pub fn case(group: &'static str, name: impl Into<String>, bytes: impl AsRef<[u8]>, expect: Expect) -> Case {
    Case { group, name: name.into(), bytes: bytes.as_ref().to_vec(), expect }
}

/// A POST to `/in` with these field lines (each with its CRLF) and this body.
pub fn post(lines: impl AsRef<[u8]>, body: impl AsRef<[u8]>) -> Vec<u8> {
    [b"POST /in HTTP/1.1\r\nHost: edge.test\r\n", lines.as_ref(), b"\r\n", body.as_ref()].concat()
}

/// A GET of `/in` with these field lines (each with its CRLF).
pub fn get(lines: impl AsRef<[u8]>) -> Vec<u8> {
    [b"GET /in HTTP/1.1\r\nHost: edge.test\r\n", lines.as_ref(), b"\r\n"].concat()
}

/// A POST to `/in` with a chunked body, as it is.
pub fn chunked(body: impl AsRef<[u8]>) -> Vec<u8> {
    post("Transfer-Encoding: chunked\r\n", body)
}
