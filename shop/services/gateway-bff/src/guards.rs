//! What a request must pass before anything else looks at it: a path that everybody reads alike, the origins of
//! pages, and a rate for each caller. The logic is the platform's (`fairway-guard`); this says it in the shop's words.
//!
//! A caller is who the token says, when the gateway knows the secret and the token is good; somebody who is signed in is
//! the same caller everywhere. Anybody else is the address that asks. Behind an edge that is what the edge says in
//! `X-Forwarded-For`, believed only of peers that are trusted. What a request could invent is never who it is.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use fairway_guard::{Answer, Asked, Compiled, Problems, Verdict, client_address, path_problem};
use fairway_model::traffic::{Guard, Network, RateKey, RateLimit};
use http::header::HOST;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use shop_kit::ApiError;
use shop_kit::extract::{Authorization, authorization};
use shop_kit::server::Peer;
use shop_kit::token::TokenKey;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::settings::{Protection, Tokens};

/// Tells the limiter who is signed in. Written here, whatever a request says in it, and never sent on.
const CALLER: HeaderName = HeaderName::from_static("x-rate-caller");

/// The guards of every route.
#[derive(Debug, Clone)]
pub struct Guards {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    compiled: Compiled,
    trusted: Vec<Network>,
    /// Verifies tokens, when callers are told apart by them.
    tokens: Option<Verifier>,
    started: Instant,
}

#[derive(Debug)]
struct Verifier {
    key: TokenKey,
    issuer: Option<String>,
}

impl Verifier {
    /// Who is signed in with a good token.
    fn caller(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let Authorization::Bearer(token) = authorization(headers) else { return None };
        let now = OffsetDateTime::now_utc().unix_timestamp();
        let (user, _) = self.key.verify(token, self.issuer.as_deref(), now).ok()?;
        HeaderValue::from_str(&user.to_string()).ok()
    }
}

impl Guards {
    /// Guards as configured.
    ///
    /// # Errors
    /// When the settings contradict each other.
    pub fn new(protection: Protection) -> Result<Self, Problems> {
        let Protection { rate_limit, tokens, cors, trusted } = protection;
        let tokens = tokens
            .filter(|_| rate_limit.is_some())
            .map(|Tokens { secret, issuer }| Verifier { key: TokenKey::new(secret), issuer });
        let key = tokens.as_ref().map_or(RateKey::Address, |_| RateKey::Header(CALLER.to_string()));
        let rate_limit = rate_limit.map(|limit| RateLimit { key, ..limit });
        let guard = Guard { rate_limit, cors, ..Guard::default() };
        let compiled = Compiled::new(&guard, None, Uuid::new_v4().as_u64_pair().0)?;
        Ok(Self { inner: Arc::new(Inner { compiled, trusted, tokens, started: Instant::now() }) })
    }

    /// Whether `peer` may say whom it asks for.
    pub fn trusts(&self, peer: IpAddr) -> bool {
        self.inner.trusted.iter().any(|network| network.contains(peer))
    }
}

/// Lets a request pass, or answers it; completes the answers of those that passed.
pub async fn around(State(guards): State<Guards>, mut request: Request, next: Next) -> Response {
    if let Some(problem) = path_problem(request.uri().path()) {
        return ApiError::invalid(format!("the path can't be read in one way only: {problem}"))
            .into_response();
    }
    let Inner { compiled, trusted, tokens, started } = &*guards.inner;
    if compiled.is_empty() {
        return next.run(request).await;
    }
    if let Some(tokens) = tokens {
        match tokens.caller(request.headers()) {
            Some(caller) => _ = request.headers_mut().insert(CALLER, caller),
            None => _ = request.headers_mut().remove(CALLER),
        }
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
            request.headers_mut().remove(CALLER);
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
