//! What is taken from and added to messages on their way through.

use std::net::SocketAddr;

use fairway_http1::{Headers, Present};
use http::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, FORWARDED, HOST, HeaderMap, HeaderName, HeaderValue, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE, VIA,
};
use http::uri::PathAndQuery;
use http::{Method, Uri, Version};

use crate::error::Error;
use crate::exchange::{Exchange, Protocol};
use crate::inbound::{Identity, Inbound};

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

/// What a request gets on its way. It is written behind the request's own headers.
#[derive(Debug)]
pub(crate) struct Added {
    /// Whether it asks for an upgrade.
    pub(crate) upgrade: bool,
    /// Whether that is a WebSocket.
    pub(crate) websocket: bool,
    forwarded_for: HeaderValue,
    /// Not when a trusted client said it already.
    proto: Option<&'static str>,
    host: Option<HeaderValue>,
    via: &'static str,
    identity: Option<Identity>,
}

impl Added {
    /// As lines.
    pub(crate) fn lines(&self) -> [(&'static str, &[u8]); 6] {
        let identity = self.identity.as_ref();
        // Without a value a header is left out; an empty one would say something.
        [
            ("x-forwarded-for", self.forwarded_for.as_bytes()),
            ("via", self.via.as_bytes()),
            ("x-forwarded-proto", self.proto.unwrap_or_default().as_bytes()),
            ("x-forwarded-host", self.host.as_ref().map_or(&b""[..], HeaderValue::as_bytes)),
            ("x-request-id", identity.map_or(&b""[..], |identity| &identity.request_id)),
            ("traceparent", identity.map_or(&b""[..], |identity| &identity.traceparent)),
        ]
    }

    /// As headers of a map.
    pub(crate) fn put(self, headers: &mut HeaderMap) {
        headers.insert(X_FORWARDED_FOR, self.forwarded_for);
        headers.append(VIA, HeaderValue::from_static(self.via));
        if let Some(proto) = self.proto {
            headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static(proto));
        }
        if let Some(host) = self.host {
            headers.insert(X_FORWARDED_HOST, host);
        }
        if let Some(identity) = self.identity {
            let Identity { request_id, traceparent } = identity;
            for (name, value) in [(X_REQUEST_ID, &request_id[..]), (TRACEPARENT, &traceparent)] {
                headers.extend(HeaderValue::from_bytes(value).ok().map(|value| (name, value)));
            }
        }
    }
}

/// Whether the lines of a request go on but for those that are left out anyway: nothing in them has to be looked at.
fn goes_on(request: &Inbound, exchange: &Exchange) -> bool {
    const LOOKED_AT: Present = Present::UPGRADE
        .and(Present::TE)
        .and(Present::EXPECT)
        .and(Present::FORWARDED)
        .and(Present::TRACEPARENT)
        .and(Present::TRACESTATE)
        .and(Present::X_FORWARDED_FOR)
        .and(Present::X_FORWARDED_HOST)
        .and(Present::X_FORWARDED_PORT)
        .and(Present::X_FORWARDED_PROTO)
        .and(Present::X_REAL_IP)
        .and(Present::X_REQUEST_ID);
    let Headers::Lines(lines) = &request.headers else { return false };
    exchange.protocol == Protocol::Http1
        && request.version() == Version::HTTP_11
        && request.uri().authority().is_none()
        && request.uri().path_and_query().is_some()
        && !lines.names_fields()
        && !lines.present().has(LOOKED_AT)
}

