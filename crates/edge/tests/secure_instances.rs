//! Instances that speak TLS: requests and WebSockets reach those that are who they should be, and nobody else is told
//! anything.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as loudly as the tests")]

#[path = "support/raw.rs"]
mod raw;
#[path = "support/secure.rs"]
mod secure;
mod support;

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use fairway_edge::client::Client;
use fairway_edge::{Edge, Settings};
use fairway_model::traffic::{Outliers, Probe, Treatment, Upstream, UpstreamTls};
use fairway_protocol::edge::{ProblemCode, Standing};
use fairway_route::Table;
use fairway_test_authority::Authority;
use futures::{SinkExt, StreamExt};
use raw::{Message, Wire};
use secure::Instance;
use support::{World, nobody, table, within};
use tokio::net::TcpStream;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::protocol::Message as Frames;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

/// A table whose instances speak this in TLS, as `web.internal`, and are known by these roots.
fn recognised(
    generation: u64,
    instances: &[(&str, SocketAddr)],
    upstream: Upstream,
    roots: &Path,
    adjust: impl FnOnce(&mut Treatment),
) -> Table {
    let mut table = table(generation, instances);
    let treatment = &mut table.services.get_mut("web").unwrap().treatment;
    treatment.upstream = upstream;
    treatment.upstream_tls =
        UpstreamTls { server_name: "web.internal".into(), roots: Some(roots.to_path_buf()) };
    treatment.retries.patience_ms = 0;
    adjust(treatment);
    table
}

async fn ask(address: SocketAddr) -> Message {
    let mut client = Wire::connect(address).await;
    client
        .send("POST /a HTTP/1.1\r\nHost: edge.test\r\nTE: trailers\r\nConnection: TE, close\r\nContent-Length: 2\r\n\r\nok")
        .await;
    client.response("POST").await
}

/// The code and the words of a refusal.
fn refusal(answer: &Message) -> (u16, String, String) {
    let json: serde_json::Value = serde_json::from_str(&answer.text()).unwrap();
    let part = |name: &str| json[name].as_str().unwrap().to_owned();
    (answer.head.status(), part("code"), part("message"))
}

#[tokio::test]
async fn both_versions_of_http() {
    let (world, authority) = (World::new().await, Authority::new());
    let roots = world.home.path().join("roots.pem");
    fs::write(&roots, authority.root()).unwrap();
    for (generation, upstream, protocols, version) in [
        (1, Upstream::Https, &[][..], "HTTP/1.1"),
        (2, Upstream::Https, &[&b"h2"[..], b"http/1.1"], "HTTP/1.1"),
        (3, Upstream::H2, &[b"h2"], "HTTP/2.0"),
    ] {
        let web = Instance::in_tls(&authority, "web", "web.internal", protocols).await;
        let instances = [("web-1", web.address)];
        let address = world.apply(&recognised(generation, &instances, upstream, &roots, |_| {})).await;
        for _ in 0..3 {
            let answer = ask(address).await;
            assert_eq!(answer.text(), format!("web {version} /a 2"));
            assert_eq!(answer.trailers, [("grpc-status".to_owned(), "0".to_owned())]);
        }
    }
}

#[tokio::test]
async fn a_websocket_in_tls_is_told_to_come_back() {
    let (world, authority) = (World::new().await, Authority::new());
    let roots = world.home.path().join("roots.pem");
    fs::write(&roots, authority.root()).unwrap();
    let web = Instance::in_tls(&authority, "web", "web.internal", &[b"http/1.1"]).await;
    let speaks = |generation, instances: &[(&str, SocketAddr)]| {
        recognised(generation, instances, Upstream::Https, &roots, |_| {})
    };
    let address = world.apply(&speaks(1, &[("web-1", web.address)])).await;
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut socket, _) = within(client_async("ws://edge.test/ws", stream)).await.unwrap();
    for length in [0, 125, 126, 70_000, 1_000_000] {
        let message = Frames::binary(vec![7; length]);
        socket.send(message.clone()).await.unwrap();
        assert_eq!(within(socket.next()).await.unwrap().unwrap(), message);
    }
    world.apply(&speaks(2, &[("web-2", web.address)])).await;
    world.edge.close_instance("dev", "web-1", Duration::from_secs(10)).unwrap();
    let Frames::Close(Some(frame)) = within(socket.next()).await.unwrap().unwrap() else {
        panic!("no close")
    };
    assert_eq!(frame.code, CloseCode::Restart);
    while let Some(Ok(_)) = within(socket.next()).await {}
    world.until("web-1", |it| it.in_flight == 0 && it.upgrades == 0).await;
}

