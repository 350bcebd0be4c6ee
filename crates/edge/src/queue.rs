//! Requests that wait at the edge: bounded, and gone when their clients are. [`Crowd`] is left by all at once, [`Queue`]
//! by one after the other in the order in which they came.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::sync::futures::Notified;
use tokio::time::{Instant, timeout_at};

/// Nobody says that an instance may be tried again or gets its full share by now: whoever is first looks again after so
/// long.
const GLANCE: Duration = Duration::from_millis(50);

/// Where all wait for the same thing.
#[derive(Debug, Default)]
pub(crate) struct Crowd {
    waiting: AtomicU32,
    moved: Notify,
}

/// One of a crowd. Dropping it, as happens when its client goes away, frees the place.
#[derive(Debug)]
pub(crate) struct Member(Arc<Crowd>);

impl Crowd {
    /// Takes a place, if fewer than `most` are taken.
    pub(crate) fn join(self: &Arc<Self>, most: u32) -> Option<Member> {
        let member = Member(Arc::clone(self));
        let before = self.waiting.fetch_add(1, Ordering::SeqCst);
        // Beyond the limit the place is given back as `member` is dropped.
        (before < most).then_some(member)
    }

    /// How many wait.
    pub(crate) fn len(&self) -> u32 {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Wakes everybody: things are different now.
    pub(crate) fn move_all(&self) {
        self.moved.notify_waiters();
    }

    /// Something that completes when things have changed since it was made. Make it before looking at them, so that
    /// nothing is missed.
    pub(crate) fn moved(&self) -> Notified<'_> {
        self.moved.notified()
    }
}

impl Member {
    pub(crate) fn is_of(&self, crowd: &Arc<Crowd>) -> bool {
        Arc::ptr_eq(&self.0, crowd)
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Where one after the other gets what becomes free. Only who is first is called, and who leaves calls the next: so
/// nobody is passed by, and a newcomer that finds somebody waiting has to join.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    /// As many as are in the row, for those who only want to know whether anybody is.
    len: AtomicU32,
    row: Mutex<Row>,
}

#[derive(Debug, Default)]
struct Row {
    next: u64,
    /// By number: the first is whose turn it is.
    seats: BTreeMap<u64, Seat>,
}

#[derive(Debug, Default)]
struct Seat {
    /// Whether it is to look for room.
    called: bool,
    waker: Option<Waker>,
}

/// A place in a queue, kept until it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    queue: Arc<Queue>,
    number: u64,
}

impl Queue {
    /// Takes the last place, if fewer than `most` are taken. Who is first is called at once: room may have been made
    /// since it looked.
    pub(crate) fn join(self: &Arc<Self>, most: u32) -> Option<Place> {
        let mut row = self.row();
        if row.seats.len() >= usize::try_from(most).unwrap_or(usize::MAX) {
            return None;
        }
        let number = row.next;
        row.next += 1;
        let called = row.seats.is_empty();
        row.seats.insert(number, Seat { called, waker: None });
        // Before the newcomer looks again: whoever makes room from now on sees that somebody waits for it.
        self.len.fetch_add(1, Ordering::SeqCst);
        Some(Place { queue: Arc::clone(self), number })
    }

    /// How many wait.
    pub(crate) fn len(&self) -> u32 {
        self.len.load(Ordering::SeqCst)
    }

    /// Calls who is first, if anybody waits: there may be room, or things are different now.
    pub(crate) fn call(&self) {
        if self.len() > 0 {
            let waker = self.row().call();
            waker.into_iter().for_each(Waker::wake);
        }
    }

    fn row(&self) -> MutexGuard<'_, Row> {
        self.row.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Row {
    fn call(&mut self) -> Option<Waker> {
        let mut first = self.seats.first_entry()?;
        first.get_mut().called = true;
        first.get_mut().waker.take()
    }

    fn is_first(&self, number: u64) -> bool {
        self.seats.first_key_value().is_some_and(|(first, _)| *first == number)
    }
}

impl Place {
    pub(crate) fn is_in(&self, queue: &Arc<Queue>) -> bool {
        Arc::ptr_eq(&self.queue, queue)
    }

