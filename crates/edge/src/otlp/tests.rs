use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant, UNIX_EPOCH};

use http::Version;
use serde_json::Value;

use super::*;

const SOON: Duration = Duration::from_secs(20);

/// A collector: answers each POST with the next of these heads, the last one for ever.
struct Collector {
    address: String,
    bodies: Receiver<(String, Value)>,
}

impl Collector {
    fn new(answers: &'static [&'static str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (sender, bodies) = channel();
        std::thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                let mut stream = stream.unwrap();
                let mut text = Vec::new();
                let mut piece = [0; 4096];
                let (head, body) = loop {
                    let count = stream.read(&mut piece).unwrap();
                    assert!(count > 0, "half a request");
                    text.extend_from_slice(&piece[..count]);
                    let Some(end) = text.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
                    let head = String::from_utf8(text[..end].to_vec()).unwrap();
                    let length: usize = head
                        .lines()
                        .find_map(|line| line.strip_prefix("content-length: ")?.parse().ok())
                        .unwrap();
                    if text.len() == end + 4 + length {
                        break (head, serde_json::from_slice(&text[end + 4..]).unwrap());
                    }
                };
                let answer = answers.get(number).or(answers.last()).unwrap();
                write!(stream, "HTTP/1.1 {answer}\r\ncontent-length: 2\r\n\r\n{{}}").unwrap();
                if sender.send((head, body)).is_err() {
                    return;
                }
            }
        });
        Self { address, bodies }
    }

    fn settings(&self) -> Settings {
        let url = format!("http://{}", self.address);
        let mut settings = Settings::to(&url, 1).unwrap();
        settings.delay = Duration::from_millis(20);
        settings.backoff = Duration::from_millis(1);
        settings
    }

    fn body(&self) -> (String, Value) {
        self.bodies.recv_timeout(SOON).unwrap()
    }
}

fn line<'a>() -> Line<'a> {
    let time = UNIX_EPOCH + Duration::from_secs(1_795_271_464);
    Line {
        environment: Some("prod"),
        service: Some("commerce"),
        release: Some(7),
        method: Some("GET"),
        host: Some("shop.example.com"),
        path: Some("/orders?token=secret"),
        status: Some(200),
        duration: Duration::from_millis(12),
        upstream: Some(Duration::from_millis(10)),
        ..Line::new(time, IpAddr::V4(Ipv4Addr::LOCALHOST), Version::HTTP_2)
    }
}

const IDS: Ids = Ids { trace: [0xab; 16], span: [1; 8], parent: Some([2; 8]) };

fn until(what: &str, mut reached: impl FnMut() -> bool) {
    let deadline = Instant::now() + SOON;
    while !reached() {
        assert!(Instant::now() < deadline, "{what} did not happen");
        std::thread::park_timeout(Duration::from_millis(2));
    }
}

