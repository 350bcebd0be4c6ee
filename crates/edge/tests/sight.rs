//! What can be seen of the edge from outside: the access log, ids and traces, refusals that name where they come from,
//! and metrics.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as loudly as the tests")]

#[path = "support/raw.rs"]
mod raw;
mod support;

use std::io::Write;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::Duration;

use fairway_edge::Settings;
use fairway_edge::client::Client;
use fairway_model::traffic::{AccessLog, Certificate, CertificateSource, ListenerTls};
use fairway_route::{Service, Table};
use raw::{Answer, Message, Recorder, Wire, soon};
use serde_json::Value;
use support::{World, nobody, route, table, within};
use tokio::net::TcpListener;

fn logged(generation: u64, instances: &[(&str, SocketAddr)], one_in: u32) -> Table {
    let mut table = table(generation, instances);
    table.options.access_log = Some(AccessLog { one_in });
    table.services.get_mut("web").unwrap().treatment.retries.patience_ms = 0;
    table
}

async fn ask(address: SocketAddr, method: &str, path: &str, fields: &str) -> Message {
    let mut client = Wire::connect(address).await;
    let head = format!("{method} {path} HTTP/1.1\r\nHost: edge.test\r\nConnection: close\r\n{fields}\r\n");
    client.send(head).await;
    client.response(method).await
}

/// The lines of the access log, once there are this many.
async fn lines(world: &World, many: usize) -> Vec<Value> {
    let path = world.home.path().join("edge").join("access.log");
    soon("lines of the access log", async {
        loop {
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            if text.lines().count() >= many && text.ends_with('\n') {
                return text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            }
            tokio::task::yield_now().await;
        }
    })
    .await
}

#[tokio::test]
async fn the_line_of_an_exchange() {
    let (world, web) = (World::new().await, Recorder::new().await);
    let address = world.apply(&logged(7, &[("web-1", web.address())], 1)).await;
    let mut client = Wire::connect(address).await;
    client
        .send(
            "POST /a/b?token=secret HTTP/1.1\r\nHost: edge.test\r\nX-Forwarded-For: 192.0.2.7\r\n\
             Content-Length: 5\r\n\r\nhello",
        )
        .await;
    let answer = client.response("POST").await;
    let lines = lines(&world, 1).await;
    let [line] = &lines[..] else { panic!("{lines:?}") };
    let expected = serde_json::json!({
        "environment": "dev", "service": "web", "release": 7, "instance": "web-1", "client": "192.0.2.7",
        "method": "POST", "host": "edge.test", "path": "/a/b", "protocol": "HTTP/1.1", "status": 200,
        "bytes_in": 5, "bytes_out": answer.body.len(),
    });
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(&line[key], value, "{key}: {line}");
    }
    assert!(line["duration_ms"].as_f64().unwrap() >= line["upstream_ms"].as_f64().unwrap(), "{line}");
    for absent in ["why", "tls", "retries", "one_in"] {
        assert_eq!(line[absent], Value::Null, "{absent}: {line}");
    }
    assert!(!line.to_string().contains("secret"), "{line}");
    // The line has what the instance was told.
    let arrived = web.log().requests[0].head.clone();
    assert_eq!(line["request_id"], arrived.one("x-request-id").unwrap());
    assert_eq!(line["trace_id"], arrived.one("traceparent").unwrap().split('-').nth(1).unwrap());
}

#[tokio::test]
async fn the_line_of_a_failure() {
    let world = World::new().await;
    let address = world.apply(&logged(7, &[("web-1", nobody().await)], 1)).await;
    assert_eq!(ask(address, "GET", "/a", "").await.head.status(), 502);
    let line = lines(&world, 1).await.remove(0);
    assert_eq!(
        [&line["status"], &line["why"], &line["instance"], &line["upstream_ms"]],
        [&Value::from(502), &"upstream_refused".into(), &"web-1".into(), &Value::Null],
        "{line}"
    );
    // One that takes the request and says nothing to it.
    let silent = Recorder::answering(|_: &Message| Answer::last("")).await;
    world.apply(&logged(8, &[("web-2", silent.address())], 1)).await;
    assert_eq!(ask(address, "POST", "/a", "Content-Length: 0\r\n").await.head.status(), 502);
    let line = lines(&world, 2).await.remove(1);
    assert_eq!([&line["why"], &line["release"]], [&Value::from("upstream_broken"), &8.into()], "{line}");
    // One that breaks off in the middle of its answer.
    let broken = Recorder::answering(|_: &Message| {
        Answer::last("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this")
    })
    .await;
    world.apply(&logged(9, &[("web-3", broken.address())], 1)).await;
    let mut client = Wire::connect(address).await;
    client.send("GET /a HTTP/1.1\r\nHost: edge.test\r\n\r\n").await;
    client.rest().await;
    let line = lines(&world, 3).await.remove(2);
    assert_eq!([&line["why"], &line["status"]], [&Value::from("broken"), &200.into()], "{line}");
}

