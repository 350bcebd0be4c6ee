//! Quantities as people write them: `30s`, `512Mi`, `"0.5"`.

use fairway_model::Millis;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// Why a text is not a quantity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    /// Not a duration.
    #[error(transparent)]
    Duration(#[from] fairway_model::ParseQuantityError),
    /// Not an amount of memory.
    #[error(
        "`{0}` is not an amount of memory: write bytes or a number with a unit, such as `512Mi`, `1Gi` or `64M`"
    )]
    Memory(String),
    /// Not a size.
    #[error("`{0}` is not a size: write bytes or a number with a unit, such as `10Mi`, `512Ki` or `1M`")]
    Size(String),
    /// Not an amount of CPU.
    #[error("`{0}` is not an amount of CPU: write CPUs such as `\"0.5\"`, or thousandths such as `500m`")]
    Cpu(String),
}

macro_rules! text {
    ($name:ident) => {
        impl TryFrom<String> for $name {
            type Error = QuantityError;
            fn try_from(text: String) -> Result<Self, QuantityError> {
                text.parse()
            }
        }
        impl From<$name> for String {
            fn from(value: $name) -> String {
                value.to_string()
            }
        }
    };
}

/// A duration, written `500ms`, `30s`, `1.5s`, `5m` or `1h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Duration(pub Millis);
text!(Duration);

impl FromStr for Duration {
    type Err = QuantityError;
    fn from_str(text: &str) -> Result<Self, QuantityError> {
        Ok(Self(text.parse()?))
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An amount of memory in bytes, written as bytes or with a unit of Kubernetes: `512Mi`, `1Gi`, `64M`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Memory(pub u64);
text!(Memory);

const MEMORY_UNITS: [(&str, u64); 8] = [
    ("Ki", 1 << 10),
    ("Mi", 1 << 20),
    ("Gi", 1 << 30),
    ("Ti", 1 << 40),
    ("k", 1_000),
    ("M", 1_000_000),
    ("G", 1_000_000_000),
    ("T", 1_000_000_000_000),
];

impl FromStr for Memory {
    type Err = QuantityError;
    fn from_str(text: &str) -> Result<Self, QuantityError> {
        let wrong = || QuantityError::Memory(text.to_owned());
        let split = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
        let (number, unit) = text.split_at(split);
        let factor = match unit {
            "" => 1,
            _ => MEMORY_UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?.1,
        };
        decimal(number, factor).map(Self).ok_or_else(wrong)
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = |(_, factor): &&(&str, u64)| self.0 >= *factor && self.0.is_multiple_of(*factor);
        match MEMORY_UNITS.iter().filter(fits).max_by_key(|(_, factor)| *factor) {
            Some((unit, factor)) => write!(f, "{}{unit}", self.0 / factor),
            None => write!(f, "{}", self.0),
        }
    }
}

/// A size in bytes, written like an amount of memory: `10Mi`, `512Ki`, `1M`, or bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Size(pub u64);
text!(Size);

impl FromStr for Size {
    type Err = QuantityError;
    fn from_str(text: &str) -> Result<Self, QuantityError> {
        let memory: Memory = text.parse().map_err(|_| QuantityError::Size(text.to_owned()))?;
        Ok(Self(memory.0))
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Memory(self.0).fmt(f)
    }
}

/// An amount of CPU in thousandths, written in CPUs (`"0.5"`) or in thousandths (`500m`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Cpu(pub u32);
text!(Cpu);

impl FromStr for Cpu {
    type Err = QuantityError;
    fn from_str(text: &str) -> Result<Self, QuantityError> {
        let (number, factor) = text.strip_suffix('m').map_or((text, 1_000), |number| (number, 1));
        decimal(number, factor)
            .and_then(|millis| u32::try_from(millis).ok())
            .map(Self)
            .ok_or_else(|| QuantityError::Cpu(text.to_owned()))
    }
}

impl fmt::Display for Cpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}m", self.0)
    }
}

/// A decimal number times a factor, when the product is whole.
fn decimal(text: &str, factor: u64) -> Option<u64> {
    let (whole, fraction) = match text.split_once('.') {
        Some((whole, fraction)) if !fraction.is_empty() => (whole, fraction),
        Some(_) => return None,
        None => (text, ""),
    };
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) || fraction.len() > 9 {
        return None;
    }
    let whole = whole.parse::<u64>().ok()?.checked_mul(factor)?;
    if fraction.is_empty() {
        return Some(whole);
    }
    let scale = 10_u128.pow(u32::try_from(fraction.len()).ok()?);
    let part = fraction.parse::<u128>().ok()? * u128::from(factor);
    if part % scale != 0 {
        return None;
    }
    whole.checked_add(u64::try_from(part / scale).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory() {
        for (text, bytes, shown) in [
            ("512Mi", 536_870_912, "512Mi"),
            ("1Gi", 1 << 30, "1Gi"),
            ("1.5Gi", 3 << 29, "1536Mi"),
            ("64M", 64_000_000, "64M"),
            ("100", 100, "100"),
            ("10k", 10_000, "10k"),
            ("0", 0, "0"),
        ] {
            let memory: Memory = text.parse().unwrap();
            assert_eq!((memory.0, memory.to_string().as_str()), (bytes, shown), "{text}");
        }
        for bad in ["", "Mi", "512mb", "512MB", "-1", "1.Gi", ".5Gi", "1.3", "512 Mi", "99999999999Ti"] {
            assert!(bad.parse::<Memory>().is_err(), "{bad}");
        }
    }

    #[test]
    fn cpu() {
        for (text, millis) in [("0.5", 500), ("500m", 500), ("2", 2_000), ("1.25", 1_250), ("0.001", 1)] {
            assert_eq!(text.parse(), Ok(Cpu(millis)), "{text}");
        }
        for bad in ["", "m", "0.5m", "half", "-1", "0.0001", "1e3", "99999999999"] {
            assert!(bad.parse::<Cpu>().is_err(), "{bad}");
        }
    }
}
