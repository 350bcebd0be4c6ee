//! What holds for every service, whatever is known about its instances.

mod support;

use std::sync::Arc;

use fairway_health::{
    Ask, Choice, Condition, Member, Outcome, Pick, ProbeRules, Refusal, Roster, Rules, Standing, hash,
};
use fairway_model::traffic::Outliers;
use proptest::prelude::*;
use support::{OK, ask, choose, kill, roster, roster_of};

/// Something that happened to an instance.
#[derive(Clone, Copy, Debug)]
enum Event {
    Reported(Outcome),
    Probed(bool),
    Joined,
}

fn event() -> impl Strategy<Value = Event> {
    let outcome = prop_oneof![
        3 => Just(Outcome::Refused),
        1 => Just(Outcome::Broken),
        2 => Just(OK),
        2 => Just(Outcome::Answered { status: 503 }),
    ];
    prop_oneof![
        4 => outcome.prop_map(Event::Reported),
        3 => any::<bool>().prop_map(Event::Probed),
        1 => Just(Event::Joined),
    ]
}

fn rules() -> impl Strategy<Value = Rules> {
    let limits = (1..4_u32, 0..4_u32, 0..=110_u8);
    let probe = proptest::option::of((1..3_u32, 1..3_u32));
    (limits, probe, prop_oneof![Just(0_u64), Just(20_000)]).prop_map(|(limits, probe, slow_start_ms)| {
        let (consecutive_failures, consecutive_5xx, most_ejected_percent) = limits;
        Rules {
            outliers: Outliers {
                consecutive_failures,
                consecutive_5xx,
                most_ejected_percent,
                eject_ms: 5_000,
            },
            probe: probe.map(|(rise, fall)| ProbeRules { rise, fall }),
            slow_start_ms,
        }
    })
}

/// A service with a past: weights, and what happened to whom, a while apart.
fn service() -> impl Strategy<Value = (Roster, Vec<u32>, u64)> {
    let weights = prop::collection::vec(0..5_u32, 0..7);
    let events = prop::collection::vec((any::<prop::sample::Index>(), event(), 0..3_000_u64), 0..60);
    (weights, rules(), events).prop_map(|(weights, rules, events)| {
        let conditions: Vec<_> = weights.iter().map(|_| Arc::new(Condition::new())).collect();
        let roster = roster_of(&weights, &conditions, rules);
        let mut now = 0;
        for (who, event, later) in events {
            now += later;
            if weights.is_empty() {
                continue;
            }
            let who = who.index(weights.len());
            match event {
                Event::Reported(outcome) => drop(roster.report(who, outcome, None, now)),
                Event::Probed(good) => drop(roster.probe(who, good, now)),
                Event::Joined => conditions[who].joins(now),
            }
        }
        (roster, weights, now)
    })
}

