//! A small program for tests of the agent. It can be the agent (`agent --home DIR`), the edge (`edge --home DIR`), or a
//! service whose behaviour is chosen by environment variables:
//!
//! | variable | meaning |
//! |---|---|
//! | `ADDRESS` | where to listen; set by the agent |
//! | `VERSION` | the answer to `GET /` |
//! | `BEHAVIOUR` | `good`, `never-ready`, `exits-at-start`, `unready-after-traffic`, `errors-after-traffic`, `dies-after-traffic`, `some-errors` (one request in 21), `unready-soon`, `never-live`, `hangs-up-once`, `needs` |
//! | `PATIENCE_MS` | for `unready-soon`: how long it stays ready |
//! | `NEED` | base URL that readiness depends on, for `needs` |
//!
//! The agent reads its timing from lines `lease=1500` in the file `timing` of its home. Agent and edge say that their
//! version is what a line `version=` there says; with a line `edge=broken` an edge does not start.
//!
//! `GET /ready` is the readiness probe and `GET /live` the liveness probe, `GET /env` shows the environment,
//! `GET /slow` answers after 800 ms, `GET /hang` never, `GET /die` ends the process, `GET /pid` tells its id,
//! `GET /strike` is what `hangs-up-once` waits for. With the argument `migrate` or `seed` it writes a line to the
//! file `$MARK`, if there is one, and ends; with `migrate-badly` it ends with 3.

use axum::{Router, http::StatusCode, routing::get};
use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Duration,
};

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let home = || PathBuf::from(args.iter().skip_while(|arg| *arg != "--home").nth(1).expect("--home DIR"));
    match args.first().map(String::as_str) {
        Some("edge") => {
            fairway_edge::log_to_stderr();
            if written(&home(), "edge").is_some() {
                eprintln!("this edge is broken");
                std::process::exit(1);
            }
            let mut settings = fairway_edge::Settings::new(home());
            settings.take_over = args.iter().any(|arg| arg == "--take-over");
            settings.version = version(&home());
            // An edge that is succeeded ends soon.
            settings.shutdown_grace = Duration::from_secs(1);
            fairway_edge::run_blocking(settings).expect("the edge runs");
        }
        Some("agent") => {
            tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).init();
            let executable = std::env::current_exe().expect("this program has a path");
            let mut settings = fairway_agent::AgentSettings::new(home(), executable, version(&home()));
            let millis = |name: &str| {
                let millis = written(&home(), name)?;
                Some(Duration::from_millis(millis.parse().expect("milliseconds")))
            };
            let timing = &mut settings.timing;
            timing.lease = millis("lease").unwrap_or(timing.lease);
            timing.baked = millis("baked").unwrap_or(timing.baked);
            timing.arrivals = millis("arrivals").unwrap_or(timing.arrivals);
            timing.one_shot = millis("one_shot").unwrap_or(timing.one_shot);
            let runtime =
                tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
            if let Err(error) = runtime.block_on(fairway_agent::run(settings)) {
                eprintln!("{error}: {:?}", std::error::Error::source(&error));
                std::process::exit(1);
            }
        }
        Some(command @ ("migrate" | "seed")) => {
            println!("{command} runs");
            if let Ok(path) = std::env::var("MARK") {
                use std::io::Write as _;
                let mut file =
                    std::fs::OpenOptions::new().append(true).create(true).open(path).expect("a mark");
                writeln!(file, "{command} {}", std::env::var("DATABASE_URL").unwrap_or_default())
                    .expect("a line");
            }
        }
        Some("migrate-badly") => {
            println!("column \"price\" does not exist");
            std::process::exit(3);
        }
        Some("migrate-once-slowly") => {
            use std::io::Write as _;
            let path = std::env::var("MARK").expect("a mark");
            let again = std::path::Path::new(&path).exists();
            let mut file = std::fs::OpenOptions::new().append(true).create(true).open(path).expect("a mark");
            writeln!(file, "began").expect("a line");
            if !again {
                sleep(Duration::from_secs(60));
            }
            writeln!(file, "ended").expect("a line");
        }
        Some("worker") => {
            println!("working");
            sleep(Duration::from_secs(3_600));
        }
        Some("migrate-slowly") => {
            println!("this takes a while");
            sleep(Duration::from_secs(60));
        }
        _ => tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime")
            .block_on(serve()),
    }
}

/// A line of the file `timing`.
fn written(home: &Path, name: &str) -> Option<String> {
    let lines = std::fs::read_to_string(home.join("timing")).unwrap_or_default();
    let mut lines = lines.lines().filter_map(|line| line.split_once('='));
    lines.find(|(key, _)| *key == name).map(|(_, value)| value.to_owned())
}

