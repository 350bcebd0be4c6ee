//! Finding where a request goes: the route, past its guard, to an instance that has room for it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use fairway_forward::{Inbound, Scheme};
use fairway_guard::{
    Asked, Compiled as Guard, Passed, Verdict, client_address, client_https, find_unambiguous,
};
use fairway_health::{Ask, Pick};
use fairway_http1::Headers;
use fairway_route::Miss;
use http::header::HOST;
use http::{Method, Response, StatusCode, Version};

use crate::answer::{EdgeBody, Refusal, stub};
use crate::clock;
use crate::connection::Door;
use crate::instance::Passage;
use crate::own::{Own, Subject};
use crate::proxy::{Asking, complain};
use crate::state::{self, Routed};
use crate::sticky;
use crate::wait::Waits;

/// What is known about a request from one look to the next.
#[derive(Default)]
pub(crate) struct Visit {
    /// The guard that it has passed.
    pub(crate) passed: Option<(Arc<Guard>, Passed)>,
    /// Its number among those of its service.
    number: Option<u64>,
    pub(crate) sticky: Option<sticky::Client>,
}

/// What comes next.
pub(crate) enum Way {
    Answer(Box<Own>),
    /// It waits until the service is let go.
    Hold(Arc<Routed>),
    /// It waits until an instance has room.
    Queue(Arc<Routed>),
    /// It waits until there is an instance, at most so long.
    Absence(Arc<Routed>, Duration),
    Go(Go),
}

pub(crate) struct Go {
    pub(crate) routed: Arc<Routed>,
    pub(crate) number: u64,
    pub(crate) passage: Passage,
}

/// Looks at the table that serves now.
pub(crate) fn look(asking: &Asking<'_>, request: &Inbound, visit: &mut Visit, waits: &Waits) -> Way {
    let Asking { door, .. } = *asking;
    let refuse = |subject: Subject, refusal: &Refusal<'_>| {
        Way::Answer(Box::new(Own::refusal(subject, refusal, request.headers())))
    };
    let bad = |words: &str| {
        let refusal = Refusal::new(StatusCode::BAD_REQUEST, "bad_request", words.to_owned());
        refuse(Subject::at(door), &refusal)
    };
    let host = match host(request) {
        Ok(host) => host,
        Err(words) => return bad(words),
    };
    let path = match request.uri().path() {
        "*" => "/",
        path => path,
    };
    loop {
        let state = door.shared.state.load();
        let Some(behind) = state.doors.get(&*door.key) else {
            // The listener is being closed and this connection has not been told yet.
            return refuse(Subject::Nothing, &unrouted(None, host, path));
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
            Ok(Err(miss)) => {
                let refusal = unrouted(Some((behind, miss)), host, path);
                return refuse(Subject::behind(behind), &refusal);
            }
            Ok(Ok(routed)) => routed,
        };
        let service = &routed.service;
        if !routed.guard.is_empty()
            && let Err((response, code)) = pass(door, request, host, routed, visit)
        {
            let subject = Subject::Route(Arc::clone(routed));
            return Way::Answer(Box::new(Own { response: *response, code, subject }));
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
            let subject = Subject::Route(Arc::clone(routed));
            return Way::Answer(Box::new(Own { response, code: "stub", subject }));
        }
        if service.treatment.hold.is_some() {
            return Way::Hold(Arc::clone(routed));
        }
        if service.treatment.limits.exchanges > 0 && !waits.is_next(&service.counters.queue) {
            return Way::Queue(Arc::clone(routed));
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
            Pick::AllBusy => return Way::Queue(Arc::clone(routed)),
            Pick::Nobody | Pick::AllTried => {
                if let Some(left) = waits.patience(service) {
                    return Way::Absence(Arc::clone(routed), left);
                }
                service.counters.no_instance.fetch_add(1, Ordering::Relaxed);
                complain(&door.shared, service, "no_instance", "no instance takes requests", None);
                let words = format!("service `{}` has no instance that takes requests", service.name);
                let refusal = Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "no_instance", words)
                    .of_environment(&service.environment, service.generation)
                    .of_service(&service.name);
                return refuse(Subject::Route(Arc::clone(routed)), &refusal);
            }
            // Another table serves already: look again.
            Pick::Outdated => {}
        }
    }
}

/// Asks the guard of the route, once for each request.
fn pass(
    door: &Door,
    request: &Inbound,
    host: Option<&str>,
    routed: &Routed,
    visit: &mut Visit,
) -> Result<(), (Box<Response<EdgeBody>>, &'static str)> {
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
        https_port: routed.https_port,
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
            Err((Box::new(response), answer.code))
        }
    }
}

pub(crate) fn is_trusted(routed: &Routed, door: &Door) -> bool {
    let client = door.client.ip();
    routed.options.trusted.iter().any(|network| network.contains(client))
}

/// The host that the request is for, as it was sent.
fn host(request: &Inbound) -> Result<Option<&str>, &'static str> {
    if let Some(authority) = request.uri().authority() {
        return Ok(Some(authority.as_str().rsplit('@').next().unwrap_or_default()));
    }
    if let Headers::Lines(lines) = request.raw_headers()
        && let Some(host) = lines.host_bytes()
    {
        return std::str::from_utf8(host).map(Some).map_err(|_| "the Host header is not a host");
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
    refusal.of_environment(&environment.name, environment.generation)
}
