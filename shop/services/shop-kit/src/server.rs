//! Accept connections until told to stop, then finish what is in flight.
//!
//! On SIGTERM or SIGINT the listener first takes what the kernel has already accepted for it and closes.
//! Idle keep-alive connections end at once and do not hold the exit. A connection on which no request was
//! read yet gets a moment, because its request may be on the way. Requests in flight run to their end or
//! to the deadline. Handlers that stream or hold a WebSocket watch [`Shutdown::requested`] and end
//! politely; work they spawn through [`Shutdown::spawn`] is waited for as well.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use futures::FutureExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use thiserror::Error;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;
use tower::ServiceExt;

/// How long requests in flight may take after a stop was asked for.
pub const DRAIN_DEADLINE: Duration = Duration::from_secs(10);
/// How long an open connection may wait for its next request.
const IDLE: Duration = Duration::from_secs(60);
/// How long a connection that has just been opened may take to send its request during a stop.
const FIRST_REQUEST: Duration = Duration::from_millis(250);

/// The server could not start.
#[derive(Debug, Error)]
pub enum ServeError {
    /// The address is taken, or not ours.
    #[error("can't listen on {address}; nothing was started. Is something else using that port?")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Signals can't be watched.
    #[error("can't watch for SIGTERM; nothing was started")]
    Signals(#[source] std::io::Error),
}

/// The address of the client's end of the connection; in every request's extensions.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub SocketAddr);

/// The wish to stop, and the work to wait for.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    wish: CancellationToken,
    work: TaskTracker,
}

impl Shutdown {
    /// Nothing has asked to stop yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A shutdown that SIGTERM and SIGINT ask for.
    ///
    /// # Errors
    /// When the signals can't be watched.
    pub fn on_signals() -> Result<Self, ServeError> {
        use tokio::signal::unix::{SignalKind, signal};
        let mut term = signal(SignalKind::terminate()).map_err(ServeError::Signals)?;
        let mut int = signal(SignalKind::interrupt()).map_err(ServeError::Signals)?;
        let shutdown = Self::new();
        let wish = shutdown.wish.clone();
        tokio::spawn(async move {
            let signal = tokio::select! { _ = term.recv() => "SIGTERM", _ = int.recv() => "SIGINT" };
            tracing::info!(signal, "stopping: no new connections, finishing what is in flight");
            wish.cancel();
        });
        Ok(shutdown)
    }

    /// Asks to stop.
    pub fn request(&self) {
        self.wish.cancel();
    }

    /// Waits until somebody asks to stop.
    pub async fn requested(&self) {
        self.wish.cancelled().await;
    }

    /// Whether somebody has asked to stop.
    pub fn is_requested(&self) -> bool {
        self.wish.is_cancelled()
    }

    /// Makes the end of the server wait until the hold is dropped. For work that others spawn.
    pub fn hold(&self) -> Hold {
        Hold { _token: self.work.token() }
    }

    /// Runs work that the end of the server waits for, e.g. an upgraded connection.
    pub fn spawn<F>(&self, work: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.work.spawn(work);
    }
}

/// As long as one of these exists, the end of the server waits (up to its deadline).
#[derive(Debug, Clone)]
pub struct Hold {
    _token: TaskTrackerToken,
}

/// Opens a listener.
///
/// # Errors
/// When the address can't be had.
pub async fn listen(address: SocketAddr) -> Result<TcpListener, ServeError> {
    TcpListener::bind(address).await.map_err(|source| ServeError::Listen { address, source })
}

/// Listens on `address`, says so in the log, and serves until `shutdown`.
///
/// # Errors
/// When the address can't be had.
pub async fn run(
    service: &'static str,
    address: SocketAddr,
    app: Router,
    shutdown: Shutdown,
) -> Result<(), ServeError> {
    let listener = listen(address).await?;
    let address = listener.local_addr().unwrap_or(address);
    tracing::info!(service, %address, "listening");
    serve(listener, app, shutdown, DRAIN_DEADLINE).await;
    tracing::info!(service, "stopped");
    Ok(())
}

/// Serves until `shutdown`, then finishes what is in flight, at most for `drain`.
pub async fn serve(listener: TcpListener, app: Router, shutdown: Shutdown, drain: Duration) {
    loop {
        let accepted = tokio::select! {
            biased;
            () = shutdown.requested() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => shutdown.spawn(connection(stream, peer, app.clone(), shutdown.clone())),
            // Out of descriptors, or the client was faster: nothing to do but go on after a breath.
            Err(error) => {
                tracing::warn!(%error, "accept failed");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
    while let Some(Ok((stream, peer))) = listener.accept().now_or_never() {
        shutdown.spawn(connection(stream, peer, app.clone(), shutdown.clone()));
    }
    drop(listener);
    shutdown.work.close();
    if tokio::time::timeout(drain, shutdown.work.wait()).await.is_err() {
        tracing::warn!(connections = shutdown.work.len(), "deadline passed; closing what is still open");
    }
}

/// Whether a connection has begun to serve anything.
#[derive(Default)]
struct Begun {
    yes: AtomicBool,
    changed: Notify,
}

async fn connection(stream: TcpStream, peer: SocketAddr, app: Router, shutdown: Shutdown) {
    let _slow_but_working = stream.set_nodelay(true);
    let begun = Arc::new(Begun::default());
    let mark = Arc::clone(&begun);
    let service = service_fn(move |mut request: Request<Incoming>| {
        if !mark.yes.swap(true, Ordering::Relaxed) {
            mark.changed.notify_one();
        }
        request.extensions_mut().insert(Peer(peer));
        let app = app.clone();
        async move { Ok::<_, Infallible>(app.oneshot(request).await.unwrap_or_else(|never| match never {})) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = shutdown.requested() => {
            if !begun.yes.load(Ordering::Relaxed) {
                let first = tokio::time::timeout(FIRST_REQUEST, begun.changed.notified());
                tokio::select! {
                    ended = connection.as_mut() => return log_end(ended),
                    _ = first => {}
                }
            }
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    log_end(ended);
}

/// Clients go away and idle connections run out all the time; it is no news.
fn log_end(ended: Result<(), hyper::Error>) {
    if let Err(error) = ended {
        tracing::debug!(%error, "connection ended");
    }
}
