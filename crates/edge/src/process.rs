//! The edge as a process: lock, socket, signals.

use std::fs::{File, TryLockError};
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::control::ControlSocket;
use crate::edge::{Edge, make_directory};
use crate::error::EdgeError;
use crate::settings::Settings;

/// How long an edge waits for the one before it in the same home: a killed process takes a moment to be gone.
const SUCCESSION: Duration = Duration::from_secs(1);

/// Serves until it is told to end: by the control API, by SIGTERM or by SIGINT.
///
/// # Errors
/// When it can't start; what goes wrong later is logged.
pub async fn run(settings: Settings) -> Result<(), EdgeError> {
    let home = settings.home.clone();
    let grace = settings.shutdown_grace;
    let descriptors = raise_descriptors();
    make_directory(&home.join("edge"))?;
    let lock = lock(&settings).await?;
    let edge = Edge::start(settings).await?;
    let socket = ControlSocket::bind(&home)?;
    let (shutdown, mut shutdowns) = mpsc::channel(1);
    let closing = CancellationToken::new();
    let control = tokio::spawn(socket.serve(edge.clone(), shutdown, closing.clone()));
    let refused = |source| EdgeError::System { what: "a signal handler", source };
    let mut terminate = signal(SignalKind::terminate()).map_err(refused)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(refused)?;
    let info = edge.info();
    tracing::info!(pid = info.pid, version = info.version, home = %home.display(), descriptors, "edge serves");
    let grace = tokio::select! {
        asked = shutdowns.recv() => asked.unwrap_or(grace),
        _ = terminate.recv() => grace,
        _ = interrupt.recv() => grace,
    };
    tracing::info!(grace_ms = grace.as_millis(), "edge ends");
    closing.cancel();
    edge.shutdown(grace).await;
    if control.await.is_err() {
        tracing::error!("the control socket ended with a panic");
    }
    // The path stays: a successor renames its own socket over it, and removing it here could remove that one.
    drop(lock);
    Ok(())
}

/// [`run`] on a runtime of its own with [`Settings::workers`] threads.
///
/// # Errors
/// See [`run`].
pub fn run_blocking(settings: Settings) -> Result<(), EdgeError> {
    // Only the control API is served here; requests have threads of their own.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| EdgeError::System { what: "threads", source })?;
    let ended = runtime.block_on(run(settings));
    // What did not end in its time is not waited for.
    runtime.shutdown_background();
    ended
}

/// Writes the log as JSON lines to stderr, from level info. A program that has set up its logging already keeps it.
pub fn log_to_stderr() {
    let subscriber = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_target(false)
        .with_max_level(tracing::Level::INFO)
        .with_writer(std::io::stderr)
        .finish();
    let _ = tracing::subscriber::set_global_default(subscriber);
}

/// Every client and every connection to an instance is a descriptor, and the usual soft limit of 1024 is for programs
/// that may still use `select`. Takes what the hard limit allows; returns the limit that holds then, if there is one.
fn raise_descriptors() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(error) => {
            tracing::warn!(%error, descriptors = limit.current, "the limit of open files could not be raised");
            limit.current
        }
    }
}

/// One edge in a home. The lock goes with the process, however it ends; one that is ending is waited for.
async fn lock(settings: &Settings) -> Result<File, EdgeError> {
    let path = settings.home.join("edge").join("lock");
    let failed = |source| EdgeError::Home { path: path.clone(), what: "could not be locked", source };
    let file = File::create(&path).map_err(failed)?;
    let deadline = Instant::now() + SUCCESSION;
    let mut again = tokio::time::interval(Duration::from_millis(10));
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                again.tick().await;
            }
            Err(TryLockError::WouldBlock) => {
                return Err(EdgeError::Running { home: settings.home.clone() });
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
    }
}
