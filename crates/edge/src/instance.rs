//! An instance as the edge sees it over its whole life: what it does, and what it did.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use fairway_forward::{Closing, Ending, Error, Guard};
use fairway_protocol::edge::{Failures, InstanceStats, StatusClasses};
use fairway_route::Backend;
use http::StatusCode;
use tokio_util::sync::CancellationToken;

use crate::connection::Visitor;
use crate::histogram::Histogram;

/// One instance, from the first table that lists it until it is forgotten. Tables come and go; this stays, so that an
/// exchange that began under one table is still counted under the next.
#[derive(Debug)]
pub(crate) struct Instance {
    pub(crate) environment: Arc<str>,
    pub(crate) service: Arc<str>,
    pub(crate) id: String,
    /// Whether it gets no new exchanges. Set after the table without it serves, cleared before one with it does.
    draining: AtomicBool,
    in_flight: AtomicU64,
    upgrades: AtomicU64,
    total: AtomicU64,
    weight: AtomicU32,
    place: Mutex<Place>,
    classes: [AtomicU64; 5],
    refused: AtomicU64,
    connect_timeout: AtomicU64,
    header_timeout: AtomicU64,
    broken: AtomicU64,
    broken_streams: AtomicU64,
    cut: AtomicU64,
    redialled: AtomicU64,
    clients_gone: AtomicU64,
    latency: Histogram,
}

/// What changes only with a table or a close.
#[derive(Debug)]
struct Place {
    address: SocketAddr,
    release: u64,
    left: Option<Instant>,
    /// Ends event streams and upgraded connections. Renewed when the instance comes back.
    closing: CancellationToken,
    grace: Duration,
    /// Ends everything that is left.
    cutting: CancellationToken,
}

impl Instance {
    /// An instance that no table serves yet.
    pub(crate) fn new(environment: Arc<str>, service: Arc<str>, backend: &Backend) -> Self {
        Self {
            environment,
            service,
            id: backend.id.clone(),
            draining: AtomicBool::new(true),
            in_flight: AtomicU64::new(0),
            upgrades: AtomicU64::new(0),
            total: AtomicU64::new(0),
            weight: AtomicU32::new(0),
            place: Mutex::new(Place {
                address: backend.address,
                release: backend.release,
                left: None,
                closing: CancellationToken::new(),
                grace: Duration::ZERO,
                cutting: CancellationToken::new(),
            }),
            classes: Default::default(),
            refused: AtomicU64::new(0),
            connect_timeout: AtomicU64::new(0),
            header_timeout: AtomicU64::new(0),
            broken: AtomicU64::new(0),
            broken_streams: AtomicU64::new(0),
            cut: AtomicU64::new(0),
            redialled: AtomicU64::new(0),
            clients_gone: AtomicU64::new(0),
            latency: Histogram::default(),
        }
    }

    /// Counts an exchange in, unless the instance takes none any more: then the caller's table is an old one.
    pub(crate) fn enter(self: &Arc<Self>) -> Option<Passage> {
        // First the count, then the look, both in the one order that all threads agree on. Whoever sets `draining`
        // and then reads 0 knows that nobody can be on the way in who will not turn round here.
        self.in_flight.fetch_add(1, Ordering::SeqCst);
        if self.draining.load(Ordering::SeqCst) {
            self.in_flight.fetch_sub(1, Ordering::SeqCst);
            return None;
        }
        self.total.fetch_add(1, Ordering::Relaxed);
        let began = Instant::now();
        Some(Passage { instance: Arc::clone(self), visitor: None, began, upgraded: false, settled: false })
    }

    /// The next table lists it, with a weight: called before that table serves.
    pub(crate) fn welcome(&self, backend: &Backend) {
        let mut place = self.place();
        place.address = backend.address;
        place.release = backend.release;
        place.left = None;
        if place.closing.is_cancelled() {
            place.closing = CancellationToken::new();
            place.cutting = CancellationToken::new();
        }
        drop(place);
        self.weight.store(backend.weight, Ordering::Relaxed);
        if backend.weight > 0 {
            self.draining.store(false, Ordering::SeqCst);
        }
    }

    /// The table that serves gives it no new exchanges: called after that table serves. Returns whether the table
    /// before it did.
    pub(crate) fn drain(&self, listed: bool) -> bool {
        let took = !self.draining.swap(true, Ordering::SeqCst);
        if !listed {
            self.weight.store(0, Ordering::Relaxed);
            self.place().left.get_or_insert_with(Instant::now);
        }
        took
    }

    /// Ends event streams and upgraded connections now.
    pub(crate) fn close(&self, grace: Duration) {
        let mut place = self.place();
        place.grace = grace;
        place.closing.cancel();
    }

    /// Ends everything that is left, unless it serves again.
    pub(crate) fn cut(&self) {
        let place = self.place();
        if place.closing.is_cancelled() {
            place.cutting.cancel();
        }
    }

