//! WebSockets over HTTP/2 (RFC 8441): an extended CONNECT from the client, an upgrade of HTTP/1.1 to the instance.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fairway_forward::Inbound;
use http::header::{CONNECTION, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, UPGRADE};
use http::{Method, StatusCode, Version};
use hyper::ext::Protocol;

use crate::answer::Reply;

/// Whether the client wants a WebSocket over a stream of HTTP/2.
pub(crate) fn is_connect(request: &Inbound) -> bool {
    request.method() == Method::CONNECT
        && request.extensions().get::<Protocol>().is_some_and(|protocol| protocol.as_str() == "websocket")
}

/// The same request as HTTP/1.1 asks it.
pub(crate) fn to_http1(request: &mut Inbound) {
    *request.method_mut() = Method::GET;
    *request.version_mut() = Version::HTTP_11;
    let headers = request.headers_mut();
    let fixed: [(HeaderName, &str); 2] = [(CONNECTION, "upgrade"), (UPGRADE, "websocket")];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // Streams of HTTP/2 need no key; servers of HTTP/1.1 want one (RFC 8441, 5; RFC 6455, 4.1).
    let key = STANDARD.encode(rand::random::<[u8; 16]>());
    headers.insert(SEC_WEBSOCKET_KEY, HeaderValue::try_from(key).expect("base64 is visible ASCII"));
}

/// The answer as HTTP/2 gives it: 200 opens the stream.
pub(crate) fn to_http2(reply: &mut Reply) {
    if reply.status != StatusCode::SWITCHING_PROTOCOLS {
        return;
    }
    reply.status = StatusCode::OK;
    for name in [CONNECTION, UPGRADE, SEC_WEBSOCKET_ACCEPT] {
        reply.headers.map().remove(name);
    }
}
