//! Which requests reach which service, and what is said when none does.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as loudly as the tests")]

mod support;

use fairway_protocol::edge::ProblemCode;
use fairway_route::{Service, Stub, Table};
use http::{Method, StatusCode};
use support::upstream::Upstream;
use support::wire::{Client, fetch, request, text};
use support::{World, backend, nobody, route, table};

#[tokio::test]
async fn the_most_specific_route_wins() {
    let world = World::new().await;
    let mut it = table(1, &[]);
    it.routes.clear();
    let mut upstreams = Vec::new();
    for (name, host, path) in [
        ("root", None, "/"),
        ("api", None, "/api"),
        ("exact", None, "=/api/exact"),
        ("shop", Some("shop.test"), "/"),
        ("any-shop", Some("*.shop.test"), "/"),
    ] {
        let upstream = Upstream::named(name).await;
        let instances = vec![backend(name, upstream.address, 1)];
        it.services.insert(name.into(), Service { instances, ..Service::default() });
        it.routes.push(route(host, path, name));
        upstreams.push(upstream);
    }
    let address = world.apply(&it).await;
    let mut client = Client::connect(address).await;
    for (host, path, expect) in [
        ("other.test", "/", "root"),
        ("other.test", "/apis", "root"),
        ("other.test", "/api?x=/api/exact", "api"),
        ("other.test", "/api/x", "api"),
        ("other.test", "/api/exact", "exact"),
        ("other.test", "/api/exact/", "api"),
        ("shop.test", "/api", "shop"),
        ("SHOP.test:8080", "/", "shop"),
        ("a.b.shop.test", "/api", "any-shop"),
    ] {
        let response = client.send(request(Method::GET, path, &[("host", host)])).await;
        assert_eq!(text(response).await, (StatusCode::OK, expect.to_owned()), "{host}{path}");
    }
}

#[tokio::test]
async fn a_miss_names_what_is_missing() {
    let world = World::new().await;
    let mut it = table(3, &[]);
    it.routes = vec![route(Some("shop.test"), "/api", "web")];
    it.services.get_mut("web").unwrap().treatment.retries.patience_ms = 0;
    let address = world.apply(&it).await;
    let mut client = Client::connect(address).await;

    let response = client.send(request(Method::GET, "/", &[("host", "other.test")])).await;
    assert_eq!(response.headers()["server"], "fairway-edge");
    assert_eq!(response.headers()["x-fairway-release"], "3");
    assert_eq!(response.headers()["content-type"], "application/json");
    let (status, body) = text(response).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert_eq!(
        body,
        "{\"code\":\"no_route\",\"message\":\"no route for host `other.test` on this listener\",\
         \"from\":\"fairway-edge\",\"environment\":\"dev\",\"release\":3}\n"
    );

    let accept = [("host", "shop.test"), ("accept", "text/plain")];
    let response = client.send(request(Method::GET, "/apis", &accept)).await;
    assert_eq!(response.headers()["content-type"], "text/plain; charset=utf-8");
    let (status, body) = text(response).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert_eq!(
        body,
        "404 Not Found no_route\nno route for path `/apis` of host `shop.test`\nenvironment: dev\nrelease: 3\nfrom: fairway-edge\n"
    );

    let (status, body) =
        text(client.send(request(Method::GET, "/api", &[("host", "shop.test")])).await).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(body.contains("\"code\":\"no_instance\"") && body.contains("\"service\":\"web\""), "{body}");

    let stats = world.edge.stats(None).await;
    assert_eq!(stats.environments["dev"].unrouted, 2);
    assert_eq!(stats.environments["dev"].services["web"].no_instance, 1);
}

#[tokio::test]
async fn a_refused_dial_is_a_502_that_names_the_service_and_not_the_address() {
    let world = World::new().await;
    let nobody = nobody().await;
    let address = world.apply(&table(1, &[("web-1", nobody)])).await;
    let (status, body) = fetch(address, "/").await;
    assert_eq!(status, StatusCode::BAD_GATEWAY);
    assert!(body.contains("\"code\":\"upstream_refused\"") && body.contains("\"release\":1"), "{body}");
    assert!(!body.contains(&nobody.port().to_string()), "{body}");
    let stats = world.until("web-1", |it| it.in_flight == 0).await;
    assert_eq!((stats.failed.refused, stats.total), (1, 1));
}

#[tokio::test]
async fn a_stub_stands_for_a_boundary_without_a_program() {
    let world = World::new().await;
    let mut it = table(2, &[]);
    it.services.get_mut("web").unwrap().stub = Some(Stub { boundary: "ai".into(), title: Some("AI".into()) });
    let address = world.apply(&it).await;
    let mut client = Client::connect(address).await;
    let up = (StatusCode::OK, "{\"status\":\"ok\",\"boundary\":\"ai\"}\n".to_owned());
    assert_eq!(client.get("/health").await, up);
    assert_eq!(client.get("/ready").await, up);
    let expect = "{\"code\":\"not_implemented\",\"message\":\"AI has a contract and no program yet\",\"boundary\":\"ai\"}\n";
    assert_eq!(client.get("/chat").await, (StatusCode::NOT_IMPLEMENTED, expect.to_owned()));
    let response = client.send(request(Method::POST, "/health", &[])).await;
    assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
    drop(text(response).await);
    let head = client.send(request(Method::HEAD, "/health", &[])).await;
    assert_eq!(head.status(), StatusCode::OK);
    assert_eq!(head.headers()["content-length"], up.1.len().to_string());
    drop(text(head).await);
    assert_eq!(world.edge.stats(None).await.environments["dev"].services["web"].stubbed, 5);
}

