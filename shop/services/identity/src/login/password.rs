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
    let found: Option<(Uuid, String)> =
        sqlx::query_as("SELECT user_id, password_hash FROM user_passwords WHERE username = $1")
            .bind(&username)
            .fetch_optional(app.pool())
            .await
            .or_internal("failed to log in")?;
    let (user_id, stored) = found.map_or((None, NOBODY.to_owned()), |(id, hash)| (Some(id), hash));
    let checked = {
        let _turn = app.hashing().acquire().await.or_internal("failed to log in")?;
        tokio::task::spawn_blocking(move || check(&password, &stored))
            .await
            .or_internal("failed to log in")?
    };
    let refuse = || ApiError::unauthorized("invalid credentials");
    let user_id = user_id.filter(|_| checked != Checked::Wrong).ok_or_else(refuse)?;
    let mut connection = app.pool().acquire().await.or_internal("failed to log in")?;
    if let Checked::Outdated { upgraded: Some(hash) } = checked {
        sqlx::query("UPDATE user_passwords SET password_hash = $2, updated_at = now() WHERE user_id = $1")
            .bind(user_id)
            .bind(hash)
            .execute(&mut *connection)
            .await
            .or_internal("failed to log in")?;
    }
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

/// What a password turned out to be.
#[derive(Debug, PartialEq, Eq)]
enum Checked {
    Wrong,
    Right,
    /// Right, and stored in a way that is no longer used; the new hash, if there was randomness for one.
    Outdated {
        upgraded: Option<String>,
    },
}

/// Compares a password with a stored hash: argon2 in the PHC format, or bcrypt from before.
fn check(password: &str, stored: &str) -> Checked {
    if stored.starts_with("$2") {
        return match bcrypt::verify(password, stored) {
            Ok(true) => Checked::Outdated { upgraded: hash(password).ok() },
            _ => Checked::Wrong,
        };
    }
    let right = PasswordHash::new(stored)
        .is_ok_and(|stored| Argon2::default().verify_password(password.as_bytes(), &stored).is_ok());
    if right { Checked::Right } else { Checked::Wrong }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords() {
        let stored = hash("admin123").unwrap();
        let says = |password: &str, stored: &str, expect: Checked| {
            assert_eq!(check(password, stored), expect, "{password} {stored}");
        };
        says("admin123", &stored, Checked::Right);
        says("admin124", &stored, Checked::Wrong);
        says("", &stored, Checked::Wrong);
        says("x", "not a hash", Checked::Wrong);
        says("x", "$2", Checked::Wrong);
        assert!(PasswordHash::new(NOBODY).is_ok(), "the stand-in takes the same work as a real hash");
        says("admin123", NOBODY, Checked::Wrong);
    }

    #[test]
    fn a_bcrypt_hash_is_accepted_and_upgraded() {
        let old = bcrypt::hash("admin123", 4).unwrap();
        assert_eq!(check("admin124", &old), Checked::Wrong);
        let Checked::Outdated { upgraded: Some(new) } = check("admin123", &old) else {
            panic!("not upgraded")
        };
        assert!(new.starts_with("$argon2id$"), "{new}");
        assert_eq!(check("admin123", &new), Checked::Right);
    }
}
