//! What a target answered, on its way to the client.

use fairway_http1::Headers;
use http::{Response, StatusCode, Version};

use crate::body::Body;
use crate::target::Guard;
use crate::tunnel::Takeover;

/// A response whose head is there and whose body streams.
#[derive(Debug)]
pub struct Answer<G: Guard = ()> {
    /// What came of it.
    pub status: StatusCode,
    /// Its headers, without those of the connection that it came over.
    pub headers: Headers,
    /// Whether a `Date` is among them.
    pub dated: bool,
    /// Its body.
    pub body: Body<G>,
    /// Takes the client's stream if the protocol is switched; nothing if the client's connection is hyper's.
    pub takeover: Option<Takeover>,
}

impl<G: Guard> Answer<G> {
    /// As a response; the takeover is among its extensions.
    pub fn into_response(self) -> Response<Body<G>> {
        let Self { status, headers, body, takeover, .. } = self;
        let mut response = Response::new(body);
        *response.status_mut() = status;
        *response.version_mut() = Version::HTTP_11;
        *response.headers_mut() = headers.into_map();
        if let Some(takeover) = takeover {
            response.extensions_mut().insert(takeover);
        }
        response
    }
}
