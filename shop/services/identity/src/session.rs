//! Tokens out, callers in.

use axum::extract::{FromRef, FromRequestParts};
use http::request::Parts;
use shop_kit::extract::{Authorization, authorization};
use shop_kit::token::Claims;
use shop_kit::{ApiError, ApiResult};
use shop_wire::common::AuthResponse;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::app::App;
use crate::users::{UserRow, in_role, user_type};

/// Whether the token carries the customer's sales user. Tokens from a password login never do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnerClaim {
    /// Carried when the role is CUSTOMER and there is an owner.
    Carried,
    /// Left out.
    LeftOut,
}

/// Signs a token for a user in one role.
pub fn open(app: &App, user: UserRow, role: &str, owner: OwnerClaim) -> AuthResponse {
    let now = OffsetDateTime::now_utc().unix_timestamp();
    let ttl = app.token_ttl().as_secs();
    let carries_owner = owner == OwnerClaim::Carried && role == "CUSTOMER";
    let claims = Claims {
        sub: user.id.to_string(),
        role: role.to_owned(),
        roles: user.roles.clone(),
        user_type: user_type(role).to_string(),
        iss: app.issuer().to_owned(),
        iat: now,
        exp: now.saturating_add_unsigned(ttl),
        owner_sales_user_id: user.owner_sales_user_id.filter(|_| carries_owner).map(|id| id.to_string()),
        display_name: user.display_name.clone(),
        phone: user.phone.clone(),
    };
    AuthResponse {
        access_token: app.key().sign(&claims),
        expires_in: i64::try_from(ttl).unwrap_or(i64::MAX),
        user: in_role(user, role, None),
    }
}

/// A caller with a good token.
#[derive(Debug, Clone)]
pub struct SignedIn {
    /// The user.
    pub user_id: Uuid,
    /// What the token says.
    pub claims: Claims,
}

impl<S> FromRequestParts<S> for SignedIn
where
    App: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> ApiResult<Self> {
        // Identity says the same sentence whatever is wrong with the token; the log knows more.
        let refuse = |cause: &str| ApiError::unauthorized("invalid token").because(cause);
        let app = App::from_ref(state);
        match authorization(&parts.headers) {
            Authorization::Missing => Err(refuse("no authorization header")),
            Authorization::Malformed => Err(refuse("not a bearer token")),
            Authorization::Bearer(token) => {
                let now = OffsetDateTime::now_utc().unix_timestamp();
                let (user_id, claims) =
                    app.key().verify(token, Some(app.issuer()), now).map_err(|e| refuse(&e.to_string()))?;
                Ok(Self { user_id, claims })
            }
        }
    }
}
