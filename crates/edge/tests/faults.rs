//! What went wrong with another proxy for deploys, as tests: each fault by its number, and the edge does not have it.
//!
//! | fault | where it is shown |
//! |---|---|
//! | 1 a restart of the proxy is an outage | the hand-over of listeners to a successor, beside its implementation |
//! | 2, 3, 4 state is lost, torn, or one bad entry takes all | here |
//! | 5, 6, 7, 8, 9 health | `faults_of_health.rs` |
//! | 10, 11, 12, 13 drain and streams | here |
//! | 14, 15 holding requests | `faults_of_health.rs` |
//! | 16 refused dials and stale connections | here; the restart of a single instance in `faults_of_health.rs` |
//! | 17 a conflict of hosts is found after the health wait | before anything starts: `a_wrong_table_changes_nothing_and_names_its_entries` in `tables.rs`, and in the manifest `crates/manifest/tests/it` |
//! | 18 options change under running requests | here |
//! | 19 Ctrl-C does not cancel | `ctrl_c_before_the_switch_gives_the_release_up_at_once` in `tests/tests/trouble.rs` |
//! | 20 two deploys at once, the last wins | `nothing_is_committed_while_a_release_is_on_its_way`, `a_stale_plan_is_refused_and_told_what_moved` in `crates/oplog/tests/it/commits.rs`; `the_past_is_refused` in `tables.rs` |
//! | 21 no header or read timeouts | here |
//! | 22 one host and one certificate for each service | `crates/tls/tests` |
//! | 23 a 404 that does not say whose it is | here |
//! | 24 timeouts too short for slow boots, migrations in the boot window | `a_release_that_never_gets_ready_leaves_traffic_alone` in `tests/tests/trouble.rs`; migrations are a step of their own: `crates/agent/tests/it/releases.rs` |
//! | 25 host A has switched when host B fails | two phases: `a_release_that_cannot_start_costs_nothing_whoever_is_lost_when` in `crates/target/tests/steps.rs` |
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as loudly as the tests")]

#[path = "support/raw.rs"]
mod raw;
#[path = "support/stage.rs"]
mod stage;
mod support;

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use fairway_edge::{Edge, Settings};
use fairway_route::Table;
use raw::{Answer, Recorder, Wire};
use stage::Stage;
use support::{World, nobody, table};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

async fn get(address: SocketAddr, path: &str) -> (u16, String) {
    let mut client = Wire::connect(address).await;
    client.send(format!("GET {path} HTTP/1.1\r\nHost: edge.test\r\nConnection: close\r\n\r\n")).await;
    let answer = client.response("GET").await;
    (answer.head.status(), answer.text())
}

/// Applies these tables to an edge that then ends; returns its home.
async fn stored(tables: impl IntoIterator<Item = Table>) -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    let edge = Edge::start(Settings::new(home.path())).await.unwrap();
    for table in tables {
        edge.apply(table).await.unwrap();
    }
    edge.shutdown(Duration::from_secs(5)).await;
    home
}

async fn start(home: &Path) -> Edge {
    Edge::start(Settings::new(home)).await.unwrap()
}

fn at(mut table: Table, address: SocketAddr) -> Table {
    table.listeners.insert("public".into(), address);
    table
}

/// An upgrade finds the tables of the version before: a table as the first version wrote it still serves.
#[tokio::test]
async fn f02_state_survives_an_upgrade() {
    let web = Recorder::new().await;
    let address = nobody().await;
    let home = stored([]).await;
    let first = format!(
        r#"{{"format":1,"environment":"dev","generation":3,"revision":1,"listeners":{{"public":"{address}"}},
            "services":{{"web":{{"instances":[{{"id":"web-3-0","address":"{}","weight":1,"release":3}}],
            "timeouts":{{"connect_ms":2000,"header_ms":60000,"idle_ms":300000,"upgrade_idle_ms":3600000}}}}}},
            "routes":[{{"listener":"public","path":"/","service":"web"}}]}}"#,
        web.address()
    );
    fs::write(home.path().join("edge/tables/dev.json"), first).unwrap();
    let edge = start(home.path()).await;
    assert_eq!(get(address, "/a").await, (200, "GET /a 0".into()));
    assert_eq!(edge.tables().await.tables["dev"].generation, 3);
    edge.shutdown(Duration::from_secs(5)).await;
}

/// Wherever a file of state was cut off, the table before it serves.
#[tokio::test]
async fn f03_torn_state_costs_one_step() {
    let web = Recorder::new().await;
    let address = nobody().await;
    let of = |generation| at(table(generation, &[("web-1", web.address())]), address);
    let home = stored([of(1), of(2)]).await;
    let file = home.path().join("edge/tables/dev.json");
    let whole = fs::read(&file).unwrap();
    for cut in [0, 1, whole.len() / 4, whole.len() / 2, whole.len() - 2] {
        fs::write(&file, &whole[..cut]).unwrap();
        let edge = start(home.path()).await;
        assert_eq!(get(address, "/a").await, (200, "GET /a 0".into()), "cut at {cut}");
        assert_eq!(edge.tables().await.tables["dev"].generation, 1, "cut at {cut}");
        edge.shutdown(Duration::from_secs(5)).await;
    }
}

