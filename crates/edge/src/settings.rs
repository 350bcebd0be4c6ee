//! What an edge is started with.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

/// What an edge is started with. Everything but the home has a default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where the control socket (`edge.sock`) and the stored tables (`edge/`) are.
    pub home: PathBuf,
    /// Threads that serve requests. Default 2.
    pub workers: usize,
    /// How long a client may take from the first byte of a request's head to its last. Default 15 s.
    pub head_timeout: Duration,
    /// How long a connection may be without a request. Default 75 s.
    pub keep_alive: Duration,
    /// How long a client may refuse to take any byte of its answer. Default 60 s.
    pub stall_timeout: Duration,
    /// How large the head of a request may be, in bytes; larger is answered 431. Default 64 KiB.
    pub head_bytes: usize,
    /// How many headers a request may have; more are answered 431. Default 128.
    pub head_fields: usize,
    /// How many clients may be connected at once; more wait to be accepted. Default 8192.
    pub connections: usize,
    /// Clients whose `X-Forwarded-*` headers are believed. Default: loopback.
    pub trusted: Vec<Network>,
    /// How long exchanges may take to finish when the process is told to end. Default 10 s.
    pub shutdown_grace: Duration,
}

impl Settings {
    /// The defaults, in this home.
    pub fn new(home: impl Into<PathBuf>) -> Self {
        let network = |address: [u8; 4], prefix| Network { address: IpAddr::from(address), prefix };
        Self {
            home: home.into(),
            workers: 2,
            head_timeout: Duration::from_secs(15),
            keep_alive: Duration::from_secs(75),
            stall_timeout: Duration::from_secs(60),
            head_bytes: 64 * 1024,
            head_fields: 128,
            connections: 8192,
            trusted: vec![
                network([127, 0, 0, 0], 8),
                Network { address: std::net::Ipv6Addr::LOCALHOST.into(), prefix: 128 },
            ],
            shutdown_grace: Duration::from_secs(10),
        }
    }

    /// Where an edge with this home listens for its control API.
    pub fn socket_in(home: &Path) -> PathBuf {
        home.join("edge.sock")
    }

    pub(crate) fn trusts(&self, client: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(client))
    }
}

/// Addresses with a common beginning, as in `10.0.0.0/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// Whether the address is one of them. IPv4 addresses in IPv6 form count as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                same_start(network.to_bits().into(), address.to_bits().into(), 32, self.prefix)
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                same_start(network.to_bits(), address.to_bits(), 128, self.prefix)
            }
            _ => false,
        }
    }
}

fn same_start(a: u128, b: u128, width: u32, prefix: u8) -> bool {
    let ignored = width.saturating_sub(u32::from(prefix));
    // A shift by the whole width is not defined, and is what a prefix of 0 asks for.
    (a ^ b).checked_shr(ignored).unwrap_or(0) == 0
}

/// Why a text is not a network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a network; write an address or `address/prefix`, for example `10.0.0.0/8`")]
pub struct NetworkError(String);

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let error = || NetworkError(text.to_owned());
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| error())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Ok(most), str::parse).map_err(|_| error())?;
        if prefix > most { Err(error()) } else { Ok(Self { address, prefix }) }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks() {
        let check = |network: &str, address: &str, expect: bool| {
            let network: Network = network.parse().unwrap();
            assert_eq!(network.contains(address.parse().unwrap()), expect, "{network} {address}");
        };
        check("10.0.0.0/8", "10.255.0.1", true);
        check("10.0.0.0/8", "11.0.0.1", false);
        check("10.0.0.0/8", "::ffff:10.0.0.1", true);
        check("0.0.0.0/0", "203.0.113.7", true);
        check("0.0.0.0/0", "::1", false);
        check("::/0", "2001:db8::1", true);
        check("192.0.2.7", "192.0.2.7", true);
        check("192.0.2.7", "192.0.2.8", false);
        check("2001:db8::/32", "2001:db8:1::1", true);
        for bad in ["", "10.0.0.0/33", "10.0.0.0/x", "localhost", "::/129"] {
            assert_eq!(bad.parse::<Network>(), Err(NetworkError(bad.into())), "{bad}");
        }
    }
}
