//! Who asks.

use axum::extract::{FromRef, FromRequestParts};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue};
use shop_kit::extract::{Authorization, authorization};
use shop_kit::layers::{REQUEST_ID, RequestId};
use shop_kit::token::TokenKey;
use shop_kit::{ApiError, ApiResult};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::app::App;
use crate::settings::Authentication;

/// Reads tokens.
#[derive(Debug)]
pub enum Authenticator {
    /// Believes everybody.
    Off,
    /// Believes whoever has a token.
    Token {
        /// Verifies it.
        key: TokenKey,
        /// Whose tokens count.
        issuer: Option<String>,
    },
}

impl Authenticator {
    /// An authenticator as configured.
    pub fn new(settings: Authentication) -> Self {
        match settings {
            Authentication::Off => Self::Off,
            Authentication::Token { secret, issuer } => Self::Token { key: TokenKey::new(secret), issuer },
        }
    }

    fn user(&self, headers: &HeaderMap) -> ApiResult<Uuid> {
        let Self::Token { key, issuer } = self else { return Ok(Uuid::nil()) };
        match authorization(headers) {
            Authorization::Missing => Err(ApiError::unauthorized("missing authorization")),
            Authorization::Malformed => Err(ApiError::unauthorized("invalid authorization header")),
            Authorization::Bearer(token) => {
                let now = OffsetDateTime::now_utc().unix_timestamp();
                let (user, _) = key.verify(token, issuer.as_deref(), now)?;
                Ok(user)
            }
        }
    }
}

/// Somebody with a good token.
#[derive(Debug, Clone)]
pub struct SignedIn {
    /// The user; nil while authentication is off.
    pub user: Uuid,
    /// What commerce is shown when it is asked on this user's behalf.
    pub on_behalf: HeaderMap,
}

impl<S> FromRequestParts<S> for SignedIn
where
    App: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> ApiResult<Self> {
        let user = App::from_ref(state).authenticator().user(&parts.headers)?;
        let mut on_behalf = HeaderMap::new();
        if let Some(value) = parts.headers.get(AUTHORIZATION) {
            on_behalf.insert(AUTHORIZATION, value.clone());
        }
        let id = parts.extensions.get::<RequestId>();
        if let Some(id) = id.and_then(|id| HeaderValue::from_str(&id.0).ok()) {
            on_behalf.insert(REQUEST_ID, id);
        }
        Ok(Self { user, on_behalf })
    }
}
