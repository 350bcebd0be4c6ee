//! Rosters for tests.

#![allow(dead_code, reason = "each test binary uses a part of this")]

use std::sync::Arc;

use fairway_health::{Ask, Choice, Condition, Member, Outcome, Pick, Roster, Rules};

pub(crate) const OK: Outcome = Outcome::Answered { status: 200 };

/// Instances `web-0`, `web-1`, … with these weights, and what is known about each.
pub(crate) fn roster(weights: &[u32], rules: Rules) -> Roster {
    let conditions: Vec<_> = weights.iter().map(|_| Arc::new(Condition::new())).collect();
    roster_of(weights, &conditions, rules)
}

pub(crate) fn roster_of(weights: &[u32], conditions: &[Arc<Condition>], rules: Rules) -> Roster {
    let ids: Vec<String> = (0..weights.len()).map(|n| format!("web-{n}")).collect();
    let members = ids.iter().zip(weights).zip(conditions).map(|((id, weight), condition)| Member {
        id,
        weight: *weight,
        condition: Arc::clone(condition),
    });
    Roster::new(members, rules)
}

pub(crate) fn ask(number: u64, now: u64) -> Ask<'static> {
    Ask { number, now, sticky: None, tried: &[] }
}

pub(crate) fn choose(roster: &Roster, ask: &Ask<'_>) -> Choice<()> {
    match roster.pick(ask, |_| Ok(())) {
        Pick::Instance(choice) => choice,
        other => panic!("{ask:?}: {other:?}"),
    }
}

/// Sends requests to a member until it is out.
pub(crate) fn kill(roster: &Roster, index: usize, now: u64) {
    for _ in 0..roster.rules().outliers.consecutive_failures {
        roster.report(index, Outcome::Refused, None, now);
    }
}