proptest! {
    #[test]
    fn weight_0_is_never_chosen_and_nobody_is_said_only_when_it_is_so(
        (roster, weights, now) in service(),
        asks in prop::collection::vec(
            (any::<u64>(), proptest::option::of(any::<u64>()), any::<u8>(), any::<u8>(), 0..20_000_u64),
            1..40,
        ),
    ) {
        let serving = weights.iter().filter(|weight| **weight > 0).count();
        for (number, sticky, tried, busy, later) in asks {
            let set = |bits: u8| (0..weights.len()).filter(move |index| bits >> index & 1 == 1);
            let tried: Vec<usize> = set(tried).collect();
            let is_busy = |index: usize| set(busy).any(|other| other == index);
            let ask = Ask { number, now: now + later, sticky, tried: &tried };
            let enter = |index: usize| if is_busy(index) { Err(Refusal::Busy) } else { Ok(()) };
            let left = |index: &usize| weights[*index] > 0 && !tried.contains(index);
            match roster.pick(&ask, enter) {
                Pick::Instance(Choice { index, .. }) => prop_assert!(left(&index) && !is_busy(index)),
                Pick::Nobody => prop_assert_eq!(serving, 0),
                Pick::AllTried => prop_assert!(serving > 0 && (0..weights.len()).filter(left).count() == 0),
                Pick::AllBusy => prop_assert!((0..weights.len()).filter(left).any(is_busy)),
                Pick::Outdated => prop_assert!(false, "nobody is gone"),
            }
        }
    }

    #[test]
    fn with_a_weight_and_room_there_is_always_an_instance(
        (roster, weights, now) in service(),
        number in any::<u64>(),
        sticky in proptest::option::of(any::<u64>()),
    ) {
        let pick = roster.pick(&Ask { sticky, ..ask(number, now) }, |_| Ok(()));
        let some = weights.iter().any(|weight| *weight > 0);
        prop_assert_eq!(matches!(pick, Pick::Instance(_)), some, "{:?}", pick);
    }

    #[test]
    fn no_larger_part_than_allowed_is_ever_out((roster, weights, now) in service(), from in 0..1_000_000_u64) {
        let mut asked = vec![false; weights.len()];
        // The largest turn of six weights up to 4; each of them has its turn in it, starting or not, in 40 of them.
        for number in from..from + 24 * 40 {
            if let Pick::Instance(Choice { index, .. }) = roster.pick(&ask(number, now), |_| Ok(())) {
                asked[index] = true;
            }
        }
        let serving = weights.iter().filter(|weight| **weight > 0).count();
        let out = asked.iter().zip(&weights).filter(|(asked, weight)| **weight > 0 && !**asked).count();
        let most = usize::from(roster.rules().outliers.most_ejected_percent);
        prop_assert!(out * 100 <= most * serving, "{out} of {serving}, {:?}", roster.overview());
        prop_assert!(serving == 0 || out < serving);
    }

    #[test]
    fn those_that_are_fit_share_by_weight(
        weights in prop::collection::vec(1..8_u32, 4..7),
        out in 0..3_usize,
        sticky in any::<bool>(),
    ) {
        let roster = roster(&weights, Rules::default());
        let out = out.min(weights.len() / 2);
        for index in 0..out {
            kill(&roster, index, 0);
        }
        let rounds = 20_000_u64;
        let mut counts = vec![0_u64; weights.len()];
        for number in 0..rounds {
            let sticky = sticky.then(|| hash(&number.to_be_bytes()));
            counts[choose(&roster, &Ask { sticky, ..ask(number, 1) }).index] += 1;
        }
        let total: u32 = weights[out..].iter().sum();
        for (index, count) in counts.iter().enumerate() {
            let weight = if index < out { 0 } else { weights[index] };
            let expect = rounds * u64::from(weight) / u64::from(total);
            prop_assert!(count.abs_diff(expect) <= rounds / 50, "{index}: {count} for {expect}: {counts:?}");
        }
    }

    #[test]
    fn when_all_are_well_every_turn_is_exact(weights in prop::collection::vec(1..8_u32, 1..7), from in 0..1_000_000_u64) {
        let roster = roster(&weights, Rules::default());
        let mut counts = vec![0_u32; weights.len()];
        for number in 0..weights.iter().sum::<u32>() {
            counts[choose(&roster, &ask(from + u64::from(number), 0)).index] += 1;
        }
        prop_assert_eq!(counts, weights);
    }

    #[test]
    fn only_clients_of_who_leaves_or_comes_move(
        weights in prop::collection::vec(0..4_u32, 2..7),
        who in any::<prop::sample::Index>(),
    ) {
        prop_assume!(weights.iter().filter(|weight| **weight > 0).count() >= 2);
        let who = who.index(weights.len());
        let mut without = weights.clone();
        without[who] = 0;
        prop_assume!(without.iter().any(|weight| *weight > 0));
        let (with, without) = (roster(&weights, Rules::default()), roster(&without, Rules::default()));
        let mut moved = 0;
        for client in 0..500 {
            let ask = Ask { sticky: Some(hash(format!("client {client}").as_bytes())), ..ask(client, 0) };
            let (before, after) = (choose(&with, &ask).index, choose(&without, &ask).index);
            if before != after {
                prop_assert_eq!(before, who);
                moved += 1;
            }
        }
        prop_assert_eq!(moved > 0, weights[who] > 0);
    }
}

fn client(number: u64) -> Ask<'static> {
    Ask { sticky: Some(hash(&number.to_be_bytes())), ..ask(0, 0) }
}

