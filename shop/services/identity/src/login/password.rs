//! `POST /auth/password/login`, for the web.

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use axum::Json;
use axum::extract::State;
use shop_kit::error::OrInternal;
use shop_kit::extract::Body;
use shop_kit::{ApiError, ApiResult};
use shop_wire::common::{AuthResponse, PasswordLoginRequest};
use uuid::Uuid;

use super::{admit, role};
use crate::app::App;
use crate::session::{OwnerClaim, open};
use crate::users;

/// Verified when the user is unknown, so that the answer takes as long as for a wrong password.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Logs in. The password is checked before anything about the account is told.
///
/// # Errors
/// 400, 401 `invalid credentials`, 403 when disabled, 409 when a role has to be chosen.
pub async fn login(
    State(app): State<App>,
    Body(request): Body<PasswordLoginRequest>,
) -> ApiResult<Json<AuthResponse>> {
    let username = request.username.as_deref().unwrap_or_default().trim().to_owned();
    let password = request.password.unwrap_or_default();
    if username.is_empty() || password.is_empty() {
        return Err(ApiError::invalid("username and password are required"));
    }
    let mut connection = app.pool().acquire().await.or_internal("failed to log in")?;
    let found: Option<(Uuid, String)> =
        sqlx::query_as("SELECT user_id, password_hash FROM user_passwords WHERE username = $1")
            .bind(&username)
            .fetch_optional(&mut *connection)
            .await
            .or_internal("failed to log in")?;
    let (user_id, hash) = found.map_or((None, NOBODY.to_owned()), |(id, hash)| (Some(id), hash));
    let right = tokio::task::spawn_blocking(move || verify(&password, &hash))
        .await
        .or_internal("failed to log in")?;
    let refuse = || ApiError::unauthorized("invalid credentials");
    let user_id = user_id.filter(|_| right).ok_or_else(refuse)?;
    let user = users::find(&mut connection, user_id).await?.ok_or_else(refuse)?;
    admit(&user)?;
    let role = role::for_web(&user.roles, role::requested(request.role.as_deref()).as_deref())?;
    Ok(Json(open(&app, user, &role, OwnerClaim::LeftOut)))
}

/// Hashes a password for storing.
///
/// # Errors
/// When the system has no randomness for the salt.
pub fn hash(password: &str) -> Result<String, argon2::password_hash::Error> {
    Ok(Argon2::default().hash_password(password.as_bytes())?.to_string())
}

fn verify(password: &str, hash: &str) -> bool {
    PasswordHash::new(hash)
        .is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords() {
        let stored = hash("admin123").unwrap();
        assert!(verify("admin123", &stored));
        assert!(!verify("admin124", &stored));
        assert!(!verify("", &stored));
        assert!(!verify("x", "not a hash"));
        assert!(PasswordHash::new(NOBODY).is_ok(), "the stand-in takes the same work as a real hash");
        assert!(!verify("admin123", NOBODY));
    }
}
