//! What a request must pass before it reaches its service, and what its answer gets on the way back.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::network::Network;

/// The guards of one route. The default guards nothing and adds nothing.
///
/// A request is asked in this order: HTTPS, network, maintenance, preflight (answered by the edge), rate, name and
/// password, length of the body. [`check`](Self::check) tells what of it can't be used.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Guard {
    /// Only clients from these networks; everybody when empty. Others are answered 403.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<Network>,
    /// A name and password are asked for (401, RFC 7617). They are the edge's own: the service does not see the
    /// `Authorization` header of a request that showed them, and can't ask for one of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub basic_auth: Option<BasicAuth>,
    /// How often one client may ask; more is answered 429 with `Retry-After`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_limit: Option<RateLimit>,
    /// The route is closed for now: 503 with `Retry-After`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maintenance: Option<Maintenance>,
    /// Which origins may call the route from a browser. The edge answers preflight requests itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cors: Option<Cors>,
    /// Answers are compressed for clients that accept it, where that is safe.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compression: Option<Compression>,
    /// Browsers are told to use HTTPS only (RFC 6797); sent only over TLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hsts: Option<Hsts>,
    /// Requests over plain HTTP are redirected to HTTPS (308). Challenges of ACME are answered before that.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub redirect_https: bool,
    /// `X-Content-Type-Options: nosniff`, `X-Frame-Options: DENY`, `Referrer-Policy: strict-origin-when-cross-origin`
    /// on answers that do not have them.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub security_headers: bool,
    /// The largest request body in bytes; more is answered 413. Absent: no limit at the edge.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_bytes: Option<u64>,
}

/// Names and passwords.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BasicAuth {
    /// What the browser shows.
    #[serde(default = "realm")]
    pub realm: String,
    /// By name the SHA-256 of `name:password` as 64 hexadecimal digits. A fast hash on purpose: it is checked on
    /// every request, so the passwords must be long random ones, as the ones that Fairway makes are.
    pub users: BTreeMap<String, String>,
}

fn realm() -> String {
    "closed environment".to_owned()
}

/// A limit on the rate of one client. Each edge counts for itself, and goes on counting over a new table as long as the
/// limit stays the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateLimit {
    /// So many requests…
    pub requests: u32,
    /// …in so many milliseconds. Default 1000.
    #[serde(default = "second")]
    pub per_ms: u64,
    /// How many may come at once. Default: `requests`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burst: Option<u32>,
    /// What makes a client. Default: its address (IPv6: its /64).
    #[serde(default)]
    pub key: RateKey,
}

fn second() -> u64 {
    1_000
}

/// What makes a client.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RateKey {
    /// Its address, behind trusted proxies.
    #[default]
    Address,
    /// The value of this request header; its address when the header is missing. Only for values that clients can't
    /// invent: each new one has a full burst.
    Header(String),
}

/// A closed route.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Maintenance {
    /// For people: why, and until when.
    pub message: String,
    /// `Retry-After` in seconds. Default 120.
    #[serde(default = "two_minutes")]
    pub retry_after_s: u64,
    /// Clients from these networks pass: whoever tests before the route opens again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub except: Vec<Network>,
}

fn two_minutes() -> u64 {
    120
}

/// Calls from pages of other origins (Fetch standard, CORS protocol). What the service itself says about it is replaced.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Cors {
    /// Origins such as `https://admin.example.com`, or the single entry `*`.
    pub origins: Vec<String>,
    /// Methods of preflight answers. Empty: what the preflight asks for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<String>,
    /// Request headers of preflight answers. Empty: what the preflight asks for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<String>,
    /// Response headers that pages may read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub expose: Vec<String>,
    /// Whether cookies may be sent along. Not together with the origin `*`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub credentials: bool,
    /// How long a browser may remember a preflight, in seconds. Default 0: not at all.
    pub max_age_s: u64,
}

/// Compression of answers. Never for event streams, partial answers, answers that are encoded already, `no-transform`,
/// answers with digests, or answers that set cookies or are to requests with cookies or credentials (BREACH).
///
/// Entity tags of compressed answers are weak. A service that compares tags of `If-Match` strongly refuses those, so
/// leave compression off for routes that are edited that way.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Compression {
    /// Smaller answers stay as they are. Default 1024.
    pub min_bytes: u64,
    /// Beginnings of media types. Default: `text/`, `application/json`, `application/javascript`, `application/xml`,
    /// `image/svg+xml`.
    pub types: Vec<String>,
}

impl Default for Compression {
    fn default() -> Self {
        let types =
            ["text/", "application/json", "application/javascript", "application/xml", "image/svg+xml"];
        Self { min_bytes: 1024, types: types.map(str::to_owned).into() }
    }
}

/// HTTP Strict Transport Security.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Hsts {
    /// How long browsers remember it, in seconds. Default one year.
    pub max_age_s: u64,
    /// For all names below the host, too.
    pub include_subdomains: bool,
    /// Consent to the preload lists of browsers.
    pub preload: bool,
}

impl Default for Hsts {
    fn default() -> Self {
        Self { max_age_s: 31_536_000, include_subdomains: false, preload: false }
    }
}
