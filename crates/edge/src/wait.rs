//! Where a request waits: while its service is held, while no instance is there, and until one has room for it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::StatusCode;

use crate::answer::Refusal;
use crate::edge::Shared;
use crate::queue::{self, Member, Place, Queue};
use crate::state::Service;

/// What a request has of its waiting, from one look at the table to the next. Dropping it gives its places up.
#[derive(Debug, Default)]
pub(crate) struct Waits {
    /// Since when it waited first, for whatever.
    began: Option<Instant>,
    held: Option<(Member, Instant)>,
    queued: Option<(Place, Instant)>,
    /// Since when it waited first for an instance to be there.
    absent: Option<Instant>,
    /// Too many waited for that already.
    turned_away: bool,
}

impl Waits {
    /// Since when it has waited; none when it did not.
    pub(crate) fn since(&self) -> Option<Instant> {
        self.began
    }

    /// Whether it may look for an instance with room, or others come first.
    pub(crate) fn is_next(&self, queue: &Arc<Queue>) -> bool {
        match &self.queued {
            Some((place, _)) if place.is_in(queue) => true,
            _ => queue.len() == 0,
        }
    }

    /// Waits until the service is let go, or something else about it changes. The time that this takes is none in a
    /// queue.
    pub(crate) async fn hold(&mut self, shared: &Shared, service: &Service) -> Result<(), Refusal<'static>> {
        self.queued = None;
        let Some(hold) = service.treatment.hold else { return Ok(()) };
        let refuse = |status, code, words: &str| {
            Err(Refusal::new(status, code, format!("service `{}` is held: {words}", service.name)))
        };
        let crowd = &service.counters.held;
        if !self.held.as_ref().is_some_and(|(member, _)| member.is_of(crowd)) {
            let Some(member) = crowd.join(hold.queue) else {
                return refuse(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "hold_full",
                    "too many requests wait already",
                );
            };
            self.held = Some((member, self.now()));
        }
        let since = self.held.as_ref().map_or_else(Instant::now, |(_, since)| *since);
        let moved = crowd.moved();
        // Another table may serve since the one with the hold was looked at.
        if !serves(shared, service) {
            return Ok(());
        }
        let left = Duration::from_millis(hold.most_ms).saturating_sub(since.elapsed());
        if queue::wait(moved, left).await {
            return Ok(());
        }
        refuse(StatusCode::GATEWAY_TIMEOUT, "hold_timeout", "it was not let go in time")
    }

    /// Waits until it is its turn and one of the instances may have room. The place is kept from one call to the next.
    pub(crate) async fn queue(&mut self, service: &Service) -> Result<(), Refusal<'static>> {
        self.held = None;
        let limits = service.treatment.limits;
        let refuse = |code, words: &str| {
            let words = format!("every instance of service `{}` is at its limit: {words}", service.name);
            Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, code, words))
        };
        let queue = &service.counters.queue;
        let (place, since) = match self.queued.take() {
            Some((place, since)) if place.is_in(queue) => (place, since),
            _ => match queue.join(limits.queue) {
                Some(place) => (place, self.now()),
                None => return refuse("queue_full", "too many requests wait already"),
            },
        };
        let left = Duration::from_millis(limits.queue_ms).saturating_sub(since.elapsed());
        if !left.is_zero() && place.turn(left).await {
            self.queued = Some((place, since));
            return Ok(());
        }
        refuse("queue_timeout", "none had room in time")
    }

    /// How much longer it waits for a service without instances, as one is whose only process is being started again;
    /// none when it has waited long enough.
    pub(crate) fn patience(&self, service: &Service) -> Option<Duration> {
        let patience = Duration::from_millis(service.treatment.retries.patience_ms);
        let left = patience.saturating_sub(self.absent.map_or(Duration::ZERO, |since| since.elapsed()));
        (!self.turned_away && !left.is_zero()).then_some(left)
    }

    /// Waits until something about the service changes, at most so long.
    pub(crate) async fn absence(&mut self, shared: &Shared, service: &Service, left: Duration) {
        (self.held, self.queued) = (None, None);
        let crowd = &service.counters.held;
        let now = self.now();
        // However often instances come and go, it is one wait.
        self.absent.get_or_insert(now);
        let Some(_place) = crowd.join(service.treatment.limits.queue) else {
            self.turned_away = true;
            return;
        };
        let moved = crowd.moved();
        // Another table may serve since the one without instances was looked at.
        if serves(shared, service) {
            queue::wait(moved, left).await;
        }
    }

    fn now(&mut self) -> Instant {
        let now = Instant::now();
        self.began.get_or_insert(now);
        now
    }
}

/// Whether the table that serves has this very service.
fn serves(shared: &Shared, service: &Service) -> bool {
    let state = shared.state.load();
    let now = state.services.get(&service.environment).and_then(|all| all.get(&service.name));
    now.is_some_and(|now| std::ptr::eq(Arc::as_ptr(now), service))
}
