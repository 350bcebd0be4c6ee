//! Names of hosts as certificates and clients write them.

use std::net::IpAddr;

use rustls::pki_types::DnsName;

/// Why a text is not a name for a certificate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a host name; write `example.com`, `*.example.com` or an IP address, letters beyond ASCII as `xn--`"
)]
pub(crate) struct NameError(pub(crate) String);

/// The one way to write a name: lower case, without the dot at the end; IP addresses as `std` writes them.
pub(crate) fn normalise(name: &str) -> Result<String, NameError> {
    let error = || NameError(name.to_owned());
    if let Ok(address) = name.parse::<IpAddr>() {
        return Ok(address.to_string());
    }
    let lower = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    let host = lower.strip_prefix("*.").unwrap_or(&lower);
    // What looks like an address and is none (`10.0.0.256`) is no host name either: no top-level domain is a number.
    let numeric = host.rsplit('.').next().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()));
    if numeric || host.ends_with('.') || DnsName::try_from(host).is_err() {
        return Err(error());
    }
    Ok(lower)
}

/// Whether the name is an IP address.
pub(crate) fn is_address(name: &str) -> bool {
    name.parse::<IpAddr>().is_ok()
}

/// The wildcard that would cover a name: `*.example.com` for `www.example.com`. None for a name of one label.
pub(crate) fn wildcard_of(name: &str) -> Option<String> {
    name.split_once('.').map(|(_, parent)| format!("*.{parent}"))
}

/// Whether a certificate with these names (all normalised) is good for this one.
pub(crate) fn covered(name: &str, by: &[String]) -> bool {
    let has = |wanted: &str| by.iter().any(|n| n == wanted);
    has(name)
        || (!is_address(name) && !name.starts_with("*.") && wildcard_of(name).is_some_and(|wild| has(&wild)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_way_to_write_a_name() {
        for (input, expect) in [
            ("example.com", Some("example.com")),
            ("Example.COM.", Some("example.com")),
            ("*.Example.com", Some("*.example.com")),
            ("localhost", Some("localhost")),
            ("*.localhost", Some("*.localhost")),
            ("127.0.0.1", Some("127.0.0.1")),
            ("0:0::1", Some("::1")),
            ("xn--bcher-kva.example", Some("xn--bcher-kva.example")),
            ("bücher.example", None),
            ("", None),
            (".", None),
            ("*", None),
            ("*.", None),
            ("*.*.example.com", None),
            ("a.*.example.com", None),
            ("www*.example.com", None),
            ("10.0.0.256", None),
            ("example.com..", None),
            ("example.com/path", None),
            ("example.com:443", None),
            ("-", None),
        ] {
            assert_eq!(normalise(input).ok().as_deref(), expect, "{input:?}");
        }
    }

    #[test]
    fn a_wildcard_covers_one_level() {
        let by = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        assert!(covered("www.example.com", &by(&["*.example.com"])));
        assert!(!covered("example.com", &by(&["*.example.com"])));
        assert!(!covered("a.b.example.com", &by(&["*.example.com"])));
        assert!(covered("*.example.com", &by(&["*.example.com"])));
        assert!(!covered("*.b.example.com", &by(&["*.example.com"])));
        assert!(covered("127.0.0.1", &by(&["127.0.0.1"])));
        assert!(!covered("127.0.0.1", &by(&["*.0.0.1"])));
    }
}
