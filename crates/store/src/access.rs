//! What it takes to share documents through a store: a secret value that travels as other secrets do.

use fairway_model::{EnvironmentName, Redacted};
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Version of the written form.
const ACCESS_FORMAT: u32 = 1;

/// Where the documents of an environment are shared, and the key that seals them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// The store, as [`crate::Location::parse`] reads it. Credentials are not part of it.
    pub store: String,
    /// Whose documents.
    pub environment: EnvironmentName,
    /// Their key.
    pub key: Key,
}

/// The key that seals the documents of an environment. It prints nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct Key([u8; 32]);

/// The text is not an access.
#[derive(Debug, thiserror::Error)]
#[error(
    "what the release gave to reach the store is not of a shape that is known: {0}. Nothing was read or written. Apply the release again with this version of Fairway"
)]
pub struct AccessError(String);

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    format: u32,
    store: String,
    environment: EnvironmentName,
    key: String,
}

impl Access {
    /// The secret value that holds it.
    #[must_use]
    pub fn to_secret(&self) -> Redacted {
        let Self { store, environment, key } = self;
        let written = Written {
            format: ACCESS_FORMAT,
            store: store.clone(),
            environment: environment.clone(),
            key: hex::encode(key.0),
        };
        Redacted::new(serde_json::to_string(&written).expect("words and a number serialise"))
    }

    /// Reads a secret value.
    ///
    /// # Errors
    /// When another version wrote it, or something else.
    pub fn from_secret(secret: &Redacted) -> Result<Self, AccessError> {
        // The words of the parser would quote what they stumble over.
        let written: Written = serde_json::from_str(secret.expose()).map_err(|error| {
            AccessError(format!("{:?} error at column {}", error.classify(), error.column()))
        })?;
        if written.format != ACCESS_FORMAT {
            return Err(AccessError(format!("its format is {} and not {ACCESS_FORMAT}", written.format)));
        }
        let key = hex::decode(&written.key).ok().and_then(|key| key.try_into().ok());
        let key = key.ok_or_else(|| AccessError("its key is none".to_owned()))?;
        Ok(Self { store: written.store, environment: written.environment, key: Key(key) })
    }
}

impl Key {
    /// A key of these bytes.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// A name for the key that says nothing about it.
    pub(crate) fn id(&self) -> String {
        let named = digest(&SHA256, &[b"the name of a key\0".as_slice(), &self.0].concat());
        hex::encode(&named.as_ref()[..8])
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn format_1() {
        let key = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
        let text =
            format!(r#"{{"format":1,"store":"s3://log/shop","environment":"test/pr-42","key":"{key}"}}"#);
        let access = Access::from_secret(&Redacted::new(text.clone())).unwrap();
        assert_eq!((access.store.as_str(), access.environment.as_str()), ("s3://log/shop", "test/pr-42"));
        assert_eq!(access.to_secret().expose(), text);
        assert_eq!(access.key.id(), Key::new(*access.key.bytes()).id());
        assert!(!format!("{access:?}").contains("0011"), "{access:?}");
        for (from, to, expect) in [
            ("\"format\":1", "\"format\":2", "its format is 2 and not 1"),
            ("0011", "x011", "its key is none"),
            ("0011", "", "its key is none"),
            ("\"key\"", "\"kee\"", "Data error"),
        ] {
            let error =
                Access::from_secret(&Redacted::new(text.replacen(from, to, 1))).unwrap_err().to_string();
            assert!(error.contains(expect) && !error.contains(&key[4..]), "{error}");
        }
    }
}