/// Turns a request as received into the request to be sent.
pub(crate) fn request(request: &mut Inbound, exchange: &Exchange) -> Result<Added, Error> {
    if request.method() == Method::CONNECT {
        return Err(Error::Request("CONNECT is for forward proxies"));
    }
    if goes_on(request, exchange)
        && let Headers::Lines(lines) = &mut request.headers
        && let Some(Ok(host)) = lines.host().map(HeaderValue::from_maybe_shared)
    {
        lines.leave_out_hop_by_hop();
        return Ok(Added {
            upgrade: false,
            websocket: false,
            forwarded_for: exchange.client_text.clone().unwrap_or_else(|| client_text(exchange.client)),
            proto: Some(exchange.scheme.as_str()),
            host: Some(host),
            via: via(Version::HTTP_11),
            identity: request.identity.take(),
        });
    }
    origin_form(request)?;
    let identity = request.identity.take();
    let version = request.version();
    let headers = request.headers_mut();
    let present = Present::of(headers);
    let upgrade = if present.has(Present::UPGRADE) { upgrade(version, headers) } else { None };
    let trailers =
        present.has(Present::TE) && headers.get_all(TE).iter().any(|value| has_token(value, "trailers"));
    hop_by_hop(headers, present);
    if present.has(Present::TE) {
        headers.remove(TE);
    }
    if exchange.interim.is_none() && present.has(Present::EXPECT) {
        // The server side answers 100 itself when the body is first asked for.
        headers.remove(EXPECT);
    }
    let upgrades = upgrade.is_some();
    let websocket = upgrade.as_ref().is_some_and(|name| name.as_bytes().eq_ignore_ascii_case(b"websocket"));
    if trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
    // HTTP/2 knows no connection headers, and TE only with this value (RFC 9113, 8.2.2).
    if exchange.protocol == Protocol::Http1 && (trailers || upgrades) {
        let value = match (trailers, upgrades) {
            (true, true) => "te, upgrade",
            (true, false) => "te",
            _ => "upgrade",
        };
        headers.insert(CONNECTION, HeaderValue::from_static(value));
        if let Some(protocol) = upgrade {
            headers.insert(UPGRADE, protocol);
        }
    }
    let added = Added { identity, websocket, ..forwarded(headers, present, version, upgrades, exchange) };
    *request.version_mut() = Version::HTTP_11;
    Ok(added)
}

/// Turns a response as received into the response to be sent. Mostly its lines go on as they came.
pub(crate) fn received(headers: &mut Headers, present: Present, version: Version) {
    match headers {
        Headers::Lines(lines) if !lines.names_fields() => {
            lines.leave_out_hop_by_hop();
            lines.add(match version {
                Version::HTTP_10 => "via: 1.0 fairway\r\n",
                _ => "via: 1.1 fairway\r\n",
            });
        }
        _ => response(headers.map(), present, version, false),
    }
}

/// The same for headers that are a map.
pub(crate) fn response(headers: &mut HeaderMap, present: Present, version: Version, upgraded: bool) {
    let protocol = if upgraded { headers.get(UPGRADE).cloned() } else { None };
    hop_by_hop(headers, present);
    headers.append(VIA, HeaderValue::from_static(via(version)));
    if upgraded {
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        if let Some(protocol) = protocol {
            headers.insert(UPGRADE, protocol);
        }
    }
}

/// `/path?query` in the request line, the authority in `Host`.
fn origin_form(request: &mut Inbound) -> Result<(), Error> {
    let Some(authority) = request.uri().authority() else {
        return if request.uri().path_and_query().is_some() {
            Ok(())
        } else {
            Err(Error::Request("the request has no path"))
        };
    };
    // RFC 9112, 3.2.2: the authority of an absolute request target replaces the Host header.
    let host = authority.as_str().rsplit('@').next().unwrap_or_default();
    let host = HeaderValue::try_from(host).map_err(|_| Error::Request("the host is not a host"))?;
    request.headers_mut().insert(HOST, host);
    let path = request.uri().path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    let mut uri = http::uri::Parts::default();
    uri.path_and_query = Some(path);
    *request.uri_mut() = Uri::from_parts(uri).map_err(|_| Error::Request("the request has no path"))?;
    Ok(())
}

/// The protocol that the client wants to switch to. HTTP/1.0 can't.
fn upgrade(version: Version, headers: &HeaderMap) -> Option<HeaderValue> {
    let asked = version == Version::HTTP_11
        && headers.get_all(CONNECTION).iter().any(|value| has_token(value, "upgrade"));
    if !asked {
        return None;
    }
    let protocol = headers.get(UPGRADE)?;
    // h2c by upgrade would make the target speak frames that nobody here reads.
    (!has_token(protocol, "h2c")).then(|| protocol.clone())
}

