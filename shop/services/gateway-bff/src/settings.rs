//! What the environment says about this program.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use fairway_model::traffic::{Cors, Network, RateKey, RateLimit};
use shop_kit::settings::{BaseUrl, Environment, Secret, SettingError, Variable};
use thiserror::Error;

use crate::routing::Boundary;
use crate::variables::*;

/// Settings that can't be used.
#[derive(Debug, Error)]
pub enum SettingsError {
    /// A variable holds something unreadable.
    #[error(transparent)]
    Variable(#[from] SettingError),
    /// Not a list of networks.
    #[error(
        "GATEWAY_TRUSTED_PROXIES has `{0}`, which is no network; nothing was started. Set it like `127.0.0.0/8,::1`"
    )]
    Network(String),
}

/// Whose tokens are believed.
#[derive(Debug, Clone)]
pub struct Tokens {
    /// The secret that they are signed with.
    pub secret: Secret,
    /// Who issued them; anybody when not given.
    pub issuer: Option<String>,
}

/// What stands between callers and the boundaries.
#[derive(Debug, Clone)]
pub struct Protection {
    /// How often one caller may ask.
    pub rate_limit: Option<RateLimit>,
    /// Whose tokens say who a caller is. Nobody's: a caller is an address.
    pub tokens: Option<Tokens>,
    /// Whose pages may call.
    pub cors: Option<Cors>,
    /// Whose `X-Forwarded-For` is believed.
    pub trusted: Vec<Network>,
}

/// Everything `gateway-bff` can be told.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where to listen.
    pub address: SocketAddr,
    /// Where the boundaries are; those that are not here have no program.
    pub upstreams: BTreeMap<Boundary, BaseUrl>,
    /// How long a boundary may take to connect and to begin its answer.
    pub upstream_timeout: Duration,
    /// How long what identity says of the feature flags is believed.
    pub feature_flags_ttl: Duration,
    /// How large a request body may be, in bytes.
    pub max_body_bytes: u64,
    /// What a request must pass.
    pub protection: Protection,
}

impl Settings {
    /// Reads the `GATEWAY_*` variables.
    ///
    /// # Errors
    /// When one of them can't be used.
    pub fn read(env: &Environment) -> Result<Self, SettingsError> {
        let mut upstreams = BTreeMap::new();
        for (boundary, variable) in [
            (Boundary::Identity, GATEWAY_IDENTITY_BASE_URL),
            (Boundary::Commerce, GATEWAY_COMMERCE_BASE_URL),
            (Boundary::Payment, GATEWAY_PAYMENT_BASE_URL),
            (Boundary::Admin, GATEWAY_ADMIN_BASE_URL),
            (Boundary::Ai, GATEWAY_AI_BASE_URL),
        ] {
            if let Some(base) = env.base_url(variable)? {
                upstreams.insert(boundary, base);
            }
        }
        Ok(Self {
            address: env.address(GATEWAY_HTTP_ADDR)?,
            upstreams,
            upstream_timeout: env.duration(GATEWAY_UPSTREAM_TIMEOUT)?,
            feature_flags_ttl: env.duration(GATEWAY_FEATURE_FLAGS_TTL)?,
            max_body_bytes: env.number(GATEWAY_MAX_BODY_BYTES)?,
            protection: protection(env)?,
        })
    }
}

fn protection(env: &Environment) -> Result<Protection, SettingsError> {
    let small = |variable: Variable| {
        let number = env.number(variable)?;
        u32::try_from(number).map_err(|_| SettingError {
            name: variable.name.to_owned(),
            value: number.to_string(),
            expected: "a number below 4294967296",
            example: "100",
        })
    };
    let requests = small(GATEWAY_RATE_REQUESTS)?;
    let burst = small(GATEWAY_RATE_BURST)?;
    let per = env.duration(GATEWAY_RATE_PER)?;
    let rate_limit = (requests > 0).then(|| RateLimit {
        requests,
        per_ms: u64::try_from(per.as_millis()).unwrap_or(u64::MAX),
        burst: (burst > 0).then_some(burst),
        key: RateKey::Address,
    });
    let tokens = env
        .optional(GATEWAY_JWT_SECRET)
        .map(|secret| Tokens { secret: Secret::new(secret), issuer: env.optional(GATEWAY_JWT_ISSUER) });
    let words = |text: &str| -> Vec<String> {
        text.split(',').map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect()
    };
    let origins = words(&env.text(GATEWAY_CORS_ORIGINS));
    let cors = (!origins.is_empty()).then(|| Cors {
        origins,
        methods: ["GET", "POST", "PUT", "PATCH", "DELETE"].map(str::to_owned).into(),
        headers: ["Authorization", "Content-Type", "Idempotency-Key", "X-Request-ID"]
            .map(str::to_owned)
            .into(),
        expose: vec!["X-Request-ID".to_owned()],
        credentials: false,
        max_age_s: 600,
    });
    let trusted = words(&env.text(GATEWAY_TRUSTED_PROXIES))
        .into_iter()
        .map(|word| word.parse().map_err(|_| SettingsError::Network(word)))
        .collect::<Result<_, _>>()?;
    Ok(Protection { rate_limit, tokens, cors, trusted })
}
