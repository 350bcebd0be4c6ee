//! Amounts as Alipay writes them. Pure.

/// An amount in fen as Alipay writes it, in yuan with two decimals.
pub fn yuan(fen: i64) -> String {
    format!("{}.{:02}", fen / 100, fen % 100)
}

/// An amount in fen of a text in yuan with at most two decimals.
pub fn fen(yuan: &str) -> Option<i64> {
    let (whole, part) = yuan.split_once('.').unwrap_or((yuan, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(part) || part.len() > 2 {
        return None;
    }
    let part = format!("{part:0<2}").parse::<i64>().ok()?;
    whole.parse::<i64>().ok()?.checked_mul(100)?.checked_add(part)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn amounts() {
        let check = |text: &str, expect: Option<i64>| assert_eq!(fen(text), expect, "{text}");
        check("128.00", Some(12_800));
        check("0.01", Some(1));
        check("7", Some(700));
        check("7.5", Some(750));
        check("7.", Some(700));
        check("", None);
        check(".5", None);
        check("-1.00", None);
        check("1.005", None);
        check("1,00", None);
        check("92233720368547759.00", None);
    }

    proptest! {
        #[test]
        fn amounts_come_back(amount in 0..i64::MAX) {
            prop_assert_eq!(fen(&yuan(amount)), Some(amount));
        }
    }
}
