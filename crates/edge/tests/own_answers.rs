//! What the edge answers itself can be seen: each has its line in the access log and its place in the counters.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as loudly as the tests")]

#[path = "support/raw.rs"]
mod raw;
mod support;

use std::net::SocketAddr;

use fairway_model::traffic::{
    AccessLog, BasicAuth, Cors, Guard, Hold, Limits, Maintenance, RateKey, RateLimit,
};
use fairway_protocol::edge::OwnAnswers;
use fairway_route::{Route, Service, Stub, Table};
use raw::{Recorder, Wire, soon};
use serde_json::Value;
use support::{World, backend, nobody, route, table};
use tokio::net::TcpListener;

fn guarded(path: &str, guard: Guard) -> Route {
    Route { guard, ..route(None, path, "web") }
}

/// A table with one route for every way to be refused.
fn refusing(web: SocketAddr, busy: SocketAddr) -> Table {
    let mut it = table(7, &[("web-1", web)]);
    it.options.access_log = Some(AccessLog { one_in: 1 });
    let guard = Guard::default();
    let basic_auth = BasicAuth { realm: "all".into(), users: [("ada".to_owned(), "0".repeat(64))].into() };
    let rate = RateLimit { requests: 1, per_ms: 3_600_000, burst: None, key: RateKey::Address };
    let maintenance = Maintenance { message: "back soon".into(), retry_after_s: 9, except: Vec::new() };
    let cors = Cors { origins: vec!["https://a.test".into()], ..Cors::default() };
    it.routes = vec![
        guarded("/open", guard.clone()),
        guarded("/closed", Guard { allow: vec!["10.0.0.0/8".parse().unwrap()], ..guard.clone() }),
        guarded("/secret", Guard { basic_auth: Some(basic_auth), ..guard.clone() }),
        guarded("/rate", Guard { rate_limit: Some(rate), ..guard.clone() }),
        guarded("/moved", Guard { redirect_https: true, ..guard.clone() }),
        guarded("/maintenance", Guard { maintenance: Some(maintenance), ..guard.clone() }),
        guarded("/cors", Guard { cors: Some(cors), ..guard.clone() }),
        guarded("/body", Guard { body_bytes: Some(3), ..guard.clone() }),
    ];
    let stub = Stub { boundary: "ai".into(), title: None };
    let mut others = vec![
        ("stub", Service { stub: Some(stub), ..Service::default() }),
        ("empty", Service::default()),
        ("held", Service { instances: vec![backend("held-1", web, 7)], ..Service::default() }),
        ("full", Service { instances: vec![backend("full-1", busy, 7)], ..Service::default() }),
        ("late", Service { instances: vec![backend("late-1", busy, 7)], ..Service::default() }),
    ];
    others[1].1.treatment.retries.patience_ms = 1;
    others[2].1.treatment.hold = Some(Hold { queue: 1, most_ms: 1 });
    others[3].1.treatment.limits = Limits { exchanges: 1, queue: 0, queue_ms: 60_000 };
    others[4].1.treatment.limits = Limits { exchanges: 1, queue: 10, queue_ms: 1 };
    for (name, service) in others {
        it.services.insert(name.into(), service);
        it.routes.push(route(None, &format!("/{name}"), name));
    }
    it
}

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

async fn send(address: SocketAddr, bytes: &str) -> Wire {
    let mut client = Wire::connect(address).await;
    client.send(bytes).await;
    client
}

fn get(path: &str, fields: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: edge.test\r\nConnection: close\r\n{fields}\r\n")
}

