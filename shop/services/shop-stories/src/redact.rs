//! What is different each time gets a name that is the same each time.

use std::collections::BTreeMap;

use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::{Uuid, Variant};

/// How many rows of a list are written out.
const ROWS: usize = 2;

/// Fields whose values are random or a time.
const RANDOM: [&str; 6] = ["accessToken", "nonceStr", "timeStamp", "timestamp", "scene", "token"];

/// Remembers which id has which name.
#[derive(Debug, Default)]
pub struct Redactor {
    names: BTreeMap<Uuid, usize>,
}

impl Redactor {
    /// A text with its ids replaced. Those of the seed are no random ids and stay.
    pub fn text(&mut self, text: &str) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let id = rest.get(..36).and_then(|start| Uuid::try_parse(start).ok()).filter(is_random);
            if let Some(id) = id {
                let next = self.names.len() + 1;
                let number = *self.names.entry(id).or_insert(next);
                out.push_str(&format!("<id {number}>"));
                rest = &rest[36..];
            } else {
                out.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
        out
    }

    /// A body with ids, times and secrets replaced, and long lists cut short.
    pub fn body(&mut self, value: &Value) -> Value {
        match value {
            Value::Object(fields) => fields
                .iter()
                .map(|(name, value)| {
                    let value = match value {
                        Value::String(_) if RANDOM.contains(&name.as_str()) => {
                            Value::from(format!("<{name}>"))
                        }
                        value => self.body(value),
                    };
                    (name.clone(), value)
                })
                .collect::<serde_json::Map<_, _>>()
                .into(),
            Value::Array(rows) => {
                let mut kept: Vec<Value> = rows.iter().take(ROWS).map(|row| self.body(row)).collect();
                if rows.len() > ROWS {
                    kept.push(format!("… {} more", rows.len() - ROWS).into());
                }
                kept.into()
            }
            Value::String(text) if OffsetDateTime::parse(text, &Rfc3339).is_ok() => "<time>".into(),
            Value::String(text) if text.starts_with("data:") => {
                format!("{}<data>", text.split(',').next().unwrap_or_default()).into()
            }
            Value::String(text) if is_made_up_name(text) => "用户<end of id>".into(),
            Value::String(text) => self.text(text).into(),
            other => other.clone(),
        }
    }
}

/// The name of somebody who has said none: the end of the id.
fn is_made_up_name(text: &str) -> bool {
    let end = text.strip_prefix("用户").unwrap_or_default();
    end.len() == 4 && end.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn is_random(id: &Uuid) -> bool {
    id.get_version_num() == 4 && id.get_variant() == Variant::RFC4122
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_same_name_each_time() {
        let mut redactor = Redactor::default();
        let (one, two) = (Uuid::new_v4(), Uuid::new_v4());
        assert_eq!(redactor.text(&format!("/a/{one}/{two}?é={one}")), "/a/<id 1>/<id 2>?é=<id 1>");
        let seeded = "dddddddd-dddd-dddd-dddd-dddddddddddd";
        let body = json!({
            "id": two, "sub": seeded, "at": "2026-11-21T12:00:00.5Z", "token": "x", "name": "用户01af", "n": 1,
            "list": [1, 2, 3, 4], "picture": "data:image/png;base64,AAAA", "prepayId": format!("prepay_{one}"),
        });
        let expected = json!({
            "id": "<id 2>", "sub": seeded, "at": "<time>", "token": "<token>", "name": "用户<end of id>", "n": 1,
            "list": [1, 2, "… 2 more"], "picture": "data:image/png;base64<data>", "prepayId": "prepay_<id 1>",
        });
        assert_eq!(redactor.body(&body), expected);
    }
}
