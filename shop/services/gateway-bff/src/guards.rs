//! What a request must pass before anything else looks at it: a path that everybody reads alike, the origins of
//! pages, and a rate for each caller. The logic is the platform's (`fairway-guard`); this says it in the shop's words.
//!
//! A caller is the address that asks. Behind an edge that is what the edge says in `X-Forwarded-For`, believed only of
//! peers that are trusted.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use fairway_guard::{Answer, Asked, Compiled, Problems, Verdict, client_address, path_problem};
use fairway_model::traffic::{Guard, Network};
use http::StatusCode;
use http::header::HOST;
use http::uri::PathAndQuery;
use shop_kit::ApiError;
use shop_kit::server::Peer;
use uuid::Uuid;

use crate::settings::Protection;

/// The guards of every route.
#[derive(Debug, Clone)]
pub struct Guards {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    compiled: Compiled,
    trusted: Vec<Network>,
    started: Instant,
}

impl Guards {
    /// Guards as configured.
    ///
    /// # Errors
    /// When the settings contradict each other.
    pub fn new(protection: Protection) -> Result<Self, Problems> {
        let Protection { rate_limit, cors, trusted } = protection;
        let guard = Guard { rate_limit, cors, ..Guard::default() };
        let compiled = Compiled::new(&guard, None, Uuid::new_v4().as_u64_pair().0)?;
        Ok(Self { inner: Arc::new(Inner { compiled, trusted, started: Instant::now() }) })
    }

    /// Whether `peer` may say whom it asks for.
    pub fn trusts(&self, peer: IpAddr) -> bool {
        self.inner.trusted.iter().any(|network| network.contains(peer))
    }
}

/// Lets a request pass, or answers it; completes the answers of those that passed.
pub async fn around(State(guards): State<Guards>, request: Request, next: Next) -> Response {
    if let Some(problem) = path_problem(request.uri().path()) {
        return ApiError::invalid(format!("the path can't be read in one way only: {problem}"))
            .into_response();
    }
    let Inner { compiled, trusted, started } = &*guards.inner;
    if compiled.is_empty() {
        return next.run(request).await;
    }
    let peer = request.extensions().get::<Peer>().map_or(IpAddr::from([0; 4]), |peer| peer.0.ip());
    let headers = request.headers();
    let asked = Asked {
        method: request.method(),
        path_and_query: request.uri().path_and_query().map_or("/", PathAndQuery::as_str),
        host: headers.get(HOST).and_then(|value| value.to_str().ok()),
        headers,
        client: client_address(peer, headers, trusted),
        https: false,
        https_port: 443,
        now_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
    };
    match compiled.before(&asked) {
        Verdict::Answer(answer) => instead(*answer),
        Verdict::Pass(passed) => {
            let mut response = next.run(request).await;
            let status = response.status();
            // Nothing is compressed here; the edge does that.
            let _no_encoding = compiled.after(passed.uncompressed(), status, response.headers_mut());
            response
        }
    }
}

/// The guard's answer in the shop's envelope.
fn instead(answer: Answer) -> Response {
    let Answer { status, headers, code, message } = answer;
    let mut response = match status {
        StatusCode::NO_CONTENT => status.into_response(),
        _ => ApiError::new(status, code, message).into_response(),
    };
    response.headers_mut().extend(headers);
    response
}
