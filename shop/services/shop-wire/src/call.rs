//! One typed call of one service to another.

use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use shop_kit::client::{Answer, CallError, HttpClient};
use shop_kit::layers::REQUEST_ID;
use shop_kit::settings::BaseUrl;
use thiserror::Error;

use crate::common::ErrorResponse;

/// What may stand in a path segment as it is.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Why a call brought no result.
#[derive(Debug, Error)]
pub enum CallFailure {
    /// There was no answer.
    #[error(transparent)]
    NoAnswer(#[from] CallError),
    /// The other side refused; the whole answer, for those who pass it on.
    #[error("{url} answered {}{}", answer.status, said(answer))]
    Refused {
        /// Who was asked.
        url: String,
        /// What it answered.
        answer: Box<Answer>,
    },
    /// The answer is not what the contract says.
    #[error("{url} answered something that is not in its contract")]
    Unreadable {
        /// Who was asked.
        url: String,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// The question can't be written.
    #[error("the question can't be written as JSON")]
    Question(#[source] serde_json::Error),
}

impl CallFailure {
    /// The status of a refusal; nothing when there was no answer, or a useless one.
    pub fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Refused { answer, .. } => Some(answer.status),
            _ => None,
        }
    }

    /// What a refusal says in the shop's envelope.
    pub fn envelope(&self) -> Option<ErrorResponse> {
        match self {
            Self::Refused { answer, .. } => answer.json(),
            _ => None,
        }
    }
}

fn said(answer: &Answer) -> String {
    answer.json::<ErrorResponse>().map_or(String::new(), |e| format!(" {}: {}", e.code, e.message))
}

/// Who is asked, and how long an answer may take.
#[derive(Debug, Clone)]
pub struct Caller {
    base: BaseUrl,
    http: HttpClient,
    limit: Duration,
}

/// On whose behalf a service asks: the caller's authorization and the request's id, nothing else of what came in.
pub fn on_behalf(incoming: &HeaderMap) -> HeaderMap {
    [AUTHORIZATION, REQUEST_ID]
        .into_iter()
        .filter_map(|name| incoming.get(&name).cloned().map(|value| (name, value)))
        .collect()
}

/// A call that is being put together.
#[derive(Debug)]
pub struct Call {
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Bytes,
    idempotent: bool,
}

impl Call {
    /// A call of a path, with these headers and no body.
    pub fn new(method: Method, path: String, headers: &HeaderMap) -> Self {
        Self { method, path, headers: headers.clone(), body: Bytes::new(), idempotent: false }
    }

    /// With these parameters after the `?`.
    #[must_use]
    pub fn query(mut self, pairs: &[(&str, &str)]) -> Self {
        if !pairs.is_empty() {
            let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
            self.path = format!("{}?{query}", self.path);
        }
        self
    }

    /// With this body, as JSON.
    ///
    /// # Errors
    /// When it can't be written as JSON.
    pub fn body<T: Serialize>(mut self, body: &T) -> Result<Self, CallFailure> {
        self.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        self.body = serde_json::to_vec(body).map_err(CallFailure::Question)?.into();
        Ok(self)
    }

    /// May be sent again when the connection brought no answer.
    #[must_use]
    pub fn idempotent(mut self) -> Self {
        self.idempotent = true;
        self
    }
}

impl Caller {
    /// Asks the service at `base`; an answer may take `limit`.
    pub fn new(base: BaseUrl, http: HttpClient, limit: Duration) -> Self {
        Self { base, http, limit }
    }

    /// A call whose answer has a body.
    ///
    /// # Errors
    /// When there is no answer, a refusal, or an answer that is not as the contract says.
    pub async fn answer<T: DeserializeOwned>(&self, call: Call) -> Result<T, CallFailure> {
        let (url, answer) = self.send(call).await?;
        serde_json::from_slice(&answer.body).map_err(|source| CallFailure::Unreadable { url, source })
    }

    /// A call whose answer has no body.
    ///
    /// # Errors
    /// When there is no answer, or a refusal.
    pub async fn done(&self, call: Call) -> Result<(), CallFailure> {
        self.send(call).await.map(drop)
    }

    async fn send(&self, call: Call) -> Result<(String, Answer), CallFailure> {
        let url = self.base.join(&call.path);
        let Call { method, headers, body, idempotent, .. } = call;
        let answer = if idempotent {
            self.http.ask(method, &url, &headers, body, self.limit).await?
        } else {
            self.http.call(method, &url, &headers, body, self.limit).await?
        };
        if answer.status.is_success() {
            Ok((url, answer))
        } else {
            Err(CallFailure::Refused { url, answer: Box::new(answer) })
        }
    }
}

/// A text as one segment of a path.
pub fn segment(text: &str) -> String {
    utf8_percent_encode(text, SEGMENT).to_string()
}
