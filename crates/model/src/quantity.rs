//! Numbers with a unit.

use serde::{Deserialize, Serialize};
use std::{fmt, time::Duration};

/// The number of a release within one environment. It only grows; receivers refuse an older one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Generation(pub u64);

impl Generation {
    /// The generation that follows.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Why a text is not a duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a duration: write a number and a unit, such as `500ms`, `30s`, `5m` or `1h`")]
pub struct ParseQuantityError(pub String);

/// A duration in whole milliseconds. On the wire it is the number; for people it is `1.5s`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Millis(pub u64);

impl Millis {
    /// This many seconds.
    #[must_use]
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs * 1000)
    }
}

impl From<Duration> for Millis {
    fn from(duration: Duration) -> Self {
        Self(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
    }
}

impl From<Millis> for Duration {
    fn from(millis: Millis) -> Self {
        Self::from_millis(millis.0)
    }
}

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self.0 {
            ms @ 0..1_000 => format!("{ms}ms"),
            ms @ 1_000..60_000 if ms % 1_000 == 0 => format!("{}s", ms / 1_000),
            ms @ 1_000..60_000 => format!("{}.{}s", ms / 1_000, ms % 1_000 / 100),
            ms @ 60_000..3_600_000 => match ms / 1_000 % 60 {
                0 => format!("{}m", ms / 60_000),
                secs => format!("{}m{secs}s", ms / 60_000),
            },
            ms => match ms / 60_000 % 60 {
                0 => format!("{}h", ms / 3_600_000),
                mins => format!("{}h{mins}m", ms / 3_600_000),
            },
        };
        f.pad(&text)
    }
}

impl std::str::FromStr for Millis {
    type Err = ParseQuantityError;

    /// Reads one number and one unit: `500ms`, `30s`, `1.5s`, `5m`, `1h`.
    fn from_str(text: &str) -> Result<Self, ParseQuantityError> {
        let wrong = || ParseQuantityError(text.to_owned());
        let split = text.find(|c: char| c.is_ascii_alphabetic()).ok_or_else(wrong)?;
        let (number, unit) = text.split_at(split);
        let factor: u64 = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            _ => return Err(wrong()),
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty()
            || !digits(whole)
            || !digits(fraction)
            || fraction.len() > 3
            || number.ends_with('.')
        {
            return Err(wrong());
        }
        let whole: u64 = whole.parse().map_err(|_| wrong())?;
        let fraction = if fraction.is_empty() {
            0
        } else {
            let scale = 10_u64.pow(u32::try_from(fraction.len()).map_err(|_| wrong())?);
            fraction.parse::<u64>().map_err(|_| wrong())? * factor / scale
        };
        whole.checked_mul(factor).and_then(|ms| ms.checked_add(fraction)).map(Self).ok_or_else(wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_for_people() {
        for (text, ms) in [
            ("0ms", 0),
            ("999ms", 999),
            ("1s", 1_000),
            ("1.5s", 1_500),
            ("30s", 30_000),
            ("2m", 120_000),
            ("2m5s", 125_000),
            ("1h", 3_600_000),
            ("1h30m", 5_400_000),
        ] {
            assert_eq!(Millis(ms).to_string(), text);
        }
    }

    #[test]
    fn durations_from_people() {
        for (text, ms) in
            [("500ms", 500), ("30s", 30_000), ("1.5s", 1_500), ("0.25m", 15_000), ("1h", 3_600_000)]
        {
            assert_eq!(text.parse(), Ok(Millis(ms)), "{text}");
        }
        for bad in ["", "5", "s", "5 s", "-1s", "1.s", ".5s", "5d", "99999999999999999999h", "1.2345s"] {
            assert!(bad.parse::<Millis>().is_err(), "{bad}");
        }
    }
}
