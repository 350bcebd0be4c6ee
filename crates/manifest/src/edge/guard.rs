//! Guards, as people write them: what a request must pass, and what its answer gets on the way back.

use super::{Switch, log::Networks, seconds};
use crate::{Duration, Size, schema};
use fairway_model::{Digest, Millis, traffic};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What requests must pass at the edge before they reach a service, and what their answers get on the way back.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Guard {
    /// Only clients with these addresses or from these networks; others are answered 403. Where the environment and
    /// the route both have a list, a client must be in both.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::networks", extend("examples" = [["10.0.0.0/8", "203.0.113.7"]]))]
    pub allow: Option<Networks>,

    /// A name and a password are asked for. Where the environment and the route both have users, those of the route
    /// count there, because a client can send one password only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = [{"users": {"preview": {"password": "${PREVIEW_PASSWORD}"}}}]))]
    pub basic_auth: Option<BasicAuth>,

    /// How often one client may ask; more is answered 429 with `Retry-After`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = [{"requests": 20, "per": "1s"}]))]
    pub rate_limit: Option<RateLimit>,

    /// The route is closed for now, with this message: 503 with `Retry-After`. That of the environment wins.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["We are moving the shop. Back at 18:00."]))]
    pub maintenance: Option<Maintenance>,

    /// Pages of other origins may call the route. The edge answers preflight requests itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = [{"origins": ["https://admin.example.com"]}]))]
    pub cors: Option<Cors>,

    /// Answers are compressed for clients that accept it, where that is safe: never event streams, partial answers,
    /// what is encoded already, or answers to requests with cookies or credentials.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = [true]))]
    pub compression: Option<Switch<Compression>>,

    /// Browsers are told to use HTTPS only from now on. It is said over TLS only, and it cannot be unsaid before it
    /// ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = [true]))]
    pub hsts: Option<Switch<Hsts>>,

    /// Requests over plain HTTP are redirected to HTTPS with 308. In an environment that has neither `tls` nor
    /// `trusted` proxies in front of it nothing could answer there, so they are not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redirect_https: Option<bool>,

    /// Answers get `X-Content-Type-Options: nosniff`, `X-Frame-Options: DENY` and
    /// `Referrer-Policy: strict-origin-when-cross-origin` unless the service sets them itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub security_headers: Option<bool>,

    /// The largest body of a request; more is answered 413. Not limited at the edge when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<Size>,
}

/// Names and passwords.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BasicAuth {
    /// What browsers show when they ask.
    #[serde(default = "realm")]
    pub realm: String,

    /// Who may enter, by name.
    #[schemars(
        schema_with = "schema::user_map",
        extend("examples" = [{"preview": {"password": "${PREVIEW_PASSWORD}"}}])
    )]
    pub users: BTreeMap<String, Password>,
}

fn realm() -> String {
    "closed environment".to_owned()
}

/// The SHA-256 of `name:password` as `printf '%s' 'name:password' | sha256sum` prints it, or
/// `{ password: "${NAME}" }` for a password from the process environment of whoever releases. A release holds the
/// hash only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, deny_unknown_fields)]
pub enum Password {
    /// The SHA-256 of `name:password` in 64 hexadecimal digits, or a variable that holds it. It may stand in the file
    /// only if the password is long and random: whoever reads the hash can try words.
    Hash(
        #[schemars(extend("format" = "password-hash", "pattern" = "^([0-9a-fA-F]{64}|.*\\$\\{.*)$"))] String,
    ),
    /// A password from the process environment of whoever releases.
    Plain {
        /// `${NAME}`, which is looked up with the prefix of the environment, such as `STAGING_NAME`. At least 16
        /// characters; a release holds its hash only.
        #[schemars(schema_with = "schema::variable_text", extend("examples" = ["${PREVIEW_PASSWORD}"]))]
        password: String,
    },
}

impl Password {
    /// What was written, whichever it is: text with variables.
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Hash(text) | Self::Plain { password: text } => text,
        }
    }

    /// The hash that a release holds, of the text with its variables filled in.
    pub(crate) fn hash(&self, name: &str, text: &str) -> String {
        match self {
            Self::Hash(_) => text.to_ascii_lowercase(),
            Self::Plain { .. } => Digest::of(format!("{name}:{text}").as_bytes()).hex(),
        }
    }
}

