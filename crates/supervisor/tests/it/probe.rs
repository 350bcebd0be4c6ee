//! Probes against real listeners.

use super::{SOON, dir, has, shell};
use fairway_supervisor::{
    Process,
    probe::{Health, ProbeKind, ProbeResult, ProbeSpec, Prober, listening, probe},
};
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU16, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

fn http(path: &str) -> ProbeSpec {
    ProbeSpec {
        kind: ProbeKind::Http { path: path.into(), host: None },
        interval: Duration::from_millis(10),
        timeout: SOON,
        rise: 1,
        fall: 1,
        start_deadline: None,
    }
}

/// Answers every connection with these bytes and closes it.
async fn server(answer: impl Fn(String) -> Vec<u8> + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = Vec::new();
            let mut buffer = [0; 1024];
            while !request.ends_with(b"\r\n\r\n") {
                match stream.read(&mut buffer).await {
                    Ok(0) | Err(_) => break,
                    Ok(read) => request.extend_from_slice(&buffer[..read]),
                }
            }
            let _ = stream.write_all(&answer(String::from_utf8_lossy(&request).into_owned())).await;
        }
    });
    address
}

async fn ask(answer: &'static str) -> ProbeResult {
    let address = server(move |_| answer.as_bytes().to_vec()).await;
    probe(&http("/ready"), address, None, None).await
}

#[tokio::test]
async fn answers() {
    for (answer, ok, status, hint) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nOK", true, Some(200), ""),
        ("HTTP/1.1 204 No Content\r\n\r\n", true, Some(204), ""),
        ("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nbroken off", true, Some(200), ""),
        ("HTTP/1.0 200 OK\r\n\r\nold", true, Some(200), ""),
        (
            "HTTP/1.1 302 Found\r\nlocation: https://shop.example/ready\r\ncontent-length: 0\r\n\r\n",
            false,
            Some(302),
            "plain HTTP",
        ),
        ("HTTP/1.1 404 Not Found\r\ncontent-length: 4\r\n\r\nnope", false, Some(404), "check the path"),
        (
            "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 9\r\n\r\nno db yet",
            false,
            Some(503),
            "not ready",
        ),
        ("SSH-2.0-OpenSSH_9.2\r\n", false, None, "does not speak HTTP/1.1"),
        ("", false, None, "without an answer"),
    ] {
        let result = ask(answer).await;
        assert_eq!((result.ok, result.status), (ok, status), "{answer}: {result:?}");
        let said = result.hint.clone().unwrap_or_default();
        assert!(said.contains(hint) && said.is_empty() == hint.is_empty(), "{answer}: {result:?}");
        assert!(result.error.is_some() == status.is_none(), "{result:?}");
    }
    let result = ask("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 9\r\n\r\nno db yet").await;
    assert_eq!(result.body, "no db yet");
    assert!(result.to_string().contains("/ready answered 503: no db yet ("), "{result}");
}

#[tokio::test]
async fn a_long_body_is_cut_and_an_endless_one_does_not_hold_the_probe_up() {
    let result = {
        let address = server(|_| {
            let mut answer = b"HTTP/1.1 500 Oops\r\ncontent-length: 100000\r\n\r\n".to_vec();
            answer.resize(answer.len() + 100_000, b'x');
            answer
        })
        .await;
        probe(&http("/"), address, None, None).await
    };
    assert_eq!(result.body, "x".repeat(512));
    assert_eq!(result.status, Some(500));
}

