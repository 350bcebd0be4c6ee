//! The question to identity, and the memory of its answers.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;
use shop_kit::client::{Answer, HttpClient};
use shop_kit::extract;
use shop_kit::layers::REQUEST_ID;
use shop_kit::settings::{BaseUrl, Secret};
use shop_kit::token::{Claims, TokenKey};
use shop_kit::{ApiError, ApiResult};
use time::OffsetDateTime;
use uuid::Uuid;

use super::Scope;

/// How long identity may take to decide.
const LIMIT: Duration = Duration::from_secs(2);
/// Tokens that are remembered at most; beyond it the memory starts again.
const REMEMBERED: usize = 10_000;

/// What identity said about a permission, and when.
type Said = HashMap<&'static str, (Instant, Option<Scope>)>;

#[derive(Debug)]
pub(super) struct Asking {
    base: Option<BaseUrl>,
    key: TokenKey,
    issuer: Option<String>,
    ttl: Duration,
    http: HttpClient,
    memory: Mutex<HashMap<String, Said>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Decision {
    allowed: bool,
    effective_scope: Option<Scope>,
}

#[derive(Deserialize)]
struct Staff {
    status: String,
    roles: Vec<String>,
}

impl Asking {
    pub(super) fn new(base: Option<BaseUrl>, secret: Secret, issuer: Option<String>, ttl: Duration) -> Self {
        let key = TokenKey::new(secret);
        Self { base, key, issuer, ttl, http: HttpClient::new(), memory: Mutex::default() }
    }

    /// The token, whose it is, and what it says.
    pub(super) fn token<'a>(&self, headers: &'a HeaderMap) -> ApiResult<(&'a str, Uuid, Claims)> {
        match extract::authorization(headers) {
            extract::Authorization::Missing => Err(ApiError::unauthorized("missing authorization")),
            extract::Authorization::Malformed => Err(ApiError::unauthorized("invalid authorization header")),
            extract::Authorization::Bearer(token) => {
                let now = OffsetDateTime::now_utc().unix_timestamp();
                let (id, claims) = self.key.verify(token, self.issuer.as_deref(), now)?;
                Ok((token, id, claims))
            }
        }
    }

    /// For whom the permission holds; nothing when it does not.
    pub(super) async fn scope(
        &self,
        headers: &HeaderMap,
        token: &str,
        permission: &'static str,
    ) -> ApiResult<Option<Scope>> {
        if let Some(said) = self.remembered(token, permission) {
            return Ok(said);
        }
        let said = self.ask(headers, token, permission).await?;
        self.remember(token, permission, said);
        Ok(said)
    }

    async fn ask(&self, headers: &HeaderMap, token: &str, permission: &str) -> ApiResult<Option<Scope>> {
        let unavailable = |cause: String| {
            ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "service_unavailable", "identity is not available")
                .because(cause)
        };
        let body = json!({ "permission": permission }).to_string().into();
        let answer =
            self.call(Method::POST, "/rbac/authorize", headers, token, body).await.map_err(unavailable)?;
        match answer.status {
            StatusCode::OK => match answer.json::<Decision>() {
                Some(Decision { allowed: false, .. }) => Ok(None),
                Some(Decision { allowed: true, effective_scope: Some(scope) }) => Ok(Some(scope)),
                _ => Err(unavailable("/rbac/authorize answered something else than a decision".into())),
            },
            StatusCode::UNAUTHORIZED => Err(ApiError::unauthorized("invalid token")),
            StatusCode::FORBIDDEN => Ok(None),
            other => Err(unavailable(format!("/rbac/authorize answered {other}"))),
        }
    }

    pub(super) async fn is_active_sales_user(&self, headers: &HeaderMap, user: Uuid) -> ApiResult<bool> {
        let unavailable = |cause: String| {
            ApiError::new(StatusCode::BAD_GATEWAY, "identity_unavailable", "the sales user can't be checked")
                .because(cause)
        };
        let (token, ..) = self.token(headers)?;
        let answer = self
            .call(Method::GET, &format!("/staff/{user}"), headers, token, Bytes::new())
            .await
            .map_err(unavailable)?;
        match answer.status {
            StatusCode::OK => {
                let staff: Staff =
                    answer.json().ok_or_else(|| unavailable("/staff answered something else".into()))?;
                Ok(staff.status == "active" && staff.roles.iter().any(|role| role == "SALES"))
            }
            StatusCode::NOT_FOUND => Ok(false),
            other => Err(unavailable(format!("/staff/{user} answered {other}"))),
        }
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        headers: &HeaderMap,
        token: &str,
        body: Bytes,
    ) -> Result<Answer, String> {
        let base = self.base.as_ref().ok_or("COMMERCE_IDENTITY_BASE_URL is empty")?;
        let mut question = HeaderMap::new();
        question.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Ok(value) = HeaderValue::from_str(&format!("Bearer {token}")) {
            question.insert(AUTHORIZATION, value);
        }
        if let Some(id) = headers.get(REQUEST_ID) {
            question.insert(REQUEST_ID, id.clone());
        }
        self.http.ask(method, &base.join(path), &question, body, LIMIT).await.map_err(|e| e.to_string())
    }

    fn remembered(&self, token: &str, permission: &'static str) -> Option<Option<Scope>> {
        let memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, said) = memory.get(token)?.get(permission)?;
        (since.elapsed() < self.ttl).then_some(*said)
    }

    fn remember(&self, token: &str, permission: &'static str, said: Option<Scope>) {
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        if memory.len() >= REMEMBERED && !memory.contains_key(token) {
            memory.clear();
        }
        memory.entry(token.to_owned()).or_default().insert(permission, (Instant::now(), said));
    }
}
