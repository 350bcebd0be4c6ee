//! What the edge answers itself: counted by reason, and with a line in the access log like everything else.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use fairway_forward::Inbound;
use fairway_protocol::edge::OwnAnswers;
use http::{HeaderMap, Method, Response, StatusCode, Uri, Version};

use crate::answer::{EdgeBody, Refusal, Reply};
use crate::connection::Door;
use crate::edge::Shared;
use crate::record::{self, Place};
use crate::regime::Regime;
use crate::state::{self, Landmark, Routed};

/// Answers of the edge's own by reason and status. Reasons are words of the edge, so there are few.
#[derive(Debug, Default)]
pub(crate) struct OwnCounters(Mutex<BTreeMap<(&'static str, u16), u64>>);

impl OwnCounters {
    pub(crate) fn add(&self, code: &'static str, status: StatusCode) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry((code, status.as_u16())).or_default() += 1;
    }

    pub(crate) fn read(&self) -> Vec<OwnAnswers> {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let answers = counts.iter().map(|((code, status), count)| OwnAnswers {
            code: (*code).to_owned(),
            status: *status,
            count: *count,
        });
        answers.collect()
    }
}

/// What a request was about, as far as the table tells.
#[derive(Clone, Debug)]
pub(crate) enum Subject {
    /// The listener is not served any more.
    Nothing,
    /// Several environments listen there, and nobody knows which one was meant.
    Listener(Arc<state::Door>),
    /// Nothing in this environment.
    Environment(Arc<Landmark>),
    /// This route.
    Route(Arc<Routed>),
}

impl Subject {
    /// That of a request of which no more is known than the listener that it came to.
    pub(crate) fn at(door: &Door) -> Self {
        door.shared.state.load().doors.get(&*door.key).map_or(Self::Nothing, Self::behind)
    }

    /// That of a request that no route matches.
    pub(crate) fn behind(door: &Arc<state::Door>) -> Self {
        match door.environments.as_slice() {
            [environment] => Self::Environment(Arc::clone(environment)),
            _ => Self::Listener(Arc::clone(door)),
        }
    }

    pub(crate) fn options(&self) -> Option<&Arc<Regime>> {
        match self {
            Self::Nothing => None,
            // The line names none of them, so it may stand in the log if one of them wants one; a span likewise.
            Self::Listener(door) => {
                let mut all = door.environments.iter().map(|environment| &environment.options);
                all.find(|options| options.access_log.is_some() || options.exporter.is_some())
            }
            Self::Environment(environment) => Some(&environment.options),
            Self::Route(routed) => Some(&routed.options),
        }
    }

    fn counters<'a>(&'a self, shared: &'a Shared) -> &'a OwnCounters {
        match self {
            Self::Nothing | Self::Listener(_) => &shared.own,
            Self::Environment(environment) => &environment.counters.own,
            Self::Route(routed) => &routed.service.counters.own,
        }
    }

    /// The same as it stands in a line of the access log.
    pub(crate) fn place(&self) -> Place {
        match self {
            Self::Nothing | Self::Listener(_) => Place::default(),
            Self::Environment(environment) => Place {
                environment: Some(Arc::clone(&environment.name)),
                release: Some(environment.generation),
                service: None,
            },
            Self::Route(routed) => Place {
                environment: Some(Arc::clone(&routed.service.environment)),
                release: Some(routed.service.generation),
                service: Some(Arc::clone(&routed.service)),
            },
        }
    }
}

/// An answer of the edge's own.
#[derive(Debug)]
pub(crate) struct Own {
    pub(crate) response: Response<EdgeBody>,
    /// Why, in a word.
    pub(crate) code: &'static str,
    pub(crate) subject: Subject,
}

impl Own {
    /// A refusal, in the form that was asked for.
    pub(crate) fn refusal(subject: Subject, refusal: &Refusal<'_>, asked: &HeaderMap) -> Self {
        Self { response: refusal.response(asked), code: refusal.code, subject }
    }

    fn count(&self, shared: &Shared) {
        self.subject.counters(shared).add(self.code, self.response.status());
        if let (Subject::Environment(environment), "no_route") = (&self.subject, self.code) {
            environment.counters.unrouted.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts it, and gives it its line in the access log if one is kept. It has waited since then.
    pub(crate) fn told(self, door: &Door, request: &mut Inbound, waited: Option<Instant>) -> Reply {
        self.count(&door.shared);
        let Self { response, code, subject } = self;
        let record = subject.options().and_then(|options| {
            let number = rand::random();
            let began = waited.unwrap_or_else(Instant::now);
            record::begin(door, options, || subject.place(), number, began, request)
        });
        let mut reply = Reply::from(response);
        if let Some(mut record) = record {
            record.answered(reply.status, code);
            reply.body.attach(Some(record), None);
        }
        reply
    }
}

/// A request that waits. Dropped before it is over, as happens when its client leaves, it is counted and has its line
/// like those that were answered.
#[derive(Debug)]
pub(crate) struct Waiting<'a> {
    door: &'a Door,
    /// None once it is over.
    request: Option<&'a mut Inbound>,
    routed: &'a Arc<Routed>,
    since: Instant,
}

impl<'a> Waiting<'a> {
    /// It may have waited before.
    pub(crate) fn begin(
        door: &'a Door,
        request: &'a mut Inbound,
        routed: &'a Arc<Routed>,
        since: Option<Instant>,
    ) -> Self {
        Self { door, request: Some(request), routed, since: since.unwrap_or_else(Instant::now) }
    }

    /// The client is still there.
    pub(crate) fn over(mut self) {
        self.request = None;
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let Some(request) = self.request.take() else { return };
        let mut response = Response::new(EdgeBody::own(Bytes::new()));
        // As nginx writes it, whose logs people know.
        *response.status_mut() = StatusCode::from_u16(499).unwrap_or_default();
        let subject = Subject::Route(Arc::clone(self.routed));
        let own = Own { response, code: "client_gone", subject };
        // Nobody is there to be answered.
        drop(own.told(self.door, request, Some(self.since)));
    }
}

/// Says of a request that no more than its first line is known, or not even that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unread {
    pub(crate) is_line_known: bool,
}

/// The answer to what could not be read as a request; `start` is what has come of it.
pub(crate) fn unread(door: &Door, start: &[u8], refusal: &Refusal<'_>) -> Reply {
    let mut request = Inbound::default();
    let known = first_line(start).map(|(method, target, version)| {
        *request.method_mut() = method;
        *request.uri_mut() = target;
        *request.version_mut() = version;
    });
    request.extensions_mut().insert(Unread { is_line_known: known.is_some() });
    Own::refusal(Subject::at(door), refusal, request.headers()).told(door, &mut request, None)
}

/// Method, target and version, if the first line is that of a request.
fn first_line(start: &[u8]) -> Option<(Method, Uri, Version)> {
    let end = start.iter().position(|byte| matches!(byte, b'\r' | b'\n'))?;
    let mut words = start[..end].split(|byte| *byte == b' ');
    let (method, target, version) = (words.next()?, words.next()?, words.next()?);
    let version = match version {
        b"HTTP/1.1" => Version::HTTP_11,
        b"HTTP/1.0" => Version::HTTP_10,
        _ => return None,
    };
    if words.next().is_some() {
        return None;
    }
    Some((Method::from_bytes(method).ok()?, Uri::try_from(target).ok()?, version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_of_a_request_that_can_not_be_read() {
        let check = |start: &str, expect: Option<&str>| {
            let found = first_line(start.as_bytes());
            let found = found.map(|(method, target, version)| format!("{method} {target} {version:?}"));
            assert_eq!(found.as_deref(), expect, "{start:?}");
        };
        check("GET /a?b HTTP/1.1\r\nHost", Some("GET /a?b HTTP/1.1"));
        check("GET /a HTTP/1.0\n", Some("GET /a HTTP/1.0"));
        check("GET http://x/a HTTP/1.1\r\n", Some("GET http://x/a HTTP/1.1"));
        for bad in
            ["", "\r\n", "GET /a HTTP/1.1", "GET /a HTTP/3\r\n", "GET  HTTP/1.1\r\n", "\x16\x03\x01\r\n"]
        {
            check(bad, None);
        }
        check("GET /a b HTTP/1.1\r\n", None);
        check("G\0T /a HTTP/1.1\r\n", None);
    }
}