/// A request, its path as it is logged, and what comes of it: status, reason, service.
type Case = (String, &'static str, u16, Option<&'static str>, Option<&'static str>);

#[tokio::test]
async fn everything_has_its_line_and_its_count() {
    let (world, web) = (World::new().await, Recorder::new().await);
    let busy = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = world.apply(&refusing(web.address(), busy.local_addr().unwrap())).await;
    // Two that are under way, so that these services have no room.
    let mut under_way = Vec::new();
    for path in ["/full/first", "/late/first"] {
        let client = send(address, &get(path, "")).await;
        let mut instance = Wire::accept(&busy).await;
        instance.request().await;
        under_way.push((client, instance));
    }
    send(address, &get("/rate", "")).await.response("GET").await;
    let preflight = "Origin: https://a.test\r\nAccess-Control-Request-Method: PUT\r\n";
    let cases: Vec<Case> = vec![
        (get("/nowhere?token=1", ""), "/nowhere", 404, Some("no_route"), None),
        (get("/closed", ""), "/closed", 403, Some("not_allowed"), Some("web")),
        (get("/secret", ""), "/secret", 401, Some("unauthorised"), Some("web")),
        (get("/rate", ""), "/rate", 429, Some("rate_limited"), Some("web")),
        (get("/moved", ""), "/moved", 308, None, Some("web")),
        (get("/maintenance", ""), "/maintenance", 503, Some("maintenance"), Some("web")),
        (get("/cors", preflight).replacen("GET", "OPTIONS", 1), "/cors", 204, None, Some("web")),
        (get("/body", "Content-Length: 4\r\n") + "1234", "/body", 413, Some("body_too_large"), Some("web")),
        (get("/stub/x", ""), "/stub/x", 501, Some("stub"), Some("stub")),
        (
            get("/stub", "").replacen("/stub", "/stub/health", 1),
            "/stub/health",
            501,
            Some("stub"),
            Some("stub"),
        ),
        (get("/empty", ""), "/empty", 503, Some("no_instance"), Some("empty")),
        (get("/held", ""), "/held", 504, Some("hold_timeout"), Some("held")),
        (get("/full", ""), "/full", 503, Some("queue_full"), Some("full")),
        (get("/late", ""), "/late", 503, Some("queue_timeout"), Some("late")),
        (get("/open", "").replacen("GET", "TRACE", 1), "/open", 405, Some("method"), None),
        (get("/open", "Host: other.test\r\n"), "/open", 400, Some("bad_request"), None),
        (get("/open/%zz", ""), "/open/%zz", 400, Some("bad_request"), None),
        (get("/open", "Transfer-Encoding: gzip\r\n"), "/open", 501, Some("coding"), None),
        (get("/open", "Bad Name: 1\r\n"), "/open", 400, Some("bad_request"), None),
        ("\u{16}\u{3}\u{1} not HTTP\r\n\r\n".to_owned(), "", 400, Some("bad_request"), None),
    ];
    for (number, (request, path, status, why, service)) in cases.iter().enumerate() {
        let mut client = send(address, request).await;
        let method = request.split(' ').next().unwrap();
        assert_eq!(client.response(method).await.head.status(), *status, "{request}");
        let line = lines(&world, number + 2).await.pop().unwrap();
        let known = (!path.is_empty()).then_some((*path, method));
        assert_eq!(line["path"], known.map_or(Value::Null, |(path, _)| path.into()), "{line}");
        assert_eq!(line["method"], known.map_or(Value::Null, |(_, method)| method.into()), "{line}");
        assert_eq!(
            [&line["status"], &line["why"], &line["service"], &line["instance"]],
            [&(*status).into(), &(*why).into(), &(*service).into(), &Value::Null],
            "{line}"
        );
        assert_eq!([&line["environment"], &line["release"]], [&"dev".into(), &Value::from(7)], "{line}");
        assert_eq!(line["client"], "127.0.0.1", "{line}");
    }
    let waited = lines(&world, cases.len() + 1).await;
    let late = waited.iter().find(|line| line["path"] == "/late").unwrap();
    assert!(late["duration_ms"].as_f64().unwrap() >= 1.0, "the time in the queue is in it: {late}");
    // The same in the counters.
    let stats = world.edge.stats(Some("dev")).await;
    let environment = &stats.environments["dev"];
    let mut counted: Vec<(Option<&str>, &OwnAnswers)> =
        environment.own.iter().map(|own| (None, own)).collect();
    for (name, service) in &environment.services {
        counted.extend(service.own.iter().map(|own| (Some(name.as_str()), own)));
    }
    for (request, _, status, why, service) in &cases {
        let code = why.unwrap_or(if *status == 308 { "https_only" } else { "preflight" });
        let same = |it: &(Option<&str>, &OwnAnswers)| {
            it.0 == *service && it.1.code == code && it.1.status == *status
        };
        let expected =
            cases.iter().filter(|case| (case.2, case.3, case.4) == (*status, *why, *service)).count();
        let found: u64 = counted.iter().filter(|it| same(it)).map(|it| it.1.count).sum();
        assert_eq!(found, expected as u64, "{request}: {counted:?}");
    }
    assert_eq!(counted.iter().map(|(_, own)| own.count).sum::<u64>(), cases.len() as u64, "{counted:?}");
    assert_eq!((environment.unrouted, environment.services["empty"].no_instance), (1, 1));
    drop(under_way);
}

/// Nobody answers who leaves, and still it is told that they were there, and for how long they waited.
#[tokio::test]
async fn who_leaves_while_it_waits_has_a_line_and_a_count() {
    let (world, web) = (World::new().await, Recorder::new().await);
    let busy = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut it = refusing(web.address(), busy.local_addr().unwrap());
    it.services.get_mut("held").unwrap().treatment.hold = Some(Hold { queue: 1, most_ms: 600_000 });
    it.services.get_mut("late").unwrap().treatment.limits =
        Limits { exchanges: 1, queue: 1, queue_ms: 600_000 };
    let address = world.apply(&it).await;
    let under_way = send(address, &get("/late/first", "")).await;
    let mut instance = Wire::accept(&busy).await;
    instance.request().await;
    for (number, service) in ["held", "late"].into_iter().enumerate() {
        let client = send(address, &get(&format!("/{service}/x"), "")).await;
        soon("it waits", async {
            while world.edge.stats(Some("dev")).await.environments["dev"].services[service].waiting != 1 {
                tokio::task::yield_now().await;
            }
        })
        .await;
        drop(client);
        let line = lines(&world, number + 1).await.pop().unwrap();
        assert_eq!(
            [&line["path"], &line["status"], &line["why"], &line["service"], &line["instance"]],
            [
                &format!("/{service}/x").into(),
                &499.into(),
                &"client_gone".into(),
                &service.into(),
                &Value::Null
            ],
            "{line}"
        );
        assert!(line["duration_ms"].as_f64().unwrap() > 0.0, "{line}");
        let stats = world.edge.stats(Some("dev")).await;
        let gone = OwnAnswers { code: "client_gone".into(), status: 499, count: 1 };
        assert_eq!(stats.environments["dev"].services[service].own, [gone]);
    }
    drop((under_way, instance));
}

/// Where several environments listen and none of them is meant, the line names none.
#[tokio::test]
async fn a_listener_that_is_shared() {
    let world = World::new().await;
    let shared = nobody().await;
    for name in ["blue", "green"] {
        let mut it = Table::empty(name, 1, 0);
        it.listeners.insert("public".into(), shared);
        it.services.insert("web".into(), Service::default());
        it.routes.push(route(Some(&format!("{name}.test")), "/", "web"));
        it.options.access_log = (name == "green").then_some(AccessLog { one_in: 1 });
        world.apply(&it).await;
    }
    let answer = send(shared, &get("/x", "")).await.response("GET").await;
    assert_eq!(answer.head.status(), 404);
    let line = lines(&world, 1).await.pop().unwrap();
    assert_eq!(
        [&line["environment"], &line["why"], &line["host"]],
        [&Value::Null, &"no_route".into(), &"edge.test".into()],
        "{line}"
    );
    let stats = world.edge.stats(None).await;
    assert_eq!(stats.own, [OwnAnswers { code: "no_route".into(), status: 404, count: 1 }]);
    // One that does not want a log has none.
    send(shared, &get("/x", "").replace("edge.test", "blue.test")).await.response("GET").await;
    send(shared, &get("/y", "").replace("edge.test", "green.test")).await.response("GET").await;
    let lines = lines(&world, 2).await;
    assert_eq!(
        (lines.len(), &lines[1]["environment"], &lines[1]["path"]),
        (2, &"green".into(), &"/y".into())
    );
}
