//! In which order instances come for a request.

use std::ops::ControlFlow;

use crate::condition::FULL;
use crate::mix::{below, mix, score};
use crate::roster::{Roster, Seat};

/// How instances are ordered.
#[derive(Clone, Copy)]
pub(crate) enum Order {
    /// By their weights, for the request of this number.
    Spread(u64),
    /// By how well they suit this client.
    Sticky(u64),
}

/// How often chance decides before all are asked in turn. Chance is fair and may meet those that are busy again.
const DRAWS: u64 = 4;

impl Order {
    /// Whose turn it is, whatever is known about it. None when no instance has a weight.
    pub(crate) fn first(self, roster: &Roster) -> Option<usize> {
        match self {
            Self::Spread(number) => roster.wheel.pick(number),
            Self::Sticky(client) => {
                best(roster, client, None, |_, seat| u64::from(seat.weight)).map(|(_, index)| index)
            }
        }
    }

    /// Whether slow start lets the request have this instance, whose share is in thousandths. A client that sticks gets
    /// the same answer until the share has grown over its own mark, and then for good.
    pub(crate) fn accepts(self, seat: &Seat, share: u32) -> bool {
        let chance = match self {
            _ if share >= FULL => return true,
            Self::Spread(number) => mix(number),
            Self::Sticky(client) => mix(mix(client) ^ seat.key),
        };
        below(chance, u64::from(FULL)) < u64::from(share)
    }

    /// Visits the members that have a pull, each at least once, until `visit` breaks.
    pub(crate) fn visit<B>(
        self,
        roster: &Roster,
        pull: impl Fn(usize, &Seat) -> u64,
        mut visit: impl FnMut(usize) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        match self {
            Self::Spread(number) => {
                let mut chance = number;
                for _ in 0..DRAWS {
                    chance = mix(!chance);
                    match weighted(roster, chance, &pull) {
                        Some(index) => visit(index)?,
                        None => return ControlFlow::Continue(()),
                    }
                }
                let count = roster.seats.len();
                let start = below(mix(!chance), u64::try_from(count).expect("a usize has 64 bits"));
                let start = usize::try_from(start).expect("below a usize");
                for index in (start..count).chain(0..start) {
                    if pull(index, &roster.seats[index]) > 0 {
                        visit(index)?;
                    }
                }
            }
            Self::Sticky(client) => {
                let mut bound = None;
                while let Some(found) = best(roster, client, bound, &pull) {
                    visit(found.1)?;
                    bound = Some(found);
                }
            }
        }
        ControlFlow::Continue(())
    }
}

/// The member with the best score for the client below the bound, among those with a pull.
fn best(
    roster: &Roster,
    client: u64,
    bound: Option<(f64, usize)>,
    pull: impl Fn(usize, &Seat) -> u64,
) -> Option<(f64, usize)> {
    let mut best: Option<(f64, usize)> = None;
    for (index, seat) in roster.seats.iter().enumerate() {
        if pull(index, seat) == 0 {
            continue;
        }
        let candidate = (score(client, seat.key, seat.weight), index);
        if bound.is_none_or(|bound| candidate < bound) && best.is_none_or(|best| candidate > best) {
            best = Some(candidate);
        }
    }
    best
}

/// One of the members with a pull, each as often as its pull says.
fn weighted(roster: &Roster, chance: u64, pull: &impl Fn(usize, &Seat) -> u64) -> Option<usize> {
    let pulls = || roster.seats.iter().enumerate().map(|(index, seat)| (index, pull(index, seat)));
    let total: u64 = pulls().map(|(_, pull)| pull).sum();
    if total == 0 {
        return None;
    }
    let mut point = below(chance, total);
    let mut last = None;
    for (index, pull) in pulls().filter(|(_, pull)| *pull > 0) {
        if point < pull {
            return Some(index);
        }
        point -= pull;
        last = Some(index);
    }
    // Pulls fell since they were added up.
    last
}