/// A limit on the rate of one client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RateLimit {
    /// How many requests in the time of `per`.
    #[schemars(range(min = 1, max = 1_000_000), extend("examples" = [20]))]
    pub requests: u32,
    /// In how much time.
    #[serde(default = "one_second")]
    pub per: Duration,
    /// How many may come at once; as many as `requests` when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000), extend("examples" = [40]))]
    pub burst: Option<u32>,
    /// What makes a client: its `address` (of IPv6 the first 64 bits), or the value of a request header.
    #[serde(default)]
    #[schemars(extend("examples" = [{"header": "X-Api-Key"}]))]
    pub key: RateKey,
}

fn one_second() -> Duration {
    Duration(Millis::from_secs(1))
}

/// What makes a client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, deny_unknown_fields)]
pub enum RateKey {
    /// Its address, or who a trusted proxy says it is.
    Named(AddressKey),
    /// The value of a request header; the address where the header is missing.
    Header {
        /// The name of the header.
        #[schemars(length(min = 1), extend("examples" = ["X-Api-Key"]))]
        header: String,
    },
}

/// The word for the address of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum AddressKey {
    /// The address of the client.
    Address,
}

impl Default for RateKey {
    fn default() -> Self {
        Self::Named(AddressKey::Address)
    }
}

/// A closed route: the message alone, or with its settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Maintenance {
    /// For people: why, and until when.
    Message(#[schemars(length(min = 1))] String),
    /// With settings of its own.
    Full(MaintenanceSettings),
}

/// A closed route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MaintenanceSettings {
    /// For people: why, and until when.
    #[schemars(length(min = 1), extend("examples" = ["We are moving the shop. Back at 18:00."]))]
    pub message: String,
    /// When clients should ask again.
    #[serde(default = "two_minutes")]
    pub retry_after: Duration,
    /// Clients that pass: whoever tests before the route opens again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::networks", extend("examples" = [["203.0.113.0/24"]]))]
    pub except: Option<Networks>,
}

fn two_minutes() -> Duration {
    Duration(Millis::from_secs(120))
}

/// Calls from pages of other origins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cors {
    /// Origins as browsers write them, or the single entry `*` for all.
    #[schemars(length(min = 1), extend("examples" = [["https://admin.example.com"]]))]
    pub origins: Vec<String>,
    /// Methods that pages may use; all when left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("examples" = [["GET", "POST"]]))]
    pub methods: Vec<String>,
    /// Request headers that pages may send; all when left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("examples" = [["Authorization"]]))]
    pub headers: Vec<String>,
    /// Response headers that pages may read, beside the usual ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("examples" = [["X-Request-Id"]]))]
    pub expose: Vec<String>,
    /// Cookies may be sent along. Not together with the origin `*`.
    #[serde(default)]
    pub credentials: bool,
    /// How long a browser may remember the answer to a preflight; not at all when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["10m"]))]
    pub max_age: Option<Duration>,
}

/// Compression of answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Compression {
    /// Smaller answers stay as they are: `1Ki` when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["1Ki"]))]
    pub min: Option<Size>,
    /// Beginnings of media types. When left out: text, JSON, JavaScript, XML and SVG.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), extend("examples" = [["text/", "application/json"]]))]
    pub types: Option<Vec<String>>,
}

/// HTTP Strict Transport Security.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Hsts {
    /// How long browsers remember it; a year when left out.
    #[schemars(extend("examples" = ["8760h"]))]
    pub max_age: Duration,
    /// For all names below the host, too.
    pub subdomains: bool,
    /// Consent to the lists that come with browsers; they want `subdomains` and a year.
    pub preload: bool,
}

impl Default for Hsts {
    fn default() -> Self {
        let usual = traffic::Hsts::default();
        Self { max_age: Duration(Millis::from_secs(usual.max_age_s)), subdomains: false, preload: false }
    }
}