/// Two environments on one address, told apart by host.
#[tokio::test]
async fn environments_share_an_address() {
    let world = World::new().await;
    let shared = nobody().await;
    let (one, two) = (Upstream::named("one").await, Upstream::named("two").await);
    let place = |environment: &str, host: &str, upstream: &Upstream| {
        let mut it = table(1, &[(environment, upstream.address)]);
        it.environment = environment.into();
        it.listeners.insert("public".into(), shared);
        it.routes = vec![route(Some(host), "/", "web")];
        it
    };
    world.edge.apply(place("test/pr-1", "one.test", &one)).await.unwrap();
    world.edge.apply(place("test/pr-2", "two.test", &two)).await.unwrap();
    let mut client = Client::connect(shared).await;
    for (host, expect) in [("one.test", "one"), ("two.test", "two"), ("one.test", "one")] {
        let (_, body) = text(client.send(request(Method::GET, "/", &[("host", host)])).await).await;
        assert_eq!(body, expect);
    }

    // A third one that claims what the first one has is refused, and nothing changes.
    let problem = world.edge.apply(place("test/pr-3", "one.test", &two)).await.unwrap_err();
    assert_eq!(problem.code, ProblemCode::Table);
    assert_eq!(
        problem.entries,
        [format!("routes[0]: one.test/ on {shared} is claimed by environment `test/pr-1` already")]
    );
    assert!(!world.edge.stats(None).await.environments.contains_key("test/pr-3"));

    // Removing one leaves the address to the other.
    world.edge.remove("test/pr-1", 1).await.unwrap();
    let (status, _) = text(client.send(request(Method::GET, "/", &[("host", "one.test")])).await).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let (_, body) = text(client.send(request(Method::GET, "/", &[("host", "two.test")])).await).await;
    assert_eq!(body, "two");
    world.edge.remove("test/pr-2", 1).await.unwrap();
    assert!(Client::try_connect(shared).await.is_err());
}

#[tokio::test]
async fn weights_are_kept() {
    let world = World::new().await;
    let (old, new) = (Upstream::named("old").await, Upstream::named("new").await);
    let mut it = table(1, &[("old", old.address), ("new", new.address)]);
    it.services.get_mut("web").unwrap().instances[0].weight = 9;
    let address = world.apply(&it).await;
    let mut client = Client::connect(address).await;
    for _ in 0..100 {
        assert_eq!(client.get("/").await.0, StatusCode::OK);
    }
    assert_eq!((old.requests(), new.requests()), (90, 10));

    // Weight 0: listed, and drained like one that left.
    it.revision = 1;
    it.services.get_mut("web").unwrap().instances[0].weight = 0;
    world.apply(&it).await;
    for _ in 0..10 {
        assert_eq!(client.get("/").await.1, "new");
    }
    assert!(world.instance("old").await.draining && !world.instance("new").await.draining);
}

#[tokio::test]
async fn requests_that_are_no_requests() {
    let world = World::new().await;
    let web = Upstream::named("web").await;
    let address = world.apply(&table(1, &[("web-1", web.address)])).await;
    for (what, expect) in [
        ("GET / HTTP/1.1\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n", "400"),
        ("CONNECT a:443 HTTP/1.1\r\nhost: a:443\r\n\r\n", "405"),
        ("GET / HTTP/1.0\r\n\r\n", "200"),
        ("OPTIONS * HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n", "200"),
        ("GET http://elsewhere.test/ HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n", "200"),
        ("nonsense\r\n\r\n", "400"),
    ] {
        let answer = support::within(raw(address, what)).await;
        assert_eq!(answer.split(' ').nth(1), Some(expect), "{what:?} got {answer:?}");
    }
    let many = format!("GET / HTTP/1.1\r\nhost: a\r\n{}\r\n", "a: b\r\n".repeat(200));
    assert!(support::within(raw(address, &many)).await.starts_with("HTTP/1.1 431"));
    let large = format!("GET / HTTP/1.1\r\nhost: a\r\na: {}\r\n\r\n", "b".repeat(100_000));
    assert!(support::within(raw(address, &large)).await.starts_with("HTTP/1.1 431"));
}

async fn raw(address: std::net::SocketAddr, what: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.write_all(what.as_bytes()).await.unwrap();
    // Until the answer's head is there: CONNECT and HTTP/1.1 may leave the connection open.
    let mut answer = Vec::new();
    while !answer.windows(4).any(|end| end == b"\r\n\r\n") {
        let mut piece = [0; 1024];
        match stream.read(&mut piece).await {
            Ok(0) | Err(_) => break,
            Ok(count) => answer.extend(&piece[..count]),
        }
    }
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn an_empty_table_serves_nothing_and_is_a_table() {
    let world = World::new().await;
    let applied = world.edge.apply(Table::empty("dev", 1, 0)).await.unwrap();
    assert!(applied.changed && applied.listeners.is_empty());
}
