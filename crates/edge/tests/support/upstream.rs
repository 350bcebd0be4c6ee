//! Instances: small servers whose behaviour is a function.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::future::BoxFuture;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::wire::{AnyBody, full};

/// A running instance. Dropping it kills it with all its connections.
pub struct Upstream {
    pub address: SocketAddr,
    pub requests: Arc<AtomicU64>,
    pub connections: Arc<AtomicU64>,
    killed: CancellationToken,
    accepting: tokio::task::JoinHandle<()>,
}

impl Upstream {
    /// An instance that answers as told.
    pub async fn answering<F>(answer: F) -> Self
    where
        F: Fn(Request<Incoming>) -> BoxFuture<'static, Response<AnyBody>> + Send + Sync + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(AtomicU64::new(0));
        let connections = Arc::new(AtomicU64::new(0));
        let killed = CancellationToken::new();
        let (answer, counted, connected, end) =
            (Arc::new(answer), requests.clone(), connections.clone(), killed.clone());
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                connected.fetch_add(1, Ordering::SeqCst);
                stream.set_nodelay(true).unwrap();
                let (answer, counted, end) = (answer.clone(), counted.clone(), end.clone());
                tokio::spawn(async move {
                    let service = service_fn(move |request| {
                        counted.fetch_add(1, Ordering::SeqCst);
                        let answered = answer(request);
                        async move { Ok::<_, Infallible>(answered.await) }
                    });
                    let connection = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service);
                    tokio::select! {
                        _ = connection.with_upgrades() => {}
                        () = end.cancelled() => {}
                    }
                });
            }
        });
        Self { address, requests, connections, killed, accepting }
    }

    /// An instance that answers every request with its name.
    pub async fn named(name: &'static str) -> Self {
        Self::answering(move |_| Box::pin(async move { Response::new(full(name)) })).await
    }

    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::SeqCst)
    }

    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::SeqCst)
    }

    /// Ends at once; when this returns nothing listens on the address any more.
    pub async fn kill(mut self) {
        self.killed.cancel();
        self.accepting.abort();
        let _ = (&mut self.accepting).await;
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.killed.cancel();
        self.accepting.abort();
    }
}