    /// Waits until it is worth looking for room, at most so long; whether it is.
    pub(crate) async fn turn(&self, most: Duration) -> bool {
        let now = Instant::now();
        let deadline = now + most;
        let glance = if self.queue.row().is_first(self.number) { now + GLANCE } else { deadline };
        let called = poll_fn(|cx| {
            let mut row = self.queue.row();
            let Some(seat) = row.seats.get_mut(&self.number) else { return Poll::Ready(()) };
            if std::mem::take(&mut seat.called) {
                return Poll::Ready(());
            }
            seat.waker = Some(cx.waker().clone());
            Poll::Pending
        });
        timeout_at(deadline.min(glance), called).await.is_ok() || glance < deadline
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let next = {
            let mut row = self.queue.row();
            let was_first = row.is_first(self.number);
            row.seats.remove(&self.number);
            self.queue.len.fetch_sub(1, Ordering::SeqCst);
            if was_first { row.call() } else { None }
        };
        next.into_iter().for_each(Waker::wake);
    }
}

/// Waits until moved, at most so long; whether it was moved.
pub(crate) async fn wait(moved: Notified<'_>, most: Duration) -> bool {
    tokio::time::timeout(most, moved).await.is_ok()
}

#[cfg(test)]
mod tests {
    use std::collections::{HashSet, VecDeque};

    use futures::FutureExt;
    use proptest::prelude::*;

    use super::*;

    impl Place {
        /// Whether it was called since it was last asked.
        fn take_call(&self) -> bool {
            let mut row = self.queue.row();
            row.seats.get_mut(&self.number).is_some_and(|seat| std::mem::take(&mut seat.called))
        }
    }

    #[test]
    fn places_are_bounded_and_given_back() {
        let crowd = Arc::new(Crowd::default());
        let one = crowd.join(1);
        assert!(one.is_some() && crowd.join(1).is_none());
        assert_eq!(crowd.len(), 1);
        drop(one);
        assert!(crowd.join(1).is_some());
        assert_eq!(crowd.len(), 0);
        let queue = Arc::new(Queue::default());
        let one = queue.join(1);
        assert!(one.is_some() && queue.join(1).is_none());
        assert_eq!(queue.len(), 1);
        drop(one);
        assert!(queue.join(1).is_some());
        assert_eq!(queue.len(), 0);
    }

    #[tokio::test]
    async fn who_is_first_glances_and_the_others_wait() {
        let queue = Arc::new(Queue::default());
        let (first, second) = (queue.join(9).unwrap(), queue.join(9).unwrap());
        let long = Duration::from_secs(60);
        assert!(first.turn(long).now_or_never().unwrap(), "it looks again at once");
        let begun = Instant::now();
        assert!(first.turn(long).await && begun.elapsed() >= GLANCE);
        // The time of the second is up, that of the first is not.
        let begun = Instant::now();
        assert!(!second.turn(GLANCE * 3).await && begun.elapsed() >= GLANCE * 3);
        drop(first);
        assert!(second.turn(long).now_or_never().unwrap(), "it is called");
    }

    /// What may happen to a queue.
    #[derive(Clone, Debug)]
    enum Event {
        Join,
        Leave(usize),
        Call,
        /// Who is called looks; there is room for it or not.
        Look(bool),
    }

    fn events() -> impl Strategy<Value = Vec<Event>> {
        let event = prop_oneof![
            3 => Just(Event::Join),
            1 => (0..8_usize).prop_map(Event::Leave),
            3 => Just(Event::Call),
            3 => any::<bool>().prop_map(Event::Look),
        ];
        proptest::collection::vec(event, 0..80)
    }

    proptest! {
        /// Whatever happens, only the first is ever called, who was called first goes in first, and a call is not lost:
        /// it stays until the first has looked, or passes on to the next.
        #[test]
        fn nobody_is_passed_by(events in events()) {
            let queue = Arc::new(Queue::default());
            let mut waiting: VecDeque<Place> = VecDeque::new();
            // Whether the first has been called and has not looked.
            let mut due = false;
            for event in events {
                match event {
                    Event::Join => {
                        due |= waiting.is_empty();
                        waiting.push_back(queue.join(100).unwrap());
                    }
                    Event::Leave(at) if at < waiting.len() => {
                        drop(waiting.remove(at));
                        due = (due || at == 0) && !waiting.is_empty();
                    }
                    Event::Leave(_) => {}
                    Event::Call => {
                        queue.call();
                        due |= !waiting.is_empty();
                    }
                    Event::Look(room) => {
                        let called: Vec<bool> = waiting.iter().map(Place::take_call).collect();
                        let expected: Vec<bool> = (0..waiting.len()).map(|at| at == 0 && due).collect();
                        prop_assert_eq!(called, expected);
                        if room {
                            drop(waiting.pop_front());
                        }
                        due = room && !waiting.is_empty();
                    }
                }
                prop_assert_eq!(usize::try_from(queue.len()).unwrap(), waiting.len());
            }
        }
    }

