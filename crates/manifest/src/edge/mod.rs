//! What people write about the edge: guards of routes, the traffic of a service, TLS and the log of an environment.
//!
//! Each type lowers itself to the word of the model that it stands for (`spec`), with its defaults filled in. What
//! needs more than its own words (hosts, variables, the guard of an environment beside that of a route) is put
//! together in [`crate::resolve()`].

mod guard;
mod log;
mod tls;
mod traffic;

pub use guard::{
    AddressKey, BasicAuth, Compression, Cors, Guard, Hsts, Maintenance, MaintenanceSettings, Password,
    RateKey, RateLimit,
};
pub use log::{AccessLog, Networks, Otlp};
pub(crate) use tls::CertificateSecrets;
pub use tls::{
    Acme, AcmeCertificate, AcmeChallenge, AcmeStorage, Certificate, CertificateFiles, EdgeChallenge,
    ExternalAccount, FilesCertificate, LocalCertificate, Tls,
};
pub use traffic::{
    EdgeProbe, InstanceTls, Outliers, Protocol, Retries, Sticky, Timeouts, Traffic, TrafficLimits,
};

use crate::Duration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `true` for the defaults, `false` for off, or settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub enum Switch<T> {
    /// `true` for the defaults, `false` for off.
    Plain(bool),
    /// On, with settings of its own.
    Settings(T),
}

impl<T: Default + Clone> Switch<T> {
    /// The settings, the defaults for `true`; `None` when it is off.
    pub fn settings(&self) -> Option<T> {
        match self {
            Self::Plain(true) => Some(T::default()),
            Self::Plain(false) => None,
            Self::Settings(settings) => Some(settings.clone()),
        }
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Whole seconds; a part of one counts as one, so that nothing that was written becomes nothing.
fn seconds(duration: Duration) -> u64 {
    duration.0.0.div_ceil(1_000)
}
