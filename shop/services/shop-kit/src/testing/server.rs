//! The real server on a free port of the loopback interface.

use axum::Router;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::Client;
use crate::server::{DRAIN_DEADLINE, Shutdown, serve};

/// A running server; it is asked to stop when dropped.
#[derive(Debug)]
pub struct TestServer {
    base: String,
    shutdown: Shutdown,
    task: Option<JoinHandle<()>>,
}

impl TestServer {
    /// Starts a router that needs nothing of the server.
    pub async fn start(app: Router) -> Self {
        Self::start_with(|_| app).await
    }

    /// Starts a router that watches the shutdown itself.
    ///
    /// # Panics
    /// When the loopback interface has no free port.
    pub async fn start_with(app: impl FnOnce(&Shutdown) -> Router) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port on the loopback interface");
        let address = listener.local_addr().expect("a bound listener has an address");
        let shutdown = Shutdown::new();
        let app = app(&shutdown);
        let task = tokio::spawn(serve(listener, app, shutdown.clone(), DRAIN_DEADLINE));
        Self { base: format!("http://{address}"), shutdown, task: Some(task) }
    }

    /// Where it answers, e.g. `http://127.0.0.1:4000`.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Its address without the scheme, e.g. `127.0.0.1:4000`.
    pub fn address(&self) -> &str {
        self.base.trim_start_matches("http://")
    }

    /// A client of this server.
    pub fn client(&self) -> Client {
        Client::of(&self.base)
    }

    /// Asks it to stop without waiting.
    pub fn ask_to_stop(&self) {
        self.shutdown.request();
    }

    /// Asks it to stop and waits until everything in flight is finished.
    ///
    /// # Panics
    /// When the server's task panicked.
    pub async fn stop(mut self) {
        self.shutdown.request();
        if let Some(task) = self.task.take() {
            task.await.expect("the server ends without a panic");
        }
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.shutdown.request();
    }
}
