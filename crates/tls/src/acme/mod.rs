//! Certificates from an ACME server (RFC 8555): one attempt, from the account to the certificate.
//!
//! Nothing here decides when; it is done when it is told, either gives a certificate or says why not, and leaves no
//! challenge behind in both cases. The protocol is that of `instant-acme`.

mod account;
mod challenges;
mod client;
mod external;
mod hook;
mod order;
pub(crate) mod record;
mod stored;
mod suggestion;
mod turn;

use std::fmt;

use fairway_model::traffic::AcmeChallenge;
use sha2::{Digest, Sha256};

pub(crate) use challenges::Challenges;
pub(crate) use order::{Context, obtain};
pub(crate) use record::{Ours, Record, Step, next};
pub(crate) use stored::{Failures, Records, load};
pub(crate) use suggestion::{Suggestion, suggested};
pub(crate) use turn::{Head, Turn};

use crate::pair::PairError;
use crate::roots::RootsError;
use crate::storage::StorageError;

/// Why an attempt gave no certificate.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AcmeError {
    /// There is nothing to check the server with.
    #[error("the ACME server can't be asked: {0}")]
    Roots(#[from] RootsError),
    /// The server refused, could not be reached or answered nonsense.
    #[error("{doing}: {}", words(.source))]
    Server {
        doing: String,
        source: instant_acme::Error,
        /// The server says that nothing will change before this second since 1970.
        not_before: Option<u64>,
    },
    /// The server does not do what the configuration asks for.
    #[error("for {name} the server offers {offered} and not {wanted}; choose one of those")]
    NoSuchChallenge { name: String, wanted: &'static str, offered: String },
    /// The server looked and did not find the answer.
    #[error("the server did not accept that {name} is ours ({kind}): {reason}; {advice}")]
    Refused { name: String, kind: &'static str, reason: String, advice: String },
    /// The order ended as something else than a certificate.
    #[error("the order ended as {0}, and the server did not say why")]
    Ended(String),
    /// The program did not publish the record.
    #[error(transparent)]
    Hook(#[from] hook::HookError),
    /// The key of an external account can't be had.
    #[error("the key `{id}` of the account that the authority gave: {reason}")]
    External { id: String, reason: String },
    /// An account or certificate could not be read or kept.
    #[error("{}", crate::problem::chain_of(.0))]
    Storage(#[from] StorageError),
    /// What is kept is not of a shape that is known.
    #[error("{document} is not what this edge writes there: {reason}; move it away to have a new one made")]
    Document { document: String, reason: String },
    /// What came can't be served.
    #[error("the server issued a certificate that can't be served: {0}")]
    Pair(#[from] PairError),
    /// It is for something else.
    #[error("the server issued a certificate for {has} instead of {wanted}")]
    Names { has: String, wanted: String },
    /// A key or request could not be made.
    #[error("a key or request could not be made: {0}")]
    Make(#[from] rcgen::Error),
    /// A challenge's certificate could not be made.
    #[error(transparent)]
    Local(#[from] crate::local::LocalError),
    /// Another edge wrote what this one was about to write.
    #[error("another edge took the turn to order")]
    Overtaken,
    /// It took too long.
    #[error("it was not done within {0} s")]
    TooLong(u64),
    /// The process ends.
    #[error("the edge was told to end")]
    Shutdown,
}

impl AcmeError {
    /// What kind of problem the server named, without the prefix that all kinds have.
    fn kind(&self) -> Option<&str> {
        match self {
            Self::Server { source: instant_acme::Error::Api(problem), .. } => kind(problem),
            _ => None,
        }
    }
}

/// What kind of problem it is, without the prefix that all kinds have.
fn kind(problem: &instant_acme::Problem) -> Option<&str> {
    problem.r#type.as_deref()?.strip_prefix("urn:ietf:params:acme:error:")
}

/// How a challenge is called on the wire.
pub(crate) fn challenge_name(challenge: &AcmeChallenge) -> &'static str {
    match challenge {
        AcmeChallenge::Http01 => "http-01",
        AcmeChallenge::TlsAlpn01 => "tls-alpn-01",
        AcmeChallenge::Dns01 { .. } => "dns-01",
    }
}

/// The first 16 hexadecimal digits of a digest: enough to tell some thousands of documents apart.
pub(crate) fn short_digest(parts: &[&str]) -> String {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update(part.as_bytes());
        digest.update([0]);
    }
    hex::encode(&digest.finalize()[..8])
}

/// An error of the library as a sentence for people: what the server said, without the names of its types.
fn words(error: &instant_acme::Error) -> impl fmt::Display {
    match error {
        instant_acme::Error::Api(problem) => client::said(problem),
        instant_acme::Error::Json(reason) => {
            format!("what it answered is not ACME ({reason}); check the address of the directory")
        }
        other => crate::problem::chain_of(other),
    }
}
