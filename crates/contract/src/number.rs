use std::cmp::Ordering;
use std::fmt;

/// A number as JSON Schema sees it: `1`, `1.0` and `1e0` are the same.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Number {
    Int(i128),
    Float(f64),
}

/// Up to here every integer has its own `f64`, so an integral float can be kept as an integer.
const EXACT: f64 = 9_007_199_254_740_992.0;

impl Number {
    /// The number a plain YAML 1.2 scalar stands for, if it is one. `.inf` and `.nan` are not JSON.
    pub(crate) fn parse(text: &str) -> Option<Number> {
        let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
        if let Some(hex) = text.strip_prefix("0x") {
            return i128::from_str_radix(hex, 16)
                .ok()
                .filter(|_| !hex.starts_with(['+', '-']))
                .map(Number::Int);
        }
        if let Some(octal) = text.strip_prefix("0o") {
            return i128::from_str_radix(octal, 8)
                .ok()
                .filter(|_| !octal.starts_with(['+', '-']))
                .map(Number::Int);
        }
        if !unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.')
            || !unsigned.contains(|c: char| c.is_ascii_digit())
        {
            return None;
        }
        if let Ok(int) = text.parse::<i128>() {
            return Some(Number::Int(int));
        }
        let float = text.parse::<f64>().ok().filter(|f| f.is_finite())?;
        if float.fract() == 0.0 && float.abs() < EXACT {
            #[expect(clippy::cast_possible_truncation, reason = "integral and below 2^53")]
            return Some(Number::Int(float as i128));
        }
        Some(Number::Float(float))
    }

    pub(crate) fn as_f64(self) -> f64 {
        match self {
            #[expect(clippy::cast_precision_loss, reason = "only used where an approximation will do")]
            Number::Int(int) => int as f64,
            Number::Float(float) => float,
        }
    }

    /// The value as a size, for `maxLength` and its like.
    pub(crate) fn as_size(self) -> Option<u64> {
        match self {
            Number::Int(int) => u64::try_from(int).ok(),
            Number::Float(_) => None,
        }
    }

    /// Whether this is a whole multiple of `other`; `None` where floats cannot tell exactly.
    pub(crate) fn is_multiple_of(self, other: Number) -> Option<bool> {
        match (self, other) {
            (Number::Int(_), Number::Int(0)) => None,
            (Number::Int(a), Number::Int(b)) => Some(a % b == 0),
            _ => None,
        }
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Number) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Number {}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Number) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Number) -> Ordering {
        match (self, other) {
            (Number::Int(a), Number::Int(b)) => a.cmp(b),
            (a, b) => a.as_f64().total_cmp(&b.as_f64()),
        }
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Number::Int(int) => write!(f, "{int}"),
            Number::Float(float) => write!(f, "{float}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_number_in_other_clothes_is_equal() {
        let check = |text: &str, expect: Option<&str>| {
            assert_eq!(Number::parse(text).map(|n| n.to_string()).as_deref(), expect, "{text}");
        };
        check("1", Some("1"));
        check("1.0", Some("1"));
        check("+1", Some("1"));
        check("1e2", Some("100"));
        check("-0.5", Some("-0.5"));
        check(".5", Some("0.5"));
        check("0x1F", Some("31"));
        check("0o17", Some("15"));
        check("9007199254740993", Some("9007199254740993"));
        check("1e999", None);
        check("inf", None);
        check(".inf", None);
        check("1.2.3", None);
        check("-", None);
        check("2024-01-01", None);
        check("v1", None);
        check("", None);
    }

    #[test]
    fn order_and_multiples() {
        let n = |text: &str| Number::parse(text).expect("a number");
        assert!(n("1") < n("1.5") && n("1.5") < n("2"));
        assert_eq!(n("6").is_multiple_of(n("3")), Some(true));
        assert_eq!(n("6").is_multiple_of(n("4")), Some(false));
        assert_eq!(n("6").is_multiple_of(n("0")), None);
        assert_eq!(n("0.3").is_multiple_of(n("0.1")), None);
    }
}