    /// Completes when what is left is to be cut.
    pub(crate) fn cutting(&self) -> CancellationToken {
        self.place().cutting.clone()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.place().address
    }

    pub(crate) fn in_flight(&self) -> u64 {
        self.in_flight.load(Ordering::SeqCst)
    }

    pub(crate) fn upgrades(&self) -> u64 {
        self.upgrades.load(Ordering::SeqCst)
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::SeqCst)
    }

    /// Whether it left so long ago, with nothing left to count, that nobody asks for it any more.
    pub(crate) fn is_forgettable(&self, after: Duration) -> bool {
        let left = self.place().left;
        left.is_some_and(|left| left.elapsed() >= after) && self.in_flight() == 0
    }

    /// Whether the table that was to bring it was refused.
    pub(crate) fn never_served(&self) -> bool {
        self.is_draining() && self.in_flight() == 0 && self.place().left.is_none()
    }

    pub(crate) fn stats(&self) -> InstanceStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let [informational, success, redirection, client_error, server_error] =
            self.classes.each_ref().map(read);
        let place = self.place();
        InstanceStats {
            address: place.address,
            release: place.release,
            weight: self.weight.load(Ordering::Relaxed),
            draining: self.is_draining(),
            in_flight: self.in_flight(),
            upgrades: self.upgrades(),
            total: read(&self.total),
            responses: StatusClasses { informational, success, redirection, client_error, server_error },
            failed: Failures {
                refused: read(&self.refused),
                connect_timeout: read(&self.connect_timeout),
                header_timeout: read(&self.header_timeout),
                broken: read(&self.broken),
                broken_streams: read(&self.broken_streams),
                cut: read(&self.cut),
            },
            redialled: read(&self.redialled),
            clients_gone: read(&self.clients_gone),
            latency: self.latency.read(),
        }
    }

    fn place(&self) -> MutexGuard<'_, Place> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One exchange with an instance; while it lives the exchange is counted.
#[derive(Debug)]
pub(crate) struct Passage {
    instance: Arc<Instance>,
    visitor: Option<Arc<Visitor>>,
    began: Instant,
    upgraded: bool,
    /// Whether it is known how the exchange ended.
    settled: bool,
}

impl Passage {
    /// Notes on the client's connection which instance it is busy with.
    pub(crate) fn on(mut self, visitor: &Arc<Visitor>) -> Self {
        visitor.busy_with(Some(Arc::clone(&self.instance)));
        self.visitor = Some(Arc::clone(visitor));
        self
    }
}

impl Guard for Passage {
    fn responded(&mut self, status: StatusCode) {
        self.instance.latency.add(self.began.elapsed());
        let class = usize::from(status.as_u16() / 100).saturating_sub(1).min(4);
        self.instance.classes[class].fetch_add(1, Ordering::Relaxed);
    }

    fn upgraded(&mut self) {
        self.upgraded = true;
        self.instance.upgrades.fetch_add(1, Ordering::SeqCst);
    }

    fn moved_on(&mut self, _error: &Error) {
        self.settled = true;
        self.instance.redialled.fetch_add(1, Ordering::Relaxed);
        self.instance.total.fetch_sub(1, Ordering::Relaxed);
    }

    fn failed(&mut self, error: &Error) {
        self.settled = true;
        let it = &self.instance;
        let counter = match error {
            Error::Refused { .. } => &it.refused,
            Error::ConnectTimeout { .. } => &it.connect_timeout,
            Error::HeaderTimeout { .. } => &it.header_timeout,
            Error::Broken { .. } | Error::Unasked { .. } | Error::NoTarget => &it.broken,
            Error::ClientGone | Error::ClientSlow { .. } | Error::Request(_) => &it.clients_gone,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    fn ended(&mut self, ending: Ending) {
        self.settled = true;
        let it = &self.instance;
        match ending {
            Ending::Complete | Ending::Closed => {}
            Ending::ClientGone if it.cutting().is_cancelled() => {
                it.cut.fetch_add(1, Ordering::Relaxed);
            }
            Ending::ClientGone => {
                it.clients_gone.fetch_add(1, Ordering::Relaxed);
            }
            Ending::Broken | Ending::Idle => {
                it.broken_streams.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    fn closing(&self) -> Option<Closing> {
        let instance = Arc::clone(&self.instance);
        let closing = instance.place().closing.clone();
        Some(Box::pin(async move {
            closing.cancelled().await;
            instance.place().grace
        }))
    }

    fn keeps_connection(&self) -> bool {
        !self.instance.is_draining()
    }
}

impl Drop for Passage {
    fn drop(&mut self) {
        if !self.settled {
            self.ended(Ending::ClientGone);
        }
        if let Some(visitor) = &self.visitor {
            visitor.busy_with(None);
        }
        if self.upgraded {
            self.instance.upgrades.fetch_sub(1, Ordering::SeqCst);
        }
        self.instance.in_flight.fetch_sub(1, Ordering::SeqCst);
    }
}
