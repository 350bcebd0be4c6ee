//! May this caller do that? Identity decides; this asks.
//!
//! The token is verified here first, which is cheap and gives the client the exact reason for a 401. Then
//! identity is asked for the permission, and its answer is remembered for a few seconds per token, so that a
//! page with ten requests asks once. When identity can't be asked the answer is no: 503, nothing is done.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde::Deserialize;
use serde_json::json;
use shop_kit::client::HttpClient;
use shop_kit::extract;
use shop_kit::layers::REQUEST_ID;
use shop_kit::settings::BaseUrl;
use shop_kit::token::TokenKey;
use shop_kit::{ApiError, ApiResult};
use time::OffsetDateTime;

use crate::settings::Authorization;

/// How long identity may take to decide.
const LIMIT: Duration = Duration::from_secs(2);
/// Answers that are remembered at most; beyond it the memory starts again.
const REMEMBERED: usize = 10_000;

/// What is needed to change the catalogue.
pub const PRODUCT_MANAGE: &str = "product:manage";

/// Asks identity, or nobody.
#[derive(Debug, Clone)]
pub struct Authorizer {
    inner: Option<Arc<Asking>>,
}

/// What identity said, and when, for a token and a permission.
type Memory = HashMap<(String, &'static str), (Instant, bool)>;

#[derive(Debug)]
struct Asking {
    base: Option<BaseUrl>,
    key: TokenKey,
    issuer: Option<String>,
    ttl: Duration,
    http: HttpClient,
    memory: Mutex<Memory>,
}

#[derive(Deserialize)]
struct Decision {
    allowed: bool,
}

impl Authorizer {
    /// An authorizer as configured.
    pub fn new(settings: Authorization) -> Self {
        let Authorization::Identity { base, secret, issuer, ttl } = settings else {
            return Self { inner: None };
        };
        let asking = Asking {
            base,
            key: TokenKey::new(secret),
            issuer,
            ttl,
            http: HttpClient::new(),
            memory: Mutex::default(),
        };
        Self { inner: Some(Arc::new(asking)) }
    }

    /// Lets the caller pass only with the permission, for everything.
    ///
    /// # Errors
    /// 401 without a good token, 403 without the permission, 503 when identity can't be asked.
    pub async fn require(&self, headers: &HeaderMap, permission: &'static str) -> ApiResult<()> {
        let Some(asking) = &self.inner else { return Ok(()) };
        let token = asking.token(headers)?;
        let allowed = match asking.remembered(token, permission) {
            Some(allowed) => allowed,
            None => {
                let allowed = asking.ask(headers, token, permission).await?;
                asking.remember(token, permission, allowed);
                allowed
            }
        };
        if allowed { Ok(()) } else { Err(ApiError::forbidden("permission denied").because(permission)) }
    }
}

impl Asking {
    fn token<'a>(&self, headers: &'a HeaderMap) -> ApiResult<&'a str> {
        match extract::authorization(headers) {
            extract::Authorization::Missing => Err(ApiError::unauthorized("missing authorization")),
            extract::Authorization::Malformed => Err(ApiError::unauthorized("invalid authorization header")),
            extract::Authorization::Bearer(token) => {
                let now = OffsetDateTime::now_utc().unix_timestamp();
                self.key.verify(token, self.issuer.as_deref(), now)?;
                Ok(token)
            }
        }
    }

    async fn ask(&self, headers: &HeaderMap, token: &str, permission: &str) -> ApiResult<bool> {
        let unavailable = |cause: String| {
            ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "service_unavailable", "identity is not available")
                .because(cause)
        };
        let Some(base) = &self.base else {
            return Err(unavailable("COMMERCE_IDENTITY_BASE_URL is empty".into()));
        };
        let mut question = HeaderMap::new();
        question.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Ok(value) = HeaderValue::from_str(&format!("Bearer {token}")) {
            question.insert(AUTHORIZATION, value);
        }
        if let Some(id) = headers.get(REQUEST_ID) {
            question.insert(REQUEST_ID, id.clone());
        }
        let body = json!({ "permission": permission, "requiredScope": "ALL" }).to_string();
        let url = base.join("/rbac/authorize");
        let answer = self
            .http
            .ask(Method::POST, &url, &question, body.into(), LIMIT)
            .await
            .map_err(|e| unavailable(e.to_string()))?;
        match answer.status {
            StatusCode::OK => answer
                .json::<Decision>()
                .map(|decision| decision.allowed)
                .ok_or_else(|| unavailable(format!("{url} answered something else than a decision"))),
            StatusCode::UNAUTHORIZED => Err(ApiError::unauthorized("invalid token")),
            other => Err(unavailable(format!("{url} answered {other}"))),
        }
    }

    fn remembered(&self, token: &str, permission: &'static str) -> Option<bool> {
        let memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, allowed) = memory.get(&(token.to_owned(), permission))?;
        (since.elapsed() < self.ttl).then_some(*allowed)
    }

    fn remember(&self, token: &str, permission: &'static str, allowed: bool) {
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        if memory.len() >= REMEMBERED {
            memory.clear();
        }
        memory.insert((token.to_owned(), permission), (Instant::now(), allowed));
    }
}
