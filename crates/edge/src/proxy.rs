//! A request's way: find the service, count the request in, forward it, answer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use fairway_forward::{Error, Exchange, Interim, Next, RequestBody, Target, Targets};
use fairway_route::Miss;
use http::header::HOST;
use http::{Method, Request, Response, StatusCode, Version};

use crate::answer::{EdgeBody, Refusal, stub};
use crate::connection::Door;
use crate::edge::Shared;
use crate::instance::{Instance, Passage};
use crate::line::SharedLine;
use crate::state::{self, Admitted, Service};
use crate::visitor::Visitor;
use crate::websocket;

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
pub(crate) async fn answer(asking: Asking<'_>, mut request: Request<RequestBody>) -> Response<EdgeBody> {
    let Asking { door, visitor, interim, line } = asking;
    let shared = &*door.shared;
    let connects = websocket::is_connect(&request);
    if connects {
        websocket::to_http1(&mut request);
    }
    let host = match host(&request) {
        Ok(host) => host,
        Err(words) => {
            return Refusal::new(StatusCode::BAD_REQUEST, "bad_request", words.into())
                .response(request.headers());
        }
    };
    if request.method() == Method::CONNECT {
        let words = "this is a reverse proxy; CONNECT is not served here".to_owned();
        return Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "method", words).response(request.headers());
    }
    let path = match request.uri().path() {
        "*" => "/",
        path => path,
    };
    let (service, chosen, passage) = loop {
        let state = shared.state.load();
        let Some(door) = state.doors.get(&*door.key) else {
            // The listener is being closed and this connection has not been told yet.
            return unrouted(None, host, path).response(request.headers());
        };
        let service = match door.matcher.find(host, path) {
            Ok(service) => service,
            Err(miss) => return unrouted(Some((door, miss)), host, path).response(request.headers()),
        };
        if let Some(boundary) = &service.stub {
            service.counters.stubbed.fetch_add(1, Ordering::Relaxed);
            let reads = matches!(*request.method(), Method::GET | Method::HEAD);
            return stub(boundary, service.generation, path, reads);
        }
        match service.admit() {
            Admitted::To(place, passage) => break (Arc::clone(service), place, passage.on(visitor)),
            Admitted::Nobody => return nobody(shared, service).response(request.headers()),
            // Another table serves already: look again.
            Admitted::Outdated => {}
        }
    };
    let exchange = Exchange {
        client: door.client,
        scheme: door.scheme,
        trusted: shared.settings.trusts(door.client.ip()),
        timeouts: service.timeouts,
        protocol: service.protocol,
        client_text: Some(door.client_text.clone()),
        interim: interim.cloned(),
    };
    let asked = request.headers().get(http::header::ACCEPT).cloned();
    let choice = Choice::new(shared, visitor, &service, chosen, passage);
    match door.worker.forwarder.forward(request, choice, &exchange).await {
        Ok(mut response) => {
            if connects {
                websocket::to_http2(&mut response);
            }
            response.map(EdgeBody::from)
        }
        Err(error) => {
            let mut headers = http::HeaderMap::new();
            headers.extend(asked.map(|accept| (http::header::ACCEPT, accept)));
            let fault = line.and_then(|line| line.lock().fault);
            let client = matches!(error, Error::ClientGone | Error::ClientSlow { .. });
            match fault {
                Some(fault) if client => fault.refusal().response(&headers),
                _ => failed(shared, &service, &error).response(&headers),
            }
        }
    }
}

/// The instances of a service for one request: the chosen one, then the others, then all of them again for as long as
/// it is worth waiting.
struct Choice<'a> {
    shared: &'a Shared,
    visitor: &'a Arc<Visitor>,
    service: &'a Service,
    /// The member that the request is counted on.
    chosen: usize,
    first: Option<Passage>,
    /// What else there is, once that is asked for.
    others: Option<std::vec::IntoIter<(SocketAddr, Arc<Instance>)>>,
    /// How many were tried since the last pause.
    tried: usize,
    /// Since when nobody could be connected to.
    waiting: Option<Instant>,
}

/// How many instances are tried before the first pause, and after each.
const DIALS: usize = 3;
/// Between two rounds.
const PAUSE: Duration = Duration::from_millis(50);

impl Targets for Choice<'_> {
    type Guard = Passage;

    fn next(&mut self) -> Next<Passage> {
        if let Some(passage) = self.first.take() {
            self.tried = 1;
            let address = self.service.members[self.chosen].address;
            return Next::Target(Target { address, guard: passage });
        }
        if self.tried < DIALS {
            let from = |tried: bool| if tried { Some(self.service.members[self.chosen].address) } else { None };
            let tried = from(self.waiting.is_none());
            if self.others.is_none() {
                self.others = Some(self.others(tried));
            }
            let visitor = self.visitor;
            let next = self.others.as_mut().and_then(|others| {
                others.find_map(|(address, instance)| {
                    Some(Target { address, guard: instance.enter()?.on(visitor) })
                })
            });
            if let Some(target) = next {
                self.tried += 1;
                return Next::Target(target);
            }
        }
        let since = *self.waiting.get_or_insert_with(Instant::now);
        if since.elapsed() + PAUSE > self.service.patience {
            return Next::Nobody;
        }
        (self.tried, self.others) = (0, None);
        Next::Pause(PAUSE)
    }
}

impl<'a> Choice<'a> {
    fn new(
        shared: &'a Shared,
        visitor: &'a Arc<Visitor>,
        service: &'a Service,
        chosen: usize,
        passage: Passage,
    ) -> Self {
        let first = Some(passage);
        Self { shared, visitor, service, chosen, first, others: None, tried: 0, waiting: None }
    }

    /// Of the table that serves now, as far as it has the service, for the one it was chosen from may be old by the
    /// time that a dial has failed. Not the one at `tried`.
    fn others(&self, tried: Option<SocketAddr>) -> std::vec::IntoIter<(SocketAddr, Arc<Instance>)> {
        let members = |service: &Service, from: usize| -> Vec<_> {
            let places = service.others(from);
            let of = |place: usize| &service.members[place];
            places.map(|place| (of(place).address, Arc::clone(&of(place).instance))).collect()
        };
        let mut all = members(self.service, self.chosen);
        let state = self.shared.state.load();
        let now = state.services.get(&self.service.environment).and_then(|all| all.get(&self.service.name));
        if let Some(now) = now
            && !std::ptr::eq(now.as_ref(), self.service)
            && !now.members.is_empty()
        {
            all.extend(members(now, 0));
            all.extend(now.members.first().map(|first| (first.address, Arc::clone(&first.instance))));
        }
        let chosen = &self.service.members[self.chosen];
        all.push((chosen.address, Arc::clone(&chosen.instance)));
        all.retain(|(address, _)| Some(*address) != tried);
        all.into_iter()
    }
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
