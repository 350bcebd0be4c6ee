//! The instances of one service in one table.

use std::sync::Arc;

use fairway_protocol::edge::Standing;
use fairway_route::Wheel;

use crate::condition::{Condition, Trial};
use crate::mix::hash;
use crate::outcome::{Change, Outcome};
use crate::rules::Rules;

/// An instance for a [`Roster`].
#[derive(Clone, Debug)]
pub struct Member<'a> {
    /// Its id. Sticky clients are spread by it.
    pub id: &'a str,
    /// Its share of the requests relative to the others; 0 takes none.
    pub weight: u32,
    /// What is known about it.
    pub condition: Arc<Condition>,
}

/// The instances of one service in one table, and what they are held to. Made when a table is applied; indices are
/// those of the members it was made from.
#[derive(Debug)]
pub struct Roster {
    pub(crate) seats: Box<[Seat]>,
    pub(crate) wheel: Wheel,
    /// How many have a weight.
    serving: usize,
    pub(crate) rules: Rules,
}

/// A member, prepared.
#[derive(Debug)]
pub(crate) struct Seat {
    pub(crate) weight: u32,
    /// The id as a number.
    pub(crate) key: u64,
    pub(crate) condition: Arc<Condition>,
}

/// How the instances of a service are at a moment. Those of weight 0 are not among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overview {
    /// How many have a weight.
    pub serving: usize,
    /// How many of them are out, or would be if it was not for the panic.
    pub out: usize,
    /// Whether so many are out that all of them are asked.
    pub panic: bool,
}

impl Roster {
    /// A roster of these members.
    pub fn new<'a>(members: impl IntoIterator<Item = Member<'a>>, rules: Rules) -> Self {
        let seats: Box<[Seat]> = members
            .into_iter()
            .map(|Member { id, weight, condition }| Seat { weight, key: hash(id.as_bytes()), condition })
            .collect();
        let wheel = Wheel::new(seats.iter().map(|seat| seat.weight));
        let serving = seats.iter().filter(|seat| seat.weight > 0).count();
        Self { seats, wheel, serving, rules }
    }

    /// What the members are held to.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// How many members there are, those of weight 0 included.
    pub fn len(&self) -> usize {
        self.seats.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.seats.is_empty()
    }

    /// Notes how an exchange with a member went. `trial` is what its [`Choice`](crate::Choice) came with.
    ///
    /// # Panics
    /// When there is no such member.
    pub fn report(&self, index: usize, outcome: Outcome, trial: Option<Trial>, now: u64) -> Option<Change> {
        self.seats[index].condition.report(&self.rules, outcome, trial, now)
    }

    /// Notes the answer of a member to a probe.
    ///
    /// # Panics
    /// When there is no such member.
    pub fn probe(&self, index: usize, good: bool, now: u64) -> Option<Change> {
        self.seats[index].condition.probe(&self.rules, good, now)
    }

    /// How a member stands. In a panic it gets its requests all the same.
    ///
    /// # Panics
    /// When there is no such member.
    pub fn standing(&self, index: usize, now: u64) -> Standing {
        self.seats[index].condition.standing(&self.rules, now)
    }

    /// How all of them stand together.
    pub fn overview(&self) -> Overview {
        let out = self.seats.iter().filter(|seat| seat.weight > 0 && !seat.is_fit(&self.rules)).count();
        Overview { serving: self.serving, out, panic: self.panics(out) }
    }

    /// Whether so many are out that it is better to ask everybody.
    fn panics(&self, out: usize) -> bool {
        let most = usize::from(self.rules.outliers.most_ejected_percent);
        out > 0 && (out == self.serving || out.saturating_mul(100) > most.saturating_mul(self.serving))
    }
}

impl Seat {
    pub(crate) fn is_fit(&self, rules: &Rules) -> bool {
        self.condition.is_fit(rules)
    }
}
