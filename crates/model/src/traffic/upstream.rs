//! What instances speak, and whom they are taken for.

use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::path::PathBuf;

/// What instances speak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Upstream {
    /// HTTP/1.1.
    #[default]
    Http1,
    /// HTTP/2 without TLS by prior knowledge (h2c), as gRPC servers do.
    H2c,
    /// HTTP/1.1 in TLS.
    Https,
    /// HTTP/2 in TLS; the instance must agree to it (ALPN `h2`).
    H2,
}

impl Upstream {
    /// Whether it is spoken in TLS.
    pub fn is_tls(self) -> bool {
        match self {
            Self::Http1 | Self::H2c => false,
            Self::Https | Self::H2 => true,
        }
    }
}

/// Whom instances that speak TLS must be: their certificates are always checked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct UpstreamTls {
    /// The host name or address that the certificate must be for. Names are sent to the instance (SNI). Default:
    /// `localhost`.
    pub server_name: String,
    /// PEM file with the roots that the certificate is checked against. Default: the system's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub roots: Option<PathBuf>,
}

impl Default for UpstreamTls {
    fn default() -> Self {
        Self { server_name: "localhost".to_owned(), roots: None }
    }
}

/// Why nobody can be recognised by this.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpstreamTlsProblem {
    /// Certificates are not for such a name.
    #[error("server name `{0}` is neither a host name nor an address")]
    ServerName(String),
    /// It is not clear which file is meant.
    #[error("roots `{}` is no absolute path", .0.display())]
    Roots(PathBuf),
}

impl UpstreamTls {
    /// What of it can't be used.
    pub fn check(&self) -> Vec<UpstreamTlsProblem> {
        let Self { server_name, roots } = self;
        let name =
            (!is_server_name(server_name)).then(|| UpstreamTlsProblem::ServerName(server_name.clone()));
        let roots =
            roots.as_ref().filter(|roots| !roots.is_absolute()).cloned().map(UpstreamTlsProblem::Roots);
        name.into_iter().chain(roots).collect()
    }
}

/// An address, or labels of letters, digits and hyphens between dots, the last of which is no number.
fn is_server_name(text: &str) -> bool {
    let label = |part: &str| {
        (1..=63).contains(&part.len())
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !part.starts_with('-')
            && !part.ends_with('-')
    };
    let number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let is_name =
        text.len() <= 253 && text.split('.').all(label) && !text.rsplit('.').next().is_some_and(number);
    is_name || text.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_expected_of_a_certificate() {
        let check = |server_name: &str, roots: Option<&str>, expect: &[&str]| {
            let tls = UpstreamTls { server_name: server_name.into(), roots: roots.map(PathBuf::from) };
            let found: Vec<String> = tls.check().iter().map(ToString::to_string).collect();
            assert_eq!(found, expect);
        };
        assert_eq!(UpstreamTls::default().check(), []);
        check("Web.internal", Some("/etc/ca.pem"), &[]);
        check("127.0.0.1", None, &[]);
        check("::1", None, &[]);
        check("*.internal", None, &["server name `*.internal` is neither a host name nor an address"]);
        check(
            "web:443",
            Some("ca.pem"),
            &[
                "server name `web:443` is neither a host name nor an address",
                "roots `ca.pem` is no absolute path",
            ],
        );
        for none in ["", ".", "a..b", "-a", "a_b", "127.0.1", &"a".repeat(64)] {
            assert_eq!(
                UpstreamTls { server_name: none.into(), roots: None }.check(),
                [UpstreamTlsProblem::ServerName(none.into())]
            );
        }
    }
}