/// An ejection moves only the clients of the ejected one, and they come back to it, each once, as its share grows.
#[test]
fn sticky_clients_move_away_and_back_once() {
    let roster = roster(&[1, 1, 1], Rules { slow_start_ms: 10_000, ..Rules::default() });
    let clients = 0..1_000;
    let at = |now: u64| -> Vec<usize> {
        clients.clone().map(|number| choose(&roster, &Ask { now, ..client(number) }).index).collect()
    };
    let home = at(0);
    kill(&roster, 0, 0);
    let away = at(1);
    for (home, away) in home.iter().zip(&away) {
        assert!(if *home == 0 { *away != 0 } else { away == home });
    }
    assert!(away.contains(&1) && away.contains(&2));
    // The first of its own clients tries it.
    let own = clients.clone().find(|number| home[usize::try_from(*number).unwrap()] == 0).unwrap();
    let trial = choose(&roster, &Ask { now: 5_000, ..client(own) });
    assert!(trial.index == 0 && roster.report(0, OK, trial.trial, 5_000).is_some());
    let mut before = away.clone();
    for now in (5_000..=15_000).step_by(1_000) {
        let here = at(now);
        for ((before, here), home) in before.iter().zip(&here).zip(&home) {
            assert!(here == before || here == home, "moved from {before} to {here} instead of {home}");
        }
        before = here;
    }
    assert_eq!(before, home);
}

/// During slow start an instance gets its part of its share, neither nothing nor all.
#[test]
fn a_share_grows() {
    let rules = Rules { slow_start_ms: 9_000, ..Rules::default() };
    let conditions: [_; 3] = std::array::from_fn(|_| Arc::new(Condition::new()));
    conditions[0].joins(1_000);
    let roster = roster_of(&[1, 1, 2], &conditions, rules);
    let mut last = 0;
    for (now, share) in [(1_000, 100), (3_000, 300), (6_000, 600), (10_000, 1_000)] {
        let standing = if share == 1_000 { Standing::Fit } else { Standing::Starting { share } };
        assert_eq!(roster.standing(0, now), standing);
        let count = (0..20_000).filter(|number| choose(&roster, &ask(*number, now)).index == 0).count();
        let expect = 20_000 / 4 * usize::try_from(share).unwrap() / 1_000;
        assert!(count.abs_diff(expect) < 300 && count > last, "{count} of {expect} at {now}");
        last = count;
    }
    // All of them new, as after a switch: nobody is favoured and nobody waits.
    let conditions: [_; 2] = std::array::from_fn(|_| Arc::new(Condition::new()));
    conditions.iter().for_each(|condition| condition.joins(0));
    let roster = roster_of(&[1, 1], &conditions, rules);
    let count = (0..10_000).filter(|number| choose(&roster, &ask(*number, 0)).index == 0).count();
    assert!(count.abs_diff(5_000) < 300, "{count}");
}

/// What an instance that is at its limit does not take is spread over all others.
#[test]
fn what_is_too_much_for_one_is_spread() {
    let roster = roster(&[1, 1, 1, 1], Rules::default());
    let mut counts = [0_u32; 4];
    for number in 0..9_000 {
        let enter = |index: usize| if index < 2 { Err(Refusal::Busy) } else { Ok(()) };
        match roster.pick(&ask(number, 0), enter) {
            Pick::Instance(choice) => counts[choice.index] += 1,
            other => panic!("{other:?}"),
        }
    }
    assert!(counts[2].abs_diff(4_500) < 300, "{counts:?}");
}

/// Ids decide, not places: a table that lists the instances in another order moves nobody.
#[test]
fn clients_stay_when_the_table_is_in_another_order() {
    let make = |ids: [&'static str; 3]| {
        let member = |id| Member { id, weight: 1, condition: Arc::new(Condition::new()) };
        Roster::new(ids.map(member), Rules::default())
    };
    let (one, other) = (make(["a", "b", "c"]), make(["c", "a", "b"]));
    for number in 0..200 {
        let index = choose(&one, &client(number)).index;
        assert_eq!(choose(&other, &client(number)).index, [1, 2, 0][index]);
    }
}
