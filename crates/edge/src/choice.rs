//! The instances of a service for one request: the one that was chosen, then others, then all of them again for as long
//! as it is worth waiting.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use fairway_forward::{Next, Target, Targets};
use fairway_health::{Ask, Pick, redial};

use crate::clock;
use crate::edge::Shared;
use crate::instance::Passage;
use crate::state::Service;
use crate::visitor::Visitor;

/// How many instances are tried before the first pause, and after each.
const DIALS: usize = 3;

/// What became of the search, for whoever logs.
#[derive(Debug, Default)]
pub(crate) struct Search {
    /// The member that was asked last.
    pub(crate) last: AtomicU32,
    /// How often it was tried again.
    pub(crate) retries: AtomicU32,
}

/// Where a request may go.
pub(crate) struct Choice<'a> {
    shared: &'a Shared,
    visitor: &'a Arc<Visitor>,
    search: &'a Search,
    /// The service in the table that serves now, as far as it has it: by the time that a dial has failed, the one that the
    /// request was admitted to may be old.
    service: Arc<Service>,
    number: u64,
    first: Option<Passage>,
    /// Members of `service` that were tried since the last pause, and the one that is being tried: mostly that is all.
    tried: Vec<usize>,
    trying: Option<usize>,
    /// Since when nobody could be connected to, and how many pauses there were.
    waiting: Option<Instant>,
    pauses: u32,
}

impl<'a> Choice<'a> {
    pub(crate) fn new(
        shared: &'a Shared,
        visitor: &'a Arc<Visitor>,
        search: &'a Search,
        service: Arc<Service>,
        number: u64,
        passage: Passage,
    ) -> Self {
        let (first, tried, trying) = (Some(passage), Vec::new(), None);
        Self { shared, visitor, search, service, number, first, tried, trying, waiting: None, pauses: 0 }
    }

    fn target(&mut self, passage: Passage) -> Next<Passage> {
        let index = passage.index();
        self.trying = Some(index);
        self.search.last.store(u32::try_from(index).unwrap_or(u32::MAX), Ordering::Relaxed);
        let address = self.service.members[index].address;
        Next::Target(Target { address, guard: passage.on(self.visitor) })
    }

    /// Looks at the table that serves now.
    fn refresh(&mut self) {
        let state = self.shared.state.load();
        let now = state.services.get(&self.service.environment).and_then(|all| all.get(&self.service.name));
        if let Some(now) = now
            && !Arc::ptr_eq(now, &self.service)
        {
            self.service = Arc::clone(now);
            self.tried.clear();
        }
    }
}

impl Targets for Choice<'_> {
    type Guard = Passage;

    fn next(&mut self) -> Next<Passage> {
        if let Some(passage) = self.first.take() {
            return self.target(passage);
        }
        self.tried.extend(self.trying.take());
        self.refresh();
        if self.tried.len() < DIALS {
            let service = Arc::clone(&self.service);
            let now = Instant::now();
            let ask = Ask { number: self.number, now: clock::at(now), sticky: None, tried: &self.tried };
            if let Pick::Instance(choice) = service.admit(&ask, now) {
                self.search.retries.fetch_add(1, Ordering::Relaxed);
                return self.target(choice.entered);
            }
        }
        let waited = self.waiting.get_or_insert_with(Instant::now).elapsed();
        let waited = u64::try_from(waited.as_millis()).unwrap_or(u64::MAX);
        let patience = self.service.treatment.retries.patience_ms;
        let Some(pause) = redial(self.pauses, waited, patience, self.number) else { return Next::Nobody };
        self.pauses += 1;
        self.tried.clear();
        Next::Pause(Duration::from_millis(pause))
    }

    fn may_repeat(&mut self) -> bool {
        self.service.counters.budget.retry(self.service.treatment.retries.budget_percent, clock::now())
    }
}
