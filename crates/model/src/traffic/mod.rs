//! How requests are treated on their way to a service: what people may write, and what an edge obeys.
//!
//! Everything has a default, and a document without any of it means the defaults. Durations are milliseconds.

mod guard;
mod guard_check;
mod health;
mod network;
mod options;
mod tls;
mod upstream;

pub use guard::{BasicAuth, Compression, Cors, Guard, Hsts, Maintenance, RateKey, RateLimit};
pub use guard_check::GuardProblem;
pub use health::{GateLimits, Hold, Limits, Outliers, Probe, Retries, Sticky, Treatment};
pub use network::{Network, NetworkError};
pub use options::{AccessLog, Options, Otlp};
pub use tls::{
    Acme, AcmeChallenge, AcmeStorage, Certificate, CertificateSource, ExternalAccount, ListenerTls,
    TlsVersion,
};
pub use upstream::{Upstream, UpstreamTls, UpstreamTlsProblem};
