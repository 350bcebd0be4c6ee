//! Names and passwords (RFC 7617).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fairway_model::traffic::BasicAuth;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use sha2::{Digest as _, Sha256};
use subtle::{ConditionallySelectable as _, ConstantTimeEq as _};

/// Longer credentials are nobody's. They are decoded on the stack.
const MOST_BYTES: usize = 1_024;
const NOBODY: u32 = u32::MAX;

/// Whoever may enter.
#[derive(Debug)]
pub(crate) struct Users {
    pub(crate) challenge: HeaderValue,
    names: Box<[Box<str>]>,
    digests: Box<[[u8; 32]]>,
}

impl Users {
    /// The settings were checked.
    pub(crate) fn new(auth: &BasicAuth) -> Self {
        let BasicAuth { realm, users } = auth;
        let realm = realm.replace('\\', r"\\").replace('"', r#"\""#);
        let challenge = HeaderValue::try_from(format!(r#"Basic realm="{realm}", charset="UTF-8""#))
            .expect("realms of other characters were refused");
        let digest = |text: &String| {
            let mut digest = [0; 32];
            hex::decode_to_slice(text, &mut digest).expect("other digests were refused");
            digest
        };
        Self {
            challenge,
            names: users.keys().map(|name| name.as_str().into()).collect(),
            digests: users.values().map(digest).collect(),
        }
    }

    pub(crate) fn name(&self, user: u32) -> Option<&str> {
        Some(self.names.get(usize::try_from(user).ok()?)?)
    }

    /// Who asks. How long it takes tells neither which user came near nor how near.
    pub(crate) fn find(&self, headers: &HeaderMap) -> Option<u32> {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let value = values.next()?.as_bytes();
        if values.next().is_some() {
            return None;
        }
        let (scheme, credentials) = value.split_at_checked(6)?;
        if !scheme.eq_ignore_ascii_case(b"basic ") {
            return None;
        }
        let mut buffer = [0; MOST_BYTES];
        let length = STANDARD.decode_slice(credentials.trim_ascii(), &mut buffer).ok()?;
        let asked: [u8; 32] = Sha256::digest(&buffer[..length]).into();
        let mut found = NOBODY;
        for (index, digest) in (0..).zip(&self.digests) {
            found.conditional_assign(&index, digest.ct_eq(&asked));
        }
        (found != NOBODY).then_some(found)
    }
}