#[test]
fn spans_arrive_as_the_protocol_wants_them() {
    let collector = Collector::new(&["200 OK"]);
    let exporter = Exporter::start(collector.settings()).unwrap();
    exporter.record(&line(), IDS);
    let (head, body) = collector.body();
    assert!(head.starts_with("POST /v1/traces HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("content-type: application/json"), "{head}");
    let of = &body["resourceSpans"][0];
    assert_eq!(of["resource"]["attributes"][0]["value"]["stringValue"], "fairway-edge");
    let span = &of["scopeSpans"][0]["spans"][0];
    assert_eq!(span["traceId"], "ab".repeat(16));
    assert_eq!(span["spanId"], "0101010101010101");
    assert_eq!(span["parentSpanId"], "0202020202020202");
    assert_eq!((span["name"].as_str(), span["kind"].as_u64()), (Some("GET commerce"), Some(2)));
    assert_eq!(span["startTimeUnixNano"], "1795271464000000000");
    assert_eq!(span["endTimeUnixNano"], "1795271464012000000");
    assert_eq!(span["events"][0]["timeUnixNano"], "1795271464010000000");
    assert!(span.get("status").is_none(), "{span}");
    let attributes: std::collections::BTreeMap<&str, &Value> = span["attributes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| {
            (entry["key"].as_str().unwrap(), entry["value"].as_object().unwrap().values().next().unwrap())
        })
        .collect();
    assert_eq!(attributes["url.path"], "/orders");
    assert_eq!(attributes["http.response.status_code"], "200");
    assert_eq!(attributes["fairway.release"], "7");
    assert!(!body.to_string().contains("secret"), "{body}");
    until("the count", || exporter.counts() == Counts { exported: 1, dropped: 0 });
}

#[test]
fn failures_are_errors_and_what_clients_did_wrong_is_not() {
    let check = |status, why, error: bool, kind: Option<&str>| {
        let span = span::json(&Line { status, why, ..line() }, IDS);
        assert_eq!(span["status"]["code"] == 2, error, "{span}");
        let attributes = span["attributes"].as_array().unwrap();
        let found = attributes.iter().find(|entry| entry["key"] == "error.type");
        assert_eq!(found.map(|entry| entry["value"]["stringValue"].as_str().unwrap()), kind, "{span}");
    };
    check(Some(200), None, false, None);
    check(Some(404), None, false, None);
    check(Some(404), Some("no_route"), false, Some("no_route"));
    check(Some(500), None, true, Some("500"));
    check(Some(503), Some("no_instance"), true, Some("no_instance"));
    check(None, Some("client_gone"), true, Some("client_gone"));
}

#[test]
fn a_busy_collector_is_asked_again_and_one_that_refuses_is_not() {
    let collector = Collector::new(&["503 Busy", "429 Slow\r\nretry-after: 0", "200 OK"]);
    let exporter = Exporter::start(collector.settings()).unwrap();
    exporter.record(&line(), IDS);
    let bodies: Vec<_> = (0..3).map(|_| collector.body().1).collect();
    assert!(bodies.iter().all(|body| *body == bodies[0]));
    until("the count", || exporter.counts() == Counts { exported: 1, dropped: 0 });

    let collector = Collector::new(&["400 Bad", "200 OK"]);
    let exporter = Exporter::start(collector.settings()).unwrap();
    exporter.record(&line(), IDS);
    until("the loss", || exporter.counts() == Counts { exported: 0, dropped: 1 });
    exporter.record(&line(), IDS);
    until("the next one", || exporter.counts() == Counts { exported: 1, dropped: 1 });
}

#[test]
fn a_collector_that_says_nothing_costs_spans_and_no_time() {
    // Connections are taken by the kernel; nobody reads.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let mut settings = Settings::to(&url, 1).unwrap();
    settings.queue = 10;
    settings.batch = 1;
    settings.timeout = Duration::from_millis(50);
    settings.backoff = Duration::from_millis(1);
    let exporter = Exporter::start(settings).unwrap();
    let began = Instant::now();
    (0..1000).for_each(|_| exporter.record(&line(), IDS));
    assert!(began.elapsed() < Duration::from_secs(5));
    assert!(exporter.counts().dropped >= 900, "{:?}", exporter.counts());
    until("all are given up", || exporter.counts() == Counts { exported: 0, dropped: 1000 });
}

#[test]
fn what_waits_is_sent_when_the_exporter_goes() {
    let collector = Collector::new(&["200 OK"]);
    let mut settings = collector.settings();
    settings.delay = Duration::from_secs(3600);
    let exporter = Exporter::start(settings).unwrap();
    exporter.record(&line(), IDS);
    exporter.clone().record(&line(), IDS);
    drop(exporter);
    let (_, body) = collector.body();
    assert_eq!(body["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap().len(), 2);
}

#[test]
fn where_spans_go() {
    let at = |url: &str| {
        Settings::to(url, 1).map(|settings| (settings.endpoint.authority, settings.endpoint.path))
    };
    for (url, authority, path) in [
        ("http://collector:4318", "collector:4318", "/v1/traces"),
        ("http://collector:4318/base/", "collector:4318", "/base/v1/traces"),
        ("http://[::1]", "[::1]:80", "/v1/traces"),
    ] {
        assert_eq!(at(url).unwrap(), (authority.to_owned(), path.to_owned()));
    }
    for url in ["https://collector:4318", "collector:4318", "http://", ""] {
        let error = at(url).unwrap_err().to_string();
        assert!(error.contains(url) && error.contains("traffic is served"), "{error}");
    }
}

#[test]
fn sampling_follows_the_parent_and_then_the_trace() {
    let check = |one_in: u32, parent: Option<bool>, expect: std::ops::RangeInclusive<usize>| {
        let sampler = Settings::to("http://c", one_in).unwrap().sampler;
        let trace = |number: u64| {
            let mut id = [0; 16];
            id[8..].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
            id
        };
        let sampled = (1..=1000).filter(|number| sampler.samples(trace(*number), parent)).count();
        assert!(expect.contains(&sampled), "{sampler:?} {parent:?}: {sampled}");
    };
    check(1, None, 1000..=1000);
    check(1, Some(false), 0..=0);
    check(4, Some(true), 1000..=1000);
    check(4, None, 200..=300);
    check(u32::MAX, None, 0..=0);
}
