//! Where the boundaries are, small questions to them, and whether they are ready.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use fairway_forward::{Exchange, Forwarder, Settings as ForwarderSettings, Timeouts};
use futures::future::join_all;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Limited};
use serde_json::Value;
use shop_kit::health::Unready;
use shop_kit::settings::BaseUrl;
use thiserror::Error;

use crate::routing::Boundary;

/// How long a resolved host name is believed.
const RESOLVED_FOR: Duration = Duration::from_secs(5);
/// Answers to small questions are small.
const LARGEST_ANSWER: usize = 1 << 20;

/// A boundary that has an address.
#[derive(Debug)]
pub struct Upstream {
    host: String,
    port: u16,
    prefix: String,
    resolved: Mutex<Option<(Instant, Vec<SocketAddr>)>>,
}

/// No answer to a small question.
#[derive(Debug, Error)]
pub enum AskError {
    /// The host name leads nowhere.
    #[error("host {host} can't be resolved")]
    Resolve {
        /// The name.
        host: String,
        /// What the resolver said.
        #[source]
        source: std::io::Error,
    },
    /// No answer.
    #[error(transparent)]
    Forward(#[from] fairway_forward::Error),
    /// The answer broke off, or is larger than such an answer can be.
    #[error("the answer could not be read: {0}")]
    Body(String),
    /// The path can't be asked for.
    #[error("the path can't be asked for: {0}")]
    Request(#[from] http::Error),
}

/// A whole answer to a small question.
#[derive(Debug, Clone)]
pub struct Answer {
    /// HTTP status.
    pub status: StatusCode,
    /// Headers as received.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

/// All boundaries that have an address, and the connections to them.
#[derive(Debug, Clone)]
pub struct Upstreams {
    all: Arc<BTreeMap<Boundary, Upstream>>,
    forwarder: Forwarder,
    timeouts: Timeouts,
}

impl Upstream {
    fn at(base: &BaseUrl) -> Self {
        let (host, port) = base.authority();
        let prefix = base.prefix().to_owned();
        let resolved = Mutex::default();
        Self { host, port, prefix, resolved }
    }

    /// What comes before every path.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Every address that the host name stands for.
    ///
    /// # Errors
    /// When the name can't be resolved.
    pub async fn addresses(&self) -> Result<Vec<SocketAddr>, AskError> {
        if let Ok(ip) = self.host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(ip, self.port)]);
        }
        let known = self.resolved.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((since, addresses)) = known
            && since.elapsed() < RESOLVED_FOR
        {
            return Ok(addresses);
        }
        let found = tokio::net::lookup_host((self.host.as_str(), self.port)).await;
        let addresses: Vec<_> =
            found.map_err(|source| AskError::Resolve { host: self.host.clone(), source })?.collect();
        *self.resolved.lock().unwrap_or_else(PoisonError::into_inner) =
            Some((Instant::now(), addresses.clone()));
        Ok(addresses)
    }
}

impl Upstreams {
    /// The boundaries at these addresses. `timeout` limits connecting and the wait for an answer's head.
    pub fn new(bases: &BTreeMap<Boundary, BaseUrl>, timeout: Duration) -> Self {
        let all = bases.iter().map(|(boundary, base)| (*boundary, Upstream::at(base))).collect();
        let timeouts = Timeouts { connect: Some(timeout), header: Some(timeout), ..Timeouts::default() };
        Self { all: Arc::new(all), forwarder: Forwarder::new(ForwarderSettings::default()), timeouts }
    }

    /// One boundary, if it has an address.
    pub fn get(&self, boundary: Boundary) -> Option<&Upstream> {
        self.all.get(&boundary)
    }

    /// The connections.
    pub fn forwarder(&self) -> &Forwarder {
        &self.forwarder
    }

    /// How long to wait for what.
    pub fn timeouts(&self) -> Timeouts {
        self.timeouts
    }

    /// GET `path` of a boundary with these headers; the whole answer.
    ///
    /// # Errors
    /// When there is none. An answer that reports an error is an answer.
    pub async fn ask(&self, upstream: &Upstream, path: &str, headers: HeaderMap) -> Result<Answer, AskError> {
        let mut request = Request::get(format!("{}{path}", upstream.prefix)).body(())?;
        *request.headers_mut() = headers;
        let host = format!("{}:{}", upstream.host, upstream.port);
        request.headers_mut().insert(http::header::HOST, host.parse().map_err(http::Error::from)?);
        let addresses = upstream.addresses().await?;
        let exchange = Exchange::own().with_timeouts(self.timeouts);
        let response = self.forwarder.forward(request, &addresses[..], &exchange).await?;
        let (parts, body) = response.into_parts();
        let body = Limited::new(body, LARGEST_ANSWER)
            .collect()
            .await
            .map_err(|e| AskError::Body(e.to_string()))?
            .to_bytes();
        Ok(Answer { status: parts.status, headers: parts.headers, body })
    }

    /// Asks every boundary at once whether it is ready; each has `limit` to say so.
    ///
    /// # Errors
    /// How each of them stands, when one is not ready.
    pub async fn ready(&self, limit: Duration) -> Result<(), Unready> {
        let checks = self.all.iter().map(async |(boundary, upstream)| {
            let asked = self.ask(upstream, "/ready", HeaderMap::new());
            let (word, reason) = match tokio::time::timeout(limit, asked).await {
                Ok(Ok(answer)) if answer.status.is_success() => ("ready", None),
                Ok(Ok(answer)) => ("not ready", Some(format!("{boundary}: {}", answer.status))),
                Ok(Err(error)) => ("unreachable", Some(format!("{boundary}: {error}"))),
                Err(_) => ("no answer", Some(format!("{boundary}: no answer within {limit:?}"))),
            };
            (boundary.name(), word, reason)
        });
        let all = join_all(checks).await;
        let reasons: Vec<&str> = all.iter().filter_map(|(_, _, reason)| reason.as_deref()).collect();
        if reasons.is_empty() {
            return Ok(());
        }
        let reason = reasons.join("; ");
        let details = all.iter().map(|(name, word, _)| ((*name).to_owned(), (*word).into())).collect();
        Err(Unready { reason, details: Some(Value::Object(details)) })
    }
}
