//! Tables: order, faults, listeners, what is on disk, and the control socket.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as loudly as the tests")]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use fairway_edge::client::{Client, ClientError};
use fairway_edge::{Edge, EdgeError, Settings};
use fairway_protocol::edge::{Problem, ProblemCode};
use fairway_route::Table;
use http::StatusCode;
use support::upstream::Upstream;
use support::wire::{self, fetch};
use support::{World, nobody, route, table, within};

fn revision(table: &Table, revision: u64) -> Table {
    Table { revision, ..table.clone() }
}

#[tokio::test]
async fn the_past_is_refused() {
    let world = World::new().await;
    let web = Upstream::named("web").await;
    let it = revision(&table(5, &[("web-5", web.address)]), 2);
    let first = world.edge.apply(it.clone()).await.unwrap();
    assert!(first.changed);
    assert!(first.changes.contains(&format!("+ web: web-5 at {}, weight 1, release 5", web.address)));

    let again = world.edge.apply(it.clone()).await.unwrap();
    assert_eq!((again.changed, &again.listeners), (false, &first.listeners));

    for (stale, code) in [
        (revision(&it, 1), ProblemCode::Stale),
        (table(4, &[("web-4", web.address)]), ProblemCode::Stale),
        (revision(&table(5, &[]), 2), ProblemCode::Contradicts),
    ] {
        let Problem { code: refused, current, .. } = world.edge.apply(stale).await.unwrap_err();
        assert_eq!((refused, current), (code, Some((5, 2))));
    }
    assert_eq!(world.edge.table("dev").await, Some(it));
    assert_eq!(fetch(first.listeners["public"], "/").await.1, "web");
}

#[tokio::test]
async fn a_removed_environment_does_not_come_back_from_the_past() {
    let world = World::new().await;
    let web = Upstream::named("web").await;
    let it = table(5, &[("web-5", web.address)]);
    let address = world.apply(&it).await;
    let problem = world.edge.remove("dev", 4).await.unwrap_err();
    assert_eq!((problem.code, problem.current), (ProblemCode::Stale, Some((5, 0))));
    assert_eq!(fetch(address, "/").await.1, "web");

    world.edge.remove("dev", 6).await.unwrap();
    world.edge.remove("dev", 6).await.unwrap();
    assert!(wire::Client::try_connect(address).await.is_err());
    assert_eq!(world.edge.apply(it.clone()).await.unwrap_err().code, ProblemCode::Stale);

    // The same after a restart.
    let edge = Edge::start(Settings::new(world.home.path())).await.unwrap();
    assert_eq!(edge.apply(it).await.unwrap_err().code, ProblemCode::Stale);
    let applied = edge.apply(table(6, &[("web-6", web.address)])).await.unwrap();
    assert_eq!(fetch(applied.listeners["public"], "/").await.1, "web");
}

#[tokio::test]
async fn a_wrong_table_changes_nothing_and_names_its_entries() {
    let world = World::new().await;
    let web = Upstream::named("web").await;
    let good = table(1, &[("web-1", web.address)]);
    let address = world.apply(&good).await;
    let mut wrong = table(2, &[("web-2", web.address)]);
    wrong.routes.push(route(None, "/x", "nobody"));
    wrong.routes.push(route(None, "x", "web"));
    let problem = world.edge.apply(wrong).await.unwrap_err();
    assert_eq!(problem.code, ProblemCode::Table);
    assert_eq!(
        problem.entries,
        [
            "routes[1]: service `nobody` is not in the table",
            "routes[2]: path `x`: a path begins with `/` (a prefix) or `=/` (exactly this path)",
        ]
    );
    assert_eq!(fetch(address, "/").await.1, "web");
    assert_eq!(world.edge.table("dev").await, Some(good));
    assert!(world.find("web-2").await.is_none());
}

#[tokio::test]
async fn a_taken_address_changes_nothing() {
    let world = World::new().await;
    let web = Upstream::named("web").await;
    let address = world.apply(&table(1, &[("web-1", web.address)])).await;
    let mut wrong = table(2, &[("web-2", web.address)]);
    let free = nobody().await;
    wrong.listeners.insert("a-free-one".into(), free);
    wrong.listeners.insert("internal".into(), web.address);
    let problem = world.edge.apply(wrong.clone()).await.unwrap_err();
    assert_eq!(problem.code, ProblemCode::Listener);
    assert!(problem.message.contains("listener `internal`"), "{problem}");
    assert_eq!(fetch(address, "/").await.1, "web");
    // What was bound on the way is free again, and the stored table is the one that serves.
    assert!(wire::Client::try_connect(free).await.is_err());
    let stored = fs::read_to_string(world.home.path().join("edge/tables/dev.json")).unwrap();
    assert!(stored.contains("web-1") && !stored.contains("web-2"));

    wrong.listeners.remove("internal");
    let applied = world.edge.apply(wrong).await.unwrap();
    assert_eq!(applied.listeners["a-free-one"], free);
}

