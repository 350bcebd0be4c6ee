//! What is taken from and added to messages on their way through.

use http::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderMap, HeaderName, HeaderValue, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE,
};
use http::uri::PathAndQuery;
use http::{Method, Uri, Version, request};

use crate::error::Error;
use crate::exchange::Exchange;
use crate::request_body::RequestBody;

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Turns a request as received into the request to be sent. Returns whether it asks for an upgrade.
pub(crate) fn request(
    parts: &mut request::Parts,
    body: &RequestBody,
    exchange: &Exchange,
) -> Result<bool, Error> {
    if parts.method == Method::CONNECT {
        return Err(Error::Request("CONNECT is for forward proxies"));
    }
    origin_form(parts)?;
    let upgrade = upgrade(parts);
    let trailers = parts.headers.get_all(TE).iter().any(|value| has_token(value, "trailers"));
    hop_by_hop(&mut parts.headers);
    parts.headers.remove(TE);
    // Met already: the server side answers 100 when the body is first asked for.
    parts.headers.remove(EXPECT);
    let mut connection = Vec::new();
    if trailers {
        parts.headers.insert(TE, HeaderValue::from_static("trailers"));
        connection.push("te");
    }
    if let Some(protocol) = &upgrade {
        parts.headers.insert(UPGRADE, protocol.clone());
        connection.push("upgrade");
    }
    if !connection.is_empty() {
        let value = HeaderValue::try_from(connection.join(", ")).expect("made of header tokens");
        parts.headers.insert(CONNECTION, value);
    }
    framing(&mut parts.headers, body);
    forwarded(&mut parts.headers, exchange);
    parts.version = Version::HTTP_11;
    parts.extensions = http::Extensions::new();
    Ok(upgrade.is_some())
}

/// Turns a response as received into the response to be sent.
pub(crate) fn response(headers: &mut HeaderMap, upgraded: bool) {
    let protocol = if upgraded { headers.get(UPGRADE).cloned() } else { None };
    // The server side frames anew; a length beside chunks would contradict it.
    if headers.contains_key(TRANSFER_ENCODING) {
        headers.remove(CONTENT_LENGTH);
    }
    hop_by_hop(headers);
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
    let named: Vec<HeaderValue> = headers.get_all(CONNECTION).iter().cloned().collect();
    for token in named.iter().flat_map(tokens) {
        remove_named(headers, token);
    }
    headers.remove(CONNECTION);
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

/// Makes the length of the body known, or says that it is not.
fn framing(headers: &mut HeaderMap, body: &RequestBody) {
    use http_body::Body as _;
    if body.is_empty() {
        // `Content-Length: 0` stays: some servers want one with every POST.
        if headers.get(CONTENT_LENGTH).is_some_and(|length| length != "0") {
            headers.remove(CONTENT_LENGTH);
        }
        return;
    }
    if body.size_hint().exact().is_none() {
        headers.remove(CONTENT_LENGTH);
        // Said explicitly because the client engine would otherwise take a GET to have no body.
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
}

fn forwarded(headers: &mut HeaderMap, exchange: &Exchange) {
    let client = exchange.client.ip().to_canonical().to_string();
    let chain = if exchange.trusted { joined(headers, &X_FORWARDED_FOR) } else { None };
    let chain = match chain {
        Some(before) => format!("{before}, {client}"),
        None => client,
    };
    headers.insert(X_FORWARDED_FOR, HeaderValue::try_from(chain).expect("visible ASCII"));
    let host = headers.get(HOST).cloned();
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