/// Another instance is asked; with none left the client learns what kind of trouble it is, and it is counted.
#[tokio::test]
async fn an_impostor_gets_no_request() {
    let home = tempfile::tempdir().unwrap();
    let process = tokio::spawn(fairway_edge::run(Settings::new(home.path())));
    let client = Client::in_home(home.path());
    within(async {
        while client.info().await.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let (authority, stranger) = (Authority::new(), Authority::new());
    let roots = home.path().join("roots.pem");
    fs::write(&roots, authority.root()).unwrap();
    let web = Instance::in_tls(&authority, "web", "web.internal", &[]).await;
    let impostor = Instance::in_tls(&stranger, "impostor", "web.internal", &[]).await;
    let other = Instance::in_tls(&authority, "other", "other.internal", &[]).await;
    let never_out =
        |it: &mut Treatment| it.outliers = Outliers { consecutive_failures: 0, ..Outliers::default() };
    let speaks = |generation, upstream, instances: &[(&str, SocketAddr)]| {
        recognised(generation, instances, upstream, &roots, never_out)
    };

    let all = [("web-1", web.address), ("impostor", impostor.address), ("other", other.address)];
    let applied = client.apply(&speaks(1, Upstream::Https, &all)).await.unwrap();
    for _ in 0..6 {
        assert_eq!(ask(applied.listeners["public"]).await.text(), "web HTTP/1.1 /a 2");
    }
    for (generation, upstream, instance, why) in [
        (
            2,
            Upstream::Https,
            ("impostor", impostor.address),
            "its certificate is not of an authority that is trusted",
        ),
        (3, Upstream::Https, ("other", other.address), "its certificate is for another name"),
        (4, Upstream::H2, ("web-1", web.address), "it did not agree on the version of HTTP"),
    ] {
        let applied = client.apply(&speaks(generation, upstream, &[instance])).await.unwrap();
        let message = format!("service `web` could not be connected to in TLS: {why}");
        let answer = ask(applied.listeners["public"]).await;
        assert_eq!(refusal(&answer), (502, "upstream_tls".to_owned(), message));
        let stats = client.stats(Some("dev")).await.unwrap();
        assert_eq!(stats.environments["dev"].services["web"].instances[instance.0].failed.tls, 1);
    }
    let page = client.metrics().await.unwrap();
    let failed = "fairway_edge_failed_total{environment=\"dev\",service=\"web\",release=\"3\"";
    assert!(page.contains(&format!("{failed},instance_id=\"other\",reason=\"tls\"}} 1\n")), "{page}");
    process.abort();
}

#[tokio::test]
async fn probes_look_at_certificates() {
    let (world, authority, stranger) = (World::new().await, Authority::new(), Authority::new());
    let roots = world.home.path().join("roots.pem");
    fs::write(&roots, authority.root()).unwrap();
    let web = Instance::in_tls(&authority, "web", "web.internal", &[b"h2"]).await;
    let impostor = Instance::in_tls(&stranger, "impostor", "web.internal", &[b"h2"]).await;
    let probed = |it: &mut Treatment| {
        it.probe = Some(Probe {
            path: "/up".into(),
            host: None,
            interval_ms: 20,
            timeout_ms: 5_000,
            rise: 1,
            fall: 1,
        });
        it.outliers = Outliers { consecutive_failures: 0, ..Outliers::default() };
    };
    let instances = [("web-1", web.address), ("impostor", impostor.address)];
    world.apply(&recognised(1, &instances, Upstream::H2, &roots, probed)).await;
    world.until("impostor", |it| it.standing == Standing::Down).await;
    assert_eq!(world.instance("web-1").await.standing, Standing::Fit);
}

/// A table that nobody could be recognised by is refused; once there were roots, those are trusted until others can be
/// read, and others are trusted from the next table on.
#[tokio::test]
async fn roots_are_read_with_every_table() {
    let home = tempfile::tempdir().unwrap();
    let edge = Edge::start(Settings::new(home.path())).await.unwrap();
    let (first, second) = (Authority::new(), Authority::new());
    let roots = home.path().join("roots.pem");
    let old = Instance::in_tls(&first, "old", "web.internal", &[]).await;
    let new = Instance::in_tls(&second, "new", "web.internal", &[]).await;
    let listener = nobody().await;
    let speaks = |generation, address| {
        let mut it = recognised(generation, &[("web-1", address)], Upstream::Https, &roots, |_| {});
        it.listeners.insert("public".into(), listener);
        it
    };

    let problem = edge.apply(speaks(1, old.address)).await.unwrap_err();
    assert_eq!(problem.code, ProblemCode::Table);
    let words = format!(
        "services.web: the roots in {} could not be read: No such file or directory (os error 2)",
        roots.display()
    );
    assert_eq!(problem.entries, std::slice::from_ref(&words));

    fs::write(&roots, first.root()).unwrap();
    edge.apply(speaks(1, old.address)).await.unwrap();
    assert_eq!(ask(listener).await.text(), "old HTTP/1.1 /a 2");

    fs::remove_file(&roots).unwrap();
    let applied = edge.apply(speaks(2, old.address)).await.unwrap();
    assert!(
        applied.changes.contains(&format!("! {words}; those from before are trusted on")),
        "{:?}",
        applied.changes
    );
    assert_eq!(ask(listener).await.text(), "old HTTP/1.1 /a 2");

    fs::write(&roots, second.root()).unwrap();
    edge.apply(speaks(3, old.address)).await.unwrap();
    assert_eq!(refusal(&ask(listener).await).1, "upstream_tls");
    edge.apply(speaks(4, new.address)).await.unwrap();
    assert_eq!(ask(listener).await.text(), "new HTTP/1.1 /a 2");

    // After a restart nobody is trusted without a look at the file.
    edge.shutdown(Duration::from_secs(5)).await;
    fs::remove_file(&roots).unwrap();
    let edge = Edge::start(Settings::new(home.path())).await.unwrap();
    assert_eq!(refusal(&ask(listener).await).1, "upstream_tls");
    assert_eq!(edge.tables().await.tables["dev"].problems, [words]);
    fs::write(&roots, second.root()).unwrap();
    edge.apply(speaks(5, new.address)).await.unwrap();
    assert_eq!(ask(listener).await.text(), "new HTTP/1.1 /a 2");
    edge.shutdown(Duration::from_secs(5)).await;
}

/// A file of roots that changes needs no table: who is not of them any more gets no request.
#[tokio::test]
async fn files_of_roots_are_read_when_they_change() {
    let (world, first, second) = (World::new().await, Authority::new(), Authority::new());
    let roots = world.home.path().join("roots.pem");
    fs::write(&roots, first.root()).unwrap();
    let web = Instance::in_tls(&first, "web", "web.internal", &[]).await;
    let address =
        world.apply(&recognised(1, &[("web-1", web.address)], Upstream::Https, &roots, |_| {})).await;
    let answers = async |begin: &str| {
        let look = async {
            while !ask(address).await.text().starts_with(begin) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        within(look).await;
    };
    let problems = async |expect: &[String]| {
        let look = async {
            while world.edge.tables().await.tables["dev"].problems != expect {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        within(look).await;
    };
    answers("web").await;
    fs::write(&roots, second.root()).unwrap();
    answers("{").await;
    fs::write(&roots, "nothing").unwrap();
    let doubt = format!(
        "services.web: there is no certificate in {} (`-----BEGIN CERTIFICATE-----`); those from before are trusted on",
        roots.display()
    );
    problems(&[doubt]).await;
    fs::write(&roots, first.root()).unwrap();
    answers("web").await;
    problems(&[]).await;
}