/// Removes what is meant for one connection only.
fn hop_by_hop(headers: &mut HeaderMap, present: Present) {
    if present.has(Present::CONNECTION) {
        // Nearly always it names nothing that is not removed anyway.
        let usual = |value: &HeaderValue| {
            let value = value.as_bytes();
            [&b"keep-alive"[..], b"close", b"upgrade"].iter().any(|usual| value.eq_ignore_ascii_case(usual))
        };
        if !headers.get_all(CONNECTION).iter().all(usual) {
            let named: Vec<HeaderValue> = headers.get_all(CONNECTION).iter().cloned().collect();
            for token in named.iter().flat_map(tokens) {
                remove_named(headers, token);
            }
        }
        headers.remove(CONNECTION);
    }
    for (there, name) in [
        (Present::KEEP_ALIVE, KEEP_ALIVE),
        (Present::PROXY_CONNECTION, PROXY_CONNECTION),
        (Present::TRANSFER_ENCODING, TRANSFER_ENCODING),
        (Present::UPGRADE, UPGRADE),
    ] {
        if present.has(there) {
            headers.remove(name);
        }
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

fn forwarded(
    headers: &mut HeaderMap,
    present: Present,
    version: Version,
    upgrade: bool,
    exchange: &Exchange,
) -> Added {
    let client = exchange.client_text.clone().unwrap_or_else(|| client_text(exchange.client));
    let mut chain = None;
    if present.has(Present::X_FORWARDED_FOR) {
        chain = if exchange.trusted { joined(headers, &X_FORWARDED_FOR) } else { None };
        headers.remove(X_FORWARDED_FOR);
    }
    let forwarded_for = chain.map_or_else(|| client.clone(), |before| joined_with(&before, &client));
    if !exchange.trusted {
        // Whoever reads these takes them for the word of a proxy.
        for (there, name) in [
            (Present::FORWARDED, FORWARDED),
            (Present::X_REAL_IP, X_REAL_IP),
            (Present::X_FORWARDED_PORT, X_FORWARDED_PORT),
            (Present::X_FORWARDED_PROTO, X_FORWARDED_PROTO),
            (Present::X_FORWARDED_HOST, X_FORWARDED_HOST),
        ] {
            if present.has(there) {
                headers.remove(name);
            }
        }
    } else if present.has(Present::FORWARDED)
        && let Some(before) = joined(headers, &FORWARDED)
    {
        // RFC 7239: who says who asked before must say it of this hop, too.
        let client = exchange.client.ip().to_canonical();
        let node = if client.is_ipv4() { format!("{client}") } else { format!("\"[{client}]\"") };
        let element = format!("for={node};proto={}", exchange.scheme.as_str());
        let element = HeaderValue::try_from(element).expect("visible ASCII");
        headers.insert(FORWARDED, joined_with(&before, &element));
    }
    if !exchange.trusted && !exchange.identified {
        for (there, name) in [
            (Present::X_REQUEST_ID, X_REQUEST_ID),
            (Present::TRACEPARENT, TRACEPARENT),
            (Present::TRACESTATE, TRACESTATE),
        ] {
            if present.has(there) {
                headers.remove(name);
            }
        }
    }
    let said = |what: Present| exchange.trusted && present.has(what);
    let host = headers.get(HOST).cloned();
    if host.is_none() {
        // RFC 9112, 3.2: the message that is sent on is one of HTTP/1.1, and names no host in this way.
        headers.insert(HOST, HeaderValue::from_static(""));
    }
    Added {
        upgrade,
        websocket: false,
        forwarded_for,
        proto: (!said(Present::X_FORWARDED_PROTO)).then(|| exchange.scheme.as_str()),
        host: host.filter(|_| !said(Present::X_FORWARDED_HOST)),
        via: via(version),
        identity: None,
    }
}

/// RFC 9110, 7.6.3: which proxy a message came through, and what was spoken to it.
fn via(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "1.0 fairway",
        Version::HTTP_2 => "2 fairway",
        _ => "1.1 fairway",
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