/// One entry that can't be read costs itself, not the others, and not the environments beside it.
#[tokio::test]
async fn f04_one_broken_service_takes_no_other_along() {
    let web = Recorder::new().await;
    let (address, other) = (nobody().await, nobody().await);
    let mut beside = at(table(1, &[("web-1", web.address())]), other);
    beside.environment = "test".into();
    let home = stored([at(table(1, &[("web-1", web.address())]), address), beside]).await;
    let file = home.path().join("edge/tables/dev.json");
    let broken =
        fs::read_to_string(&file).unwrap().replacen("\"services\": {", "\"services\": { \"bad\": 7,", 1);
    let broken = broken.replacen("\"services\":{", "\"services\":{\"bad\":7,", 1);
    assert!(broken.contains("\"bad\""), "{broken}");
    fs::write(&file, broken).unwrap();
    // Of the other environment nothing at all is left.
    fs::write(home.path().join("edge/tables/lost.json"), "\0\0\0").unwrap();
    let edge = start(home.path()).await;
    assert_eq!(get(address, "/a").await.0, 200);
    assert_eq!(get(other, "/a").await.0, 200);
    assert_eq!(edge.tables().await.tables["dev"].problems.len(), 1);
    edge.shutdown(Duration::from_secs(5)).await;
}

