//! May this caller do that? Identity decides; this asks.
//!
//! The token is verified here first, which is cheap and gives the client the exact reason for a 401. Then
//! identity is asked for the permission, and its answer is remembered for a few seconds per token, so that a
//! page with ten requests asks once. When identity can't be asked the answer is no: 503, nothing is done.
//!
//! A handler names what it needs in its arguments: [`Allowed<needs::ReadOrders>`](Allowed). It comes before the
//! body there, so that somebody who may not do a thing is not told what is wrong with how he asked for it.

mod asking;
pub mod needs;

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use shop_kit::token::Claims;
use shop_kit::{ApiError, ApiResult};
pub use shop_wire::identity::PermissionScope as Scope;
use sqlx::{Postgres, QueryBuilder};
use uuid::Uuid;

use crate::app::App;
use crate::settings::Authorization;
use asking::Asking;
pub use needs::{Need, Rule};

/// Somebody who may do what was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The user.
    pub id: Uuid,
    /// The role chosen at login.
    pub role: String,
    /// The sales user a customer belonged to at login.
    pub owner_sales_user_id: Option<Uuid>,
    /// For whom the permission holds.
    pub scope: Scope,
}

impl Caller {
    /// Whether the caller speaks as a customer.
    pub fn is_customer(&self) -> bool {
        self.role == "CUSTOMER"
    }

    /// What messages of this caller are marked with.
    pub fn sender_type(&self) -> &'static str {
        if self.is_customer() { "customer" } else { "staff" }
    }

    /// The sales user that things made by this caller belong to.
    pub fn owner_of_new(&self) -> Option<Uuid> {
        if self.is_customer() { self.owner_sales_user_id } else { None }
    }

    /// The caller, when only what the caller made may be seen.
    pub fn only_own(&self) -> Option<Uuid> {
        (self.scope == Scope::Own).then_some(self.id)
    }

    /// The caller, when only what belongs to the caller's customers may be seen.
    pub fn only_owned(&self) -> Option<Uuid> {
        (self.scope == Scope::Owned).then_some(self.id)
    }

    /// Narrows a statement about what somebody makes down to what may be seen.
    pub fn narrow(&self, sql: &mut QueryBuilder<Postgres>) {
        if let Some(id) = self.only_own() {
            sql.push(" AND created_by_user_id = ").push_bind(id);
        }
        if let Some(id) = self.only_owned() {
            sql.push(" AND owner_sales_user_id = ").push_bind(id);
        }
    }

    /// Whether something made by `creator` and belonging to `owner` may be seen.
    pub fn sees(&self, creator: Uuid, owner: Option<Uuid>) -> bool {
        match self.scope {
            Scope::Own => creator == self.id,
            Scope::Owned => owner == Some(self.id),
            Scope::All => true,
        }
    }
}

/// The widest scope a role chosen at login may use, whatever other roles the user has: identity's answer is about
/// the user, and somebody who works as a customer now must not see what he sees as a sales user.
fn widest_of_role(role: &str) -> Scope {
    match role {
        "CUSTOMER" => Scope::Own,
        "SALES" => Scope::Owned,
        _ => Scope::All,
    }
}

/// A caller who has what `N` asks for.
pub struct Allowed<N> {
    caller: Caller,
    need: PhantomData<fn() -> N>,
}

impl<N> fmt::Debug for Allowed<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.caller.fmt(f)
    }
}

impl<N> Deref for Allowed<N> {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.caller
    }
}

impl<N: Need> FromRequestParts<App> for Allowed<N> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let caller = app.authorizer().require::<N>(&parts.headers).await?;
        Ok(Self { caller, need: PhantomData })
    }
}

/// Asks identity, or nobody.
#[derive(Debug)]
pub struct Authorizer {
    inner: Option<Asking>,
}

impl Authorizer {
    /// An authorizer as configured.
    pub fn new(settings: Authorization) -> Self {
        let inner = match settings {
            Authorization::Off => None,
            Authorization::Identity { base, secret, issuer, ttl } => {
                Some(Asking::new(base, secret, issuer, ttl))
            }
        };
        Self { inner }
    }

    /// Lets the caller pass only with what `N` needs.
    ///
    /// # Errors
    /// 401 without a good token, 403 without the permission, 503 when identity can't be asked.
    pub async fn require<N: Need>(&self, headers: &HeaderMap) -> ApiResult<Caller> {
        let Some(asking) = &self.inner else {
            return Ok(Caller {
                id: Uuid::nil(),
                role: "ADMIN".into(),
                owner_sales_user_id: None,
                scope: Scope::All,
            });
        };
        let (token, id, claims) = asking.token(headers)?;
        let owner_sales_user_id = owner(&claims)?;
        let mut found: Option<Scope> = None;
        for permission in N::RULE.any_of {
            found = found.max(asking.scope(headers, token, permission).await?);
            if found == Some(Scope::All) {
                break;
            }
        }
        let role = claims.role;
        if N::RULE.own_things && role != "CUSTOMER" {
            // Everybody has a cart. What identity grants matters for customers; others have one without a grant.
            found = found.max(Some(Scope::Own));
        }
        let scope = found.map(|scope| scope.min(widest_of_role(&role)));
        match scope {
            Some(scope) if scope >= N::RULE.least => Ok(Caller { id, role, owner_sales_user_id, scope }),
            _ => Err(ApiError::forbidden("permission denied").because(N::RULE.any_of.join(" or "))),
        }
    }

    /// Whether a user may be made responsible for an order: an active member of the staff who sells.
    ///
    /// # Errors
    /// 502 when identity can't be asked.
    pub async fn is_active_sales_user(&self, headers: &HeaderMap, user: Uuid) -> ApiResult<bool> {
        match &self.inner {
            None => Ok(true),
            Some(asking) => asking.is_active_sales_user(headers, user).await,
        }
    }
}

fn owner(claims: &Claims) -> ApiResult<Option<Uuid>> {
    let parse =
        |text: &String| Uuid::parse_str(text).map_err(|_| ApiError::unauthorized("invalid ownerSalesUserId"));
    claims.owner_sales_user_id.as_ref().filter(|text| !text.is_empty()).map(parse).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_widen() {
        assert!(Scope::Own < Scope::Owned && Scope::Owned < Scope::All && None < Some(Scope::Own));
    }

    #[test]
    fn what_a_caller_sees() {
        let [me, other] = [1, 2].map(Uuid::from_u128);
        let check = |scope: Scope, creator: Uuid, owner: Option<Uuid>, expect: bool| {
            let caller = Caller { id: me, role: String::new(), owner_sales_user_id: None, scope };
            assert_eq!(caller.sees(creator, owner), expect, "{scope:?} {creator} {owner:?}");
        };
        check(Scope::Own, me, None, true);
        check(Scope::Own, other, Some(me), false);
        check(Scope::Owned, other, Some(me), true);
        check(Scope::Owned, me, Some(other), false);
        check(Scope::Owned, me, None, false);
        check(Scope::All, other, None, true);
    }
}
