//! Names that people write and programs pass on, checked once where they enter.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a valid {what}: {rule}")]
pub struct NameError {
    /// The text as it was written.
    pub text: String,
    /// Which kind of name was expected, such as `service name`.
    pub what: &'static str,
    /// The rule it breaks, in words.
    pub rule: &'static str,
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal, $check:path) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Checks the text and wraps it.
            ///
            /// # Errors
            /// [`NameError`] with the rule that the text breaks.
            pub fn new(text: impl Into<String>) -> Result<Self, NameError> {
                let text = text.into();
                match $check(&text) {
                    Ok(()) => Ok(Self(text)),
                    Err(rule) => Err(NameError { text, what: $what, rule }),
                }
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                Self::new(text)
            }
        }

        impl std::str::FromStr for $name {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

name!(
    /// The system of one repository: lower-case letters, digits and hyphens, as in a DNS label (RFC 1123, 63 octets).
    SystemName,
    "system name",
    check_label
);
name!(
    /// A service: lower-case letters, digits and hyphens, as in a DNS label (RFC 1123, 63 octets).
    ServiceName,
    "service name",
    check_label
);
name!(
    /// An environment, or one instance of an environment that exists per pull request: `staging`, `test/pr-42`.
    EnvironmentName,
    "environment name",
    check_environment
);
name!(
    /// An environment variable: letters, digits and underscores, not starting with a digit (POSIX.1, section 8.1).
    VariableName,
    "environment variable name",
    check_variable
);

impl EnvironmentName {
    /// The environment as the manifest names it: `test` for `test/pr-42`.
    #[must_use]
    pub fn base(&self) -> &str {
        self.0.split('/').next().unwrap_or(&self.0)
    }

    /// The name with `/` replaced by `~`, fit for one path segment and still unambiguous
    /// (`~` cannot occur in a name).
    #[must_use]
    pub fn as_segment(&self) -> String {
        self.0.replace('/', "~")
    }

    /// The prefix of the process environment variables that belong to this environment: `TEST_` for `test/pr-42`.
    #[must_use]
    pub fn variable_prefix(&self) -> String {
        format!("{}_", self.base().to_ascii_uppercase().replace('-', "_"))
    }
}

fn check_label(text: &str) -> Result<(), &'static str> {
    if text.is_empty() {
        return Err("it is empty");
    }
    if text.len() > 63 {
        return Err("it is longer than 63 characters");
    }
    if !text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
        return Err("only lower-case letters, digits and hyphens are allowed");
    }
    if text.starts_with('-') || text.ends_with('-') {
        return Err("it must not start or end with a hyphen");
    }
    Ok(())
}

fn check_environment(text: &str) -> Result<(), &'static str> {
    let mut parts = text.split('/');
    check_label(parts.next().unwrap_or_default())?;
    if let Some(instance) = parts.next() {
        check_label(instance)?;
    }
    if parts.next().is_some() {
        return Err("at most one `/` is allowed, as in `test/pr-42`");
    }
    Ok(())
}

fn check_variable(text: &str) -> Result<(), &'static str> {
    let mut bytes = text.bytes();
    match bytes.next() {
        None => return Err("it is empty"),
        Some(b) if !(b.is_ascii_alphabetic() || b == b'_') => {
            return Err("it must start with a letter or an underscore");
        }
        Some(_) => {}
    }
    if !bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        return Err("only letters, digits and underscores are allowed");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels() {
        for good in ["a", "gateway-bff", "x2", &"a".repeat(63)] {
            assert!(ServiceName::new(good).is_ok(), "{good}");
        }
        for bad in ["", "A", "-a", "a-", "a_b", "a/b", "ä", &"a".repeat(64)] {
            assert!(ServiceName::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn environments() {
        let name = EnvironmentName::new("test/pr-42").unwrap();
        assert_eq!(name.base(), "test");
        assert_eq!(name.as_segment(), "test~pr-42");
        assert_eq!(name.variable_prefix(), "TEST_");
        for bad in ["", "/", "a/", "/a", "a/b/c", "Dev", "a~b"] {
            assert!(EnvironmentName::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_bad_name_does_not_come_in_through_json() {
        let error = serde_json::from_str::<ServiceName>("\"Bad Name\"").unwrap_err().to_string();
        assert!(error.contains("`Bad Name` is not a valid service name"), "{error}");
    }
}
