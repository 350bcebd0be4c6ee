//! A request as it came in.

use fairway_http1::{Headers, RequestHead};
use http::{Extensions, HeaderMap, Method, Request, Uri, Version};

use crate::request_body::RequestBody;

/// A request to be passed on. Its headers stay the lines that came until somebody looks at them.
#[derive(Debug, Default)]
pub struct Inbound {
    method: Method,
    uri: Uri,
    version: Version,
    pub(crate) headers: Headers,
    extensions: Extensions,
    body: RequestBody,
    pub(crate) identity: Option<Identity>,
}

/// What a request is called on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// `X-Request-Id`, of hexadecimal digits.
    pub request_id: [u8; 32],
    /// `traceparent` (W3C Trace Context, version 00).
    pub traceparent: [u8; 55],
}

impl Inbound {
    /// What a head says, with this body.
    pub fn new(head: RequestHead, body: RequestBody) -> Self {
        let RequestHead { method, target, version, headers, .. } = head;
        Self { method, uri: target, version, headers, extensions: Extensions::new(), body, identity: None }
    }

    /// What to do.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The same, to be changed.
    pub fn method_mut(&mut self) -> &mut Method {
        &mut self.method
    }

    /// With what.
    pub fn uri(&self) -> &Uri {
        &self.uri
    }

    /// The same, to be changed.
    pub fn uri_mut(&mut self) -> &mut Uri {
        &mut self.uri
    }

    /// What it came as.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The same, to be changed.
    pub fn version_mut(&mut self) -> &mut Version {
        &mut self.version
    }

    /// Its headers. The first look at them makes a map.
    pub fn headers(&self) -> &HeaderMap {
        self.headers.view()
    }

    /// The same, to be changed.
    pub fn headers_mut(&mut self) -> &mut HeaderMap {
        self.headers.map()
    }

    /// Its headers in the form in which they are.
    pub fn raw_headers(&self) -> &Headers {
        &self.headers
    }

    /// Calls it so. Only for requests without such headers: these are written behind all others.
    pub fn identify(&mut self, identity: Identity) {
        self.identity = Some(identity);
    }

    /// What else belongs to it.
    pub fn extensions(&self) -> &Extensions {
        &self.extensions
    }

    /// The same, to be changed.
    pub fn extensions_mut(&mut self) -> &mut Extensions {
        &mut self.extensions
    }

    /// Its body.
    pub fn body(&self) -> &RequestBody {
        &self.body
    }

    /// The same, to be changed.
    pub fn body_mut(&mut self) -> &mut RequestBody {
        &mut self.body
    }

    pub(crate) fn into_request(self) -> Request<RequestBody> {
        let mut request = Request::new(self.body);
        *request.method_mut() = self.method;
        *request.uri_mut() = self.uri;
        *request.version_mut() = self.version;
        *request.headers_mut() = self.headers.into_map();
        request
    }
}

impl<B: Into<RequestBody>> From<Request<B>> for Inbound {
    fn from(request: Request<B>) -> Self {
        let (parts, body) = request.into_parts();
        Self {
            method: parts.method,
            uri: parts.uri,
            version: parts.version,
            headers: parts.headers.into(),
            extensions: parts.extensions,
            body: body.into(),
            identity: None,
        }
    }
}
