//! Reading requests the way the shop's clients expect them to be read.
//!
//! A body is JSON whatever its content type says, unknown fields are ignored, and anything unreadable is one
//! 400 `invalid_request` with the shop's envelope.

use std::net::IpAddr;
use std::str::FromStr;

use axum::extract::{FromRequest, FromRequestParts, Request};
use bytes::Bytes;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use http::request::Parts;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::error::{ApiError, ApiResult};
use crate::layers::RequestId;

/// A JSON body: an object, as every body of the shop's contracts is.
#[derive(Debug)]
pub struct Body<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let refuse = |cause: String| ApiError::invalid("invalid request body").because(cause);
        let bytes = Bytes::from_request(request, state).await.map_err(|e| refuse(e.to_string()))?;
        // A list would be read as the fields of a struct in their order, which no client means.
        if !bytes.trim_ascii_start().starts_with(b"{") {
            return Err(refuse("not a JSON object".to_owned()));
        }
        if holds_nul(&bytes) {
            return Err(refuse("a text holds U+0000, which PostgreSQL can't store".to_owned()));
        }
        serde_json::from_slice(&bytes).map(Self).map_err(|e| refuse(e.to_string()))
    }
}

/// Whether a JSON text holds the escape of U+0000. (The character itself is not allowed in JSON at all.)
fn holds_nul(json: &[u8]) -> bool {
    let mut rest = json;
    while let Some(at) = rest.iter().position(|b| *b == b'\\') {
        if rest[at + 1..].starts_with(b"u0000") {
            return true;
        }
        rest = rest.get(at + 2..).unwrap_or_default();
    }
    false
}

/// The parameters after the `?`, in order, decoded.
#[derive(Debug, Clone, Default)]
pub struct QueryParams(Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for QueryParams {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let params = Self::parse(parts.uri.query().unwrap_or_default());
        match params.0.iter().find(|(_, value)| value.contains('\0')) {
            None => Ok(params),
            Some((name, _)) => Err(ApiError::invalid(format!(
                "Invalid format for parameter {name}: a text can't hold the character U+0000"
            ))),
        }
    }
}

impl QueryParams {
    fn parse(query: &str) -> Self {
        Self(url::form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }

    /// A parameter without surrounding blanks; nothing when it is absent or blank.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(k, _)| k == name).map(|(_, v)| v.trim()).filter(|v| !v.is_empty())
    }

    /// A parameter that must be a UUID.
    ///
    /// # Errors
    /// 400 when it is something else.
    pub fn uuid(&self, name: &str) -> ApiResult<Option<Uuid>> {
        self.text(name).map(|text| parameter_uuid(name, text)).transpose()
    }

    /// A parameter that is one of a contract's words.
    ///
    /// # Errors
    /// 400 when it is another word.
    pub fn word<T: FromStr<Err: std::fmt::Display>>(&self, name: &str) -> ApiResult<Option<T>> {
        let parse = |text: &str| {
            text.parse().map_err(|e| ApiError::invalid(format!("Invalid format for parameter {name}: {e}")))
        };
        self.text(name).map(parse).transpose()
    }

    /// A parameter as a pattern for `ILIKE` that finds it anywhere; see [`contains_pattern`].
    pub fn pattern(&self, name: &str) -> Option<String> {
        self.text(name).map(contains_pattern)
    }

    /// `page` and `pageSize`, with the size to use when none is given.
    ///
    /// # Errors
    /// 400 when one of them is not a whole number.
    pub fn paging(&self, default_size: i64) -> ApiResult<Paging> {
        let page = self.integer("page")?.unwrap_or(1).max(1);
        let size = match self.integer("pageSize")? {
            Some(size) if size > 0 => size.min(100),
            _ => default_size,
        };
        Ok(Paging { page, size })
    }

    fn integer(&self, name: &str) -> ApiResult<Option<i64>> {
        let parse = |text: &str| {
            text.parse().map_err(|_| {
                ApiError::invalid(format!("Invalid format for parameter {name}: not an integer"))
            })
        };
        self.text(name).map(parse).transpose()
    }
}

/// The `Idempotency-Key` header: what makes a repeated request harmless. Blank counts as absent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey(pub Option<String>);

/// Clients send UUIDs, or their own ids with a prefix.
const LONGEST_KEY: usize = 255;

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let Some(value) = parts.headers.get("idempotency-key") else { return Ok(Self(None)) };
        let text = value.to_str().ok().map(str::trim).filter(|text| text.len() <= LONGEST_KEY);
        let Some(text) = text else {
            return Err(ApiError::invalid(format!(
                "Idempotency-Key must be at most {LONGEST_KEY} printable ASCII characters"
            )));
        };
        Ok(Self(Some(text.to_owned()).filter(|text| !text.is_empty())))
    }
}

/// Which part of a list is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paging {
    /// From 1.
    pub page: i64,
    /// 1 to 100.
    pub size: i64,
}

impl Paging {
    /// How many rows come before this page.
    pub fn offset(self) -> i64 {
        (self.page - 1).saturating_mul(self.size)
    }
}

/// The `LIKE` pattern that finds `text` anywhere, whatever characters it is made of.
pub fn contains_pattern(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 2);
    pattern.push('%');
    for c in text.chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

/// A path or query parameter as a UUID.
///
/// # Errors
/// 400 naming the parameter.
pub fn parameter_uuid(name: &str, text: &str) -> ApiResult<Uuid> {
    Uuid::parse_str(text)
        .map_err(|_| ApiError::invalid(format!("Invalid format for parameter {name}: not a UUID")))
}

/// What the `Authorization` header holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authorization<'a> {
    /// There is no such header.
    Missing,
    /// There is one, but it is not `Bearer <token>`.
    Malformed,
    /// A token, unverified.
    Bearer(&'a str),
}

