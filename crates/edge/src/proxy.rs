//! A request's way: find the route, pass its guard, count the request in on an instance, forward it, answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use fairway_forward::{Error, Exchange, Interim, RequestBody, Scheme};
use fairway_guard::{
    Asked, Compiled as Guard, Passed, Verdict, client_address, client_https, find_unambiguous,
};
use fairway_health::{Ask, Pick};
use fairway_route::Miss;
use http::header::{ACCEPT, AUTHORIZATION, CONNECTION, HOST, HeaderValue};
use http::{HeaderMap, Method, Request, Response, StatusCode, Version};
use http_body_util::{BodyExt, LengthLimitError, Limited};

use crate::answer::{EdgeBody, Refusal, Reply, stub};
use crate::choice::{Choice, Search};
use crate::clock;
use crate::connection::Door;
use crate::edge::Shared;
use crate::h2;
use crate::instance::Passage;
use crate::line::{BodyFault, SharedLine};
use crate::record::{self, Record};
use crate::state::{self, Routed, Service};
use crate::sticky;
use crate::visitor::Visitor;
use crate::wait::Waits;
use crate::websocket;

/// Where ACME servers look for the answer to their challenge (RFC 8555, 8.3).
const CHALLENGES: &str = "/.well-known/acme-challenge/";

/// Who asks.
pub(crate) struct Asking<'a> {
    pub(crate) door: &'a Door,
    pub(crate) visitor: &'a Arc<Visitor>,
    /// Where interim responses go, if the client can take them.
    pub(crate) interim: Option<&'a Interim>,
    /// Where the request comes from, if that is HTTP/1.1.
    pub(crate) line: Option<&'a SharedLine>,
}

/// Answers one request.
pub(crate) async fn answer(asking: Asking<'_>, mut request: Box<Request<RequestBody>>) -> Reply {
    let door = asking.door;
    // Before anything is made of it: a WebSocket's request is one of HTTP/1.1 from here on.
    if request.version() == Version::HTTP_2
        && let Err((status, words)) = h2::check(&mut request, door.shared.settings.head_fields)
    {
        return Refusal::new(status, "bad_request", words.to_owned()).response(request.headers()).into();
    }
    let connects = websocket::is_connect(&request);
    if connects {
        websocket::to_http1(&mut request);
    } else if matches!(*request.method(), Method::CONNECT | Method::TRACE) {
        // The one is for forward proxies; the other shows pages of browsers what is hidden from them.
        let words = format!("{} is not served here", request.method());
        let refusal = Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "method", words);
        let mut response = refusal.response(request.headers());
        // What follows a CONNECT may be meant for somebody else.
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        return response.into();
    }
    if door.scheme == Scheme::Http
        && let Some(token) = request.uri().path().strip_prefix(CHALLENGES)
        && let Some(answer) = Box::pin(door.shared.certificates.http01_shared(token)).await
    {
        return crate::answer::own(StatusCode::OK, "application/octet-stream", answer).into();
    }
    let mut visit = Visit::default();
    let mut waits = Waits::default();
    let go = loop {
        let waited = match look(&asking, &request, &mut visit, &waits) {
            Way::Answer(response) => return (*response).into(),
            Way::Go(go) => break go,
            Way::Hold(service) => Box::pin(waits.hold(&door.shared, &service)).await,
            Way::Queue(service) => Box::pin(waits.queue(&service)).await,
        };
        if let Err(refusal) = waited {
            return refusal.response(request.headers()).into();
        }
    };
    // Counted in: the next in the queue may look.
    drop(waits);
    let Asking { visitor, interim, line, .. } = asking;
    let shared = &*door.shared;
    let Go { routed, number, passage } = go;
    let service = &routed.service;
    let trusted = is_trusted(&routed, door);
    let mut record = begin(door, &routed, &mut request, number, trusted);
    let mut too_large = None;
    if let Some((guard, passed)) = &visit.passed {
        if passed.authenticated() {
            request.headers_mut().remove(AUTHORIZATION);
        }
        if let Some(most) = guard.body_limit() {
            too_large = limit(&mut request, line, most);
        }
    }
    let exchange = Exchange {
        client: door.client,
        scheme: door.scheme,
        trusted,
        identified: record.is_some(),
        timeouts: service.timeouts,
        protocol: service.protocol,
        client_text: Some(door.client_text.clone()),
        interim: interim.cloned(),
    };
    let accept = request.headers().get(ACCEPT).cloned();
    let search = Search::default();
    let choice = Choice::new(shared, visitor, &search, Arc::clone(service), number, passage);
    let forwarded = door.worker.forwarder.pass(request, choice, &exchange).await;
    if let Some(record) = &mut record {
        record.member = usize::try_from(search.last.load(Ordering::Relaxed)).ok();
        record.retries = search.retries.load(Ordering::Relaxed);
        record.bytes_in = record.bytes_in.max(line.map_or(0, |line| line.lock().received));
    }
    let mut reply = match forwarded {
        Ok(answer) => {
            let mut reply = Reply::from(answer);
            if connects {
                websocket::to_http2(&mut reply);
            }
            if let Some(record) = &mut record {
                record.upstream = Some(record.took());
            }
            reply
        }
        Err(error) => {
            let mut headers = HeaderMap::new();
            headers.extend(accept.map(|accept| (ACCEPT, accept)));
            let fault = match line {
                Some(line) => line.lock().fault,
                None => too_large.is_some_and(|it| it.load(Ordering::Relaxed)).then_some(BodyFault::TooLarge),
            };
            let client = matches!(error, Error::ClientGone | Error::ClientSlow { .. });
            let refusal = match fault {
                Some(fault) if client => fault.refusal(),
                _ => failed(shared, service, &error),
            };
            if let Some(record) = &mut record {
                record.why = Some(refusal.code);
            }
            refusal.response(&headers).into()
        }
    };
    if let (Some(client), Some(sticky)) = (visit.sticky, &service.treatment.sticky) {
        client.remember(sticky, door.scheme == Scheme::Https, reply.headers.map());
    }
    let encoding = visit
        .passed
        .and_then(|(guard, passed)| guard.after(passed, reply.status, reply.headers.map()))
        .filter(|_| reply.status != StatusCode::SWITCHING_PROTOCOLS);
    if let Some(record) = &mut record {
        record.status = Some(reply.status.as_u16());
    }
    reply.body.attach(record, encoding);
    reply
}

