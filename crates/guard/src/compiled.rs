//! A guard made ready for use.

use std::fmt;
use std::sync::Arc;

use fairway_model::traffic::{Guard, GuardProblem, Hsts, Maintenance, Network, RateLimit};
use http::header::{
    CONTENT_LENGTH, HeaderName, LOCATION, REFERRER_POLICY, RETRY_AFTER, STRICT_TRANSPORT_SECURITY,
    WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use crate::asked::{Answer, Asked, Passed, Verdict};
use crate::auth::Users;
use crate::compression::{Compressing, Encoding};
use crate::cors::Origins;
use crate::rate::RateLimiter;

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Everything that is wrong with a guard, at least one thing. A route whose guard does not compile is not to be served.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Problems(pub Vec<GuardProblem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            write!(f, "{}{problem}", if index == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}

/// The guard of one route, ready for requests. Shared by all workers; nothing in it is edited.
#[derive(Debug)]
pub struct Compiled {
    /// Whether there is anything to do, so that a route without guards costs a look at this.
    active: bool,
    redirect_https: bool,
    security_headers: bool,
    allow: Box<[Network]>,
    maintenance: Option<Closed>,
    cors: Option<Origins>,
    rate: Option<Rate>,
    users: Option<Users>,
    body_bytes: Option<u64>,
    compression: Option<Compressing>,
    hsts: Option<HeaderValue>,
}

#[derive(Debug)]
struct Closed {
    message: String,
    retry_after: HeaderValue,
    except: Box<[Network]>,
}

#[derive(Debug)]
struct Rate {
    limit: RateLimit,
    policy: HeaderValue,
    limiter: Arc<RateLimiter>,
}

impl Compiled {
    /// Makes a guard ready.
    ///
    /// `previous` is what guarded the same route until now: while the rate limit stays as it is, so does what is known
    /// about its clients. `seed` is a random number that clients can't know.
    pub fn new(guard: &Guard, previous: Option<&Self>, seed: u64) -> Result<Self, Problems> {
        let problems = guard.check();
        if !problems.is_empty() {
            return Err(Problems(problems));
        }
        // Taken apart in full, so that a new field can't be accepted and ignored.
        let Guard {
            allow,
            basic_auth,
            rate_limit,
            maintenance,
            cors,
            compression,
            hsts,
            redirect_https,
            security_headers,
            body_bytes,
        } = guard;
        let before = previous.and_then(|previous| previous.rate.as_ref());
        Ok(Self {
            active: *guard != Guard::default(),
            redirect_https: *redirect_https,
            security_headers: *security_headers,
            allow: allow.as_slice().into(),
            maintenance: maintenance.as_ref().map(Closed::new),
            cors: cors.as_ref().map(Origins::new),
            rate: rate_limit.as_ref().map(|limit| Rate::new(limit, before, seed)),
            users: basic_auth.as_ref().map(Users::new),
            body_bytes: *body_bytes,
            compression: compression.as_ref().map(Compressing::new),
            hsts: hsts.as_ref().map(strict),
        })
    }

    /// Whether the guard neither stops nor changes anything.
    #[inline]
    pub fn is_empty(&self) -> bool {
        !self.active
    }

    /// The largest body in bytes that a request may have. [`before`](Self::before) refuses what is declared to be
    /// larger; bodies of unknown length are for the edge to count.
    #[inline]
    pub fn body_limit(&self) -> Option<u64> {
        self.body_bytes
    }

    /// The name that a request showed, when the route asks for one.
    pub fn user(&self, passed: Passed) -> Option<&str> {
        self.users.as_ref()?.name(passed.user?)
    }

    /// What becomes of a request, asked before it is sent anywhere.
    #[inline]
    pub fn before(&self, asked: &Asked<'_>) -> Verdict {
        if !self.active {
            return Verdict::Pass(Passed::default());
        }
        let mut passed = Passed {
            https: asked.https,
            head: asked.method == Method::HEAD,
            origin: self.cors.as_ref().and_then(|cors| cors.origin(asked.headers)),
            ..Passed::default()
        };
        match self.decide(asked, &mut passed) {
            Ok(()) => Verdict::Pass(passed),
            Err(mut answer) => {
                self.dress(passed, &mut answer.headers);
                Verdict::Answer(answer)
            }
        }
    }

    fn decide(&self, asked: &Asked<'_>, passed: &mut Passed) -> Result<(), Box<Answer>> {
        if self.redirect_https && !asked.https {
            return Err(to_https(asked));
        }
        let within = |networks: &[Network]| networks.iter().any(|network| network.contains(asked.client));
        if !self.allow.is_empty() && !within(&self.allow) {
            let words = format!("clients with the address {} are not served here", asked.client);
            return Err(Answer::new(StatusCode::FORBIDDEN, "not_allowed", words));
        }
        if let Some(closed) = &self.maintenance
            && !within(&closed.except)
        {
            return Err(closed.answer());
        }
        if let Some(cors) = &self.cors
            && let Some(answer) = cors.preflight(asked, passed.origin)
        {
            return Err(answer);
        }
        if let Some(rate) = &self.rate {
            rate.take(asked)?;
        }
        if let Some(users) = &self.users {
            passed.user = users.find(asked.headers);
            if passed.user.is_none() {
                return Err(unauthorised(users, asked.headers));
            }
        }
        if let Some(most) = self.body_bytes
            && declared(asked.headers).is_some_and(|length| length > most)
        {
            let words = format!("the body of a request may have {most} bytes here; nothing of it was read");
            return Err(Answer::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", words));
        }
        passed.encoding = self.compression.as_ref().and_then(|it| it.request(asked.headers));
        Ok(())
    }

    /// Completes the head of an answer to a request that passed: the service's, or one of the edge's own (a 502, say).
    /// Returns in what the body is to be encoded; the head says so already.
    ///
    /// Not for informational answers other than 101.
    #[inline]
    pub fn after(&self, passed: Passed, status: StatusCode, headers: &mut HeaderMap) -> Option<Encoding> {
        if !self.active || status.is_informational() {
            return None;
        }
        self.dress(passed, headers);
        self.compression.as_ref()?.response(passed, status, headers)
    }

    /// Headers that do not depend on the body.
    fn dress(&self, passed: Passed, headers: &mut HeaderMap) {
        if let Some(cors) = &self.cors {
            cors.response(passed.origin, headers);
        }
        if let Some(hsts) = &self.hsts
            && passed.https
        {
            headers.insert(STRICT_TRANSPORT_SECURITY, hsts.clone());
        }
        if self.security_headers {
            for (name, value) in [
                (X_CONTENT_TYPE_OPTIONS, "nosniff"),
                (X_FRAME_OPTIONS, "DENY"),
                (REFERRER_POLICY, "strict-origin-when-cross-origin"),
            ] {
                headers.entry(name).or_insert(HeaderValue::from_static(value));
            }
        }
    }
}

impl Closed {
    fn new(maintenance: &Maintenance) -> Self {
        let Maintenance { message, retry_after_s, except } = maintenance;
        Self {
            message: message.clone(),
            retry_after: (*retry_after_s).into(),
            except: except.as_slice().into(),
        }
    }

    fn answer(&self) -> Box<Answer> {
        let mut answer = Answer::new(StatusCode::SERVICE_UNAVAILABLE, "maintenance", self.message.clone());
        answer.headers.insert(RETRY_AFTER, self.retry_after.clone());
        answer
    }
}

impl Rate {
    fn new(limit: &RateLimit, previous: Option<&Self>, seed: u64) -> Self {
        let limiter = match previous.filter(|previous| previous.limit == *limit) {
            Some(previous) => Arc::clone(&previous.limiter),
            None => Arc::new(RateLimiter::new(limit, seed)),
        };
        // Windows are whole seconds in the header; a rate over less is said as what it is over a second.
        let (quota, window) = match limit.per_ms {
            ..1_000 => (u64::from(limit.requests) * 1_000 / limit.per_ms, 1),
            per_ms => (u64::from(limit.requests), per_ms.div_ceil(1_000)),
        };
        let policy = HeaderValue::try_from(format!(r#""route";q={quota};w={window}"#))
            .expect("a quoted word and numbers");
        Self { limit: limit.clone(), policy, limiter }
    }

    fn take(&self, asked: &Asked<'_>) -> Result<(), Box<Answer>> {
        let Err(wait_ms) = self.limiter.take(asked.client, asked.headers, asked.now_ms) else {
            return Ok(());
        };
        let seconds = wait_ms.div_ceil(1_000).max(1);
        let words = format!("too many requests; try again in {seconds} s");
        let mut answer = Answer::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", words);
        let state =
            HeaderValue::try_from(format!(r#""route";r=0;t={seconds}"#)).expect("a quoted word and numbers");
        answer.headers.insert(RETRY_AFTER, seconds.into());
        answer.headers.insert(RATE_LIMIT_POLICY, self.policy.clone());
        answer.headers.insert(RATE_LIMIT, state);
        Err(answer)
    }
}

fn unauthorised(users: &Users, headers: &HeaderMap) -> Box<Answer> {
    let words = match headers.contains_key(http::header::AUTHORIZATION) {
        true => "the name and password are not those of a user of this environment",
        false => "this environment asks for a name and password",
    };
    let mut answer = Answer::new(StatusCode::UNAUTHORIZED, "unauthorised", words);
    answer.headers.insert(WWW_AUTHENTICATE, users.challenge.clone());
    answer
}

fn to_https(asked: &Asked<'_>) -> Box<Answer> {
    let Some(name) = asked.host.and_then(host_name) else {
        let words = "this is served over HTTPS only, and the request names no host to redirect to";
        return Answer::new(StatusCode::BAD_REQUEST, "https_only", words);
    };
    let path = match asked.path_and_query {
        path if path.starts_with('/') => path,
        // `OPTIONS *`, or a query without a path.
        _ => "/",
    };
    let location = match asked.https_port {
        443 => format!("https://{name}{path}"),
        port => format!("https://{name}:{port}{path}"),
    };
    let Ok(location) = HeaderValue::try_from(location) else {
        let words = "this is served over HTTPS only, and the request's path can't be redirected to";
        return Answer::new(StatusCode::BAD_REQUEST, "https_only", words);
    };
    let mut answer =
        Answer::new(StatusCode::PERMANENT_REDIRECT, "https_only", "this is served over HTTPS only");
    answer.headers.insert(LOCATION, location);
    answer
}

/// A host without its port, if it has only what names and addresses are made of: it is about to be a link.
fn host_name(host: &str) -> Option<&str> {
    let end = match host.find(']') {
        Some(end) => end + 1,
        None => host.find(':').unwrap_or(host.len()),
    };
    let (name, port) = host.split_at(end);
    let port =
        port.is_empty() || port.strip_prefix(':').is_some_and(|it| it.bytes().all(|it| it.is_ascii_digit()));
    let literal = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let sound = match literal {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            let of_names = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
            !name.is_empty() && name.bytes().all(of_names)
        }
    };
    (sound && port).then_some(name)
}

/// The length of a body, as far as it is said. Whoever reads messages makes sure that there is one length only.
fn declared(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn strict(hsts: &Hsts) -> HeaderValue {
    let Hsts { max_age_s, include_subdomains, preload } = hsts;
    let mut text = format!("max-age={max_age_s}");
    if *include_subdomains {
        text += "; includeSubDomains";
    }
    if *preload {
        text += "; preload";
    }
    HeaderValue::try_from(text).expect("words and a number")
}