/// Reads the `Authorization` header; the scheme's case does not matter.
pub fn authorization(headers: &HeaderMap) -> Authorization<'_> {
    let Some(value) = headers.get(AUTHORIZATION) else { return Authorization::Missing };
    let Ok(text) = value.to_str() else { return Authorization::Malformed };
    match text.trim().split_once(' ') {
        _ if text.trim().is_empty() => Authorization::Missing,
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") && !token.trim().is_empty() => {
            Authorization::Bearer(token.trim())
        }
        _ => Authorization::Malformed,
    }
}

/// What is kept of a client's name for itself.
const LONGEST_AGENT: usize = 500;

/// Who asks, for audit entries.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The request's id.
    pub request_id: Option<String>,
    /// The first address of `X-Forwarded-For`, if any. The gateway writes that header anew unless it trusts whoever
    /// wrote it.
    pub ip: Option<String>,
    /// The client program as it names itself.
    pub user_agent: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let header = |name: &str| parts.headers.get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
        let ip = header("x-forwarded-for").and_then(|all| Some(all.split(',').next()?.trim().to_owned()));
        Ok(Self {
            request_id: parts.extensions.get::<RequestId>().map(|id| id.0.to_string()),
            ip: ip.filter(|ip| ip.parse::<IpAddr>().is_ok()),
            user_agent: header("user-agent").map(|agent| agent.chars().take(LONGEST_AGENT).collect()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paging() {
        let check = |query: &str, expect: Result<(i64, i64), &str>| {
            let got = QueryParams::parse(query).paging(20).map(|p| (p.page, p.size));
            assert_eq!(got.as_ref().map_err(|e| &*e.message), expect.as_ref().map_err(|e| *e), "{query}");
        };
        check("", Ok((1, 20)));
        check("page=3&pageSize=5", Ok((3, 5)));
        check("page=0&pageSize=0", Ok((1, 20)));
        check("page=-2&pageSize=-1", Ok((1, 20)));
        check("pageSize=1000", Ok((1, 100)));
        check("page=x", Err("Invalid format for parameter page: not an integer"));
        check("pageSize=1.5", Err("Invalid format for parameter pageSize: not an integer"));
        assert_eq!(Paging { page: i64::MAX, size: 100 }.offset(), i64::MAX);
    }

    #[test]
    fn patterns_find_what_was_typed() {
        let check = |text: &str, expect: &str| assert_eq!(contains_pattern(text), expect);
        check("abc", "%abc%");
        check("100%", r"%100\%%");
        check(r"a_b\c", r"%a\_b\\c%");
    }

    #[test]
    fn nul_is_found_where_it_is_meant() {
        let check = |json: &str, expect: bool| assert_eq!(holds_nul(json.as_bytes()), expect, "{json}");
        check(r#"{"a":"b"}"#, false);
        check(r#"{"a":"b\u0000"}"#, true);
        check(r#"{"a":"\\u0000"}"#, false);
        check(r#"{"a":"\\\u0000"}"#, true);
        check(r#"{"a":"\u0001\n"}"#, false);
        check("\\", false);
    }

    #[tokio::test]
    async fn what_audit_entries_keep_of_a_caller() {
        let check = async |forwarded: &str, expect: Option<&str>| {
            let request = http::Request::get("/")
                .header("x-forwarded-for", forwarded)
                .header("user-agent", "x".repeat(600))
                .body(())
                .unwrap();
            let (mut parts, ()) = request.into_parts();
            let Ok(caller) = Caller::from_request_parts(&mut parts, &()).await;
            assert_eq!(caller.ip.as_deref(), expect, "{forwarded}");
            assert_eq!(caller.user_agent.map(|agent| agent.len()), Some(500));
        };
        check("192.0.2.7, 10.0.0.1", Some("192.0.2.7")).await;
        check("2001:db8::1", Some("2001:db8::1")).await;
        check("<script>", None).await;
        check("", None).await;
    }

    #[tokio::test]
    async fn idempotency_keys() {
        let check = async |value: Option<&[u8]>, expect: Result<Option<&str>, u16>| {
            let mut request = http::Request::new(());
            if let Some(value) = value {
                let value = http::HeaderValue::from_bytes(value).unwrap();
                request.headers_mut().insert("Idempotency-Key", value);
            }
            let (mut parts, ()) = request.into_parts();
            let got = IdempotencyKey::from_request_parts(&mut parts, &()).await;
            let got = got.map(|key| key.0).map_err(|e| e.status.as_u16());
            assert_eq!(got.as_ref().map(Option::as_deref), expect.as_ref().map(|e| *e), "{value:?}");
        };
        check(None, Ok(None)).await;
        check(Some(b" "), Ok(None)).await;
        check(Some(b" order-1 "), Ok(Some("order-1"))).await;
        check(Some(&[b'x'; 255]), Ok(Some(&"x".repeat(255)))).await;
        check(Some(&[b'x'; 256]), Err(400)).await;
        check(Some("schlüssel".as_bytes()), Err(400)).await;
    }

    #[test]
    fn authorization_header() {
        let check = |value: Option<&str>, expect: Authorization<'_>| {
            let mut headers = HeaderMap::new();
            if let Some(value) = value {
                headers.insert(AUTHORIZATION, value.parse().unwrap());
            }
            assert_eq!(authorization(&headers), expect, "{value:?}");
        };
        check(None, Authorization::Missing);
        check(Some(""), Authorization::Missing);
        check(Some("Bearer abc"), Authorization::Bearer("abc"));
        check(Some("bearer  abc "), Authorization::Bearer("abc"));
        check(Some("Basic abc"), Authorization::Malformed);
        check(Some("Bearer"), Authorization::Malformed);
        check(Some("abc"), Authorization::Malformed);
    }
}
