//! What WeChat Pay's API v3 signs and encrypts, as text. Pure.
//!
//! Requests: `METHOD\nURL\nTIMESTAMP\nNONCE\nBODY\n`, in `Authorization: WECHATPAY2-SHA256-RSA2048 …`. Answers and
//! notifications: `TIMESTAMP\nNONCE\nBODY\n`, in the `Wechatpay-*` headers. The client's call of the payment window:
//! `APPID\nTIMESTAMP\nNONCE\nPACKAGE\n`. The content of a notification is AES-256-GCM under the API v3 key.
//! (WeChat Pay developer documentation, "API v3: signatures, callbacks and certificates".)

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use serde::Deserialize;
use thiserror::Error;

use crate::keys::{SigningKey, VerifyingKey};

/// How far the clocks may be apart; older messages are replays.
pub const WINDOW_SECONDS: i64 = 300;

/// The length of the API v3 key.
pub const API_KEY_LENGTH: usize = 32;

/// Who signs our requests.
#[derive(Debug)]
pub struct Merchant {
    /// The merchant's number.
    pub id: String,
    /// The serial number of the merchant's certificate.
    pub serial: String,
    /// Its key.
    pub key: SigningKey,
}

impl Merchant {
    /// The `Authorization` header of a request.
    pub fn authorization(&self, method: &str, path: &str, timestamp: i64, nonce: &str, body: &str) -> String {
        let message = format!("{method}\n{path}\n{timestamp}\n{nonce}\n{body}\n");
        format!(
            "WECHATPAY2-SHA256-RSA2048 mchid=\"{}\",nonce_str=\"{nonce}\",signature=\"{}\",timestamp=\"{timestamp}\",\
             serial_no=\"{}\"",
            self.id,
            self.key.sign(message.as_bytes()),
            self.serial
        )
    }

    /// The signature with which a client opens the payment window.
    pub fn pay_sign(&self, app_id: &str, timestamp: &str, nonce: &str, package: &str) -> String {
        self.key.sign(format!("{app_id}\n{timestamp}\n{nonce}\n{package}\n").as_bytes())
    }
}

/// The `Wechatpay-*` headers of an answer or a notification.
#[derive(Debug, Clone, Copy)]
pub struct Signed<'a> {
    /// `Wechatpay-Timestamp`, in Unix seconds.
    pub timestamp: &'a str,
    /// `Wechatpay-Nonce`.
    pub nonce: &'a str,
    /// `Wechatpay-Signature`, in base64.
    pub signature: &'a str,
    /// `Wechatpay-Serial`: which key signed.
    pub serial: &'a str,
    /// What was signed.
    pub body: &'a [u8],
}

/// Why a message is not believed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Disbelief {
    /// Not a number.
    #[error("the timestamp is no number")]
    Timestamp,
    /// Too old, or from the future.
    #[error("the timestamp is {0} seconds away from now")]
    Window(i64),
    /// Signed with a key that is not ours to trust.
    #[error("no platform key has the serial number `{0}`")]
    Serial(String),
    /// Not the signature of this body.
    #[error("the signature is not that of the body")]
    Signature,
}

/// The platform's keys by serial number; more than one while they are changed.
#[derive(Debug)]
pub struct Platform(pub Vec<(String, VerifyingKey)>);

impl Platform {
    /// Checks that the platform said this, and just now (`now` in Unix seconds).
    ///
    /// # Errors
    /// When it did not.
    pub fn verify(&self, signed: Signed<'_>, now: i64) -> Result<(), Disbelief> {
        let Signed { timestamp, nonce, signature, serial, body } = signed;
        let at: i64 = timestamp.parse().map_err(|_| Disbelief::Timestamp)?;
        let apart = now.saturating_sub(at);
        if apart.unsigned_abs() > WINDOW_SECONDS.unsigned_abs() {
            return Err(Disbelief::Window(apart));
        }
        let known = self.0.iter().find(|(name, _)| name.eq_ignore_ascii_case(serial));
        let (_, key) = known.ok_or_else(|| Disbelief::Serial(serial.to_owned()))?;
        let message = [format!("{timestamp}\n{nonce}\n").as_bytes(), body, b"\n"].concat();
        if key.verifies(&message, signature) { Ok(()) } else { Err(Disbelief::Signature) }
    }
}

/// The encrypted part of a notification.
#[derive(Debug, Deserialize)]
pub struct Resource {
    /// `AEAD_AES_256_GCM`.
    pub algorithm: String,
    /// In base64, the tag at its end.
    pub ciphertext: String,
    /// 12 bytes.
    pub nonce: String,
    /// Signed along, may be empty.
    #[serde(default)]
    pub associated_data: String,
}

/// Why the content of a notification can't be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Undecipherable {
    /// Another algorithm.
    #[error("the algorithm is `{0}`, not AEAD_AES_256_GCM")]
    Algorithm(String),
    /// Not base64, or a nonce of another length.
    #[error("the ciphertext or its nonce is malformed")]
    Form,
    /// Not encrypted with our key, or changed since.
    #[error("it was not encrypted with this API v3 key")]
    Key,
}

