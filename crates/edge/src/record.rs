//! What the access log will say about an exchange, gathered while it goes on and written when it is over.

use std::net::IpAddr;
use std::time::{Duration, Instant, SystemTime};

use fairway_guard::{Trace, X_REQUEST_ID, request_id};
use http::header::HeaderValue;
use http::{HeaderMap, Method, Version};

use std::sync::Arc;

use crate::access_log::{AccessLog, Line};
use crate::state::Service;

/// One exchange in the making.
#[derive(Debug)]
pub(crate) struct Record {
    log: AccessLog,
    one_in: u32,
    number: u64,
    time: SystemTime,
    began: Instant,
    service: Arc<Service>,
    client: IpAddr,
    method: Method,
    host: Option<String>,
    path: String,
    protocol: Version,
    tls: Option<&'static str>,
    request_id: Option<HeaderValue>,
    trace: HeaderValue,
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

/// Who asks for what.
pub(crate) struct Asked<'a> {
    pub(crate) client: IpAddr,
    pub(crate) method: &'a Method,
    pub(crate) host: Option<String>,
    pub(crate) path: &'a str,
    pub(crate) protocol: Version,
    pub(crate) tls: Option<&'static str>,
    pub(crate) trusted: bool,
}

impl Record {
    /// Begins, and gives the request its id and its place in a trace.
    pub(crate) fn begin(
        log: &AccessLog,
        one_in: u32,
        service: &Arc<Service>,
        number: u64,
        asked: Asked<'_>,
        headers: &mut HeaderMap,
    ) -> Box<Self> {
        let Asked { client, method, host, path, protocol, tls, trusted } = asked;
        let [a, b, c]: [u64; 3] = rand::random();
        let id = request_id(trusted, headers, u128::from(a) << 64 | u128::from(b));
        if let Some(id) = &id {
            headers.insert(X_REQUEST_ID, id.clone());
        }
        let sampled = one_in <= 1 || number.is_multiple_of(one_in.into());
        let trace = Trace::new(trusted, headers, u128::from(b) << 64 | u128::from(c), a ^ c, sampled);
        trace.put(headers);
        Box::new(Self {
            log: log.clone(),
            one_in,
            number,
            time: SystemTime::now(),
            began: Instant::now(),
            service: Arc::clone(service),
            client,
            method: method.clone(),
            host,
            path: path.to_owned(),
            protocol,
            tls,
            request_id: id.or_else(|| headers.get(X_REQUEST_ID).cloned()),
            trace: trace.header(),
            status: None,
            bytes_in: 0,
            bytes_out: 0,
            upstream: None,
            member: None,
            retries: 0,
            why: None,
            complete: false,
        })
    }

    /// How long it has taken so far.
    pub(crate) fn took(&self) -> Duration {
        self.began.elapsed()
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let member = self.member.and_then(|index| self.service.members.get(index));
        let trace = self.trace.to_str().ok().and_then(|text| text.get(3..35));
        let line = Line {
            environment: Some(&self.service.environment),
            service: Some(&self.service.name),
            release: Some(self.service.generation),
            instance: member.map(|member| member.instance.id.as_str()),
            method: Some(self.method.as_str()),
            host: self.host.as_deref(),
            path: Some(&self.path),
            status: self.status,
            bytes_in: self.bytes_in,
            bytes_out: self.bytes_out,
            duration: self.began.elapsed(),
            upstream: self.upstream,
            request_id: self.request_id.as_ref().and_then(|id| id.to_str().ok()),
            trace_id: trace,
            tls: self.tls,
            why: self.why.or(if self.complete { None } else { Some("client_gone") }),
            retries: self.retries,
            one_in: self.one_in,
            ..Line::new(self.time, self.client, self.protocol)
        };
        if AccessLog::wants(&line, self.one_in, self.number) {
            self.log.record(&line);
        }
    }
}
