//! Spans of exchanges reach a collector, and no collector reaches the exchanges.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as loudly as the tests")]

#[path = "support/raw.rs"]
mod raw;
mod support;

use std::net::SocketAddr;
use std::time::Duration;

use fairway_edge::Settings;
use fairway_edge::client::Client;
use fairway_model::traffic::Otlp;
use fairway_route::Table;
use raw::{Answer, Message, Recorder, Wire, soon};
use serde_json::Value;
use support::{World, nobody, table, within};

fn traced(generation: u64, web: SocketAddr, collector: SocketAddr) -> Table {
    let mut it = table(generation, &[("web-1", web)]);
    it.options.otlp = Some(Otlp { endpoint: format!("http://{collector}"), one_in: 1 });
    it.routes[0].path = "/shop".into();
    it
}

async fn get(address: SocketAddr, path: &str, fields: &str) -> Message {
    let mut client = Wire::connect(address).await;
    client.send(format!("GET {path} HTTP/1.1\r\nHost: edge.test\r\nConnection: close\r\n{fields}\r\n")).await;
    client.response("GET").await
}

/// The spans that a collector has got.
fn spans(collector: &Recorder) -> Vec<Value> {
    let mut spans = Vec::new();
    for request in collector.log().requests {
        assert_eq!(request.head.target(), "/v1/traces");
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        let resource = &body["resourceSpans"][0];
        assert!(resource["resource"].to_string().contains("fairway-edge"), "{body}");
        spans.extend(resource["scopeSpans"][0]["spans"].as_array().unwrap().clone());
    }
    spans
}

fn attribute<'a>(span: &'a Value, key: &str) -> &'a Value {
    let all = span["attributes"].as_array().unwrap();
    all.iter().find(|it| it["key"] == key).map_or(&Value::Null, |it| &it["value"])
}

#[tokio::test]
async fn exchanges_become_spans() {
    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    let (world, web) = (World::new().await, Recorder::new().await);
    let taken =
        |_: &Message| Answer::last("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}");
    let collector = Recorder::answering(taken).await;
    let address = world.apply(&traced(7, web.address(), collector.address())).await;
    get(address, "/shop/a?token=secret", &format!("traceparent: 00-{TRACE}-00f067aa0ba902b7-01\r\n")).await;
    // Whoever is trusted and does not want it has no span.
    get(address, "/shop/unwanted", &format!("traceparent: 00-{TRACE}-00f067aa0ba902b7-00\r\n")).await;
    get(address, "/shop/b", "").await;
    assert_eq!(get(address, "/nowhere", "").await.head.status(), 404);
    // What waits is sent when nobody wants spans any more.
    world.apply(&table(8, &[("web-1", web.address())])).await;
    soon("spans", async {
        while spans(&collector).len() < 3 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let all = spans(&collector);
    let of = |path: &str| all.iter().find(|span| attribute(span, "url.path")["stringValue"] == path).unwrap();
    assert_eq!(all.len(), 3, "{all:?}");
    let span = of("/shop/a");
    let told = web.log().requests[0].head.one("traceparent").unwrap().to_owned();
    let told: Vec<&str> = told.split('-').collect();
    assert_eq!([&span["traceId"], &span["spanId"]], [told[1], told[2]], "the instance is told this span");
    assert_eq!((told[1], &span["parentSpanId"]), (TRACE, &"00f067aa0ba902b7".into()));
    assert_eq!(span["name"], "GET web");
    assert_eq!(attribute(span, "http.response.status_code")["intValue"], "200");
    assert_eq!(attribute(span, "fairway.instance")["stringValue"], "web-1");
    assert_eq!(attribute(span, "fairway.release")["intValue"], "7");
    assert!(!span.to_string().contains("secret"), "{span}");
    assert_eq!(of("/shop/b")["parentSpanId"], Value::Null);
    let refused = of("/nowhere");
    assert_eq!(refused["name"], "GET unrouted");
    assert_eq!(attribute(refused, "error.type")["stringValue"], "no_route");
    // There is no log of it: that is another option.
    assert!(!world.home.path().join("edge").join("access.log").exists());
}

/// One that is not there costs spans, which are counted, and nothing else.
#[tokio::test]
async fn a_collector_that_is_gone() {
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
    let it = traced(1, web.address(), nobody().await);
    let address = client.apply(&it).await.unwrap().listeners["public"];
    for _ in 0..3 {
        assert_eq!(get(address, "/shop/a", "").await.head.status(), 200);
    }
    soon("lost spans", async {
        while !client.metrics().await.unwrap().contains("fairway_edge_spans_total{result=\"dropped\"} 3\n") {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let page = client.metrics().await.unwrap();
    assert!(page.contains("fairway_edge_spans_total{result=\"exported\"} 0\n"), "{page}");
    client.shutdown(Duration::from_secs(5)).await.unwrap();
    within(process).await.unwrap().unwrap();
}
