//! An instance as the edge sees it over its whole life: what it does, and what it did.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use fairway_forward::{Closing, Ending, Error, Guard};
use fairway_protocol::edge::{Failures, InstanceStats, Standing, StatusClasses};
use fairway_route::Backend;
use http::StatusCode;
use tokio_util::sync::CancellationToken;

use crate::visitor::Visitor;
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
    /// Over how long a time that is spread.
    spread: Duration,
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
                spread: Duration::ZERO,
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
        self.arrive();
        if self.is_draining() {
            self.leave();
            return None;
        }
        let began = Instant::now();
        Some(Passage {
            instance: Arc::clone(self),
            visitor: None,
            began,
            upgraded: false,
            counted: false,
            settled: false,
        })
    }

    fn arrive(&self) {
        self.in_flight.fetch_add(1, Ordering::SeqCst);
    }

    fn leave(&self) {
        self.in_flight.fetch_sub(1, Ordering::SeqCst);
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
        self.close_within(grace, Duration::ZERO);
    }

    /// Ends event streams and upgraded connections, each at some moment of a time.
    pub(crate) fn close_within(&self, grace: Duration, spread: Duration) {
        let mut place = self.place();
        place.grace = grace;
        place.spread = spread;
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
            standing: Standing::Fit,
            ejections: 0,
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
    /// Whether it is in the total. Not before it is clear that it stays here: totals only grow.
    counted: bool,
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

    fn count(&mut self) {
        if !std::mem::replace(&mut self.counted, true) {
            self.instance.total.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Guard for Passage {
    fn responded(&mut self, status: StatusCode) {
        self.count();
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
    }

    fn failed(&mut self, error: &Error) {
        self.settled = true;
        self.count();
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
            let spread = instance.place().spread;
            if !spread.is_zero() {
                tokio::time::sleep(spread.mul_f64(rand::random())).await;
            }
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
            self.count();
            self.ended(Ending::ClientGone);
        }
        if let Some(visitor) = &self.visitor {
            visitor.busy_with(None);
        }
        if self.upgraded {
            self.instance.upgrades.fetch_sub(1, Ordering::SeqCst);
        }
        self.instance.leave();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use arc_swap::ArcSwap;

    use super::*;

    fn instance(id: &str) -> Arc<Instance> {
        let backend = Backend { id: id.into(), address: ([127, 0, 0, 1], 1).into(), weight: 1, release: 1 };
        let instance = Instance::new("dev".into(), "web".into(), &backend);
        instance.welcome(&backend);
        Arc::new(instance)
    }

    /// Two requests and a swap, one step at a time.
    struct Steps {
        /// The instance of the old table and the one of the new table.
        instances: [Arc<Instance>; 2],
        /// Which table serves.
        serves: usize,
        old_is_stopped: bool,
        requests: [Request; 2],
        /// What the swap does next: move the pointer, mark the old instance, stop it once nobody is counted.
        swap: usize,
    }

    #[derive(Clone, Copy)]
    enum Request {
        Looks,
        Found(usize),
        Counted(usize),
        Inside(usize),
        Done,
    }

    impl Steps {
        fn new() -> Self {
            let instances = [instance("old"), instance("new")];
            Self { instances, serves: 0, old_is_stopped: false, requests: [Request::Looks; 2], swap: 0 }
        }

        fn can(&self, who: usize) -> bool {
            match self.requests.get(who) {
                Some(request) => !matches!(request, Request::Done),
                None => self.swap < 2 || self.swap == 2 && self.instances[0].in_flight() == 0,
            }
        }

        fn step(&mut self, who: usize) {
            let Some(request) = self.requests.get_mut(who) else {
                match self.swap {
                    0 => self.serves = 1,
                    1 => assert!(self.instances[0].drain(false)),
                    _ => self.old_is_stopped = true,
                }
                self.swap += 1;
                return;
            };
            *request = match *request {
                Request::Looks => Request::Found(self.serves),
                Request::Found(which) => {
                    self.instances[which].arrive();
                    Request::Counted(which)
                }
                Request::Counted(which) if self.instances[which].is_draining() => {
                    self.instances[which].leave();
                    Request::Looks
                }
                Request::Counted(which) => Request::Inside(which),
                Request::Inside(which) => {
                    self.instances[which].leave();
                    Request::Done
                }
                Request::Done => Request::Done,
            };
        }

        fn is_sound(&self) -> bool {
            let inside_old = self.requests.iter().any(|request| matches!(request, Request::Inside(0)));
            !(inside_old && self.old_is_stopped)
        }
    }

    /// Every order in which the steps of two requests and a swap can happen. In none of them a request is inside an
    /// instance that was stopped because its count was 0, and in all of them everybody gets to an end.
    #[test]
    fn no_order_of_steps_loses_a_request() {
        fn explore(schedule: &mut Vec<usize>, ends: &mut usize) {
            let mut steps = Steps::new();
            for who in schedule.iter() {
                steps.step(*who);
            }
            assert!(steps.is_sound(), "lost a request after {schedule:?}");
            let able: Vec<usize> = (0..3).filter(|who| steps.can(*who)).collect();
            if able.is_empty() {
                assert!(steps.old_is_stopped, "stuck after {schedule:?}");
                *ends += 1;
            }
            for who in able {
                schedule.push(who);
                explore(schedule, ends);
                schedule.pop();
            }
        }
        let mut ends = 0;
        explore(&mut Vec::new(), &mut ends);
        assert!(ends > 10_000, "{ends} orders");
    }

    /// The same with threads: they enter whatever instance they find behind the pointer; one thread swaps the pointer,
    /// drains the old instance, waits until its count is 0 and stops it. Nobody is ever inside a stopped instance.
    #[test]
    fn nobody_is_inside_when_the_count_is_zero() {
        const SWAPS: usize = 2_000;
        struct Place {
            instance: Arc<Instance>,
            stopped: AtomicBool,
        }
        let place = || Arc::new(Place { instance: instance("web"), stopped: AtomicBool::new(false) });
        let pointer = ArcSwap::new(place());
        let (ended, entered) = (AtomicBool::new(false), AtomicUsize::new(0));
        std::thread::scope(|threads| {
            for _ in 0..2 {
                threads.spawn(|| {
                    while !ended.load(Ordering::Relaxed) {
                        let found = pointer.load();
                        let Some(passage) = found.instance.enter() else { continue };
                        for _ in 0..20 {
                            assert!(!found.stopped.load(Ordering::SeqCst), "inside a stopped instance");
                            std::hint::spin_loop();
                        }
                        let number = entered.fetch_add(1, Ordering::Relaxed);
                        drop(passage);
                        if number % 8 == 0 {
                            std::thread::yield_now();
                        }
                    }
                });
            }
            // Ends the others also when an assertion in here fails.
            struct End<'a>(&'a AtomicBool);
            impl Drop for End<'_> {
                fn drop(&mut self) {
                    self.0.store(true, Ordering::Relaxed);
                }
            }
            let _end = End(&ended);
            for swap in 0..SWAPS {
                // Somebody is always on the way in.
                while entered.load(Ordering::Relaxed) < swap * 5 {
                    std::thread::yield_now();
                }
                let old = pointer.swap(place());
                old.instance.drain(false);
                while old.instance.in_flight() > 0 {
                    std::thread::yield_now();
                }
                old.stopped.store(true, Ordering::SeqCst);
            }
        });
    }

    #[test]
    fn a_welcome_takes_back_a_goodbye() {
        let it = instance("web");
        let backend =
            Backend { id: "web".into(), address: ([127, 0, 0, 1], 2).into(), weight: 3, release: 2 };
        assert!(it.drain(false) && !it.drain(false));
        assert!(it.enter().is_none() && it.in_flight() == 0);
        it.close(Duration::ZERO);
        it.cut();
        assert!(it.cutting().is_cancelled());
        it.welcome(&backend);
        assert!(!it.cutting().is_cancelled());
        // A cut that was on its way when the instance came back finds nothing to cut.
        it.cut();
        assert!(!it.cutting().is_cancelled());
        assert!(it.enter().is_some());
        assert_eq!((it.stats().weight, it.stats().release, it.address()), (3, 2, backend.address));
        assert!(!it.is_forgettable(Duration::ZERO));
        it.drain(false);
        assert!(it.is_forgettable(Duration::ZERO) && !it.is_forgettable(Duration::from_secs(600)));
    }
}
