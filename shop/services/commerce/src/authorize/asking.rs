//! The question to identity, and the memory of its answers.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, StatusCode};
use shop_kit::client::HttpClient;
use shop_kit::extract;
use shop_kit::settings::{BaseUrl, Secret};
use shop_kit::token::{Claims, TokenKey};
use shop_kit::{ApiError, ApiResult};
use shop_wire::call::{Caller, on_behalf};
use shop_wire::client::IdentityClient;
use shop_wire::common::UserStatus;
use shop_wire::identity::{AuthorizeRequest, AuthorizeResponse};
use time::OffsetDateTime;
use uuid::Uuid;

use super::Scope;

/// How long identity may take to decide.
const LIMIT: Duration = Duration::from_secs(2);
/// Why nobody can be asked.
const NO_ADDRESS: &str = "COMMERCE_IDENTITY_BASE_URL is empty";
/// Tokens that are remembered at most; beyond it the memory starts again.
const REMEMBERED: usize = 10_000;

/// What identity said about a permission, and when.
type Said = HashMap<&'static str, (Instant, Option<Scope>)>;

#[derive(Debug)]
pub(super) struct Asking {
    identity: Option<IdentityClient>,
    key: TokenKey,
    issuer: Option<String>,
    ttl: Duration,
    memory: Mutex<HashMap<String, Said>>,
}

impl Asking {
    pub(super) fn new(base: Option<BaseUrl>, secret: Secret, issuer: Option<String>, ttl: Duration) -> Self {
        let client = |base| IdentityClient::new(Caller::new(base, HttpClient::new(), LIMIT));
        let (identity, key) = (base.map(client), TokenKey::new(secret));
        Self { identity, key, issuer, ttl, memory: Mutex::default() }
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
        let said = self.ask(headers, permission).await?;
        self.remember(token, permission, said);
        Ok(said)
    }

    async fn ask(&self, headers: &HeaderMap, permission: &str) -> ApiResult<Option<Scope>> {
        let unavailable = |cause: String| {
            ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "service_unavailable", "identity is not available")
                .because(cause)
        };
        let question = AuthorizeRequest { permission: Some(permission.to_owned()), required_scope: None };
        let identity = self.identity.as_ref().ok_or_else(|| unavailable(NO_ADDRESS.into()))?;
        let said = identity.post_rbac_authorize(&on_behalf(headers), &question).await;
        match said {
            Ok(AuthorizeResponse { allowed: false, .. }) => Ok(None),
            Ok(AuthorizeResponse { effective_scope: Some(scope), .. }) => Ok(Some(scope)),
            Ok(_) => Err(unavailable("identity allowed it and did not say for whom".into())),
            Err(error) => match error.status() {
                Some(StatusCode::UNAUTHORIZED) => Err(ApiError::unauthorized("invalid token")),
                Some(StatusCode::FORBIDDEN) => Ok(None),
                _ => Err(unavailable(error.to_string())),
            },
        }
    }

    pub(super) async fn is_active_sales_user(&self, headers: &HeaderMap, user: Uuid) -> ApiResult<bool> {
        let unavailable = |cause: String| {
            ApiError::new(StatusCode::BAD_GATEWAY, "identity_unavailable", "the sales user can't be checked")
                .because(cause)
        };
        let identity = self.identity.as_ref().ok_or_else(|| unavailable(NO_ADDRESS.into()))?;
        match identity.get_staff_staff_id(&on_behalf(headers), user).await {
            Ok(staff) => {
                Ok(staff.status == UserStatus::Active && staff.roles.iter().any(|role| role == "SALES"))
            }
            Err(error) if error.status() == Some(StatusCode::NOT_FOUND) => Ok(false),
            Err(error) => Err(unavailable(error.to_string())),
        }
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