/// The old address answers until the table has moved and refuses afterwards; the new one answers at once. A client
/// that is connected to the old address gets its answer.
#[tokio::test]
async fn a_listener_moves() {
    let world = World::new().await;
    let web = Upstream::named("web").await;
    let (from, to) = (nobody().await, nobody().await);
    let mut it = table(1, &[("web-1", web.address)]);
    it.listeners.insert("public".into(), from);
    assert_eq!(world.apply(&it).await, from);
    let mut connected = wire::Client::connect(from).await;
    assert_eq!(connected.get("/").await.1, "web");

    it.revision = 1;
    it.listeners.insert("public".into(), to);
    assert_eq!(world.apply(&it).await, to);
    assert_eq!(fetch(to, "/").await.1, "web");
    assert!(wire::Client::try_connect(from).await.is_err());
}

#[tokio::test]
async fn a_restart_serves_the_last_good_tables() {
    let world = World::new().await;
    let web = Upstream::named("web").await;
    let (dev, test) = (nobody().await, nobody().await);
    for (environment, address) in [("dev", dev), ("test/pr-42", test)] {
        for generation in [1, 2] {
            let mut it = table(generation, &[("web-1", web.address)]);
            it.environment = environment.into();
            it.listeners.insert("public".into(), address);
            world.edge.apply(it).await.unwrap();
        }
    }
    world.edge.shutdown(Duration::from_secs(5)).await;
    assert!(wire::Client::try_connect(dev).await.is_err());
    // A half-written file, as by a machine that lost power, and one that is gone.
    let tables = world.home.path().join("edge/tables");
    fs::write(tables.join("dev.json"), "{\"format\": 1, \"envi").unwrap();
    fs::write(tables.join("lost.json"), "").unwrap();

    let edge = Edge::start(Settings::new(world.home.path())).await.unwrap();
    assert_eq!(fetch(dev, "/").await, (StatusCode::OK, "web".into()));
    assert_eq!(fetch(test, "/").await, (StatusCode::OK, "web".into()));
    let tables = edge.tables().await.tables;
    let generations: Vec<_> = tables.iter().map(|(name, it)| (name.as_str(), it.generation)).collect();
    assert_eq!(generations, [("dev", 1), ("test/pr-42", 2)]);
    // What it fell back to is what it compares with.
    let mut newer = table(2, &[("web-1", web.address)]);
    newer.listeners.insert("public".into(), dev);
    assert!(edge.apply(newer).await.unwrap().changed);
}

