//! The access token: what identity signs and every other service reads.
//!
//! A JSON Web Token signed with HMAC-SHA-256 and a secret that the services share. One algorithm, no keys
//! to fetch: a few lines over `hmac`, where a general JWT library would bring RSA and three elliptic
//! curves into the build.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use thiserror::Error;
use uuid::Uuid;

use crate::error::ApiError;
use crate::settings::Secret;

/// Who a token speaks for. Unknown claims are ignored, absent ones are empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Claims {
    /// The user's id.
    pub sub: String,
    /// The role chosen at login.
    pub role: String,
    /// Every role the user had at login.
    pub roles: Vec<String>,
    /// `customer`, `staff` or `admin`: follows from the chosen role.
    pub user_type: String,
    /// Who signed.
    pub iss: String,
    /// Signed at, in Unix seconds.
    pub iat: i64,
    /// Good until, in Unix seconds.
    pub exp: i64,
    /// The sales user a customer belonged to at login.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner_sales_user_id: Option<String>,
    /// The name to show.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// The phone number, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
}

/// Why a token is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TokenError {
    /// Not three parts, not signed by us, or no longer good.
    #[error("invalid token")]
    Invalid,
    /// Signed by us, but the content is not a set of claims.
    #[error("invalid token claims")]
    Claims,
    /// Signed with the shared secret for somebody else.
    #[error("invalid token issuer")]
    Issuer,
    /// Speaks for nobody.
    #[error("missing subject")]
    MissingSubject,
    /// The subject is not a user id.
    #[error("invalid subject")]
    Subject,
}

impl From<TokenError> for ApiError {
    fn from(error: TokenError) -> Self {
        Self::unauthorized(error.to_string())
    }
}

#[derive(Serialize, Deserialize)]
struct Header {
    alg: String,
    typ: String,
}

/// Signs and verifies tokens with the shared secret.
#[derive(Debug, Clone)]
pub struct TokenKey {
    secret: Secret,
}

impl TokenKey {
    /// A key made of the shared secret.
    pub fn new(secret: Secret) -> Self {
        Self { secret }
    }

    /// Signs claims as they are.
    pub fn sign(&self, claims: &Claims) -> String {
        let header = Header { alg: "HS256".to_owned(), typ: "JWT".to_owned() };
        let part = |json: Vec<u8>| URL_SAFE_NO_PAD.encode(json);
        let message = format!(
            "{}.{}",
            part(serde_json::to_vec(&header).expect("two strings")),
            part(serde_json::to_vec(claims).expect("strings and numbers"))
        );
        let signature = self.mac(&message).finalize().into_bytes();
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// Verifies signature, expiry and, when one is given, the issuer.
    ///
    /// # Errors
    /// When any of them does not hold at `now` (Unix seconds).
    pub fn verify(&self, token: &str, issuer: Option<&str>, now: i64) -> Result<(Uuid, Claims), TokenError> {
        let (message, signature) = token.rsplit_once('.').ok_or(TokenError::Invalid)?;
        let (header, claims) = message.split_once('.').ok_or(TokenError::Invalid)?;
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::Invalid);
        let header: Header = serde_json::from_slice(&decode(header)?).map_err(|_| TokenError::Invalid)?;
        if header.alg != "HS256" {
            return Err(TokenError::Invalid);
        }
        self.mac(message).verify_slice(&decode(signature)?).map_err(|_| TokenError::Invalid)?;

        let claims: Claims = serde_json::from_slice(&decode(claims)?).map_err(|_| TokenError::Claims)?;
        if claims.exp <= now {
            return Err(TokenError::Invalid);
        }
        if issuer.is_some_and(|expected| expected != claims.iss) {
            return Err(TokenError::Issuer);
        }
        if claims.sub.is_empty() {
            return Err(TokenError::MissingSubject);
        }
        let subject = Uuid::parse_str(&claims.sub).map_err(|_| TokenError::Subject)?;
        Ok((subject, claims))
    }

    fn mac(&self, message: &str) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.secret.reveal().as_bytes())
            .expect("HMAC takes keys of any length");
        mac.update(message.as_bytes());
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USER: &str = "dddddddd-dddd-dddd-dddd-dddddddddddd";

    fn key(secret: &str) -> TokenKey {
        TokenKey::new(Secret::new(secret))
    }

    fn claims() -> Claims {
        Claims {
            sub: USER.into(),
            role: "CUSTOMER".into(),
            iss: "tmo-identity".into(),
            iat: 90,
            exp: 100,
            ..Claims::default()
        }
    }

    #[test]
    fn verification() {
        let check = |claims: Claims, now: i64, issuer: Option<&str>, expect: Result<(), TokenError>| {
            let got = key("s").verify(&key("s").sign(&claims), issuer, now).map(|(id, read)| {
                assert_eq!((id.to_string().as_str(), &read), (USER, &claims));
            });
            assert_eq!(got, expect, "{claims:?} at {now}");
        };
        check(claims(), 99, None, Ok(()));
        check(claims(), 99, Some("tmo-identity"), Ok(()));
        check(claims(), 99, Some("other"), Err(TokenError::Issuer));
        check(claims(), 100, None, Err(TokenError::Invalid));
        check(Claims { sub: String::new(), ..claims() }, 99, None, Err(TokenError::MissingSubject));
        check(Claims { sub: "7".into(), ..claims() }, 99, None, Err(TokenError::Subject));
    }

    #[test]
    fn a_changed_token_or_another_secret_is_refused() {
        let token = key("s").sign(&claims());
        assert_eq!(key("t").verify(&token, None, 99).unwrap_err(), TokenError::Invalid);
        for broken in ["", "a.b", "a.b.c", &token[1..], &format!("{token}x")] {
            assert_eq!(key("s").verify(broken, None, 99).unwrap_err(), TokenError::Invalid, "{broken}");
        }
        // {"alg":"none"} with the real claims and no signature.
        let forged = format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{}.", token.split('.').nth(1).unwrap());
        assert_eq!(key("s").verify(&forged, None, 99).unwrap_err(), TokenError::Invalid);
    }

    #[test]
    fn the_format_is_the_common_one() {
        // The example of the JWT debugger everybody knows: same header order, same claims, same signature.
        let known = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.\
                     eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiaWF0IjoxNTE2MjM5MDIyfQ.\
                     SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c";
        // It carries no expiry, so it is past its end; a wrong signature would read the same, hence the control.
        let (message, signature) = known.rsplit_once('.').unwrap();
        let expected =
            URL_SAFE_NO_PAD.encode(key("your-256-bit-secret").mac(message).finalize().into_bytes());
        assert_eq!(expected, signature);
    }
}
