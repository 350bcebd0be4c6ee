//! How and where spans are exported.

use std::collections::BTreeMap;
use std::time::Duration;

use http::Uri;

/// How and where spans are exported.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Where to.
    pub endpoint: Endpoint,
    /// How long the collector may take for a batch. Default 10 s.
    pub timeout: Duration,
    /// Spans that may wait. Default 2048.
    pub queue: usize,
    /// Spans of one batch at most. Default 512.
    pub batch: usize,
    /// How long the first span of a batch waits for others. Default 5 s.
    pub delay: Duration,
    /// How long to wait before a batch is sent again that the collector could not take for now; twice as long before the
    /// third and last time. Default 1 s.
    pub backoff: Duration,
    /// Which traces.
    pub sampler: Sampler,
    /// What the spans say about their origin.
    pub resource: BTreeMap<String, String>,
}

/// A collector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// `host:port` to connect to.
    pub authority: String,
    /// The path that is posted to.
    pub path: String,
}

/// Which traces are exported.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampler {
    /// Of those that nobody has decided about, this part, from 0 to 1.
    pub ratio: f64,
}

impl Sampler {
    /// What whoever asked has decided, where a `traceparent` came along; else the same answer for one trace everywhere,
    /// since it depends on nothing but the trace.
    #[must_use]
    pub fn samples(&self, trace_id: [u8; 16], parent: Option<bool>) -> bool {
        if let Some(sampled) = parent {
            return sampled;
        }
        let [.., a, b, c, d, e, f, g] = trace_id;
        // The last 56 bits, which are random (W3C Trace Context, level 2).
        let random = u64::from_be_bytes([0, a, b, c, d, e, f, g]);
        #[expect(clippy::cast_precision_loss, reason = "no trace more or less is noticed")]
        let part = random as f64 / (1_u64 << 56) as f64;
        part < self.ratio
    }
}

/// Why no spans are exported.
#[derive(Debug, thiserror::Error)]
pub enum OtlpError {
    /// The collector can't be reached that way.
    #[error("otlp.endpoint {endpoint} can't be done here: {why}; no spans are exported, traffic is served")]
    Endpoint {
        /// What was asked for.
        endpoint: String,
        /// What would be right.
        why: String,
    },
    /// The thread can't be started.
    #[error("the thread that exports spans can't be started; no spans are exported, traffic is served")]
    Thread {
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

impl Settings {
    /// The defaults, to this collector, for one in so many of the traces that begin here.
    ///
    /// # Errors
    /// [`OtlpError::Endpoint`] when the collector can't be reached that way.
    pub fn to(endpoint: &str, one_in: u32) -> Result<Self, OtlpError> {
        Ok(Self {
            endpoint: Endpoint::parse(endpoint)?,
            timeout: Duration::from_secs(10),
            queue: 2_048,
            batch: 512,
            delay: Duration::from_secs(5),
            backoff: Duration::from_secs(1),
            sampler: Sampler { ratio: 1.0 / f64::from(one_in.max(1)) },
            resource: [("service.name".to_owned(), "fairway-edge".to_owned())].into(),
        })
    }
}

impl Endpoint {
    /// Traces go below the collector's address.
    fn parse(url: &str) -> Result<Self, OtlpError> {
        let bad = |why: &str| OtlpError::Endpoint { endpoint: url.to_owned(), why: why.to_owned() };
        let wrong = || bad("write a URL such as `http://127.0.0.1:4318`");
        let uri: Uri = url.parse().map_err(|_| wrong())?;
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") => {
                return Err(bad("spans are sent by plain HTTP; name a collector on this host or network"));
            }
            _ => return Err(wrong()),
        }
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(wrong)?;
        let authority = format!("{host}:{}", uri.port_u16().unwrap_or(80));
        Ok(Self { authority, path: format!("{}/v1/traces", uri.path().trim_end_matches('/')) })
    }
}
