//! What is taken from and added to messages on their way through.

use std::net::SocketAddr;

use http::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, Entry, FORWARDED, HOST, HeaderMap, HeaderName, HeaderValue, TE,
    TRAILER, TRANSFER_ENCODING, UPGRADE, VIA,
};
use http::uri::PathAndQuery;
use http::{Method, Uri, Version, request};

use crate::error::Error;
use crate::exchange::{Exchange, Protocol};

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

/// Turns a request as received into the request to be sent. Returns whether it asks for an upgrade.
pub(crate) fn request(parts: &mut request::Parts, exchange: &Exchange) -> Result<bool, Error> {
    if parts.method == Method::CONNECT {
        return Err(Error::Request("CONNECT is for forward proxies"));
    }
    origin_form(parts)?;
    let version = parts.version;
    let upgrade = upgrade(parts);
    let trailers = match parts.headers.entry(TE) {
        Entry::Occupied(te) => te.remove_entry_mult().1.any(|value| has_token(&value, "trailers")),
        Entry::Vacant(_) => false,
    };
    hop_by_hop(&mut parts.headers);
    if exchange.interim.is_none() {
        // The server side answers 100 itself when the body is first asked for.
        parts.headers.remove(EXPECT);
    }
    let upgrades = upgrade.is_some();
    if trailers {
        parts.headers.insert(TE, HeaderValue::from_static("trailers"));
    }
    // HTTP/2 knows no connection headers, and TE only with this value (RFC 9113, 8.2.2).
    if exchange.protocol == Protocol::Http1 && (trailers || upgrades) {
        let value = match (trailers, upgrades) {
            (true, true) => "te, upgrade",
            (true, false) => "te",
            _ => "upgrade",
        };
        parts.headers.insert(CONNECTION, HeaderValue::from_static(value));
        if let Some(protocol) = upgrade {
            parts.headers.insert(UPGRADE, protocol);
        }
    }
    forwarded(&mut parts.headers, exchange);
    via(&mut parts.headers, version);
    Ok(upgrades)
}

/// Turns a response as received into the response to be sent.
pub(crate) fn response(headers: &mut HeaderMap, version: Version, upgraded: bool) {
    let protocol = if upgraded { headers.get(UPGRADE).cloned() } else { None };
    hop_by_hop(headers);
    via(headers, version);
    if upgraded {
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        if let Some(protocol) = protocol {
            headers.insert(UPGRADE, protocol);
        }
    }
}

/// `/path?query` in the request line, the authority in `Host`.
fn origin_form(parts: &mut request::Parts) -> Result<(), Error> {
    let Some(authority) = parts.uri.authority() else {
        return if parts.uri.path_and_query().is_some() {
            Ok(())
        } else {
            Err(Error::Request("the request has no path"))
        };
    };
    // RFC 9112, 3.2.2: the authority of an absolute request target replaces the Host header.
    let host = authority.as_str().rsplit('@').next().unwrap_or_default();
    let host = HeaderValue::try_from(host).map_err(|_| Error::Request("the host is not a host"))?;
    parts.headers.insert(HOST, host);
    let path = parts.uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    let mut uri = http::uri::Parts::default();
    uri.path_and_query = Some(path);
    parts.uri = Uri::from_parts(uri).map_err(|_| Error::Request("the request has no path"))?;
    Ok(())
}

/// The protocol that the client wants to switch to. HTTP/1.0 can't.
fn upgrade(parts: &request::Parts) -> Option<HeaderValue> {
    let asked = parts.version == Version::HTTP_11
        && parts.headers.get_all(CONNECTION).iter().any(|value| has_token(value, "upgrade"));
    if !asked {
        return None;
    }
    let protocol = parts.headers.get(UPGRADE)?;
    // h2c by upgrade would make the target speak frames that nobody here reads.
    (!has_token(protocol, "h2c")).then(|| protocol.clone())
}

