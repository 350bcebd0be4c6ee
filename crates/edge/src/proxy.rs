//! A request's way: find the route, pass its guard, count the request in on an instance, forward it, answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use fairway_forward::{Error, Exchange, Inbound, Interim, RequestBody, Scheme};
use fairway_http1::{Headers, Present};
use http::header::{ACCEPT, AUTHORIZATION, CONNECTION, HeaderValue};
use http::{HeaderMap, Method, StatusCode, Version};
use http_body_util::{BodyExt, LengthLimitError, Limited};

use crate::answer::{Refusal, Reply};
use crate::choice::{Choice, Search};
use crate::connection::Door;
use crate::edge::Shared;
use crate::h2;
use crate::line::{BodyFault, SharedLine};
use crate::look::{Go, Visit, Way, is_trusted, look};
use crate::own::{Own, Subject, Waiting};
use crate::record;
use crate::state::Service;
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
pub(crate) async fn answer(asking: Asking<'_>, mut request: Box<Inbound>) -> Reply {
    let door = asking.door;
    // Before anything is made of it: a WebSocket's request is one of HTTP/1.1 from here on.
    if request.version() == Version::HTTP_2
        && let Err((status, words)) = h2::check(&mut request, door.shared.settings.head_fields)
    {
        let refusal = Refusal::new(status, "bad_request", words.to_owned());
        return own(door, &mut request, Subject::at(door), &refusal);
    }
    let connects = websocket::is_connect(&request);
    if connects {
        websocket::to_http1(&mut request);
    } else if matches!(*request.method(), Method::CONNECT | Method::TRACE) {
        // The one is for forward proxies; the other shows pages of browsers what is hidden from them.
        let words = format!("{} is not served here", request.method());
        let refusal = Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "method", words);
        let mut reply = own(door, &mut request, Subject::at(door), &refusal);
        // What follows a CONNECT may be meant for somebody else.
        reply.headers.map().insert(CONNECTION, HeaderValue::from_static("close"));
        return reply;
    }
    if door.scheme == Scheme::Http
        && let Some(token) = request.uri().path().strip_prefix(CHALLENGES)
        && let Some(answer) = Box::pin(door.shared.certificates.http01_shared(token)).await
    {
        let response = crate::answer::own(StatusCode::OK, "application/octet-stream", answer);
        let own = Own { response, code: "acme_challenge", subject: Subject::at(door) };
        return own.told(door, &mut request, None);
    }
    let mut visit = Visit::default();
    let mut waits = Waits::default();
    let go = loop {
        let (routed, waited) = match look(&asking, &request, &mut visit, &waits) {
            Way::Answer(own) => return own.told(door, &mut request, waits.since()),
            Way::Go(go) => break go,
            Way::Hold(routed) => {
                let waiting = Waiting::begin(door, &mut request, &routed, waits.since());
                let waited = Box::pin(waits.hold(&door.shared, &routed.service)).await;
                waiting.over();
                (routed, waited)
            }
            Way::Absence(routed, left) => {
                let waiting = Waiting::begin(door, &mut request, &routed, waits.since());
                Box::pin(waits.absence(&door.shared, &routed.service, left)).await;
                waiting.over();
                (routed, Ok(()))
            }
            Way::Queue(routed) => {
                let waiting = Waiting::begin(door, &mut request, &routed, waits.since());
                let waited = Box::pin(waits.queue(&routed.service)).await;
                waiting.over();
                (routed, waited)
            }
        };
        if let Err(refusal) = waited {
            let service = Arc::clone(&routed.service);
            let refusal =
                refusal.of_environment(&service.environment, service.generation).of_service(&service.name);
            let own = Own::refusal(Subject::Route(routed), &refusal, request.headers());
            return own.told(door, &mut request, waits.since());
        }
    };
    // Counted in: the next in the queue may look.
    let waited = waits.since();
    drop(waits);
    let Asking { visitor, interim, line, .. } = asking;
    let shared = &*door.shared;
    let Go { routed, number, passage } = go;
    let service = &routed.service;
    let trusted = is_trusted(&routed, door);
    let place = || Subject::Route(Arc::clone(&routed)).place();
    let began = waited.unwrap_or(passage.began());
    let mut record = record::begin(door, &routed.options, place, number, began, &mut request);
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
        tls: service.tls.clone(),
        client_text: Some(door.client_text.clone()),
        interim: interim.cloned(),
    };
    let accept = accept(&request);
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
            if client && !matches!(error, Error::ClientGone) {
                // Failures of instances are counted there.
                service.counters.own.add(refusal.code, refusal.status);
            }
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

/// What form of a refusal is asked for.
fn accept(request: &Inbound) -> Option<HeaderValue> {
    match request.raw_headers() {
        Headers::Lines(lines) if !lines.present().has(Present::ACCEPT) => None,
        _ => request.headers().get(ACCEPT).cloned(),
    }
}

/// A refusal of a request of which only the listener is known.
fn own(door: &Door, request: &mut Inbound, subject: Subject, refusal: &Refusal<'_>) -> Reply {
    Own::refusal(subject, refusal, request.headers()).told(door, request, None)
}

/// Bounds the body of a request whose length is not known beforehand. A line says itself when it was too large.
fn limit(request: &mut Inbound, line: Option<&SharedLine>, most: u64) -> Option<Arc<AtomicBool>> {
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

fn failed<'a>(shared: &Shared, service: &'a Service, error: &Error) -> Refusal<'a> {
    let code = match error {
        Error::NoTarget => "no_instance",
        Error::Refused { .. } => "upstream_refused",
        Error::Tls { .. } => "upstream_tls",
        Error::ConnectTimeout { .. } => "upstream_connect_timeout",
        Error::HeaderTimeout { .. } => "upstream_timeout",
        Error::Broken { .. } | Error::Unasked { .. } => "upstream_broken",
        Error::NoWebSocket { .. } => "upstream_no_websocket",
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
        Error::Tls { fault, .. } => {
            format!("service `{}` could not be connected to in TLS: {fault}", service.name)
        }
        Error::ConnectTimeout { .. } => {
            format!("service `{}` took too long to accept a connection", service.name)
        }
        Error::HeaderTimeout { after, .. } => {
            format!("service `{}` did not answer within {} ms", service.name, after.as_millis())
        }
        Error::Broken { .. } => format!("service `{}` broke off before it answered", service.name),
        Error::NoWebSocket { .. } => {
            format!("service `{}` takes no WebSockets over HTTP/2 (RFC 8441)", service.name)
        }
        Error::Unasked { .. } => format!("service `{}` switched protocols unasked", service.name),
        Error::ClientGone | Error::ClientSlow { .. } | Error::Request(_) => error.to_string(),
    };
    Refusal::new(error.status(), code, words)
        .of_environment(&service.environment, service.generation)
        .of_service(&service.name)
}

pub(crate) fn complain(shared: &Shared, service: &Service, code: &str, error: &str, source: Option<String>) {
    let Some(unsaid) = service.counters.complaints.say(shared.started.elapsed().as_secs()) else { return };
    tracing::warn!(
        environment = %service.environment, service = %service.name, release = service.generation,
        code, error, source, unsaid, "exchange failed"
    );
}