/// What is known about a request from one look to the next.
#[derive(Default)]
struct Visit {
    /// The guard that it has passed.
    passed: Option<(Arc<Guard>, Passed)>,
    /// Its number among those of its service.
    number: Option<u64>,
    sticky: Option<sticky::Client>,
}

/// What comes next.
enum Way {
    Answer(Box<Response<EdgeBody>>),
    /// It waits until the service is let go.
    Hold(Arc<Service>),
    /// It waits until an instance has room.
    Queue(Arc<Service>),
    Go(Go),
}

struct Go {
    routed: Arc<Routed>,
    number: u64,
    passage: Passage,
}

/// Looks at the table that serves now.
fn look(asking: &Asking<'_>, request: &Request<RequestBody>, visit: &mut Visit, waits: &Waits) -> Way {
    let Asking { door, .. } = *asking;
    let shared = &*door.shared;
    let refuse = |refusal: Refusal<'_>| Way::Answer(Box::new(refusal.response(request.headers())));
    let bad = |words: &str| refuse(Refusal::new(StatusCode::BAD_REQUEST, "bad_request", words.to_owned()));
    let host = match host(request) {
        Ok(host) => host,
        Err(words) => return bad(words),
    };
    let path = match request.uri().path() {
        "*" => "/",
        path => path,
    };
    loop {
        let state = shared.state.load();
        let Some(behind) = state.doors.get(&*door.key) else {
            // The listener is being closed and this connection has not been told yet.
            return refuse(unrouted(None, host, path));
        };
        let found = find_unambiguous(
            path,
            |path| behind.matcher.find(host, path),
            |one, other| match (one, other) {
                (Ok(one), Ok(other)) => one.is_like(other),
                (Err(_), Err(_)) => true,
                _ => false,
            },
        );
        let routed = match found {
            Err(words) => return bad(words),
            Ok(Err(miss)) => return refuse(unrouted(Some((behind, miss)), host, path)),
            Ok(Ok(routed)) => routed,
        };
        let service = &routed.service;
        if !routed.guard.is_empty()
            && let Err(answer) = pass(door, request, host, routed, visit)
        {
            return Way::Answer(answer);
        }
        if let Some(boundary) = &service.stub {
            service.counters.stubbed.fetch_add(1, Ordering::Relaxed);
            let reads = matches!(*request.method(), Method::GET | Method::HEAD);
            let mut response = stub(boundary, service.generation, path, reads);
            if let Some((guard, passed)) = &visit.passed {
                let status = response.status();
                // The edge's own words are too short to be compressed.
                let _ = guard.after(*passed, status, response.headers_mut());
            }
            return Way::Answer(Box::new(response));
        }
        if service.treatment.hold.is_some() {
            return Way::Hold(Arc::clone(service));
        }
        if service.treatment.limits.exchanges > 0 && !waits.is_next(&service.counters.queue) {
            return Way::Queue(Arc::clone(service));
        }
        let began = Instant::now();
        let now = clock::at(began);
        let number = *visit.number.get_or_insert_with(|| {
            service.counters.budget.request(now);
            service.number()
        });
        if let Some(sticky) = &service.treatment.sticky
            && visit.sticky.is_none()
        {
            visit.sticky = Some(sticky::client(sticky, request.headers()));
        }
        let sticky = visit.sticky.map(|client| client.hash);
        match service.admit(&Ask { number, now, sticky, tried: &[] }, began) {
            Pick::Instance(choice) => {
                let routed = Arc::clone(routed);
                return Way::Go(Go { routed, number, passage: choice.entered });
            }
            Pick::AllBusy => return Way::Queue(Arc::clone(service)),
            Pick::Nobody | Pick::AllTried => return refuse(nobody(shared, service)),
            // Another table serves already: look again.
            Pick::Outdated => {}
        }
    }
}