#[tokio::test]
async fn the_line_of_a_client_that_goes_away() {
    let world = World::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = world.apply(&logged(1, &[("web-1", listener.local_addr().unwrap())], 1)).await;
    let mut client = Wire::connect(address).await;
    client.send("GET /slow HTTP/1.1\r\nHost: edge.test\r\n\r\n").await;
    let mut instance = Wire::accept(&listener).await;
    instance.request().await;
    drop(client);
    let line = lines(&world, 1).await.remove(0);
    assert_eq!(
        [&line["why"], &line["path"], &line["status"]],
        [&Value::from("client_gone"), &"/slow".into(), &Value::Null],
        "{line}"
    );
}

/// One in ten, and whatever failed.
#[tokio::test]
async fn a_sample() {
    let web = Recorder::answering(|request: &Message| {
        let status = if request.head.target() == "/bad" { 500 } else { 200 };
        Answer::bytes(format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n"))
    })
    .await;
    let world = World::new().await;
    let address = world.apply(&logged(1, &[("web-1", web.address())], 10)).await;
    let mut client = Wire::connect(address).await;
    for number in 0..101 {
        let path = if number == 100 { "/bad" } else { "/good" };
        client.send(format!("GET {path} HTTP/1.1\r\nHost: edge.test\r\n\r\n")).await;
        client.response("GET").await;
    }
    // The last request is there, so all before it are.
    let lines = lines(&world, 11).await;
    let with = |path: &str| lines.iter().filter(|line| line["path"] == path).collect::<Vec<_>>();
    assert_eq!((with("/good").len(), with("/bad").len()), (10, 1), "{lines:?}");
    assert!(with("/good").iter().all(|line| line["one_in"] == 10));
    assert_eq!(with("/bad")[0]["one_in"], Value::Null);
}

/// Who is trusted says what a request is called; for others the edge does.
#[tokio::test]
async fn ids_and_traces() {
    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    let fields = format!("X-Request-Id: theirs-1\r\ntraceparent: 00-{TRACE}-00f067aa0ba902b7-01\r\n");
    for trusted in [true, false] {
        let (world, web) = (World::new().await, Recorder::new().await);
        let mut table = logged(1, &[("web-1", web.address())], 1);
        if !trusted {
            table.options.trusted = Vec::new();
        }
        let address = world.apply(&table).await;
        ask(address, "GET", "/", &fields).await;
        ask(address, "GET", "/", "").await;
        let lines = lines(&world, 2).await;
        let requests = web.log().requests;
        let id = |number: usize| requests[number].head.one("x-request-id").unwrap().to_owned();
        let trace = |number: usize| requests[number].head.one("traceparent").unwrap().to_owned();
        assert_eq!(id(0) == "theirs-1", trusted, "{}", id(0));
        assert_eq!(trace(0).contains(TRACE), trusted, "{}", trace(0));
        // The edge is a station of its own on the way.
        assert!(!trace(0).contains("00f067aa0ba902b7"), "{}", trace(0));
        assert!(id(1).len() >= 16 && id(1) != id(0), "{}", id(1));
        assert_eq!(trace(1).len(), 55);
        for (number, line) in lines.iter().enumerate() {
            assert_eq!(line["request_id"], id(number), "{line}");
            assert!(trace(number).contains(line["trace_id"].as_str().unwrap()), "{line}");
        }
    }
}

/// Whoever gets a refusal can tell whose it is, and where it comes from.
#[tokio::test]
async fn refusals_name_their_place() {
    let world = World::new().await;
    let mut it = logged(7, &[("web-1", nobody().await)], 1);
    it.routes = vec![route(Some("edge.test"), "/shop", "web")];
    let address = world.apply(&it).await;
    let check = async |path: &str, status: u16, code: &str, service: Value| {
        let answer = ask(address, "GET", path, "Accept: application/json\r\n").await;
        assert_eq!(answer.head.status(), status, "{answer:?}");
        assert_eq!(answer.head.one("server"), Some("fairway-edge"));
        assert_eq!(answer.head.one("x-fairway-release"), Some("7"));
        let body: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(
            [&body["from"], &body["environment"], &body["release"], &body["code"], &body["service"]],
            [&Value::from("fairway-edge"), &"dev".into(), &7.into(), &code.into(), &service],
            "{body}"
        );
        let plain = ask(address, "GET", path, "Accept: text/html\r\n").await;
        let kind = plain.head.one("content-type").unwrap().to_owned();
        assert!(kind.starts_with("text/plain"), "{kind}");
        assert!(plain.text().contains(body["message"].as_str().unwrap()), "{}", plain.text());
        body["message"].as_str().unwrap().to_owned()
    };
    let words = check("/other", 404, "no_route", Value::Null).await;
    assert!(words.contains("/other") && words.contains("edge.test"), "{words}");
    let words = check("/shop", 502, "upstream_refused", "web".into()).await;
    assert!(words.contains("`web`"), "{words}");
}

/// What Prometheus' own tool says about the page.
#[tokio::test]
async fn metrics_that_prometheus_reads() {
    if Command::new("promtool").arg("--version").output().is_err() {
        eprintln!("skipped: needs promtool");
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let process = tokio::spawn(fairway_edge::run(Settings::new(home.path())));
    let client = Client::in_home(home.path());
    within(async {
        while client.info().await.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let web = Recorder::new().await;
    let mut it = logged(7, &[("web-1", web.address()), ("web-2", nobody().await)], 1);
    it.environment = "test/pr-42".into();
    let (names, source) = (vec!["edge.test".into()], CertificateSource::Local);
    it.listeners.insert("secure".into(), ([127, 0, 0, 1], 0).into());
    it.tls.insert("secure".into(), ListenerTls::default());
    it.certificates.push(Certificate { names, source });
    let listeners = client.apply(&it).await.unwrap().listeners;
    let address = listeners["public"];
    // What speaks no TLS is told so, and counted.
    let mut lost = Wire::connect(listeners["secure"]).await;
    lost.send("GET / HTTP/1.1\r\n\r\n").await;
    lost.rest().await;
    for _ in 0..10 {
        ask(address, "GET", "/", "").await;
    }
    it.routes = vec![route(None, "/", "web"), route(None, "/missing", "empty")];
    it.services.insert("empty".into(), Service::default());
    it.services.get_mut("empty").unwrap().treatment.retries.patience_ms = 0;
    it.generation = 8;
    client.apply(&it).await.unwrap();
    ask(address, "GET", "/missing", "").await;
    drop(lost);
    let page = within(async {
        loop {
            let page = client.metrics().await.unwrap();
            if page.contains("handshakes_total{result=\"not_tls\"} 1\n") {
                return page;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(page.contains("web-1") && page.contains("web-2"), "{page}");
    // Every answer is in it, also those without an instance.
    let of = |line: &str| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap();
    let requests = page.lines().filter(|line| line.starts_with("fairway_edge_requests_total{"));
    assert_eq!(requests.clone().map(of).sum::<u64>(), 11, "{page}");
    let own = r#"{environment="test/pr-42",service="empty",code="no_instance",status="503"} 1"#;
    assert!(page.contains(&format!("fairway_edge_own_answers_total{own}")), "{page}");
    drop(requests);
    // Instances of a release are one histogram; Prometheus has a label `instance` of its own.
    let count = r#"fairway_edge_latency_seconds_count{environment="test/pr-42",service="web",release="7"} "#;
    assert_eq!(page.matches(count).count(), 1, "{page}");
    assert!(page.contains(r#"instance_id="web-1""#) && !page.contains("instance=\""), "{page}");
    for family in [
        "fairway_edge_build_info{version=",
        "fairway_edge_tls_handshakes_total{result=\"ok\"} 0",
        r#"fairway_edge_certificate_serving{environment="test/pr-42",names="edge.test",source="local"} 1"#,
        r#"fairway_edge_certificate_expiry_timestamp_seconds{environment="test/pr-42","#,
        "fairway_edge_acme_orders_total{result=\"failed\"} 0",
        "process_resident_memory_bytes ",
        "process_open_fds ",
        "process_max_fds ",
        "process_cpu_seconds_total ",
        "process_start_time_seconds ",
    ] {
        assert!(page.lines().any(|line| line.starts_with(family)), "{family}: {page}");
    }
    let checked = tokio::task::spawn_blocking(move || {
        let mut tool = Command::new("promtool");
        tool.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut tool = tool.spawn().unwrap();
        tool.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
        tool.wait_with_output().unwrap()
    });
    let checked = within(checked).await.unwrap();
    let words = [checked.stdout, checked.stderr].concat();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&words));
    client.shutdown(Duration::from_secs(5)).await.unwrap();
    within(process).await.unwrap().unwrap();
}
