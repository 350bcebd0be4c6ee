//! `POST /auth/mini/login`.
//!
//! The platform's code stands for an account at the platform; an unknown account becomes a new customer.
//! Everything happens in one transaction under a lock on the account: a refused login leaves nothing behind, and
//! two first logins make one user.

use axum::Json;
use axum::extract::State;
use serde_json::json;
use shop_kit::error::OrInternal;
use shop_kit::extract::{Body, Caller};
use shop_kit::{ApiError, ApiResult};
use shop_wire::common::{AuthResponse, MiniLoginRequest, Platform};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{admit, binding, role, scene};
use crate::app::App;
use crate::audit;
use crate::platform::Account;
use crate::session::{OwnerClaim, open};
use crate::users::{self, UserRow};

/// Codes of the platforms have tens of characters.
const LONGEST_CODE: usize = 1000;

fn given(text: Option<&String>) -> Option<&str> {
    text.map(|t| t.trim()).filter(|t| !t.is_empty())
}

/// Logs in.
///
/// # Errors
/// 400 for an unusable code, role or scene; 401 for a binding token; 403 when disabled; 409 when a role has
/// to be chosen or the account is bound already.
pub async fn login(
    State(app): State<App>,
    caller: Caller,
    Body(request): Body<MiniLoginRequest>,
) -> ApiResult<Json<AuthResponse>> {
    let Some(code) = given(request.code.as_ref()) else {
        return Err(ApiError::invalid("code is required"));
    };
    let platform = request.platform.as_deref().unwrap_or_default().trim().to_ascii_lowercase();
    let platform: Platform = platform
        .parse()
        .map_err(|_| ApiError::invalid("invalid login code").because(format!("platform `{platform}`")))?;
    if code.len() > LONGEST_CODE {
        return Err(ApiError::invalid("invalid login code").because("too long"));
    }
    // Asked before a connection is taken: the platform may be slow.
    let account = app.platforms().account(platform, code).await;
    let account = account.map_err(|error| error.or_refuse("invalid login code"))?;
    let wish = role::requested(request.role.as_deref());
    let token = given(request.binding_token.as_ref());

    let mut transaction = app.pool().begin().await.or_internal("failed to log in")?;
    let known = find_or_lock(&mut transaction, platform, &account.id).await?;
    let mut user = match (known, token) {
        (Some(_), Some(_)) => return Err(ApiError::conflict("identity already bound")),
        (Some(user), None) => load(&mut transaction, user).await?,
        (None, Some(token)) => binding::redeem(&mut transaction, token, platform, &account).await?,
        (None, None) if wish.as_deref().is_some_and(|role| role != "CUSTOMER") => {
            return Err(ApiError::invalid("role not allowed"));
        }
        (None, None) => create_customer(&mut transaction, platform, &account).await?,
    };
    admit(&user)?;
    let role = role::for_mini(&user.roles, wish.as_deref())?;
    if let Some(scene) = given(request.scene.as_ref()) {
        scene::apply(&mut transaction, &mut user, &role, scene).await?;
    }
    transaction.commit().await.or_internal("failed to log in")?;

    if token.is_some() {
        let entry = audit::Entry {
            actor: user.id,
            action: "staff.bind",
            target_type: "staff",
            target: Some(user.id),
            metadata: json!({ "platform": platform }),
        };
        audit::write(app.pool(), &caller, entry).await;
    }
    Ok(Json(open(&app, user, &role, OwnerClaim::Carried)))
}

/// Who the platform's user is; when nobody yet, the name stays locked until the transaction ends.
async fn find_or_lock(
    connection: &mut PgConnection,
    platform: Platform,
    account: &str,
) -> ApiResult<Option<Uuid>> {
    const FIND: &str = "SELECT user_id FROM user_identities WHERE provider = $1 AND provider_user_id = $2";
    for lock_first in [false, true] {
        if lock_first {
            sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended($1 || ':' || $2, 0))")
                .bind(platform.as_str())
                .bind(account)
                .execute(&mut *connection)
                .await
                .or_internal("failed to log in")?;
        }
        let found = sqlx::query_scalar(FIND)
            .bind(platform.as_str())
            .bind(account)
            .fetch_optional(&mut *connection)
            .await
            .or_internal("failed to log in")?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

async fn load(connection: &mut PgConnection, id: Uuid) -> ApiResult<UserRow> {
    let user = users::find(connection, id).await?;
    user.ok_or_else(|| {
        ApiError::internal("failed to load user", format!("user {id} went away during its login"))
    })
}

/// A new customer, named after the last four characters of its id so that staff can tell it from others.
async fn create_customer(
    connection: &mut PgConnection,
    platform: Platform,
    account: &Account,
) -> ApiResult<UserRow> {
    let id = Uuid::new_v4();
    let text = id.to_string();
    let name = format!("用户{}", &text[text.len() - 4..]);
    sqlx::query("INSERT INTO users (id, user_type, display_name) VALUES ($1, 'customer', $2)")
        .bind(id)
        .bind(name)
        .execute(&mut *connection)
        .await
        .or_internal("failed to create user")?;
    sqlx::query("INSERT INTO user_roles (user_id, role) VALUES ($1, 'CUSTOMER')")
        .bind(id)
        .execute(&mut *connection)
        .await
        .or_internal("failed to create user")?;
    sqlx::query(
        "INSERT INTO user_identities (provider, provider_user_id, provider_union_id, user_id)
         VALUES ($1, $2, $3, $4)",
    )
    .bind(platform.as_str())
    .bind(&account.id)
    .bind(&account.union_id)
    .bind(id)
    .execute(&mut *connection)
    .await
    .or_internal("failed to create user")?;
    load(connection, id).await
}
