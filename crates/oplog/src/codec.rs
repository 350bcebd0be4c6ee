//! The stored form: JSON with a format number in front, readable for people who open the file.

use crate::{OPERATION_FORMAT, Operation};
use serde::Deserialize;

/// Why a stored operation cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// It was written by a later version of Fairway.
    #[error(
        "operation {} has format {found}, and this version of Fairway reads formats up to {OPERATION_FORMAT}: \
         nothing was changed; use the version that wrote it, or a later one",
        display_number(*.number)
    )]
    Newer {
        /// The format it says it has.
        found: u32,
        /// Its number, if it has one where format 1 has it.
        number: Option<u64>,
    },
    /// It has a format number that was never written.
    #[error(
        "format {found} was never written by any version of Fairway: the file is damaged or not an operation"
    )]
    NoSuchFormat {
        /// The format it says it has.
        found: u32,
    },
    /// It is not an operation of the format that it says it has.
    #[error("this is not an operation of format {OPERATION_FORMAT}")]
    Malformed {
        /// What the parser says, with line and column.
        #[source]
        source: serde_json::Error,
    },
}

fn display_number(number: Option<u64>) -> String {
    number.map_or_else(|| "(without a number)".to_owned(), |number| number.to_string())
}

/// Just enough of an operation to find out how to read the rest.
#[derive(Deserialize)]
struct Envelope {
    format: u32,
    number: Option<u64>,
}

impl Operation {
    /// Reads a stored operation of any format that this version knows.
    ///
    /// # Errors
    /// [`DecodeError`], which tells a later format from damage.
    pub fn from_json(bytes: &[u8]) -> Result<Self, DecodeError> {
        let envelope: Envelope =
            serde_json::from_slice(bytes).map_err(|source| DecodeError::Malformed { source })?;
        match envelope.format {
            OPERATION_FORMAT => {
                serde_json::from_slice(bytes).map_err(|source| DecodeError::Malformed { source })
            }
            0 => Err(DecodeError::NoSuchFormat { found: 0 }),
            found => Err(DecodeError::Newer { found, number: envelope.number }),
        }
    }

    /// The stored form, with line breaks and one at the end.
    ///
    /// # Panics
    /// Never: every map key of an operation is a string.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let mut bytes =
            serde_json::to_vec_pretty(self).expect("an operation serialises: its map keys are strings");
        bytes.push(b'\n');
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: &str) {
        let error = Operation::from_json(text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(expect), "{error}");
    }

    #[test]
    fn later_formats_and_damage_are_told_apart() {
        check(r#"{"format": 2, "number": 42, "anything": []}"#, "operation 42 has format 2");
        check(r#"{"format": 2, "id": "x"}"#, "operation (without a number) has format 2");
        check(r#"{"format": 0}"#, "never written");
        check(r#"{"format": 1, "number": 1}"#, "not an operation of format 1");
        check("", "not an operation");
        check(r#"{"number": 1}"#, "not an operation");
    }
}