/// Decrypts the content of a notification.
///
/// # Errors
/// When it was not encrypted with this key.
pub fn decrypt(resource: &Resource, key: &[u8; API_KEY_LENGTH]) -> Result<Vec<u8>, Undecipherable> {
    if resource.algorithm != "AEAD_AES_256_GCM" {
        return Err(Undecipherable::Algorithm(resource.algorithm.clone()));
    }
    let mut text = STANDARD.decode(&resource.ciphertext).map_err(|_| Undecipherable::Form)?;
    let nonce =
        Nonce::try_assume_unique_for_key(resource.nonce.as_bytes()).map_err(|_| Undecipherable::Form)?;
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).expect("a key of the algorithm's length"));
    let aad = Aad::from(resource.associated_data.as_bytes());
    let length = key.open_in_place(nonce, aad, &mut text).map_err(|_| Undecipherable::Key)?.len();
    text.truncate(length);
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &[u8; API_KEY_LENGTH] = b"0123456789abcdef0123456789abcdef";

    fn merchant() -> Merchant {
        let key = SigningKey::read(include_str!("../../tests/keys/merchant.pem")).unwrap();
        Merchant { id: "1900000001".into(), serial: "ABC".into(), key }
    }

    fn merchant_verifies(message: &str, signature: &str) -> bool {
        let key = VerifyingKey::read(include_str!("../../tests/keys/merchant.pub.pem")).unwrap();
        key.verifies(message.as_bytes(), signature)
    }

    #[test]
    fn requests_are_signed_as_documented() {
        let header = merchant().authorization("POST", "/v3/pay?x=1", 1_554_208_460, "NONCE", "{\"a\":1}");
        let (scheme, rest) = header.split_once(' ').unwrap();
        assert_eq!(scheme, "WECHATPAY2-SHA256-RSA2048");
        let parts: Vec<_> = rest.split(',').map(|part| part.split_once('=').unwrap()).collect();
        let value = |name: &str| parts.iter().find(|(n, _)| *n == name).unwrap().1.trim_matches('"');
        assert_eq!(
            (value("mchid"), value("nonce_str"), value("timestamp"), value("serial_no")),
            ("1900000001", "NONCE", "1554208460", "ABC")
        );
        assert!(merchant_verifies("POST\n/v3/pay?x=1\n1554208460\nNONCE\n{\"a\":1}\n", value("signature")));
        let pay = merchant().pay_sign("wx1", "7", "n", "prepay_id=p");
        assert!(merchant_verifies("wx1\n7\nn\nprepay_id=p\n", &pay));
    }

    #[test]
    fn what_is_believed() {
        let platform_key = SigningKey::read(include_str!("../../tests/keys/platform.pem")).unwrap();
        let public = VerifyingKey::read(include_str!("../../tests/keys/platform.pub.pem")).unwrap();
        let platform = Platform(vec![("PUB_KEY_ID_1".into(), public)]);
        let signature = platform_key.sign(b"1000\nn\n{}\n");
        let good = Signed {
            timestamp: "1000",
            nonce: "n",
            signature: &signature,
            serial: "pub_key_id_1",
            body: b"{}",
        };
        let check = |signed: Signed<'_>, now: i64, expect: Result<(), Disbelief>| {
            assert_eq!(platform.verify(signed, now), expect, "{signed:?} at {now}");
        };
        check(good, 1000, Ok(()));
        check(good, 1300, Ok(()));
        check(good, 700, Ok(()));
        check(good, 1301, Err(Disbelief::Window(301)));
        check(good, 699, Err(Disbelief::Window(-301)));
        check(Signed { timestamp: "", ..good }, 1000, Err(Disbelief::Timestamp));
        check(
            Signed { timestamp: "-9223372036854775808", ..good },
            i64::MAX,
            Err(Disbelief::Window(i64::MAX)),
        );
        check(Signed { serial: "2", ..good }, 1000, Err(Disbelief::Serial("2".into())));
        check(Signed { timestamp: "1001", ..good }, 1000, Err(Disbelief::Signature));
        check(Signed { nonce: "m", ..good }, 1000, Err(Disbelief::Signature));
        check(Signed { body: b"{ }", ..good }, 1000, Err(Disbelief::Signature));
        check(Signed { signature: "AAAA", ..good }, 1000, Err(Disbelief::Signature));
    }

    #[test]
    fn what_can_be_read() {
        let seal = |text: &str| {
            let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, KEY).unwrap());
            let mut bytes = text.as_bytes().to_vec();
            let nonce = Nonce::assume_unique_for_key(*b"exactly12byt");
            key.seal_in_place_append_tag(nonce, Aad::from(b"transaction"), &mut bytes).unwrap();
            STANDARD.encode(bytes)
        };
        let good = || Resource {
            algorithm: "AEAD_AES_256_GCM".into(),
            ciphertext: seal("{\"a\":1}"),
            nonce: "exactly12byt".into(),
            associated_data: "transaction".into(),
        };
        let check = |resource: &Resource, expect: Result<&str, Undecipherable>| {
            let got = decrypt(resource, KEY).map(|text| String::from_utf8(text).unwrap());
            assert_eq!(got.as_deref(), expect.as_ref().map(|text| *text), "{resource:?}");
        };
        check(&good(), Ok("{\"a\":1}"));
        let other = "RSA".to_owned();
        check(&Resource { algorithm: other.clone(), ..good() }, Err(Undecipherable::Algorithm(other)));
        check(&Resource { nonce: "short".into(), ..good() }, Err(Undecipherable::Form));
        check(&Resource { ciphertext: "?".into(), ..good() }, Err(Undecipherable::Form));
        check(&Resource { ciphertext: String::new(), ..good() }, Err(Undecipherable::Key));
        check(&Resource { associated_data: "refund".into(), ..good() }, Err(Undecipherable::Key));
        check(&Resource { nonce: "another12byt".into(), ..good() }, Err(Undecipherable::Key));
    }
}
