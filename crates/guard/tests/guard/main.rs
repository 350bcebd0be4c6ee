//! What guards promise, through what the edge calls.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod after;
mod allocations;
mod before;
mod client;
mod encoder;
mod path;
mod trace;

use std::net::IpAddr;

use fairway_guard::{Answer, Asked, Compiled, Passed, Verdict};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

/// A guard as people write it.
fn compiled(json: &str) -> Compiled {
    Compiled::new(&serde_json::from_str(json).unwrap(), None, 7).unwrap()
}

/// Headers, one line each.
fn headers(lines: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':').unwrap();
        let name: HeaderName = name.parse().unwrap();
        headers.append(name, HeaderValue::from_str(value.trim()).unwrap());
    }
    headers
}

/// Headers as text, sorted, one line each.
fn text(headers: &HeaderMap) -> String {
    let mut lines: Vec<String> =
        headers.iter().map(|(name, value)| format!("{name}: {}\n", value.to_str().unwrap())).collect();
    lines.sort();
    lines.concat()
}

/// A request to ask about.
#[derive(Clone)]
struct Request {
    method: Method,
    target: String,
    host: Option<String>,
    headers: HeaderMap,
    client: IpAddr,
    https: bool,
    https_port: u16,
    now_ms: u64,
}

/// `GET /path?x=1 HTTP/1.1` of a client in a documentation network, over TLS.
fn request(lines: &str) -> Request {
    Request {
        method: Method::GET,
        target: "/path?x=1".to_owned(),
        host: Some("shop.example.com".to_owned()),
        headers: headers(lines),
        client: IpAddr::from([192, 0, 2, 7]),
        https: true,
        https_port: 443,
        now_ms: 1_000_000,
    }
}

impl Request {
    fn asked(&self) -> Asked<'_> {
        Asked {
            method: &self.method,
            path_and_query: &self.target,
            host: self.host.as_deref(),
            headers: &self.headers,
            client: self.client,
            https: self.https,
            https_port: self.https_port,
            now_ms: self.now_ms,
        }
    }

    fn method(mut self, method: &str) -> Self {
        self.method = method.parse().unwrap();
        self
    }

    fn from(mut self, client: &str) -> Self {
        self.client = client.parse().unwrap();
        self
    }

    fn at(mut self, now_ms: u64) -> Self {
        self.now_ms = now_ms;
        self
    }

    fn plain(mut self) -> Self {
        self.https = false;
        self
    }

    fn passes(&self, guard: &Compiled) -> Passed {
        match guard.before(&self.asked()) {
            Verdict::Pass(passed) => passed,
            Verdict::Answer(answer) => panic!("{answer:?}"),
        }
    }

    fn answered(&self, guard: &Compiled) -> Box<Answer> {
        match guard.before(&self.asked()) {
            Verdict::Pass(passed) => panic!("{passed:?}"),
            Verdict::Answer(answer) => answer,
        }
    }

    /// `pass`, or status and code.
    fn verdict(&self, guard: &Compiled) -> String {
        match guard.before(&self.asked()) {
            Verdict::Pass(_) => "pass".to_owned(),
            Verdict::Answer(answer) => format!("{} {}", answer.status.as_u16(), answer.code),
        }
    }
}
