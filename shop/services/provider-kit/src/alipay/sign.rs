//! What Alipay's RSA2 signs, as text. Pure.
//!
//! Requests and notifications are lists of named values. What is signed is the list without `sign` (notifications:
//! and without `sign_type`) and without empty values, sorted by name, as `name=value` joined by `&`, not escaped. Of
//! an answer it is the text of the part that is about the method, exactly as it was sent.
//! (Alipay open platform documentation, "Signatures".)

use std::collections::BTreeMap;

/// What is signed of a request.
pub fn of_request(values: &BTreeMap<String, String>) -> String {
    joined(values, &["sign"])
}

/// What is signed of a notification.
pub fn of_notification(values: &BTreeMap<String, String>) -> String {
    joined(values, &["sign", "sign_type"])
}

fn joined(values: &BTreeMap<String, String>, without: &[&str]) -> String {
    let kept = values.iter().filter(|(name, value)| !value.is_empty() && !without.contains(&name.as_str()));
    kept.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

/// The values of a form. A name that occurs twice is no form that Alipay sends: nothing then.
pub fn form(body: &[u8]) -> Option<BTreeMap<String, String>> {
    let mut values = BTreeMap::new();
    for (name, value) in url::form_urlencoded::parse(body) {
        if values.insert(name.into_owned(), value.into_owned()).is_some() {
            return None;
        }
    }
    Some(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_signed() {
        let values = form(b"b=2&a=1%262&sign=x&sign_type=RSA2&empty=&c=%E4%BD%A0+%2B").unwrap();
        assert_eq!(of_request(&values), "a=1&2&b=2&c=你 +&sign_type=RSA2");
        assert_eq!(of_notification(&values), "a=1&2&b=2&c=你 +");
        assert_eq!(form(b"a=1&a=2"), None, "which of the two was signed can't be known");
    }
}
