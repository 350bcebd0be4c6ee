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
        let mut settings = read(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &url)]).unwrap().unwrap();
        settings.delay = Duration::from_millis(20);
        settings.backoff = Duration::from_millis(1);
        settings
    }

    fn body(&self) -> (String, Value) {
        self.bodies.recv_timeout(SOON).unwrap()
    }
}

fn read(variables: &[(&str, &str)]) -> Result<Option<Settings>, OtlpError> {
    Settings::read(|name| {
        variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
    })
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
    let mut settings = collector.settings();
    settings.headers.push(("authorization".parse().unwrap(), "Bearer t".parse().unwrap()));
    let exporter = Exporter::start(settings).unwrap();
    exporter.record(&line(), IDS);
    let (head, body) = collector.body();
    assert!(head.starts_with("POST /v1/traces HTTP/1.1\r\n"), "{head}");
    assert!(
        head.contains("content-type: application/json") && head.contains("authorization: Bearer t"),
        "{head}"
    );
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
    let mut settings = read(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &url)]).unwrap().unwrap();
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
fn the_standard_variables() {
    const AT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318/base/");
    assert_eq!(read(&[]).unwrap(), None);
    assert_eq!(read(&[AT, ("OTEL_SDK_DISABLED", "true")]).unwrap(), None);
    assert_eq!(read(&[AT, ("OTEL_TRACES_EXPORTER", "none")]).unwrap(), None);
    let settings = read(&[
        AT,
        ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20t, x-team = edge"),
        ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=prod,service.name=other"),
        ("OTEL_SERVICE_NAME", "front"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "500"),
        ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "700"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "7"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
    ])
    .unwrap()
    .unwrap();
    assert_eq!(
        settings.endpoint,
        Endpoint { authority: "collector:4318".into(), path: "/base/v1/traces".into() }
    );
    let headers: Vec<_> =
        settings.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
    assert_eq!(headers, [("authorization", "Bearer t"), ("x-team", "edge")]);
    assert_eq!(settings.resource["service.name"], "front");
    assert_eq!(settings.resource["deployment.environment"], "prod");
    assert_eq!((settings.timeout, settings.queue, settings.batch), (Duration::from_millis(700), 7, 512));
    let exact = read(&[AT, ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://[::1]/traces")]).unwrap().unwrap();
    assert_eq!(exact.endpoint, Endpoint { authority: "[::1]:80".into(), path: "/traces".into() });

    let refuse = |name: &str, value: &str| {
        let error = read(&[(name, value), AT]).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains("traffic is served"), "{error}");
        error
    };
    refuse("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
    refuse("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "gzip");
    refuse("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://collector:4318");
    refuse("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "collector:4318");
    refuse("OTEL_TRACES_EXPORTER", "zipkin");
    refuse("OTEL_TRACES_SAMPLER", "jaeger_remote");
    refuse("OTEL_BSP_SCHEDULE_DELAY", "soon");
    assert!(!refuse("OTEL_EXPORTER_OTLP_HEADERS", "authorization hunter2").contains("hunter2"));
}

#[test]
fn sampling_follows_the_parent_and_then_the_trace() {
    let check =
        |sampler: &str, argument: &str, parent: Option<bool>, expect: std::ops::RangeInclusive<usize>| {
            let url = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c");
            let all = [url, ("OTEL_TRACES_SAMPLER", sampler), ("OTEL_TRACES_SAMPLER_ARG", argument)];
            let sampler = read(&all).unwrap().unwrap().sampler;
            let trace = |number: u64| {
                let mut id = [0; 16];
                id[8..].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
                id
            };
            let sampled = (1..=1000).filter(|number| sampler.samples(trace(*number), parent)).count();
            assert!(expect.contains(&sampled), "{sampler:?} {parent:?}: {sampled}");
        };
    check("", "", None, 1000..=1000);
    check("", "", Some(false), 0..=0);
    check("always_on", "", Some(false), 1000..=1000);
    check("always_off", "", Some(true), 0..=0);
    check("parentbased_always_off", "", Some(true), 1000..=1000);
    check("traceidratio", "0.25", Some(true), 200..=300);
    check("parentbased_traceidratio", "0", None, 0..=0);
    check("parentbased_traceidratio", "1", None, 1000..=1000);
}