/// A WebSocket outlives the switch, and when its instance goes it is told so: 1012, come back.
#[tokio::test]
async fn f10_websockets_get_a_close_frame() {
    let stage = Stage::with(|_| {}, |table| table.options.goodbye_spread_ms = 0).await;
    let new = Recorder::new().await;
    let (mut client, mut instance, _) = stage
        .ask(
            "GET /ws HTTP/1.1\r\nHost: edge.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        )
        .await;
    instance
        .send(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
        )
        .await;
    assert_eq!(client.head().await.status(), 101);
    let mut next = table(2, &[("web-2", new.address())]);
    next.options.goodbye_spread_ms = 0;
    stage.world.apply(&next).await;
    // Still there, both ways.
    client.send(b"\x81\x82\0\0\0\0hi").await;
    assert_eq!(instance.exactly(8).await, b"\x81\x82\0\0\0\0hi");
    instance.send(b"\x81\x02ho").await;
    assert_eq!(client.exactly(4).await, b"\x81\x02ho");
    stage.world.edge.close_instance("dev", "web-1", Duration::from_secs(30)).unwrap();
    let frame = client.exactly(4).await;
    assert_eq!((frame[0], &frame[2..]), (0x88, &1012u16.to_be_bytes()[..]));
}

/// Streams that never end do not hold up a drain: they get their end at its begin.
#[tokio::test]
async fn f11_event_streams_do_not_wait_for_the_drains_end() {
    let stage = Stage::with(|_| {}, |table| table.options.goodbye_spread_ms = 0).await;
    let new = Recorder::new().await;
    let (mut client, mut instance, _) = stage.ask("GET /events HTTP/1.1\r\nHost: edge.test").await;
    instance.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: one\n\n").await;
    assert_eq!(client.head().await.status(), 200);
    client.until(b"data: one\n\n").await;
    let mut next = table(2, &[("web-2", new.address())]);
    next.options.goodbye_spread_ms = 0;
    stage.world.apply(&next).await;
    stage.world.edge.close_instance("dev", "web-1", Duration::from_secs(3600)).unwrap();
    client.until(b"0\r\n\r\n").await;
    stage.world.until("web-1", |it| it.in_flight == 0).await;
}

/// Events reach the client one by one, however small, however long the stream.
#[tokio::test]
async fn f12_streams_are_never_collected() {
    let stage = Stage::new().await;
    for kind in ["text/event-stream", "text/html", "application/octet-stream"] {
        let mut client = stage.client().await;
        client.send("GET /a HTTP/1.1\r\nHost: edge.test\r\n\r\n").await;
        let mut instance = stage.instance().await;
        instance.head().await;
        instance.send(format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n\r\n")).await;
        assert_eq!(client.head().await.status(), 200);
        for number in 0..50 {
            instance.send(format!("<{number}>")).await;
            client.until(format!("<{number}>").as_bytes()).await;
        }
    }
}

/// While one instance is drained, the others serve as if nothing was.
#[tokio::test]
async fn f13_a_drain_blocks_nobody() {
    let stage = Stage::new().await;
    let new = Recorder::new().await;
    let (mut slow, mut instance, _) = stage.ask("GET /slow HTTP/1.1\r\nHost: edge.test").await;
    let address = stage.world.apply(&table(2, &[("web-2", new.address())])).await;
    stage.world.edge.close_instance("dev", "web-1", Duration::from_secs(3600)).unwrap();
    for number in 0..50 {
        assert_eq!(get(address, &format!("/{number}")).await, (200, format!("GET /{number} 0")));
    }
    assert_eq!(stage.world.instance("web-1").await.in_flight, 1);
    instance.send(OK).await;
    assert_eq!(slow.response("GET").await.text(), "ok");
    stage.world.until("web-1", |it| it.in_flight == 0).await;
}

/// A dial that is refused goes to another instance; a kept connection that its instance has just closed is no error.
#[tokio::test]
async fn f16_refused_dials_and_stale_connections_are_tried_again() {
    let world = World::new().await;
    let web = Recorder::new().await;
    let address = world.apply(&table(1, &[("dead", nobody().await), ("web-1", web.address())])).await;
    for number in 0..20 {
        assert_eq!(get(address, &format!("/{number}")).await.0, 200);
    }
    // It says that the connection stays, and closes it: as after a keep-alive timeout of its own.
    let world = World::new().await;
    let hasty = Recorder::answering(|request| Answer { close: true, ..Answer::summary(request) }).await;
    let address = world.apply(&table(1, &[("web-1", hasty.address())])).await;
    let mut client = Wire::connect(address).await;
    for number in 0..100 {
        client.send(format!("GET /{number} HTTP/1.1\r\nHost: edge.test\r\n\r\n")).await;
        assert_eq!(client.response("GET").await.text(), format!("GET /{number} 0"));
    }
}

/// Exchanges that have begun end under the options under which they began; the next one has the new ones.
#[tokio::test]
async fn f18_options_change_between_requests() {
    let stage = Stage::new().await;
    let (mut first, mut slow, _) = stage.ask("GET /first HTTP/1.1\r\nHost: edge.test").await;
    let mut hasty = table(2, &[("web-1", stage.listener.local_addr().unwrap())]);
    hasty.services.get_mut("web").unwrap().timeouts.header_ms = 100;
    stage.world.apply(&hasty).await;
    let (mut second, _silent, _) = stage.ask("GET /second HTTP/1.1\r\nHost: edge.test").await;
    assert_eq!(second.response("GET").await.head.status(), 504);
    // More than the new limit has gone by for the first one, which is under the old.
    slow.send(OK).await;
    assert_eq!(first.response("GET").await.text(), "ok");
}

/// Clients that send next to nothing are cut off, and hold up nobody meanwhile.
#[tokio::test]
async fn f21_slow_clients_are_cut_off() {
    let world = World::with(|settings| settings.head_timeout = Duration::from_millis(300)).await;
    let web = Recorder::new().await;
    let mut slowly = table(1, &[("web-1", web.address())]);
    slowly.services.get_mut("web").unwrap().timeouts.idle_ms = 300;
    let address = world.apply(&slowly).await;
    let mut slow = Vec::new();
    for number in 0..60 {
        let mut client = Wire::connect(address).await;
        match number % 3 {
            0 => client.send("GET /slow HTTP/1.1\r\nHost: ed").await,
            1 => {
                client.send("POST /slow HTTP/1.1\r\nHost: edge.test\r\nContent-Length: 9\r\n\r\nhello").await
            }
            _ => {
                client
                    .send(
                        "POST /slow HTTP/1.1\r\nHost: edge.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe",
                    )
                    .await
            }
        }
        slow.push(client);
    }
    assert_eq!(get(address, "/quick").await.0, 200);
    for mut client in slow {
        let said = client.rest().await;
        assert!(said.is_empty() || said.starts_with(b"HTTP/1.1 408 "), "{}", raw::show(&said));
    }
    assert_eq!(web.summaries(), ["GET /quick 0"]);
}

/// Whoever meets the edge instead of a service learns whom it has met, and what it was that nobody serves.
#[tokio::test]
async fn f23_a_missing_route_is_named() {
    let world = World::new().await;
    let web = Recorder::new().await;
    let mut narrow = table(7, &[("web-1", web.address())]);
    narrow.routes[0].path = "/shop".into();
    narrow.routes[0].host = Some("shop.test".into());
    let address = world.apply(&narrow).await;
    for (host, path, named) in
        [("edge.test", "/shop", "edge.test"), ("shop.test", "/elsewhere", "/elsewhere")]
    {
        for accept in ["application/json", "text/html", "*/*"] {
            let mut client = Wire::connect(address).await;
            client.send(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept: {accept}\r\n\r\n")).await;
            let answer = client.response("GET").await;
            assert_eq!(answer.head.status(), 404);
            assert_eq!(answer.head.one("server"), Some("fairway-edge"));
            assert_eq!(answer.head.one("x-fairway-release"), Some("7"));
            let text = answer.text();
            assert!(
                text.contains("fairway-edge") && text.contains(named) && text.contains("route"),
                "{text}"
            );
        }
    }
}
