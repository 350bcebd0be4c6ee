//! Networks and the access log, as people write them.

use super::Switch;
use fairway_model::traffic::{self, Network};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// Addresses and networks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Networks(pub Vec<Network>);

impl Networks {
    /// The addresses that are in both lists. Two networks have everything of the smaller one in common, or nothing,
    /// so the result is exact; it is empty when nobody is in both.
    pub(crate) fn both(&self, other: &Self) -> Self {
        let pairs = self.0.iter().flat_map(|one| other.0.iter().map(move |other| (*one, *other)));
        let mut both: Vec<Network> = pairs.filter_map(|(one, other)| smaller(one, other)).collect();
        both.sort();
        both.dedup();
        Self(both)
    }

    /// Every address there is, of one family or of both.
    pub(crate) fn everybody(&self) -> bool {
        self.0.iter().any(|network| parts(*network).1 == 0)
    }
}

/// What two networks have in common.
fn smaller(one: Network, other: Network) -> Option<Network> {
    let ((one_address, one_prefix), (other_address, other_prefix)) = (parts(one), parts(other));
    if one_prefix >= other_prefix {
        other.contains(one_address).then_some(one)
    } else {
        one.contains(other_address).then_some(other)
    }
}

/// The address and the prefix, which a network shows and does not tell otherwise.
fn parts(network: Network) -> (IpAddr, u8) {
    let text = network.to_string();
    let (address, prefix) = text.split_once('/').expect("a network is shown with its prefix");
    let address = address.parse().expect("a network is shown with its address");
    (address, prefix.parse().expect("a prefix is a small number"))
}

/// The log of exchanges.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AccessLog {
    /// One line for so many exchanges. Answers 500 and above and whatever failed always have theirs.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 1_000_000), extend("examples" = [10]))]
    pub one_in: u32,
}

fn one() -> u32 {
    1
}

impl Default for AccessLog {
    fn default() -> Self {
        Self { one_in: one() }
    }
}

impl Switch<AccessLog> {
    pub(crate) fn spec(&self) -> Option<traffic::AccessLog> {
        self.settings().map(|AccessLog { one_in }| traffic::AccessLog { one_in })
    }
}

/// Where spans go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct Otlp {
    /// The collector: a URL of plain HTTP, such as one on this host that carries the spans on. They are posted to
    /// `/v1/traces` below it.
    #[schemars(extend("examples" = ["http://127.0.0.1:4318"]))]
    pub endpoint: String,
    /// Of traces that begin at the edge, one in so many. Where a trusted client has decided, its decision stands.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 1_000_000), extend("examples" = [100]))]
    pub one_in: u32,
}

impl Otlp {
    pub(crate) fn spec(&self) -> traffic::Otlp {
        let Self { endpoint, one_in } = self;
        traffic::Otlp { endpoint: endpoint.clone(), one_in: *one_in }
    }

    /// Whether spans can be sent there.
    pub(crate) fn is_reachable(&self) -> bool {
        let Some(rest) = self.endpoint.strip_prefix("http://") else { return false };
        let (authority, _) = rest.split_once('/').unwrap_or((rest, ""));
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            _ => (authority, None),
        };
        let sound = |byte: u8| byte.is_ascii_graphic() && !b"@?#\"<>\\^`{|}".contains(&byte);
        let port_is_sound = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
        !host.is_empty() && port_is_sound && rest.bytes().all(sound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_two_lists_have_in_common() {
        let networks = |list: &[&str]| Networks(list.iter().map(|text| text.parse().unwrap()).collect());
        let check = |one: &[&str], other: &[&str], expect: &[&str]| {
            assert_eq!(networks(one).both(&networks(other)), networks(expect), "{one:?} {other:?}");
            assert_eq!(networks(other).both(&networks(one)), networks(expect), "{other:?} {one:?}");
        };
        check(&["10.0.0.0/8"], &["10.1.0.0/16"], &["10.1.0.0/16"]);
        check(&["10.0.0.0/8"], &["10.0.0.0/8"], &["10.0.0.0/8"]);
        check(&["10.0.0.0/8"], &["192.0.2.0/24"], &[]);
        check(&["0.0.0.0/0", "::/0"], &["192.0.2.7", "2001:db8::/32"], &["192.0.2.7", "2001:db8::/32"]);
        check(&["0.0.0.0/0"], &["::1"], &[]);
        check(&["10.0.0.0/8", "192.0.2.0/24"], &["10.1.2.3", "192.0.0.0/16"], &["10.1.2.3", "192.0.2.0/24"]);
    }

    #[test]
    fn collectors() {
        let check = |endpoint: &str, expect: bool| {
            let otlp = Otlp { endpoint: endpoint.to_owned(), one_in: 1 };
            assert_eq!(otlp.is_reachable(), expect, "{endpoint}");
        };
        for good in
            ["http://127.0.0.1:4318", "http://collector", "http://collector:80/otlp/", "http://[::1]:4318"]
        {
            check(good, true);
        }
        for bad in [
            "",
            "http://",
            "http://:4318",
            "https://collector",
            "collector:4318",
            "http://a b",
            "http://a:0",
            "http://a:x",
            "http://u@a",
            "http://a/?x",
            "http://a\n",
        ] {
            check(bad, false);
        }
    }
}