#[tokio::test]
async fn the_request_says_what_was_asked_for() {
    let address = server(|request| {
        let body = request.replace("\r\n", "\n");
        format!("HTTP/1.1 500 Echo\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
    })
    .await;
    let mut spec = http("ready?deep=1");
    let result = probe(&spec, address, None, None).await;
    assert_eq!(result.url, format!("http://{address}/ready?deep=1"));
    assert!(result.body.starts_with("GET /ready?deep=1 HTTP/1.1\n"), "{}", result.body);
    assert!(result.body.to_lowercase().contains(&format!("host: {address}\n")), "{}", result.body);
    spec.kind = ProbeKind::Http { path: "/".into(), host: Some("shop.example".into()) };
    let result = probe(&spec, address, None, None).await;
    assert!(result.body.to_lowercase().contains("host: shop.example\n"), "{}", result.body);
}

#[tokio::test]
async fn silence_is_a_timeout() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let spec = ProbeSpec { timeout: Duration::from_millis(20), ..http("/") };
    let result = probe(&spec, address, None, None).await;
    assert_eq!(result.error.as_deref(), Some("no answer within 20 ms"));
    let tcp = ProbeSpec { kind: ProbeKind::Tcp, timeout: SOON, ..spec };
    let result = probe(&tcp, address, None, None).await;
    assert!(result.ok && result.url == format!("tcp://{address}"), "{result:?}");
}

#[tokio::test]
async fn a_refused_connection_names_the_ports_that_are_open() {
    if !has("python3") {
        eprintln!("skipped: needs python3");
        return;
    }
    let dir = dir();
    // The listener is held by a child of the process that is asked about.
    let script = "python3 -c 'import socket, time; s = socket.socket(); s.bind((\"127.0.0.1\", 0)); s.listen(); print(s.getsockname()[1], flush=True); time.sleep(1000)'; true";
    let spec = shell(&dir, script);
    let process = Process::start(&spec).await.unwrap();
    let pid = process.identity().pid;
    let port: u16 = super::line_in(&spec.log.path).await.parse().unwrap();
    assert_eq!(listening(pid), [SocketAddr::from(([127, 0, 0, 1], port))]);

    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    let result = probe(&http("/"), closed, None, Some(pid)).await;
    assert_eq!(result.error.as_deref(), Some("connection refused"));
    let hint = result.hint.unwrap();
    let expect = format!("the process listens on 127.0.0.1:{port} instead; let it listen on {closed}");
    assert!(hint.starts_with(&expect), "{hint}");

    // The last answer before the deadline carries the hint, too.
    let spec_of_start = ProbeSpec { start_deadline: Some(Duration::from_millis(200)), ..http("/") };
    let last =
        Prober::start(spec_of_start, closed, None, move || Some(pid)).started().await.unwrap_err().unwrap();
    assert!(last.hint.as_ref().is_some_and(|hint| hint.starts_with(&expect)), "{last:?}");
    process.stop(spec.stop).await.unwrap();
    assert!(listening(pid).is_empty());
}

#[tokio::test]
async fn health_follows_the_answers() {
    let status = Arc::new(AtomicU16::new(503));
    let shown = Arc::clone(&status);
    let address = server(move |_| {
        format!("HTTP/1.1 {} x\r\ncontent-length: 0\r\n\r\n", shown.load(Ordering::Relaxed)).into_bytes()
    })
    .await;
    let prober = Prober::start(ProbeSpec { rise: 2, fall: 2, ..http("/") }, address, None, || None);
    let mut watch = prober.watch();
    watch.wait_for(|state| state.asked >= 3).await.unwrap();
    assert_eq!(prober.state().health, Health::Starting);
    for (code, health) in [(200, Health::Good), (500, Health::Bad), (204, Health::Good)] {
        status.store(code, Ordering::Relaxed);
        let state = tokio::time::timeout(SOON, watch.wait_for(|state| state.health == health))
            .await
            .unwrap()
            .unwrap()
            .clone();
        assert_eq!(state.last.unwrap().status, Some(code));
    }
    assert!(prober.started().await.unwrap().ok);
}

#[tokio::test]
async fn a_start_that_takes_too_long_is_late_at_once_and_may_still_become_good() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    // Nobody answers, and one question alone would last longer than the deadline.
    let spec = ProbeSpec {
        start_deadline: Some(Duration::from_millis(50)),
        timeout: Duration::from_secs(2),
        ..http("/")
    };
    let prober = Prober::start(spec, address, None, || None);
    let began = std::time::Instant::now();
    assert_eq!(prober.started().await, Err(None));
    assert!(began.elapsed() < Duration::from_secs(2));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
        }
    });
    let mut watch = prober.watch();
    tokio::time::timeout(SOON, watch.wait_for(|state| state.health == Health::Good)).await.unwrap().unwrap();
}
