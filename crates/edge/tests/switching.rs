//! Swaps under load, counting, draining, retries.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as loudly as the tests")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use fairway_protocol::edge::ProblemCode;
use http::{Method, Response, StatusCode};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use support::upstream::Upstream;
use support::wire::{Client, fetch, full, get, next, piece, piecewise, request, text};
use support::{World, nobody, table, within};
use tokio::sync::Mutex;

/// Clients with kept and with fresh connections send requests all the time while 100 tables take each other's place.
/// Each old instance is drained to zero and killed. Nobody notices.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_swaps_under_load_lose_nothing() {
    let world = World::new().await;
    let mut current = Upstream::named("web").await;
    let address = world.apply(&table(1, &[("web-1", current.address)])).await;
    let (ended, served, failed) = (AtomicBool::new(false), AtomicU64::new(0), Mutex::new(Vec::new()));
    let (ended, served, failed) = (Arc::new(ended), Arc::new(served), Arc::new(failed));
    let mut clients = tokio::task::JoinSet::new();
    for kind in 0..8 {
        let (ended, served, failed) = (ended.clone(), served.clone(), failed.clone());
        clients.spawn(async move {
            let mut client = Client::connect(address).await;
            let mut number = 0;
            while !ended.load(Ordering::Relaxed) {
                if kind % 4 == 0 {
                    client = Client::connect(address).await;
                }
                number += 1;
                // A body makes the request one that must not be sent twice.
                let request = if kind % 2 == 0 {
                    get("/")
                } else {
                    support::wire::with_body(Method::POST, "/", &[], full("order"))
                };
                match within(client.try_send(request)).await {
                    Ok(response) if response.status() == StatusCode::OK => {
                        assert_eq!(text(response).await.1, "web");
                        served.fetch_add(1, Ordering::Relaxed);
                    }
                    Ok(response) => {
                        failed.lock().await.push(format!("{kind}/{number}: {:?}", text(response).await))
                    }
                    Err(error) => {
                        failed.lock().await.push(format!("{kind}/{number}: {error}"));
                        client = Client::connect(address).await;
                    }
                }
            }
        });
    }
    for generation in 2..=101 {
        let before = served.load(Ordering::Relaxed);
        let new = Upstream::named("web").await;
        let id = format!("web-{generation}");
        world.apply(&table(generation, &[(&id, new.address)])).await;
        let old = format!("web-{}", generation - 1);
        world.until(&old, |it| it.in_flight == 0).await;
        std::mem::replace(&mut current, new).kill().await;
        within(async {
            while served.load(Ordering::Relaxed) < before + 24 && failed.lock().await.is_empty() {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
    ended.store(true, Ordering::Relaxed);
    while let Some(client) = clients.join_next().await {
        client.unwrap();
    }
    assert_eq!(*failed.lock().await, Vec::<String>::new());
    assert!(served.load(Ordering::Relaxed) >= 2400);
    let stats = world.edge.stats(None).await;
    let instances = &stats.environments["dev"].services["web"].instances;
    let total: u64 = instances.values().map(|it| it.responses.success).sum();
    assert_eq!(total, served.load(Ordering::Relaxed));
    assert!(instances.values().all(|it| it.failed.total() == 0 && it.redialled == 0), "{instances:#?}");
}

/// A response that takes its time keeps its instance counted, over any number of tables, to its last byte.
#[tokio::test]
async fn a_slow_stream_keeps_its_instance_counted() {
    let world = World::new().await;
    let (pieces, body) = piecewise();
    let body = Arc::new(std::sync::Mutex::new(Some(body)));
    let old = Upstream::answering(move |_| {
        let body = body.lock().unwrap().take().unwrap();
        Box::pin(async move { Response::new(body) })
    })
    .await;
    let new = Upstream::named("new").await;
    let address = world.apply(&table(1, &[("old", old.address)])).await;
    let mut client = Client::connect(address).await;
    let mut stream = client.send(get("/")).await.into_body();
    pieces.send(piece("one")).unwrap();
    assert_eq!(next(&mut stream).await.unwrap().unwrap(), "one");

    for generation in 2..5 {
        world.apply(&table(generation, &[("new", new.address)])).await;
        assert_eq!(fetch(address, "/").await.1, "new");
    }
    let stats = world.instance("old").await;
    assert_eq!((stats.in_flight, stats.draining, stats.weight), (1, true, 0));
    // What left stays listed while it is busy, also when its whole environment is gone.
    world.edge.remove("dev", 9).await.unwrap();
    assert_eq!(world.instance("old").await.in_flight, 1);

    pieces.send(piece("two")).unwrap();
    drop(pieces);
    assert_eq!(next(&mut stream).await.unwrap().unwrap(), "two");
    assert!(next(&mut stream).await.is_none());
    let stats = world.until("old", |it| it.in_flight == 0).await;
    assert_eq!((stats.total, stats.failed.total(), stats.clients_gone), (1, 0, 0));
}

#[tokio::test]
async fn a_client_that_leaves_is_counted_out() {
    let world = World::new().await;
    let (pieces, body) = piecewise();
    let body = Arc::new(std::sync::Mutex::new(Some(body)));
    let web = Upstream::answering(move |request| {
        let body = body.lock().unwrap().take();
        Box::pin(async move {
            match body {
                Some(body) if request.uri().path() == "/stream" => Response::new(body),
                _ => std::future::pending().await,
            }
        })
    })
    .await;
    let address = world.apply(&table(1, &[("web-1", web.address)])).await;
    // While the answer streams.
    let mut client = Client::connect(address).await;
    let mut stream = client.send(get("/stream")).await.into_body();
    pieces.send(piece("one")).unwrap();
    next(&mut stream).await.unwrap().unwrap();
    assert_eq!(world.instance("web-1").await.in_flight, 1);
    drop(stream);
    client.leave();
    world.until("web-1", |it| it.in_flight == 0 && it.clients_gone == 1).await;
    // The instance is told, too.
    within(pieces.closed()).await;

    // While nothing has been answered yet.
    let mut client = Client::connect(address).await;
    let waiting = tokio::spawn(async move {
        let _ = client.try_send(get("/never")).await;
        client.leave();
    });
    world.until("web-1", |it| it.in_flight == 1).await;
    waiting.abort();
    let _ = waiting.await;
    let stats = world.until("web-1", |it| it.in_flight == 0 && it.clients_gone == 2).await;
    assert_eq!(stats.failed.total(), 0);
}

/// One instance of two is gone and the table does not know it yet.
#[tokio::test]
async fn a_refused_dial_goes_to_the_other_instance() {
    let world = World::new().await;
    let alive = Upstream::named("alive").await;
    let address = world.apply(&table(1, &[("gone", nobody().await), ("alive", alive.address)])).await;
    let mut client = Client::connect(address).await;
    for number in 0..10 {
        let body = full(format!("order {number}"));
        let response = client.send(support::wire::with_body(Method::POST, "/", &[], body)).await;
        assert_eq!(text(response).await, (StatusCode::OK, "alive".into()));
    }
    let (gone, alive) = (world.until("gone", |it| it.in_flight == 0).await, world.instance("alive").await);
    assert_eq!((gone.total, gone.redialled, gone.failed.total()), (0, 5, 0));
    assert_eq!((alive.total, alive.responses.success), (10, 10));
}

/// An address on which nothing is accepted and connections are not refused either: they get no answer. It stays so
/// while what is returned lives.
async fn deaf() -> (std::net::SocketAddr, impl Drop) {
    struct Deaf {
        _listener: tokio::net::TcpListener,
        _queue: Vec<tokio::net::TcpStream>,
    }
    impl Drop for Deaf {
        fn drop(&mut self) {}
    }
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let listener = socket.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    let mut queue = Vec::new();
    // Fill the queue: the first connection that hangs is one too many.
    while let Ok(stream) =
        tokio::time::timeout(Duration::from_millis(200), tokio::net::TcpStream::connect(address)).await
    {
        queue.push(stream.unwrap());
    }
    (address, Deaf { _listener: listener, _queue: queue })
}

/// The table moves while a request waits for a connection to an instance that is stuck: the request goes to where the
/// service is now.
#[tokio::test]
async fn a_request_that_waits_for_a_connection_follows_the_table() {
    let world = World::new().await;
    let (stuck, _deaf) = deaf().await;
    let new = Upstream::named("new").await;
    let mut it = table(1, &[("stuck", stuck)]);
    it.services.get_mut("web").unwrap().timeouts.connect_ms = 100;
    let address = world.apply(&it).await;
    let (status, body) = fetch(address, "/").await;
    assert_eq!(status, StatusCode::GATEWAY_TIMEOUT);
    assert!(body.contains("upstream_connect_timeout"), "{body}");

    it.revision = 1;
    it.services.get_mut("web").unwrap().timeouts.connect_ms = 2000;
    world.apply(&it).await;
    let waiting = tokio::spawn(fetch(address, "/"));
    world.until("stuck", |it| it.in_flight == 1).await;
    world.apply(&table(2, &[("new", new.address)])).await;
    assert_eq!(within(waiting).await.unwrap(), (StatusCode::OK, "new".into()));
    let stats = world.until("stuck", |it| it.in_flight == 0).await;
    assert_eq!((stats.total, stats.failed.connect_timeout), (1, 1));
    assert!(stats.redialled > 0, "{stats:?}");
}

/// An instance is restarted on its address: connections that were kept are dead.
#[tokio::test]
async fn a_kept_connection_that_died_is_not_noticed() {
    let world = World::new().await;
    let web = Upstream::named("before").await;
    let place = web.address;
    let address = world.apply(&table(1, &[("web-1", place)])).await;
    let mut client = Client::connect(address).await;
    assert_eq!(client.get("/").await.1, "before");
    web.kill().await;
    let listener = tokio::net::TcpListener::bind(place).await.unwrap();
    let answering = tokio::spawn(async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = [0; 4096];
        let _ = stream.read(&mut head).await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nafter").await.unwrap();
        stream
    });
    assert_eq!(client.get("/").await, (StatusCode::OK, "after".into()));
    drop(answering.await.unwrap());
}

/// Back to an instance that was being drained: it takes requests again and its streams are not ended.
#[tokio::test]
async fn a_revert_brings_an_instance_back() {
    let world = World::new().await;
    let (old, new) = (Upstream::named("old").await, Upstream::named("new").await);
    let address = world.apply(&table(1, &[("old", old.address)])).await;
    world.apply(&table(2, &[("new", new.address)])).await;
    world.edge.close_instance("dev", "old", Duration::from_secs(5)).unwrap();
    let refused = world.edge.close_instance("dev", "new", Duration::from_secs(5)).unwrap_err();
    assert_eq!(refused.code, ProblemCode::Serving);
    world.apply(&table(3, &[("old", old.address)])).await;
    assert_eq!(fetch(address, "/").await.1, "old");
    let stats = world.until("old", |it| it.in_flight == 0).await;
    assert_eq!((stats.draining, stats.total, stats.weight, stats.release), (false, 1, 1, 3));
}

/// An event stream of a draining instance gets its end when it is closed; a download is left alone until its time is
/// up and is then cut in a way that the client can tell from its end.
#[tokio::test]
async fn closing_ends_streams() {
    let world = World::new().await;
    let web = Upstream::answering(|request| {
        Box::pin(async move {
            let first = futures::stream::once(async { Ok(Frame::data("data: one\n\n".into())) });
            let body = StreamBody::new(futures::StreamExt::chain(first, futures::stream::pending()));
            let mut response = Response::new(body.boxed_unsync());
            if request.uri().path() == "/events" {
                response
                    .headers_mut()
                    .insert("content-type", "text/event-stream; charset=utf-8".parse().unwrap());
            }
            response
        })
    })
    .await;
    let other = Upstream::named("other").await;
    let address = world.apply(&table(1, &[("web-1", web.address)])).await;
    let (mut one, mut two) = (Client::connect(address).await, Client::connect(address).await);
    let mut events = one.send(get("/events")).await.into_body();
    let mut download = two.send(get("/download")).await.into_body();
    assert_eq!(next(&mut events).await.unwrap().unwrap(), "data: one\n\n");
    next(&mut download).await.unwrap().unwrap();
    world.apply(&table(2, &[("web-2", other.address)])).await;
    assert_eq!(world.instance("web-1").await.in_flight, 2);

    let answer = world.edge.close_instance("dev", "web-1", Duration::from_millis(200)).unwrap();
    assert_eq!((answer.in_flight, answer.upgrades), (2, 0));
    assert!(next(&mut events).await.is_none());
    // The connection is good for more, and that goes to the new instance.
    assert_eq!(one.get("/").await.1, "other");
    assert!(next(&mut download).await.unwrap().is_err());
    let stats = world.until("web-1", |it| it.in_flight == 0).await;
    assert_eq!((stats.failed.cut, stats.clients_gone, stats.failed.total()), (1, 0, 1));
}

#[tokio::test]
async fn an_instance_that_does_not_answer_in_time() {
    let world = World::new().await;
    let web = Upstream::answering(|request| {
        Box::pin(async move {
            if request.uri().path() == "/silent" {
                std::future::pending::<()>().await;
            }
            let first = futures::stream::once(async { Ok(Frame::data("one".into())) });
            Response::new(
                StreamBody::new(futures::StreamExt::chain(first, futures::stream::pending())).boxed_unsync(),
            )
        })
    })
    .await;
    let mut it = table(1, &[("web-1", web.address)]);
    let timeouts = &mut it.services.get_mut("web").unwrap().timeouts;
    (timeouts.header_ms, timeouts.idle_ms) = (100, 100);
    let address = world.apply(&it).await;
    let (status, body) = fetch(address, "/silent").await;
    assert_eq!(status, StatusCode::GATEWAY_TIMEOUT);
    assert!(body.contains("service `web` did not answer within 100 ms"), "{body}");
    let mut client = Client::connect(address).await;
    let mut stream = client.send(get("/stalls")).await.into_body();
    assert_eq!(next(&mut stream).await.unwrap().unwrap(), "one");
    assert!(next(&mut stream).await.unwrap().is_err());
    let stats = world.until("web-1", |it| it.in_flight == 0).await;
    assert_eq!((stats.failed.header_timeout, stats.failed.broken_streams), (1, 1));
}

/// An exchange that is under way when the edge is told to end is finished; the listener is gone at once.
#[tokio::test]
async fn shutdown_finishes_what_has_begun() {
    let world = World::new().await;
    let (pieces, body) = piecewise();
    let body = Arc::new(std::sync::Mutex::new(Some(body)));
    let web = Upstream::answering(move |_| {
        let body = body.lock().unwrap().take().unwrap();
        Box::pin(async move { Response::new(body) })
    })
    .await;
    let address = world.apply(&table(1, &[("web-1", web.address)])).await;
    let mut client = Client::connect(address).await;
    let mut stream = client.send(request(Method::GET, "/", &[])).await.into_body();
    pieces.send(piece("one")).unwrap();
    next(&mut stream).await.unwrap().unwrap();
    let edge = world.edge.clone();
    let ending = tokio::spawn(async move { edge.shutdown(support::PATIENCE).await });
    within(async {
        while Client::try_connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(!ending.is_finished());
    pieces.send(piece("two")).unwrap();
    drop(pieces);
    assert_eq!(next(&mut stream).await.unwrap().unwrap(), "two");
    assert!(next(&mut stream).await.is_none());
    within(ending).await.unwrap();
}
