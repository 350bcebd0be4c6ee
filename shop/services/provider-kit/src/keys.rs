//! RSA keys and signatures: what both providers call RSA-SHA256 (PKCS #1 v1.5, RFC 8017 section 8.2).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair, UnparsedPublicKey};
use thiserror::Error;
use x509_parser::pem::Pem;
use x509_parser::prelude::{FromDer, SubjectPublicKeyInfo, X509Certificate};

/// A key that can't be used. Its text is not repeated.
#[derive(Debug, Error)]
pub enum KeyError {
    /// Neither PEM nor base64.
    #[error("it is neither PEM nor base64")]
    Text,
    /// Readable, but no key that signs.
    #[error("it holds no RSA private key of at least 2048 bits (PKCS #8 or PKCS #1)")]
    Private,
    /// Readable, but no key that verifies.
    #[error("it holds no RSA public key and no certificate of one")]
    Public,
}

/// Signs what we send.
#[derive(Debug)]
pub struct SigningKey(RsaKeyPair);

impl SigningKey {
    /// Reads a PEM block, or the bare base64 of one.
    ///
    /// # Errors
    /// When it is not an RSA private key.
    pub fn read(text: &str) -> Result<Self, KeyError> {
        let der = blocks(text)?.into_iter().next().ok_or(KeyError::Text)?.der;
        let pair = RsaKeyPair::from_pkcs8(&der).or_else(|_| RsaKeyPair::from_der(&der));
        pair.map(Self).map_err(|_| KeyError::Private)
    }

    /// The signature of `message`, in base64.
    pub fn sign(&self, message: &[u8]) -> String {
        let mut signature = vec![0; self.0.public().modulus_len()];
        self.0
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature)
            .expect("the buffer is as long as the key");
        STANDARD.encode(signature)
    }
}

/// Verifies what the provider sends.
#[derive(Debug, Clone)]
pub struct VerifyingKey {
    /// An `RSAPublicKey` (RFC 8017, A.1.1).
    der: Vec<u8>,
}

impl VerifyingKey {
    /// Reads a public key.
    ///
    /// # Errors
    /// When it is none.
    pub fn read(text: &str) -> Result<Self, KeyError> {
        Ok(Self::read_all(text)?.swap_remove(0).0)
    }

    /// Reads public keys and certificates, each with the certificate's serial number in upper-case hexadecimal.
    ///
    /// # Errors
    /// When there is none, or one of them can't be read.
    pub fn read_all(text: &str) -> Result<Vec<(Self, Option<String>)>, KeyError> {
        let keys = blocks(text)?.into_iter().map(|block| Self::of(&block)).collect::<Result<Vec<_>, _>>()?;
        if keys.is_empty() { Err(KeyError::Text) } else { Ok(keys) }
    }

    fn of(block: &Block) -> Result<(Self, Option<String>), KeyError> {
        if block.label == "CERTIFICATE" {
            let (_, certificate) = X509Certificate::from_der(&block.der).map_err(|_| KeyError::Public)?;
            let serial =
                certificate.raw_serial().iter().map(|byte| format!("{byte:02X}")).collect::<String>();
            let serial = serial.trim_start_matches('0').to_owned();
            return Ok((Self::in_info(certificate.public_key())?, Some(serial)));
        }
        let (_, info) = SubjectPublicKeyInfo::from_der(&block.der).map_err(|_| KeyError::Public)?;
        Ok((Self::in_info(&info)?, None))
    }

    fn in_info(info: &SubjectPublicKeyInfo<'_>) -> Result<Self, KeyError> {
        match info.parsed() {
            Ok(x509_parser::public_key::PublicKey::RSA(key)) if key.key_size() >= 2048 => {
                Ok(Self { der: info.subject_public_key.data.to_vec() })
            }
            _ => Err(KeyError::Public),
        }
    }

