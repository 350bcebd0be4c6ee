//! Small calls to other services: a request, a deadline, a whole answer.
//!
//! For forwarding whole exchanges see the gateway; this is for asking identity a question.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde::de::DeserializeOwned;
use thiserror::Error;

/// Answers larger than this are refused: the calls made here have small answers.
const LARGEST_ANSWER: usize = 4 << 20;

/// A call that brought no answer.
#[derive(Debug, Error)]
pub enum CallError {
    /// The address or a header can't be sent.
    #[error("`{url}` can't be asked")]
    Request {
        /// Whom it was for.
        url: String,
        /// What is wrong with it.
        #[source]
        source: http::Error,
    },
    /// Not connected, or cut off before the answer.
    #[error("{url} did not answer")]
    Transport {
        /// Who was asked.
        url: String,
        /// What the connection said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The deadline passed.
    #[error("{url} did not answer within {limit:?}")]
    Deadline {
        /// Who was asked.
        url: String,
        /// How long was waited.
        limit: Duration,
    },
}

/// A whole answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// HTTP status.
    pub status: StatusCode,
    /// Headers as received.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Answer {
    /// The body as JSON; nothing when it is not what `T` describes.
    pub fn json<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_slice(&self.body).ok()
    }
}

/// A pooled HTTP/1.1 client.
#[derive(Debug, Clone)]
pub struct HttpClient {
    inner: Client<HttpConnector, Full<Bytes>>,
}

impl Default for HttpClient {
    fn default() -> Self {
        Self::new()
    }
}

impl HttpClient {
    /// A client with its own pool.
    pub fn new() -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(Duration::from_secs(2)));
        let inner = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            // Shorter than any server's idle limit, so that a pooled connection is rarely a dead one.
            .pool_idle_timeout(Duration::from_secs(20))
            .build(connector);
        Self { inner }
    }

    /// Sends a request and reads the whole answer, within `limit`.
    ///
    /// # Errors
    /// When there is no whole answer in time. An answer that reports an error is an answer.
    pub async fn call(
        &self,
        method: Method,
        url: &str,
        headers: &HeaderMap,
        body: Bytes,
        limit: Duration,
    ) -> Result<Answer, CallError> {
        let mut request = Request::builder()
            .method(method)
            .uri(url)
            .body(Full::new(body))
            .map_err(|source| CallError::Request { url: url.to_owned(), source })?;
        request.headers_mut().extend(headers.clone());
        let exchange = async {
            let response = self.inner.request(request).await?;
            let (parts, body) = response.into_parts();
            let body = Limited::new(body, LARGEST_ANSWER).collect().await?.to_bytes();
            Ok(Answer { status: parts.status, headers: parts.headers, body })
        };
        match tokio::time::timeout(limit, exchange).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(source)) => Err(CallError::Transport { url: url.to_owned(), source }),
            Err(_) => Err(CallError::Deadline { url: url.to_owned(), limit }),
        }
    }

    /// As [`HttpClient::call`], once more when the connection brought no answer: a pooled connection may have
    /// been closed at the other end meanwhile. Only for questions that may be asked twice.
    ///
    /// # Errors
    /// As [`HttpClient::call`].
    pub async fn ask(
        &self,
        method: Method,
        url: &str,
        headers: &HeaderMap,
        body: Bytes,
        limit: Duration,
    ) -> Result<Answer, CallError> {
        match self.call(method.clone(), url, headers, body.clone(), limit).await {
            Err(CallError::Transport { .. }) => self.call(method, url, headers, body, limit).await,
            other => other,
        }
    }

    /// A GET without a body.
    ///
    /// # Errors
    /// As [`HttpClient::call`].
    pub async fn get(&self, url: &str, headers: &HeaderMap, limit: Duration) -> Result<Answer, CallError> {
        self.call(Method::GET, url, headers, Bytes::new(), limit).await
    }
}
