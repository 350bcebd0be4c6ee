//! The edge as a process: lock, socket, signals.

use std::fs::{File, TryLockError};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::control::ControlSocket;
use crate::edge::{Edge, make_directory};
use crate::error::EdgeError;
use crate::handover::{Estate, HandoverSocket, Inheritance, TakeOver, take_over};
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
    let (lock, inheritance) = own(&settings).await?;
    let socket = ControlSocket::bind(&home)?;
    let edge = Edge::start_with(settings, inheritance).await?;
    socket.publish()?;
    let handover = HandoverSocket::bind(&home);
    if let Some(predecessor) = edge.shared.predecessor.get() {
        predecessor.serving().await;
    }
    let estate = Arc::new(Estate {
        edge: edge.clone(),
        lock: tokio::sync::Mutex::new(Some(lock)),
        taken_back: Arc::default(),
    });
    let (shutdown, mut shutdowns) = mpsc::channel(1);
    let closing = CancellationToken::new();
    let taken_back = Arc::clone(&estate.taken_back);
    let control = tokio::spawn(socket.serve(taken_back, edge.clone(), shutdown, closing.clone()));
    let (heir, mut heirs) = mpsc::channel(1);
    match handover {
        Ok(handover) => drop(tokio::spawn(handover.serve(estate, heir.clone(), closing.clone()))),
        Err(error) => {
            tracing::warn!(%error, "no successor will be able to take over from this edge without a gap");
        }
    }
    let refused = |source| EdgeError::System { what: "a signal handler", source };
    let mut terminate = signal(SignalKind::terminate()).map_err(refused)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(refused)?;
    let info = edge.info();
    tracing::info!(pid = info.pid, version = info.version, home = %home.display(), descriptors, "edge serves");
    let mut told = async || {
        tokio::select! {
            asked = shutdowns.recv() => asked.unwrap_or(grace),
            _ = terminate.recv() => grace,
            _ = interrupt.recv() => grace,
        }
    };
    let departed = async {
        if let Some(heir) = heirs.recv().await {
            edge.depart(heir).await;
        }
    };
    let end = tokio::select! {
        grace = told() => Some(grace),
        () = departed => None,
    };
    // The sockets stay where they are: a successor renames its own over them, and removing them here could remove
    // those. The lock goes with the process, unless a successor has it.
    if let Some(grace) = end {
        tracing::info!(grace_ms = grace.as_millis(), "edge ends");
        closing.cancel();
        edge.shutdown(grace).await;
    }
    closing.cancel();
    if control.await.is_err() {
        tracing::error!("the control socket ended with a panic");
    }
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

/// One edge in a home. The lock goes with the process, however it ends; one that is ending is waited for, one that runs
/// is asked for what it has if that is wanted.
async fn own(settings: &Settings) -> Result<(File, Option<Inheritance>), EdgeError> {
    let path = settings.home.join("edge").join("lock");
    let failed = |source| EdgeError::Home { path: path.clone(), what: "could not be locked", source };
    let file = File::create(&path).map_err(failed)?;
    let mut ask = settings.take_over;
    let deadline = Instant::now() + SUCCESSION;
    let mut again = tokio::time::interval(Duration::from_millis(10));
    loop {
        match file.try_lock() {
            Ok(()) => return Ok((file, None)),
            Err(TryLockError::WouldBlock) if std::mem::take(&mut ask) => match take_over(settings).await? {
                TakeOver::Inherited(inheritance) => {
                    let Inheritance { lock, .. } = &*inheritance;
                    let lock = lock.try_clone().map_err(failed)?;
                    return Ok((lock, Some(*inheritance)));
                }
                TakeOver::Nobody(error) => tracing::warn!(%error, "nobody hands anything over"),
            },
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
