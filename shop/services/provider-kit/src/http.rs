//! Calls to providers: HTTPS, a deadline, a whole answer.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use shop_kit::client::{Answer, CallError};

/// Answers of providers are small.
const LARGEST_ANSWER: usize = 1 << 20;

/// A client that trusts whom the system trusts.
#[derive(Debug, Clone)]
pub struct ProviderClient {
    inner: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    limit: Duration,
}

impl ProviderClient {
    /// A client whose calls take `limit` at most. `http://` is spoken too, for a provider's stand-in.
    ///
    /// # Errors
    /// When the system's certificates can't be read.
    pub fn new(limit: Duration) -> Result<Self, std::io::Error> {
        let provider = rustls::crypto::ring::default_provider();
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_provider_and_platform_verifier(provider)?
            .https_or_http()
            .enable_http1()
            .build();
        let inner = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(20))
            .build(connector);
        Ok(Self { inner, limit })
    }

    /// Sends a request and reads the whole answer.
    ///
    /// # Errors
    /// When there is no whole answer in time. An answer that reports an error is an answer.
    pub async fn call(
        &self,
        method: Method,
        url: &str,
        headers: HeaderMap,
        body: String,
    ) -> Result<Answer, CallError> {
        // Queries hold secrets; what is said of the address ends before them.
        let named = || url.split('?').next().unwrap_or_default().to_owned();
        let mut request = Request::builder()
            .method(method)
            .uri(url)
            .body(Full::new(Bytes::from(body)))
            .map_err(|source| CallError::Request { url: named(), source })?;
        request.headers_mut().extend(headers);
        let exchange = async {
            let (parts, body) = self.inner.request(request).await?.into_parts();
            let body = Limited::new(body, LARGEST_ANSWER).collect().await?.to_bytes();
            Ok(Answer { status: parts.status, headers: parts.headers, body })
        };
        match tokio::time::timeout(self.limit, exchange).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(source)) => Err(CallError::Transport { url: named(), source }),
            Err(_) => Err(CallError::Deadline { url: named(), limit: self.limit }),
        }
    }
}
