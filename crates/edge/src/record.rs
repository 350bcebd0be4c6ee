//! What the access log will say about an exchange, gathered while it goes on and written when it is over.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use fairway_forward::{Identity, Inbound};
use fairway_guard::{Trace, X_REQUEST_ID, client_address, digits, request_id};
use fairway_http1::{Headers, Present};
use http::header::{CONTENT_LENGTH, HOST, HeaderValue};
use http::uri::Authority;
use http::{HeaderMap, Method, StatusCode, Uri, Version};
use http_body::Body as _;

use crate::access_log::{AccessLog, Line, RequestId};
use crate::clock;
use crate::connection::Door;
use crate::otlp::{Exporter, Ids};
use crate::own::Unread;
use crate::regime::Regime;
use crate::state::Service;

/// Where an exchange belongs, as far as that is known.
#[derive(Debug, Default)]
pub(crate) struct Place {
    pub(crate) environment: Option<Arc<str>>,
    pub(crate) release: Option<u64>,
    pub(crate) service: Option<Arc<Service>>,
}

/// One exchange in the making.
#[derive(Debug)]
pub(crate) struct Record {
    /// None when the environment has no log.
    log: Option<AccessLog>,
    /// Where its span goes, if it is one of those that are wanted.
    span: Option<(Exporter, Ids)>,
    one_in: u32,
    number: u64,
    time: SystemTime,
    began: Instant,
    place: Place,
    client: IpAddr,
    method: Option<Method>,
    /// With the host or without: what came first in the request.
    uri: Option<Uri>,
    host: Option<Bytes>,
    protocol: Version,
    tls: Option<&'static str>,
    called: Name,
    trace_id: u128,
    pub(crate) status: Option<u16>,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    pub(crate) upstream: Option<Duration>,
    pub(crate) member: Option<usize>,
    pub(crate) retries: u32,
    pub(crate) why: Option<&'static str>,
    /// Whether the answer was taken to its end.
    pub(crate) complete: bool,
}

/// What a request is called.
#[derive(Debug)]
enum Name {
    /// This number.
    Ours(u128),
    /// What a trusted peer called it.
    Theirs(Option<HeaderValue>),
}

/// Begins the line in the access log, if the environment has one, and gives the request its id and its place in a trace.
/// Its head was there at that moment.
pub(crate) fn begin(
    door: &Door,
    options: &Regime,
    place: impl FnOnce() -> Place,
    number: u64,
    began: Instant,
    request: &mut Inbound,
) -> Option<Box<Record>> {
    let open = || door.shared.access_log.get().and_then(Option::as_ref);
    let log = options.access_log.and_then(|wanted| Some((open()?, wanted.one_in)));
    if log.is_none() && options.exporter.is_none() {
        return None;
    }
    let one_in = log.map_or(1, |(_, one_in)| one_in);
    let peer = door.client.ip();
    let trusted = options.trusted.iter().any(|network| network.contains(peer));
    let [a, b, c]: [u64; 3] = rand::random();
    let number_of_request = u128::from(a) << 64 | u128::from(b);
    let trace = u128::from(b) << 64 | u128::from(c);
    let sampled = match &options.exporter {
        Some(exporter) => exporter.samples(trace.max(1).to_be_bytes(), None),
        None => one_in <= 1 || number.is_multiple_of(one_in.into()),
    };
    let Called { name, trace, client, host, bytes_in } =
        call(request, peer, trusted, options, number_of_request, |trusted, headers| {
            Trace::new(trusted, headers, trace, a ^ c, sampled)
        });
    let known = request.extensions().get::<Unread>().is_none_or(|unread| unread.is_line_known);
    let record = Record {
        log: log.map(|(log, _)| log.clone()),
        span: options
            .exporter
            .as_ref()
            .filter(|_| trace.sampled())
            .map(|exporter| (exporter.clone(), ids(&trace))),
        one_in,
        number,
        time: clock::of_day(began),
        began,
        place: place(),
        client,
        method: known.then(|| request.method().clone()),
        uri: known.then(|| request.uri().clone()),
        host,
        protocol: request.version(),
        tls: door.tls,
        called: name,
        trace_id: trace.trace_id,
        status: None,
        bytes_in,
        bytes_out: 0,
        upstream: None,
        member: None,
        retries: 0,
        why: None,
        complete: false,
    };
    Some(Box::new(record))
}

