//! The HTTP client towards an ACME server.

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{Request, StatusCode};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient, Problem};

use super::AcmeError;
use crate::clock;
use crate::pair::provider;
use crate::roots::Roots;

/// How long one request may take. ACME servers answer at once and have the client ask again.
const REQUEST: Duration = Duration::from_secs(30);

/// The client. It speaks HTTPS only, to servers that the system's roots or those of a file vouch for.
#[derive(Clone)]
pub(crate) struct Https {
    client: Client<HttpsConnector<HttpConnector>, BodyWrapper<Bytes>>,
    busy: Arc<Mutex<Option<u64>>>,
}

impl Https {
    pub(crate) fn new(roots: Option<&Path>) -> Result<Self, AcmeError> {
        let connector = hyper_rustls::HttpsConnectorBuilder::new();
        let connector = match roots {
            Some(_) => connector.with_tls_config(Roots::read(roots)?.client_config()),
            None => connector.with_provider_and_platform_verifier(provider().clone()).map_err(|error| {
                AcmeError::Server {
                    doing: "the system's roots could not be read".to_owned(),
                    source: Error::Other(error.into()),
                    not_before: None,
                }
            })?,
        };
        let connector = connector.https_only().enable_http1().enable_http2().build();
        Ok(Self { client: Client::builder(TokioExecutor::new()).build(connector), busy: Arc::default() })
    }

    /// Until when the server asked to be left alone (429 and 503 with `Retry-After`), in seconds since 1970.
    pub(crate) fn busy_until(&self) -> Option<u64> {
        *self.busy.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HttpClient for Https {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let host = request.uri().authority().map(ToString::to_string).unwrap_or_default();
        let answer = self.client.request(request);
        let busy = self.busy.clone();
        Box::pin(async move {
            let answer = match tokio::time::timeout(REQUEST, answer).await {
                Ok(Ok(answer)) => answer,
                Ok(Err(error)) => return Err(Error::Other(Box::new(error))),
                Err(_) => {
                    let words = format!("{host} did not answer within {} s", REQUEST.as_secs());
                    return Err(Error::Other(words.into()));
                }
            };
            if matches!(answer.status(), StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
                // Dates are allowed too; servers that limit rates send seconds.
                let seconds = answer
                    .headers()
                    .get(RETRY_AFTER)
                    .and_then(|value| value.to_str().ok())
                    .and_then(|value| value.trim().parse::<u64>().ok());
                if let Some(seconds) = seconds {
                    let until = clock::now().saturating_add(seconds);
                    *busy.lock().unwrap_or_else(PoisonError::into_inner) = Some(until);
                }
            }
            // Gateways and the like answer with pages, which say nothing in a message.
            let kind = answer.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
            if answer.status().as_u16() >= 400 && !kind.is_some_and(|kind| kind.contains("json")) {
                return Err(Error::Other(format!("{host} answered {}", answer.status()).into()));
            }
            Ok(BytesResponse::from(answer))
        })
    }
}

/// What a server says in a problem document, as one line.
pub(crate) fn said(problem: &Problem) -> String {
    let kind = problem
        .r#type
        .as_deref()
        .map(|kind| kind.strip_prefix("urn:ietf:params:acme:error:").unwrap_or(kind));
    let mut line = match (&problem.detail, kind) {
        (Some(detail), Some(kind)) => format!("{detail} ({kind})"),
        (Some(one), None) => one.clone(),
        (None, Some(one)) => one.to_owned(),
        (None, None) => "the server gave no reason".to_owned(),
    };
    for sub in &problem.subproblems {
        line.push_str("; ");
        line.push_str(&sub.to_string());
    }
    // It ends up on terminals and in status pages: no line breaks, no control characters of the server's choosing.
    line.chars().map(|c| if c.is_control() { ' ' } else { c }).take(600).collect()
}