fn version(home: &Path) -> String {
    written(home, "version").unwrap_or_else(|| "test".to_owned())
}

fn sleep(duration: Duration) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    runtime.block_on(async { tokio::time::sleep(duration).await });
}

static ANSWERED: AtomicU64 = AtomicU64::new(0);
static STRUCK: AtomicBool = AtomicBool::new(false);

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}

async fn serve() {
    let behaviour: &'static str = variable("BEHAVIOUR").leak();
    println!("version {} starts as {behaviour}", variable("VERSION"));
    if behaviour == "exits-at-start" {
        println!("configuration value LUCK is missing");
        std::process::exit(7);
    }
    let began = std::time::Instant::now();
    let patience = Duration::from_millis(variable("PATIENCE_MS").parse().unwrap_or(1_500));
    let root = move || async move {
        ANSWERED.fetch_add(1, Ordering::SeqCst);
        match behaviour {
            "unready-after-traffic" | "errors-after-traffic" => STRUCK.store(true, Ordering::SeqCst),
            "dies-after-traffic" => std::process::exit(9),
            _ => {}
        }
        let answered = ANSWERED.load(Ordering::SeqCst);
        match (behaviour, answered > 1) {
            ("some-errors", _) if answered.is_multiple_of(21) => {
                (StatusCode::INTERNAL_SERVER_ERROR, "hiccup".to_owned())
            }
            ("errors-after-traffic", true) => (StatusCode::INTERNAL_SERVER_ERROR, "broken".to_owned()),
            _ => (StatusCode::OK, variable("VERSION")),
        }
    };
    let ready = move || async move {
        match behaviour {
            "never-ready" => (StatusCode::SERVICE_UNAVAILABLE, "the pool is empty".to_owned()),
            "unready-soon" if began.elapsed() > patience => {
                (StatusCode::SERVICE_UNAVAILABLE, "no patience left".to_owned())
            }
            "unready-after-traffic" if STRUCK.load(Ordering::SeqCst) => {
                (StatusCode::SERVICE_UNAVAILABLE, "lost my nerve".to_owned())
            }
            "needs" => match get_text(&format!("{}/", variable("NEED"))).await {
                Ok(_) => (StatusCode::OK, "ready".to_owned()),
                Err(error) => (StatusCode::SERVICE_UNAVAILABLE, error),
            },
            _ => (StatusCode::OK, "ready".to_owned()),
        }
    };
    // Alive, until `/strike`: then only another process will be.
    let live = move || async move {
        match behaviour {
            "never-live" => StatusCode::GONE,
            "hangs-up-once" if STRUCK.load(Ordering::SeqCst) => StatusCode::GONE,
            _ => StatusCode::OK,
        }
    };
    let environment = || async {
        let variables: std::collections::BTreeMap<String, String> = std::env::vars().collect();
        serde_json::to_string(&variables).expect("strings are JSON")
    };
    let router = Router::new()
        .route("/", get(root))
        .route("/ready", get(ready))
        .route("/live", get(live))
        .route(
            "/strike",
            get(|| async {
                STRUCK.store(true, Ordering::SeqCst);
                "ouch"
            }),
        )
        .route("/env", get(environment))
        .route("/pid", get(|| async { std::process::id().to_string() }))
        .route(
            "/slow",
            get(|| async {
                tokio::time::sleep(Duration::from_millis(800)).await;
                "slow"
            }),
        )
        .route(
            "/hang",
            get(|| async {
                std::future::pending::<()>().await;
                "never"
            }),
        )
        .route("/die", get(die));
    let address = variable("ADDRESS");
    let listener = tokio::net::TcpListener::bind(&address).await.unwrap_or_else(|error| {
        println!("cannot listen on {address}: {error}");
        std::process::exit(8);
    });
    let mut terminate =
        tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).expect("a handler");
    let stop = async move {
        terminate.recv().await;
        println!("asked to stop");
    };
    axum::serve(listener, router).with_graceful_shutdown(stop).await.expect("it serves");
}

async fn die() -> &'static str {
    std::process::exit(4)
}

/// The body of a 200.
async fn get_text(url: &str) -> Result<String, String> {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let rest = url.strip_prefix("http://").ok_or_else(|| format!("`{url}` is no URL"))?;
    let (authority, path) = rest.split_once('/').ok_or_else(|| format!("`{url}` has no path"))?;
    let text = async {
        let mut stream = tokio::net::TcpStream::connect(authority).await?;
        let request = format!("GET /{path} HTTP/1.1\r\nhost: {authority}\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    let answer = text.await.map_err(|error| error.to_string())?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("half an answer")?;
    if head.starts_with("HTTP/1.1 200") {
        Ok(body.to_owned())
    } else {
        Err(head.lines().next().unwrap_or_default().to_owned())
    }
}
