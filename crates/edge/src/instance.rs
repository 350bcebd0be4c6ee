//! An instance as the edge sees it over its whole life: what it does, and what it did.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use fairway_forward::{Closing, Ending, Error, Guard};
use fairway_health::{Change, Condition, Outcome, Refusal, Trial};
use fairway_protocol::edge::{Failures, InstanceStats, Latency, Standing, StatusClasses};
use fairway_route::Backend;
use http::StatusCode;
use tokio_util::sync::CancellationToken;

use crate::clock;
use crate::histogram::Histogram;
use crate::state::{Flock, Service};
use crate::visitor::Visitor;

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
    tls: AtomicU64,
    connect_timeout: AtomicU64,
    header_timeout: AtomicU64,
    broken: AtomicU64,
    broken_streams: AtomicU64,
    cut: AtomicU64,
    redialled: AtomicU64,
    clients_gone: AtomicU64,
    latency: Histogram,
    /// What probes and traffic tell about it.
    pub(crate) condition: Arc<Condition>,
    /// When the first table with it began to serve, for slow start.
    joined: AtomicBool,
    /// How many were told goodbye.
    goodbyes: AtomicU64,
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
            tls: AtomicU64::new(0),
            connect_timeout: AtomicU64::new(0),
            header_timeout: AtomicU64::new(0),
            broken: AtomicU64::new(0),
            broken_streams: AtomicU64::new(0),
            cut: AtomicU64::new(0),
            redialled: AtomicU64::new(0),
            clients_gone: AtomicU64::new(0),
            latency: Histogram::default(),
            condition: Arc::new(Condition::new()),
            joined: AtomicBool::new(false),
            goodbyes: AtomicU64::new(0),
        }
    }

    /// Counts an exchange in, unless the instance takes none any more (then the caller's table is an old one) or has
    /// `most` already; 0 is no limit.
    pub(crate) fn enter(self: &Arc<Self>, most: u32, began: Instant) -> Result<Passage, Refusal> {
        // First the count, then the look, both in the one order that all threads agree on. Whoever sets `draining`
        // and then reads 0 knows that nobody can be on the way in who will not turn round here.
        let has_room = most == 0 || self.arrive_below(most);
        if most == 0 {
            self.arrive();
        }
        if self.is_draining() {
            if has_room {
                self.leave();
            }
            return Err(Refusal::Gone);
        }
        if !has_room {
            return Err(Refusal::Busy);
        }
        Ok(Passage {
            instance: Arc::clone(self),
            of: None,
            trial: None,
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

    /// Counts only what there is room for: one that is counted for a moment and leaves would keep others out meanwhile.
    fn arrive_below(&self, most: u32) -> bool {
        let most = u64::from(most);
        let upgrades = self.upgrades();
        let arrived = self.in_flight.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |count| {
            (count.saturating_sub(upgrades) < most).then_some(count + 1)
        });
        arrived.is_ok()
    }

    fn leave(&self) {
        self.in_flight.fetch_sub(1, Ordering::SeqCst);
    }

    /// The next table lists it: called before that table serves. `now` in milliseconds since the start of the edge.
    pub(crate) fn welcome(&self, backend: &Backend, now: u64) {
        if !self.joined.swap(true, Ordering::Relaxed) {
            self.condition.joins(now);
        }
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

    /// How long one of the exchanges that are to end waits before it does: ten milliseconds for each of them, spread
    /// over at most `longest`.
    fn pause_before_goodbye(&self, longest: Duration) -> Duration {
        let many = self.in_flight().max(1);
        let window = longest.min(Duration::from_millis(10) * u32::try_from(many - 1).unwrap_or(u32::MAX));
        let number = self.goodbyes.fetch_add(1, Ordering::Relaxed);
        // Evenly, whatever their number is: multiples of the golden ratio.
        let part = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 48;
        window * u32::try_from(part).unwrap_or(0) / 65_536
    }

    /// Says in the log what traffic or a probe changed.
    pub(crate) fn tell(&self, change: Change) {
        tracing::warn!(
            environment = %self.environment, service = %self.service, instance = self.id, "instance {change}"
        );
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
            ejections: self.condition.ejections(),
            in_flight: self.in_flight(),
            upgrades: self.upgrades(),
            total: read(&self.total),
            responses: StatusClasses { informational, success, redirection, client_error, server_error },
            failed: Failures {
                refused: read(&self.refused),
                tls: read(&self.tls),
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

    pub(crate) fn latency(&self) -> Latency {
        self.latency.read()
    }

    /// Those that it belongs to as far as latencies go.
    pub(crate) fn flock(&self) -> Flock {
        (Arc::clone(&self.environment), Arc::clone(&self.service), self.place().release)
    }

    fn place(&self) -> MutexGuard<'_, Place> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One exchange with an instance; while it lives the exchange is counted.
#[derive(Debug)]
pub(crate) struct Passage {
    instance: Arc<Instance>,
    /// The service that it belongs to, and which of its members the instance is.
    of: Option<(Arc<Service>, usize)>,
    /// The right to show that the instance is well again.
    trial: Option<Trial>,
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

    /// Says for which service it is, so that its outcome is noted there.
    pub(crate) fn belongs_to(&mut self, service: Arc<Service>, index: usize, trial: Option<Trial>) {
        self.of = Some((service, index));
        self.trial = trial;
    }

    /// When the instance was chosen.
    pub(crate) fn began(&self) -> Instant {
        self.began
    }

    /// The instance that the exchange is with.
    pub(crate) fn index(&self) -> usize {
        self.of.as_ref().map_or(0, |(_, index)| *index)
    }

    /// Notes how it went.
    fn report(&mut self, outcome: Outcome) {
        self.report_at(Instant::now(), outcome);
    }

    fn report_at(&mut self, moment: Instant, outcome: Outcome) {
        let Some((service, index)) = &self.of else { return };
        let change = service.roster.report(*index, outcome, self.trial.take(), clock::at(moment));
        if let Some(change) = change {
            self.instance.tell(change);
        }
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
        let now = Instant::now();
        self.instance.latency.add(now.saturating_duration_since(self.began));
        let class = usize::from(status.as_u16() / 100).saturating_sub(1).min(4);
        self.instance.classes[class].fetch_add(1, Ordering::Relaxed);
        self.report_at(now, Outcome::Answered { status: status.as_u16() });
    }

    fn upgraded(&mut self) {
        self.upgraded = true;
        self.instance.upgrades.fetch_add(1, Ordering::SeqCst);
        // A tunnel does not count against the limit of exchanges.
        if let Some((service, _)) = &self.of {
            service.counters.queue.call();
        }
    }

    fn moved_on(&mut self, error: &Error) {
        self.settled = true;
        if let Some(outcome) = outcome(error) {
            self.report(outcome);
        }
        self.instance.redialled.fetch_add(1, Ordering::Relaxed);
    }

    fn failed(&mut self, error: &Error) {
        self.settled = true;
        self.count();
        if let Some(outcome) = outcome(error) {
            self.report(outcome);
        }
        let it = &self.instance;
        let counter = match error {
            Error::Refused { .. } => &it.refused,
            Error::Tls { .. } => &it.tls,
            Error::ConnectTimeout { .. } => &it.connect_timeout,
            Error::HeaderTimeout { .. } => &it.header_timeout,
            Error::Broken { .. } | Error::Unasked { .. } | Error::NoWebSocket { .. } | Error::NoTarget => {
                &it.broken
            }
            Error::ClientGone | Error::ClientSlow { .. } | Error::Request(_) => &it.clients_gone,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    fn ended(&mut self, ending: Ending) {
        self.settled = true;
        if ending == Ending::Broken && !self.instance.cutting().is_cancelled() {
            self.report(Outcome::Broken);
        }
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
        let spread = self.of.as_ref().map_or(Duration::ZERO, |(service, _)| service.goodbye_spread);
        Some(Box::pin(async move {
            closing.cancelled().await;
            let grace = instance.place().grace;
            // Clients that are all told goodbye at once all come back at once.
            let pause = instance.pause_before_goodbye(spread.min(grace / 2));
            tokio::time::sleep(pause).await;
            grace.saturating_sub(pause)
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
        if let Some((service, _)) = &self.of
            && service.treatment.limits.exchanges > 0
        {
            service.counters.queue.call();
        }
    }
}

/// What an error says about the instance; nothing if it is about the client.
fn outcome(error: &Error) -> Option<Outcome> {
    match error {
        Error::Refused { .. } | Error::Tls { .. } => Some(Outcome::Refused),
        Error::ConnectTimeout { .. } | Error::HeaderTimeout { .. } => Some(Outcome::Timeout),
        Error::Broken { .. } | Error::Unasked { .. } => Some(Outcome::Broken),
        Error::NoTarget
        | Error::NoWebSocket { .. }
        | Error::ClientGone
        | Error::ClientSlow { .. }
        | Error::Request(_) => None,
    }
}

#[cfg(test)]
mod tests;