/// Asks the guard of the route, once for each request.
fn pass(
    door: &Door,
    request: &Request<RequestBody>,
    host: Option<&str>,
    routed: &Routed,
    visit: &mut Visit,
) -> Result<(), Box<Response<EdgeBody>>> {
    if visit.passed.as_ref().is_some_and(|(guard, _)| Arc::ptr_eq(guard, &routed.guard)) {
        return Ok(());
    }
    let peer = door.client.ip();
    let trusted = is_trusted(routed, door);
    let asked = Asked {
        method: request.method(),
        path_and_query: request.uri().path_and_query().map_or("/", |path| path.as_str()),
        host,
        headers: request.headers(),
        client: client_address(peer, request.headers(), &routed.options.trusted),
        https: client_https(door.scheme == Scheme::Https, request.headers(), trusted),
        https_port: 443,
        now_ms: clock::now(),
    };
    match routed.guard.before(&asked) {
        Verdict::Pass(passed) => {
            visit.passed = Some((Arc::clone(&routed.guard), passed));
            Ok(())
        }
        Verdict::Answer(answer) => {
            let service = &routed.service;
            let refusal = Refusal::new(answer.status, answer.code, answer.message.into_owned())
                .of_environment(&service.environment, service.generation)
                .of_service(&service.name);
            let mut response = if refusal.message.is_empty() {
                let mut response = Response::new(EdgeBody::own(bytes::Bytes::new()));
                *response.status_mut() = answer.status;
                response
            } else {
                refusal.response(request.headers())
            };
            response.headers_mut().extend(answer.headers);
            Err(Box::new(response))
        }
    }
}

fn is_trusted(routed: &Routed, door: &Door) -> bool {
    let client = door.client.ip();
    routed.options.trusted.iter().any(|network| network.contains(client))
}

/// Begins the line in the access log, if the environment has one, and says what the request is called.
fn begin(
    door: &Door,
    routed: &Routed,
    request: &mut Request<RequestBody>,
    number: u64,
    trusted: bool,
) -> Option<Box<Record>> {
    let wanted =
        routed.options.access_log.and_then(|log| Some((door.shared.access_log.get()?.as_ref()?, log)));
    let (log, wanted) = wanted?;
    let mut headers = std::mem::take(request.headers_mut());
    let asked = record::Asked {
        client: client_address(door.client.ip(), &headers, &routed.options.trusted),
        method: request.method(),
        host: request.uri().authority().map_or_else(
            || headers.get(HOST).and_then(|host| host.to_str().ok()).map(str::to_owned),
            |authority| Some(authority.as_str().to_owned()),
        ),
        path: request.uri().path(),
        protocol: request.version(),
        tls: door.tls,
        trusted,
    };
    let mut record = Record::begin(log, wanted.one_in, &routed.service, number, asked, &mut headers);
    record.bytes_in = headers
        .get(http::header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse().ok())
        .unwrap_or(0);
    *request.headers_mut() = headers;
    Some(record)
}

