//! The key that binds an account to one that was made elsewhere (RFC 8555, 7.3.4).

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fairway_model::traffic::ExternalAccount;
use instant_acme::ExternalAccountKey;

use super::AcmeError;

/// Reads the key. `secrets` is the directory with the values of secrets.
pub(crate) fn key(
    account: &ExternalAccount,
    secrets: Option<&Path>,
) -> Result<ExternalAccountKey, AcmeError> {
    let ExternalAccount { id, key } = account;
    let wrong = |reason: String| AcmeError::External { id: id.clone(), reason };
    let secrets = secrets.ok_or_else(|| wrong("nobody said where the secrets are".to_owned()))?;
    let path = secrets.join(key.hex());
    let value =
        std::fs::read_to_string(&path).map_err(|error| wrong(format!("{}: {error}", path.display())))?;
    let bytes = decoded(&value).ok_or_else(|| wrong("it is not base64url".to_owned()))?;
    Ok(ExternalAccountKey::new(id.clone(), &bytes))
}

/// Authorities show keys with padding or without.
fn decoded(value: &str) -> Option<Vec<u8>> {
    let bytes = URL_SAFE_NO_PAD.decode(value.trim().trim_end_matches('=')).ok()?;
    (!bytes.is_empty()).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_as_authorities_show_it() {
        for (value, expect) in [
            ("aGk", Some(&b"hi"[..])),
            ("aGk=\n", Some(b"hi")),
            ("_-8", Some(&[0xff, 0xef])),
            ("/+8", None),
            ("", None),
            ("a key", None),
        ] {
            assert_eq!(decoded(value).as_deref(), expect, "{value}");
        }
    }
}