/// What a request is called, and what its headers say of it.
struct Called {
    name: Name,
    trace: Trace,
    client: IpAddr,
    host: Option<Bytes>,
    bytes_in: u64,
}

/// Calls a request as its peer does, if that is trusted, or by these numbers.
fn call(
    request: &mut Inbound,
    peer: IpAddr,
    trusted: bool,
    options: &Regime,
    number: u128,
    trace: impl FnOnce(bool, &HeaderMap) -> Trace,
) -> Called {
    const NAMES: Present = Present::X_REQUEST_ID
        .and(Present::TRACEPARENT)
        .and(Present::TRACESTATE)
        .and(Present::X_FORWARDED_FOR)
        .and(Present::FORWARDED);
    if let Headers::Lines(lines) = request.raw_headers()
        && !lines.present().has(NAMES)
    {
        // Mostly nobody has named it, and its headers need not be taken apart.
        let host = lines.host();
        let bytes_in = request.body().size_hint().exact().unwrap_or(0);
        let trace = trace(false, &HeaderMap::new());
        request.identify(Identity { request_id: digits(number), traceparent: trace.text() });
        return Called { name: Name::Ours(number), trace, client: peer.to_canonical(), host, bytes_in };
    }
    let headers = request.headers_mut();
    let name = match request_id(trusted, headers, number) {
        Some(id) => {
            headers.insert(X_REQUEST_ID, id);
            Name::Ours(number)
        }
        None => Name::Theirs(headers.get(X_REQUEST_ID).cloned()),
    };
    let trace = trace(trusted, headers);
    trace.put(headers);
    let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    Called {
        name,
        trace,
        client: client_address(peer, headers, &options.trusted),
        host: headers.get(HOST).cloned().map(Bytes::from_owner),
        bytes_in: length.unwrap_or(0),
    }
}

fn ids(trace: &Trace) -> Ids {
    Ids {
        trace: trace.trace_id.to_be_bytes(),
        span: trace.span_id.to_be_bytes(),
        parent: trace.parent_id.map(u64::to_be_bytes),
    }
}

impl Record {
    /// The edge answered itself, for this reason.
    pub(crate) fn answered(&mut self, status: StatusCode, code: &'static str) {
        self.status = Some(status.as_u16());
        self.bytes_in = 0;
        // Redirects and the like are what was to be expected.
        self.why = (status.as_u16() >= 400).then_some(code);
        self.complete = true;
    }

    /// How long it has taken so far.
    pub(crate) fn took(&self) -> Duration {
        self.began.elapsed()
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let Place { environment, release, service } = &self.place;
        let member =
            self.member.and_then(|index| service.as_ref().and_then(|service| service.members.get(index)));
        let named = self.uri.as_ref().and_then(Uri::authority);
        let host = || self.host.as_ref().and_then(|host| std::str::from_utf8(host).ok());
        let request_id = match &self.called {
            Name::Ours(id) => Some(RequestId::Number(*id)),
            Name::Theirs(id) => id.as_ref().and_then(|id| id.to_str().ok()).map(RequestId::Text),
        };
        let line = Line {
            environment: environment.as_deref(),
            service: service.as_ref().map(|service| &*service.name),
            release: *release,
            instance: member.map(|member| member.instance.id.as_str()),
            origin: member.map(|member| &member.origin),
            method: self.method.as_ref().map(Method::as_str),
            host: named.map(Authority::as_str).or_else(host),
            path: self.uri.as_ref().map(Uri::path),
            status: self.status,
            bytes_in: self.bytes_in,
            bytes_out: self.bytes_out,
            duration: self.began.elapsed(),
            upstream: self.upstream,
            request_id,
            trace_id: Some(self.trace_id),
            tls: self.tls,
            why: self.why.or(if self.complete { None } else { Some("client_gone") }),
            retries: self.retries,
            one_in: self.one_in,
            ..Line::new(self.time, self.client, self.protocol)
        };
        if let Some(log) = &self.log
            && AccessLog::wants(&line, self.one_in, self.number)
        {
            log.record(&line);
        }
        if let Some((exporter, ids)) = &self.span {
            exporter.record(&line, *ids);
        }
    }
}