/// Bounds the body of a request whose length is not known beforehand. A line says itself when it was too large.
fn limit(
    request: &mut Request<RequestBody>,
    line: Option<&SharedLine>,
    most: u64,
) -> Option<Arc<AtomicBool>> {
    if let Some(line) = line {
        line.lock().allowed = most;
        return None;
    }
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let too_large = Arc::new(AtomicBool::new(false));
    let body = Limited::new(std::mem::take(request.body_mut()), most);
    let noted = Arc::clone(&too_large);
    *request.body_mut() = RequestBody::new(body.map_err(move |error| {
        noted.fetch_or(error.is::<LengthLimitError>(), Ordering::Relaxed);
        error
    }));
    Some(too_large)
}

/// The host that the request is for, as it was sent.
fn host<B>(request: &Request<B>) -> Result<Option<&str>, &'static str> {
    if let Some(authority) = request.uri().authority() {
        return Ok(Some(authority.as_str().rsplit('@').next().unwrap_or_default()));
    }
    let mut hosts = request.headers().get_all(HOST).iter();
    let host = hosts.next();
    if hosts.next().is_some() {
        return Err("the request has more than one Host header");
    }
    match host {
        Some(host) => host.to_str().map(Some).map_err(|_| "the Host header is not a host"),
        None if request.version() < Version::HTTP_11 => Ok(None),
        None => Err("the request has no Host header"),
    }
}

fn unrouted<'a>(missed: Option<(&'a state::Door, Miss)>, host: Option<&str>, path: &str) -> Refusal<'a> {
    let named = host.unwrap_or("a request without a host");
    let words = match &missed {
        None => "nothing is served on this listener any more".to_owned(),
        Some((_, Miss::Host)) => format!("no route for host `{named}` on this listener"),
        Some((_, Miss::Path)) => format!("no route for path `{path}` of host `{named}`"),
    };
    let refusal = Refusal::new(StatusCode::NOT_FOUND, "no_route", words);
    let Some((door, _)) = missed else { return refusal };
    // With several environments behind one address nobody knows which one was meant.
    let [environment] = door.environments.as_slice() else { return refusal };
    environment.counters.unrouted.fetch_add(1, Ordering::Relaxed);
    refusal.of_environment(&environment.name, environment.generation)
}

fn nobody<'a>(shared: &Shared, service: &'a Service) -> Refusal<'a> {
    service.counters.no_instance.fetch_add(1, Ordering::Relaxed);
    complain(shared, service, "no_instance", "no instance takes requests", None);
    let words = format!("service `{}` has no instance that takes requests", service.name);
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "no_instance", words)
        .of_environment(&service.environment, service.generation)
        .of_service(&service.name)
}

fn failed<'a>(shared: &Shared, service: &'a Service, error: &Error) -> Refusal<'a> {
    let code = match error {
        Error::NoTarget => "no_instance",
        Error::Refused { .. } => "upstream_refused",
        Error::ConnectTimeout { .. } => "upstream_connect_timeout",
        Error::HeaderTimeout { .. } => "upstream_timeout",
        Error::Broken { .. } | Error::Unasked { .. } => "upstream_broken",
        Error::ClientGone | Error::ClientSlow { .. } => "client",
        Error::Request(_) => "bad_request",
    };
    let client = matches!(error, Error::ClientGone | Error::ClientSlow { .. } | Error::Request(_));
    if !client {
        let source = std::error::Error::source(error).map(ToString::to_string);
        complain(shared, service, code, &error.to_string(), source);
    }
    // Addresses are for the log; the client learns what kind of trouble it is.
    let words = match error {
        Error::NoTarget | Error::Refused { .. } => {
            format!("service `{}` could not be connected to", service.name)
        }
        Error::ConnectTimeout { .. } => {
            format!("service `{}` took too long to accept a connection", service.name)
        }
        Error::HeaderTimeout { after, .. } => {
            format!("service `{}` did not answer within {} ms", service.name, after.as_millis())
        }
        Error::Broken { .. } => format!("service `{}` broke off before it answered", service.name),
        Error::Unasked { .. } => format!("service `{}` switched protocols unasked", service.name),
        Error::ClientGone | Error::ClientSlow { .. } | Error::Request(_) => error.to_string(),
    };
    Refusal::new(error.status(), code, words)
        .of_environment(&service.environment, service.generation)
        .of_service(&service.name)
}

fn complain(shared: &Shared, service: &Service, code: &str, error: &str, source: Option<String>) {
    let Some(unsaid) = service.counters.complaints.say(shared.started.elapsed().as_secs()) else { return };
    tracing::warn!(
        environment = %service.environment, service = %service.name, release = service.generation,
        code, error, source, unsaid, "exchange failed"
    );
}
