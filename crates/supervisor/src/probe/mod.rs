//! Probes: is an instance alive, may it take traffic? Asked from outside, over its own port.
//!
//! One question is [`probe`]; [`Counter`] turns answers into health without I/O or clock; [`Prober`] asks again and
//! again in a task of its own. While an instance has never been ready it is asked much more often than its interval
//! says, because that time is added to every release; afterwards the interval holds.

mod counter;
mod hint;
mod http;
mod listening;
mod prober;
mod secure;

pub use counter::{Change, Counter};
pub use listening::listening;
pub use prober::{Health, ProbeState, Prober};
pub use secure::{Secure, Tls};

use serde::{Deserialize, Serialize};
use std::{
    fmt,
    net::SocketAddr,
    time::{Duration, Instant},
};

/// How to probe an instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeSpec {
    /// What to ask.
    pub kind: ProbeKind,
    /// Time between two questions.
    pub interval: Duration,
    /// Time after which a question counts as failed.
    pub timeout: Duration,
    /// Successes in a row that make an instance good; at least 1 counts.
    pub rise: u32,
    /// Failures in a row that make an instance bad; at least 1 counts.
    pub fall: u32,
    /// How long an instance may take to become good for the first time; `None` waits for ever.
    pub start_deadline: Option<Duration>,
}

/// What to ask.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProbeKind {
    /// `GET path`; any 2xx is a success, redirects are not followed.
    Http {
        /// Path and query.
        path: String,
        /// The `Host` header; `None` sends the address.
        host: Option<String>,
    },
    /// A connection is accepted.
    Tcp,
}

/// How much of an answer's body is kept.
pub const BODY_KEPT: usize = 512;

/// What one question led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeResult {
    /// Was it a success?
    pub ok: bool,
    /// What was asked: `http://127.0.0.1:3000/ready`, the same with `https`, or `tcp://127.0.0.1:3000`.
    pub url: String,
    /// The status, when there was an HTTP answer.
    pub status: Option<u16>,
    /// The first 512 bytes of the body, as text.
    pub body: String,
    /// Why there was no answer.
    pub error: Option<String>,
    /// How long it took.
    pub duration: Duration,
    /// What usually helps with this.
    pub hint: Option<String>,
}

impl fmt::Display for ProbeResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { ok: _, url, status, body, error, duration: _, hint } = self;
        match (status, error) {
            (Some(status), _) => write!(f, "{url} answered {status}")?,
            (None, Some(error)) => write!(f, "{url}: {error}")?,
            (None, None) => write!(f, "{url} accepted a connection")?,
        }
        if !self.ok && !body.trim().is_empty() {
            write!(f, ": {}", body.trim())?;
        }
        if let Some(hint) = hint {
            write!(f, " ({hint})")?;
        }
        Ok(())
    }
}

/// Asks once, in TLS if `secure` says how. `pid` is the instance's process, if there is one: when nobody answers, its open ports make the hint.
pub async fn probe(
    spec: &ProbeSpec,
    address: SocketAddr,
    secure: Option<&Secure>,
    pid: Option<u32>,
) -> ProbeResult {
    let began = Instant::now();
    let (url, answer) = match &spec.kind {
        ProbeKind::Http { path, host } => {
            let path = if path.starts_with('/') { path.clone() } else { format!("/{path}") };
            let question = http::get(address, &path, host.as_deref(), secure);
            let scheme = if secure.is_some() { "https" } else { "http" };
            (format!("{scheme}://{address}{path}"), tokio::time::timeout(spec.timeout, question).await)
        }
        ProbeKind::Tcp => {
            let question = async { http::connect(address).await.map(|_| http::Answer::default()) };
            (format!("tcp://{address}"), tokio::time::timeout(spec.timeout, question).await)
        }
    };
    let duration = began.elapsed();
    match answer {
        Ok(Ok(http::Answer { status: None, .. })) => {
            ProbeResult { ok: true, url, status: None, body: String::new(), error: None, duration, hint: None }
        }
        Ok(Ok(http::Answer { status: Some(status), location, body })) => ProbeResult {
            ok: (200..300).contains(&status),
            hint: hint::for_status(status, location.as_deref(), &spec.kind, secure.is_some()),
            url,
            status: Some(status),
            body,
            error: None,
            duration,
        },
        Ok(Err(failed)) => ProbeResult {
            ok: false,
            url,
            status: None,
            body: String::new(),
            error: Some(failed.to_string()),
            duration,
            hint: hint::for_error(&failed, address, pid),
        },
        Err(_) => ProbeResult {
            ok: false,
            url,
            status: None,
            body: String::new(),
            error: Some(format!("no answer within {} ms", spec.timeout.as_millis())),
            duration,
            hint: Some("the process accepts connections or drops them, and does not answer; it may be busy or wait for something itself".into()),
        },
    }
}