impl Guard {
    /// The guard as an edge obeys it. `users` are the users of `basic_auth` with their hashes: finding them takes the
    /// process environment.
    pub(crate) fn spec(&self, users: &BTreeMap<String, String>) -> traffic::Guard {
        let Self {
            allow,
            basic_auth,
            rate_limit,
            maintenance,
            cors,
            compression,
            hsts,
            redirect_https,
            security_headers,
            body,
        } = self;
        traffic::Guard {
            allow: allow.as_ref().map(|networks| networks.0.clone()).unwrap_or_default(),
            basic_auth: basic_auth.as_ref().map(|BasicAuth { realm, users: _ }| traffic::BasicAuth {
                realm: realm.clone(),
                users: users.clone(),
            }),
            rate_limit: rate_limit.as_ref().map(RateLimit::spec),
            maintenance: maintenance.as_ref().map(Maintenance::spec),
            cors: cors.as_ref().map(Cors::spec),
            compression: compression.as_ref().and_then(Switch::settings).map(|it| it.spec()),
            hsts: hsts.as_ref().and_then(Switch::settings).map(|it| it.spec()),
            redirect_https: redirect_https.unwrap_or_default(),
            security_headers: security_headers.unwrap_or_default(),
            body_bytes: body.map(|size| size.0),
        }
    }

    /// The guard of a route in an environment that has one of its own. What a route says wins, key by key, but what
    /// closes an environment cannot be opened by accident: see [`Guard::allow`] and [`Guard::maintenance`].
    ///
    /// A route that is `exempt` is not closed by the environment; what is added to its answers stays.
    pub(crate) fn within(&self, environment: &Self, exempt: bool) -> Self {
        let own = self.clone();
        let closing = if exempt { Self::default() } else { environment.clone() };
        Self {
            allow: match (own.allow, closing.allow) {
                (Some(own), Some(environment)) => Some(own.both(&environment)),
                (own, environment) => own.or(environment),
            },
            basic_auth: own.basic_auth.or(closing.basic_auth),
            maintenance: closing.maintenance.or(own.maintenance),
            rate_limit: own.rate_limit.or_else(|| environment.rate_limit.clone()),
            cors: own.cors.or_else(|| environment.cors.clone()),
            compression: own.compression.or_else(|| environment.compression.clone()),
            hsts: own.hsts.or_else(|| environment.hsts.clone()),
            redirect_https: own.redirect_https.or(environment.redirect_https),
            security_headers: own.security_headers.or(environment.security_headers),
            body: own.body.or(environment.body),
        }
    }
}

impl RateLimit {
    fn spec(&self) -> traffic::RateLimit {
        let Self { requests, per, burst, key } = self;
        traffic::RateLimit {
            requests: *requests,
            per_ms: per.0.0,
            burst: *burst,
            key: match key {
                RateKey::Named(AddressKey::Address) => traffic::RateKey::Address,
                RateKey::Header { header } => traffic::RateKey::Header(header.clone()),
            },
        }
    }
}

impl Maintenance {
    fn spec(&self) -> traffic::Maintenance {
        let (message, retry_after, except) = match self {
            Self::Message(message) => (message, two_minutes(), None),
            Self::Full(MaintenanceSettings { message, retry_after, except }) => {
                (message, *retry_after, except.as_ref())
            }
        };
        traffic::Maintenance {
            message: message.clone(),
            retry_after_s: seconds(retry_after),
            except: except.map(|networks| networks.0.clone()).unwrap_or_default(),
        }
    }
}

impl Cors {
    fn spec(&self) -> traffic::Cors {
        let Self { origins, methods, headers, expose, credentials, max_age } = self;
        traffic::Cors {
            origins: origins.clone(),
            methods: methods.clone(),
            headers: headers.clone(),
            expose: expose.clone(),
            credentials: *credentials,
            max_age_s: max_age.map_or(0, seconds),
        }
    }
}

impl Compression {
    fn spec(&self) -> traffic::Compression {
        let Self { min, types } = self;
        let usual = traffic::Compression::default();
        traffic::Compression {
            min_bytes: min.map_or(usual.min_bytes, |size| size.0),
            types: types.clone().unwrap_or(usual.types),
        }
    }
}

impl Hsts {
    fn spec(&self) -> traffic::Hsts {
        let Self { max_age, subdomains, preload } = self;
        traffic::Hsts { max_age_s: seconds(*max_age), include_subdomains: *subdomains, preload: *preload }
    }
}