    /// One place to work at, requests that want it, one step at a time.
    struct Steps {
        queue: Arc<Queue>,
        busy: bool,
        requests: Vec<Request>,
        /// Who joined, and who got in out of the queue, in their orders.
        joined: Vec<usize>,
        served: Vec<usize>,
    }

    #[derive(Debug)]
    enum Request {
        Arrives,
        /// It found nobody waiting and looks for room.
        Looks,
        /// There was none, or others wait.
        Joins,
        Waits(Place),
        /// It was called.
        LooksAgain(Place),
        /// It is in, and has its place until it says so.
        Enters(Place),
        Works,
        /// It has left, and is about to call.
        Calls,
        Done,
    }

    impl Steps {
        fn new(requests: usize) -> Self {
            Self {
                queue: Arc::default(),
                busy: false,
                requests: (0..requests).map(|_| Request::Arrives).collect(),
                joined: Vec::new(),
                served: Vec::new(),
            }
        }

        fn can(&self, who: usize) -> bool {
            match &self.requests[who] {
                Request::Waits(place) => self.queue.row().seats[&place.number].called,
                Request::Done => false,
                _ => true,
            }
        }

        fn step(&mut self, who: usize) {
            let request = std::mem::replace(&mut self.requests[who], Request::Done);
            self.requests[who] = match request {
                Request::Arrives if self.queue.len() > 0 => Request::Joins,
                Request::Arrives => Request::Looks,
                Request::Looks if std::mem::replace(&mut self.busy, true) => Request::Joins,
                Request::Looks => Request::Works,
                Request::Joins => {
                    self.joined.push(who);
                    Request::Waits(self.queue.join(9).unwrap())
                }
                Request::Waits(place) => {
                    assert!(place.take_call());
                    Request::LooksAgain(place)
                }
                Request::LooksAgain(place) if std::mem::replace(&mut self.busy, true) => {
                    Request::Waits(place)
                }
                Request::LooksAgain(place) => {
                    self.served.push(who);
                    Request::Enters(place)
                }
                Request::Enters(place) => {
                    drop(place);
                    Request::Works
                }
                Request::Works => {
                    self.busy = false;
                    Request::Calls
                }
                Request::Calls => {
                    self.queue.call();
                    Request::Done
                }
                Request::Done => Request::Done,
            };
        }
    }

    /// Every way in which four requests can meet at one place to work at: each state that they can get to, once. In all of
    /// them somebody can go on until everybody is done, and those that queue get in in the order in which they joined.
    #[test]
    fn no_order_of_steps_loses_a_call() {
        const REQUESTS: usize = 4;
        fn explore(schedule: &mut Vec<usize>, seen: &mut HashSet<String>, ends: &mut usize) {
            let mut steps = Steps::new(REQUESTS);
            for who in schedule.iter() {
                steps.step(*who);
            }
            let state = format!("{:?} {:?} {:?}", steps.requests, steps.joined, steps.busy);
            if !seen.insert(format!("{state} {:?} {:?}", steps.served, steps.queue.row().seats)) {
                return;
            }
            assert!(steps.joined.starts_with(&steps.served), "passed by after {schedule:?}");
            let able: Vec<usize> = (0..REQUESTS).filter(|who| steps.can(*who)).collect();
            if able.is_empty() {
                let all_done = steps.requests.iter().all(|request| matches!(request, Request::Done));
                assert!(all_done, "stuck after {schedule:?}");
                *ends += 1;
            }
            for who in able {
                schedule.push(who);
                explore(schedule, seen, ends);
                schedule.pop();
            }
        }
        let (mut seen, mut ends) = (HashSet::new(), 0);
        explore(&mut Vec::new(), &mut seen, &mut ends);
        // In the end they differ by who joined, and in which order.
        assert!(seen.len() > 1_000 && ends > 10, "{} states, {ends} ends", seen.len());
    }
}