/// Removes what is meant for one connection only.
fn hop_by_hop(headers: &mut HeaderMap) {
    if let Entry::Occupied(connection) = headers.entry(CONNECTION) {
        let named: Vec<HeaderValue> = connection.remove_entry_mult().1.collect();
        for token in named.iter().flat_map(tokens) {
            remove_named(headers, token);
        }
    }
    for name in [KEEP_ALIVE, PROXY_CONNECTION, TRANSFER_ENCODING, UPGRADE] {
        headers.remove(name);
    }
}

/// A header named in `Connection` goes, unless the message would mean something else without it.
fn remove_named(headers: &mut HeaderMap, token: &str) {
    if let Ok(name) = HeaderName::try_from(token)
        && ![HOST, CONTENT_LENGTH, CONNECTION, TRAILER].contains(&name)
    {
        headers.remove(name);
    }
}

fn forwarded(headers: &mut HeaderMap, exchange: &Exchange) {
    let client = exchange.client_text.clone().unwrap_or_else(|| client_text(exchange.client));
    let chain = if exchange.trusted { joined(headers, &X_FORWARDED_FOR) } else { None };
    let chain = match chain {
        Some(before) => joined_with(&before, &client),
        None => client,
    };
    headers.insert(X_FORWARDED_FOR, chain);
    if !exchange.trusted {
        // Whoever reads these takes them for the word of a proxy.
        for name in [FORWARDED, X_REAL_IP, X_FORWARDED_PORT] {
            headers.remove(name);
        }
    } else if let Some(before) = joined(headers, &FORWARDED) {
        // RFC 7239: who says who asked before must say it of this hop, too.
        let client = exchange.client.ip().to_canonical();
        let node = if client.is_ipv4() { format!("{client}") } else { format!("\"[{client}]\"") };
        let element = format!("for={node};proto={}", exchange.scheme.as_str());
        let element = HeaderValue::try_from(element).expect("visible ASCII");
        headers.insert(FORWARDED, joined_with(&before, &element));
    }
    let host = headers.get(HOST).cloned();
    if host.is_none() {
        // RFC 9112, 3.2: the message that is sent on is one of HTTP/1.1, and names no host in this way.
        headers.insert(HOST, HeaderValue::from_static(""));
    }
    let scheme = HeaderValue::from_static(exchange.scheme.as_str());
    for (name, value) in [(X_FORWARDED_PROTO, Some(scheme)), (X_FORWARDED_HOST, host)] {
        if exchange.trusted && headers.contains_key(&name) {
            continue;
        }
        match value {
            Some(value) => headers.insert(name, value),
            None => headers.remove(name),
        };
    }
}

/// An address as a header value.
pub fn client_text(client: SocketAddr) -> HeaderValue {
    HeaderValue::try_from(client.ip().to_canonical().to_string()).expect("visible ASCII")
}

fn joined_with(before: &str, last: &HeaderValue) -> HeaderValue {
    let last = last.to_str().expect("made of visible ASCII");
    HeaderValue::try_from(format!("{before}, {last}")).expect("visible ASCII, as both parts are")
}

/// RFC 9110, 7.6.3: which proxies a message came through, and what was spoken to each.
fn via(headers: &mut HeaderMap, version: Version) {
    let value = HeaderValue::from_static(match version {
        Version::HTTP_10 => "1.0 fairway",
        Version::HTTP_2 => "2 fairway",
        _ => "1.1 fairway",
    });
    match headers.entry(VIA) {
        Entry::Vacant(via) => _ = via.insert(value),
        Entry::Occupied(mut via) => via.append(value),
    }
}

/// All values of a list header as one; none when there is none or one is not text.
fn joined(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let values: Vec<&str> =
        headers.get_all(name).iter().map(|value| value.to_str().ok()).collect::<Option<_>>()?;
    (!values.is_empty()).then(|| values.join(", "))
}

fn tokens(value: &HeaderValue) -> impl Iterator<Item = &str> {
    value.to_str().unwrap_or_default().split(',').map(str::trim).filter(|token| !token.is_empty())
}

fn has_token(value: &HeaderValue, token: &str) -> bool {
    // A parameter (`trailers;q=1`) or version (`websocket/13`) does not make it another token.
    tokens(value)
        .any(|it| it.split([';', '/']).next().is_some_and(|name| name.trim().eq_ignore_ascii_case(token)))
}
