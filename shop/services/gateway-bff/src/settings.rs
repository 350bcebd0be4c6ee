//! What the environment says about this program.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use shop_kit::settings::{BaseUrl, Environment, SettingError};

use crate::routing::Boundary;

/// Everything `gateway-bff` can be told.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where to listen.
    pub address: SocketAddr,
    /// Where the boundaries are; those that are not here have no program.
    pub upstreams: BTreeMap<Boundary, BaseUrl>,
    /// How long a boundary may take to connect and to begin its answer.
    pub upstream_timeout: Duration,
    /// How large a request body may be, in bytes.
    pub max_body_bytes: u64,
}

impl Settings {
    /// Reads the `GATEWAY_*` variables.
    ///
    /// # Errors
    /// When one of them can't be used.
    pub fn read(env: &Environment) -> Result<Self, SettingError> {
        let mut upstreams = BTreeMap::new();
        for (boundary, name, default) in [
            (Boundary::Identity, "GATEWAY_IDENTITY_BASE_URL", "http://localhost:8081"),
            (Boundary::Commerce, "GATEWAY_COMMERCE_BASE_URL", "http://localhost:8082"),
            (Boundary::Payment, "GATEWAY_PAYMENT_BASE_URL", "http://localhost:8083"),
            (Boundary::Admin, "GATEWAY_ADMIN_BASE_URL", ""),
            (Boundary::Ai, "GATEWAY_AI_BASE_URL", ""),
        ] {
            if let Some(base) = env.base_url(name, default)? {
                upstreams.insert(boundary, base);
            }
        }
        Ok(Self {
            address: env.address("GATEWAY_HTTP_ADDR", ":8080")?,
            upstreams,
            upstream_timeout: env.duration("GATEWAY_UPSTREAM_TIMEOUT", Duration::from_secs(10))?,
            max_body_bytes: env.number("GATEWAY_MAX_BODY_BYTES", 32 << 20)?,
        })
    }
}
