//! Who asks, behind proxies that are trusted.
//!
//! `X-Forwarded-For` is believed before `Forwarded`: nearly every proxy adds to the first, and one that does leaves the
//! second as its client sent it. A trusted proxy that speaks only `Forwarded` must therefore take out
//! `X-Forwarded-For`.

use std::net::{IpAddr, Ipv6Addr};

use fairway_model::traffic::Network;
use http::HeaderMap;
use http::header::{FORWARDED, HeaderName};

use crate::headers::elements;

pub(crate) const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The address of the client: the peer's, or, while that is trusted, whoever it says it asks for, and so on from
/// right to left. An entry that is no address (`unknown`, an obfuscated name, nonsense) ends the walk with whoever
/// wrote it.
pub fn client_address(peer: IpAddr, headers: &HeaderMap, trusted: &[Network]) -> IpAddr {
    let believed = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    let peer = peer.to_canonical();
    if !believed(peer) {
        return peer;
    }
    if headers.contains_key(X_FORWARDED_FOR) {
        walk(peer, elements(headers, &X_FORWARDED_FOR).rev().map(address), believed)
    } else {
        // Split at every comma, quoted or not: no address has one, and a quote that a client opens and does not close
        // must not swallow what a proxy adds after it.
        walk(peer, elements(headers, &FORWARDED).rev().map(forwarded_for), believed)
    }
}

fn walk(
    peer: IpAddr,
    entries: impl Iterator<Item = Option<IpAddr>>,
    believed: impl Fn(IpAddr) -> bool,
) -> IpAddr {
    let mut client = peer;
    for entry in entries {
        let Some(address) = entry else { break };
        client = address;
        if !believed(client) {
            break;
        }
    }
    client
}

/// Whether the client's connection is encrypted: the peer's, or what a trusted peer says about its own.
pub fn client_https(tls: bool, headers: &HeaderMap, trusted: bool) -> bool {
    if !trusted {
        return tls;
    }
    let said = elements(headers, &X_FORWARDED_PROTO)
        .next()
        .or_else(|| parameter(elements(headers, &FORWARDED).next()?, "proto"));
    match said {
        Some(scheme) if scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("wss") => true,
        Some(scheme) if scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("ws") => false,
        _ => tls,
    }
}

fn forwarded_for(element: &str) -> Option<IpAddr> {
    address(parameter(element, "for")?)
}

/// The value of a parameter that occurs once, without its quotes.
fn parameter<'a>(element: &'a str, name: &str) -> Option<&'a str> {
    let mut found = element.split(';').filter_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        key.trim_ascii().eq_ignore_ascii_case(name).then_some(value.trim_ascii())
    });
    let value = found.next().filter(|_| found.next().is_none())?;
    match value.strip_prefix('"') {
        Some(rest) => rest.strip_suffix('"'),
        None => Some(value),
    }
}

/// `192.0.2.1`, `2001:db8::1`, `[2001:db8::1]`, each but the second also with a port.
pub(crate) fn address(text: &str) -> Option<IpAddr> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(address.to_canonical());
    }
    if let Some(rest) = text.strip_prefix('[') {
        let (address, after) = rest.split_once(']')?;
        let sound = after.is_empty() || after.strip_prefix(':').is_some_and(port);
        let address: Ipv6Addr = address.parse().ok()?;
        return sound.then_some(IpAddr::V6(address).to_canonical());
    }
    let (address, after) = text.split_once(':')?;
    let address = address.parse::<std::net::Ipv4Addr>().ok()?;
    port(after).then_some(IpAddr::V4(address))
}

fn port(text: &str) -> bool {
    !text.is_empty() && text.len() <= 5 && text.bytes().all(|byte| byte.is_ascii_digit())
}