    /// Whether `signature` (base64) is that of `message`.
    pub fn verifies(&self, message: &[u8], signature: &str) -> bool {
        let Ok(signature) = STANDARD.decode(signature.trim()) else { return false };
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &self.der).verify(message, &signature).is_ok()
    }
}

struct Block {
    label: String,
    der: Vec<u8>,
}

/// The blocks of a PEM text. Without any the text is taken for the base64 of one, as Alipay's tools write it.
fn blocks(text: &str) -> Result<Vec<Block>, KeyError> {
    // A PEM text in an environment variable often has its line ends written out.
    let text = text.replace("\\n", "\n");
    if !text.contains("-----BEGIN") {
        let compact: String = text.split_whitespace().collect();
        let der = STANDARD.decode(compact).map_err(|_| KeyError::Text)?;
        return if der.is_empty() {
            Err(KeyError::Text)
        } else {
            Ok(vec![Block { label: String::new(), der }])
        };
    }
    Pem::iter_from_buffer(text.as_bytes())
        .map(|block| {
            block.map(|pem| Block { label: pem.label, der: pem.contents }).map_err(|_| KeyError::Text)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MERCHANT: &str = include_str!("../../payment/tests/keys/merchant.pem");
    const MERCHANT_PUBLIC: &str = include_str!("../../payment/tests/keys/merchant.pub.pem");
    const PLATFORM: &str = include_str!("../../payment/tests/keys/platform.pem");
    const PLATFORM_CERTIFICATE: &str = include_str!("../../payment/tests/keys/platform.crt");
    const PLATFORM_PUBLIC: &str = include_str!("../../payment/tests/keys/platform.pub.pem");

    #[test]
    fn what_one_signs_the_other_verifies() {
        let signature = SigningKey::read(MERCHANT).unwrap().sign(b"message");
        let check = |key: &str, message: &[u8], signature: &str, expect: bool| {
            assert_eq!(VerifyingKey::read(key).unwrap().verifies(message, signature), expect);
        };
        check(MERCHANT_PUBLIC, b"message", &signature, true);
        check(MERCHANT_PUBLIC, b"massage", &signature, false);
        check(MERCHANT_PUBLIC, b"message", &signature[4..], false);
        check(MERCHANT_PUBLIC, b"message", "", false);
        check(MERCHANT_PUBLIC, b"message", "not base64!", false);
        check(PLATFORM_PUBLIC, b"message", &signature, false);
        let of_platform = SigningKey::read(PLATFORM).unwrap().sign(b"message");
        check(PLATFORM_CERTIFICATE, b"message", &of_platform, true);
        check(PLATFORM_PUBLIC, b"message", &of_platform, true);
    }

    #[test]
    fn ways_to_write_a_key() {
        let bare: String = MERCHANT.lines().filter(|line| !line.starts_with("---")).collect();
        let escaped = MERCHANT.replace('\n', "\\n");
        let expect = SigningKey::read(MERCHANT).unwrap().sign(b"m");
        for text in [bare.as_str(), &escaped] {
            assert_eq!(SigningKey::read(text).unwrap().sign(b"m"), expect);
        }
        let all = VerifyingKey::read_all(&format!("{PLATFORM_CERTIFICATE}\n{PLATFORM_PUBLIC}")).unwrap();
        let serials: Vec<_> = all.iter().map(|(_, serial)| serial.as_deref()).collect();
        assert_eq!(serials, [Some("5157F09EFDC096DE15EBE81A47057A72"), None]);
    }

    #[test]
    fn what_is_no_key() {
        let private = |text: &str| SigningKey::read(text).unwrap_err().to_string();
        let public = |text: &str| VerifyingKey::read(text).unwrap_err().to_string();
        assert_eq!(private(""), "it is neither PEM nor base64");
        assert_eq!(private("%"), "it is neither PEM nor base64");
        assert_eq!(private(MERCHANT_PUBLIC), KeyError::Private.to_string());
        assert_eq!(public(MERCHANT), KeyError::Public.to_string());
        assert_eq!(public("aGVsbG8="), KeyError::Public.to_string());
    }
}