/// A stored table with a broken entry, and an address that another program has taken meanwhile: the rest serves, and
/// the address is taken over when it is free.
#[tokio::test]
async fn what_is_broken_is_alone() {
    let world = World::new().await;
    let web = Upstream::named("web").await;
    let (public, internal) = (nobody().await, nobody().await);
    let mut it = table(1, &[("web-1", web.address)]);
    it.listeners.insert("public".into(), public);
    it.listeners.insert("internal".into(), internal);
    it.routes.push(fairway_route::Route { listener: "internal".into(), ..route(None, "/", "web") });
    it.services.insert("other".into(), fairway_route::Service::default());
    it.routes.push(route(None, "/other", "other"));
    world.edge.apply(it.clone()).await.unwrap();
    world.edge.shutdown(Duration::from_secs(5)).await;
    let file = world.home.path().join("edge/tables/dev.json");
    let stored =
        fs::read_to_string(&file).unwrap().replace("\"other\": {", "\"other\": { \"unheard\": true,");
    fs::write(&file, stored).unwrap();
    let squatter = tokio::net::TcpListener::bind(internal).await.unwrap();

    let edge = Edge::start(Settings::new(world.home.path())).await.unwrap();
    assert_eq!(fetch(public, "/").await.1, "web");
    assert_eq!(fetch(public, "/other").await.0, StatusCode::SERVICE_UNAVAILABLE);
    let summary = edge.tables().await.tables["dev"].clone();
    assert_eq!(summary.problems.len(), 2, "{summary:?}");
    assert!(summary.problems[0].starts_with("services.other: not readable: unknown field `unheard`"));
    assert_eq!(summary.problems[1], format!("listeners.internal: {internal} is taken by another program"));
    assert!(!summary.listeners.contains_key("internal"));

    drop(squatter);
    let served = async {
        while wire::Client::try_connect(internal).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    within(served).await;
    assert_eq!(fetch(internal, "/").await.1, "web");
}

/// A process's life over its control socket.
#[tokio::test]
async fn the_control_socket() {
    let home = tempfile::tempdir().unwrap();
    let client = Client::in_home(home.path());
    assert!(matches!(client.info().await, Err(ClientError::Absent { .. })));
    // A socket that a dead edge left behind.
    drop(std::os::unix::net::UnixListener::bind(home.path().join("edge.sock")).unwrap());
    let process = tokio::spawn(fairway_edge::run(Settings::new(home.path())));
    let info = within(async {
        loop {
            if let Ok(info) = client.info().await {
                return info;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!((info.api, info.pid), (1, std::process::id()));
    let mode = fs::metadata(home.path().join("edge.sock")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let second = fairway_edge::run(Settings::new(home.path())).await;
    assert!(matches!(second, Err(EdgeError::Running { .. })));

    let web = Upstream::named("web").await;
    let mut it = table(3, &[("web/1", web.address)]);
    it.environment = "test/pr-42".into();
    let applied = client.apply(&it).await.unwrap();
    let address = applied.listeners["public"];
    assert!(applied.changed && !client.apply(&it).await.unwrap().changed);
    assert_eq!(fetch(address, "/").await.1, "web");
    assert_eq!(fetch(address, "/").await.0, StatusCode::OK);
    assert_eq!(client.table("test/pr-42").await.unwrap(), Some(it.clone()));
    assert_eq!(client.table("prod").await.unwrap(), None);
    assert_eq!(client.tables().await.unwrap().tables["test/pr-42"].listeners["public"], address);

    let stats = client.stats(Some("test/pr-42")).await.unwrap();
    let instance = &stats.environments["test/pr-42"].services["web"].instances["web/1"];
    assert_eq!((instance.total, instance.responses.success, instance.latency.count), (2, 2, 2));
    assert!(client.stats(Some("prod")).await.unwrap().environments.is_empty());
    let page = client.metrics().await.unwrap();
    let labels = "environment=\"test/pr-42\",service=\"web\",release=\"3\"";
    let of_instance = format!("{labels},instance_id=\"web/1\"");
    assert!(
        page.contains(&format!("\nfairway_edge_requests_total{{{of_instance},class=\"2xx\"}} 2\n")),
        "{page}"
    );
    assert!(page.contains(&format!("\nfairway_edge_latency_seconds_count{{{labels}}} 2\n")), "{page}");

    let refused = |result: Result<_, ClientError>| match result {
        Err(ClientError::Refused(problem)) => problem,
        other => panic!("{other:?}"),
    };
    let stale = refused(client.apply(&Table { generation: 2, ..it.clone() }).await);
    assert_eq!((stale.code, stale.current), (ProblemCode::Stale, Some((3, 0))));
    assert!(!stale.unchanged.is_empty() && !stale.next.is_empty());
    let close = client.close_instance("test/pr-42", "web/1", Duration::ZERO).await;
    assert!(
        matches!(close, Err(ClientError::Refused(Problem { code: ProblemCode::Serving, .. }))),
        "{close:?}"
    );
    let close = client.close_instance("test/pr-42", "web/9", Duration::ZERO).await;
    assert!(
        matches!(close, Err(ClientError::Refused(Problem { code: ProblemCode::Unknown, .. }))),
        "{close:?}"
    );

    client.remove("test/pr-42", 3).await.unwrap();
    assert!(wire::Client::try_connect(address).await.is_err());
    client.shutdown(Duration::from_secs(1)).await.unwrap();
    within(process).await.unwrap().unwrap();
    assert!(matches!(client.info().await, Err(ClientError::Absent { .. })));
}

/// What a hand-written request gets.
#[tokio::test]
async fn malformed_control_requests() {
    let home = tempfile::tempdir().unwrap();
    let process = tokio::spawn(fairway_edge::run(Settings::new(home.path())));
    let client = Client::in_home(home.path());
    within(async {
        while client.info().await.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    for (line, body, expect) in [
        ("PUT /v1/environments/dev/table", "{", "400"),
        ("PUT /v1/environments/dev/table", "{\"format\":1,\"environment\":\"prod\",\"generation\":1}", "400"),
        ("PUT /v1/environments/dev/table", "{\"format\":7}", "422"),
        (
            "PUT /v1/environments/dev/table",
            "{\"environment\":\"dev\",\"generation\":1,\"routes\":[{\"path\":\"/\"}]}",
            "422",
        ),
        ("PUT /v1/environments/%ff/table", "{}", "400"),
        ("DELETE /v1/environments/dev", "", "400"),
        ("DELETE /v1/environments/dev?generation=x", "", "400"),
        ("GET /v1/environments/dev/table", "", "404"),
        ("GET /v2/tables", "", "404"),
        ("POST /v1/shutdown", "{\"grace\":1}", "400"),
    ] {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let mut stream = tokio::net::UnixStream::connect(home.path().join("edge.sock")).await.unwrap();
        let length = body.len();
        let request = format!(
            "{line} HTTP/1.1\r\nhost: edge\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        within(stream.read_to_string(&mut answer)).await.unwrap();
        assert_eq!(answer.split(' ').nth(1), Some(expect), "{line} {body}: {answer}");
        let problem: Problem = serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap();
        assert!(!problem.message.is_empty());
    }
    client.shutdown(Duration::ZERO).await.unwrap();
    within(process).await.unwrap().unwrap();
}
