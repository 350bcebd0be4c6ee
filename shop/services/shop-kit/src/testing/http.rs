//! A client for tests: what was answered, completely.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use serde_json::Value;

use crate::client::HttpClient;

const LIMIT: Duration = Duration::from_secs(20);

/// A client of one server. Copies made with [`Client::with`] share its connections.
#[derive(Debug, Clone)]
pub struct Client {
    base: String,
    headers: HeaderMap,
    http: HttpClient,
}

/// What was answered.
#[derive(Debug, Clone)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Headers as received.
    pub headers: HeaderMap,
    /// The body as text.
    pub text: String,
}

impl Reply {
    /// The body as JSON.
    ///
    /// # Panics
    /// When it is not JSON; the test is over then.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|e| panic!("{e}: {}", self.text))
    }

    /// A header's text, empty when there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default()
    }

    /// Status, code and message of an error answer; checks that the envelope is complete.
    ///
    /// # Panics
    /// When the body is not the shop's error envelope with the request id of the header.
    pub fn error(&self) -> (u16, String, String) {
        let json = self.json();
        let text = |key: &str| json[key].as_str().unwrap_or_else(|| panic!("no {key} in {json}")).to_owned();
        assert_eq!(text("requestId"), self.header("x-request-id"), "the id in the body is the header's");
        (self.status, text("code"), text("message"))
    }
}

impl Client {
    /// A client of the server at `base`, e.g. `http://127.0.0.1:4000`.
    pub fn of(base: &str) -> Self {
        Self { base: base.to_owned(), headers: HeaderMap::new(), http: HttpClient::new() }
    }

    /// The same client, sending one more header.
    ///
    /// # Panics
    /// When the value can't be a header.
    #[must_use]
    pub fn with(&self, name: &'static str, value: &str) -> Self {
        let mut copy = self.clone();
        copy.headers.insert(
            HeaderName::from_static(name),
            HeaderValue::from_str(value).expect("a header value from a test"),
        );
        copy
    }

    /// The same client, signed in.
    #[must_use]
    pub fn signed_in(&self, token: &str) -> Self {
        self.with("authorization", &format!("Bearer {token}"))
    }

    /// GET.
    pub async fn get(&self, path: &str) -> Reply {
        self.send(Method::GET, path, Bytes::new()).await
    }

    /// POST with a JSON body.
    pub async fn post(&self, path: &str, body: Value) -> Reply {
        self.send(Method::POST, path, body.to_string().into()).await
    }

    /// PATCH with a JSON body.
    pub async fn patch(&self, path: &str, body: Value) -> Reply {
        self.send(Method::PATCH, path, body.to_string().into()).await
    }

    /// Any request.
    ///
    /// # Panics
    /// When there is no answer; the test is over then.
    pub async fn send(&self, method: Method, path: &str, body: Bytes) -> Reply {
        let mut headers = self.headers.clone();
        if !body.is_empty() {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        let url = format!("{}{path}", self.base);
        let answer = match self.http.call(method, &url, &headers, body, LIMIT).await {
            Ok(answer) => answer,
            Err(error) => panic!("{error:?}"),
        };
        Reply {
            status: answer.status.as_u16(),
            headers: answer.headers,
            text: String::from_utf8_lossy(&answer.body).into_owned(),
        }
    }
}
