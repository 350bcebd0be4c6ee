//! Choosing an instance for a request.
//!
//! Usually the first look decides: the wheel (or the client's hash) names an instance, it is fit, it is taken. Only when
//! it is not are the others looked at, in three rounds:
//!
//! 1. fit instances, by their weights and what slow start leaves of them;
//! 2. fit instances that slow start had put off: better early than not at all;
//! 3. the others, in a panic or when nobody fit is left to ask, as for a repetition.

use std::ops::ControlFlow;

use crate::condition::Trial;
use crate::order::Order;
use crate::roster::{Roster, Seat};

/// A request that looks for an instance.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// Its number: the next of a counter of the service, whose neighbours go to different instances. A repetition of a
    /// request may use its number again.
    pub number: u64,
    /// The time.
    pub now: u64,
    /// The client as a number ([`hash`](crate::hash) of its cookie), when it is to stay with its instance.
    pub sticky: Option<u64>,
    /// Members that have been asked already and are not to be asked again.
    pub tried: &'a [usize],
}

/// What came of it.
#[derive(Debug)]
pub enum Pick<T> {
    /// This instance.
    Instance(Choice<T>),
    /// All that may be asked are at their limit: wait until one of them is done.
    AllBusy,
    /// All have been tried: wait a little and begin anew with nobody tried, or give up.
    AllTried,
    /// No instance has a weight.
    Nobody,
    /// The instance takes nothing any more because another table serves by now: look there.
    Outdated,
}

/// The instance that takes the request.
#[derive(Debug)]
pub struct Choice<T> {
    /// Which member of the roster.
    pub index: usize,
    /// What entering it gave.
    pub entered: T,
    /// It is out, and this request may show that it is well again: report the outcome with it. Keep it where it is
    /// dropped with the exchange.
    pub trial: Option<Trial>,
    /// It is out, and asked all the same because nobody better is left: a panic, or a last resort.
    pub unfit: bool,
}

/// Why an instance could not be entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is at its limit.
    Busy,
    /// It takes nothing any more.
    Gone,
}

impl Roster {
    /// Chooses an instance and enters it. `enter` counts the request on a member, exactly, and says when it takes no
    /// more; it may be called for several members, and again for one that was busy.
    pub fn pick<T>(&self, ask: &Ask<'_>, mut enter: impl FnMut(usize) -> Result<T, Refusal>) -> Pick<T> {
        let order = ask.sticky.map_or(Order::Spread(ask.number), Order::Sticky);
        let Some(first) = order.first(self) else { return Pick::Nobody };
        let mut looking = Looking { roster: self, ask, order, enter: &mut enter, busy: false };
        match looking.look(first) {
            ControlFlow::Break(Some(choice)) => Pick::Instance(choice),
            ControlFlow::Break(None) => Pick::Outdated,
            ControlFlow::Continue(()) if looking.busy => Pick::AllBusy,
            ControlFlow::Continue(()) => Pick::AllTried,
        }
    }
}

/// Goes on until there is a choice, or an instance that is gone.
type Found<T> = ControlFlow<Option<Choice<T>>>;

/// One request while it looks.
struct Looking<'a, E> {
    roster: &'a Roster,
    ask: &'a Ask<'a>,
    order: Order,
    enter: &'a mut E,
    /// Whether somebody would have taken it but for the limit.
    busy: bool,
}

impl<T, E: FnMut(usize) -> Result<T, Refusal>> Looking<'_, E> {
    fn look(&mut self, first: usize) -> Found<T> {
        let (roster, ask, order) = (self.roster, self.ask, self.order);
        let (rules, now) = (&roster.rules, ask.now);
        let untried = |index: usize| !ask.tried.contains(&index);

        let seat = &roster.seats[first];
        let fit = seat.is_fit(rules);
        if untried(first) && fit && order.accepts(seat, seat.condition.share(rules, now)) {
            self.enter(first, None, false)?;
        }
        // A request that failed once already is not the one to try with.
        let mut panic = None;
        if ask.tried.is_empty() && !fit {
            if let Some(trial) = seat.condition.claim(rules, now) {
                self.enter(first, Some(trial), false)?;
            } else if *panic.insert(roster.overview().panic) {
                self.enter_unfit(first)?;
            }
        }

        let fits = |index: usize, seat: &Seat| seat.weight > 0 && untried(index) && seat.is_fit(rules);
        let started = |index: usize, seat: &Seat| {
            if !fits(index, seat) {
                return 0;
            }
            let share = seat.condition.share(rules, now);
            match order {
                // What could not have it at the first look gets no second chance, or its share would be larger.
                Order::Spread(_) if index == first => 0,
                Order::Spread(_) => u64::from(seat.weight) * u64::from(share),
                Order::Sticky(_) => u64::from(order.accepts(seat, share)),
            }
        };
        order.visit(roster, started, |index| self.enter(index, None, false))?;
        let fits = |index: usize, seat: &Seat| if fits(index, seat) { u64::from(seat.weight) } else { 0 };
        order.visit(roster, fits, |index| self.enter(index, None, false))?;
        if self.busy && !panic.unwrap_or_else(|| roster.overview().panic) {
            // Those that are fit are only at their limit, which passes. The others would get what they can't take.
            return ControlFlow::Continue(());
        }
        let anybody = |index: usize, seat: &Seat| if untried(index) { u64::from(seat.weight) } else { 0 };
        order.visit(roster, anybody, |index| self.enter_unfit(index))
    }

    /// One that is out, or may be in again by now.
    fn enter_unfit(&mut self, index: usize) -> Found<T> {
        let (rules, condition) = (&self.roster.rules, &self.roster.seats[index].condition);
        match condition.claim(rules, self.ask.now) {
            Some(trial) => self.enter(index, Some(trial), false),
            None => self.enter(index, condition.watch(), !condition.is_fit(rules)),
        }
    }

    fn enter(&mut self, index: usize, trial: Option<Trial>, unfit: bool) -> Found<T> {
        match (self.enter)(index) {
            Ok(entered) => ControlFlow::Break(Some(Choice { index, entered, trial, unfit })),
            Err(Refusal::Gone) => ControlFlow::Break(None),
            Err(Refusal::Busy) => {
                self.busy = true;
                ControlFlow::Continue(())
            }
        }
    }
}
