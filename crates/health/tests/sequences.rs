//! A condition beside a naive model of it, over all short sequences of events and many long ones.

mod support;

use fairway_health::{Outcome, Rules, Standing, TRIAL_PATIENCE_MS, Trial};
use fairway_model::traffic::Outliers;
use proptest::prelude::*;
use support::{OK, ask, roster};

const EJECT: u64 = 1_000;

#[derive(Clone, Copy, Debug)]
enum Event {
    /// Time passes.
    Later(u64),
    /// A request whose turn it is with the instance.
    Arrives,
    /// The oldest, or the newest, trial ends.
    Ends { oldest: bool, outcome: Option<Outcome> },
    /// An exchange without a trial.
    Reported(Outcome),
}

const EVENTS: [Event; 9] = [
    Event::Later(EJECT),
    Event::Later(EJECT * 16),
    Event::Later(TRIAL_PATIENCE_MS),
    Event::Arrives,
    Event::Ends { oldest: true, outcome: Some(OK) },
    Event::Ends { oldest: true, outcome: Some(Outcome::Broken) },
    Event::Ends { oldest: true, outcome: None },
    Event::Reported(Outcome::Refused),
    Event::Reported(OK),
];

/// As simple as can be: no words, no bits, one thread.
#[derive(Debug)]
struct Naive {
    failures: u32,
    doublings: u32,
    state: State,
    trials: u64,
}

#[derive(Debug, PartialEq)]
enum State {
    In { since: u64 },
    Out { until: u64 },
    Trial { number: u64, since: u64 },
}

impl Naive {
    fn out(&mut self, now: u64) {
        self.state = State::Out { until: now + EJECT * 2_u64.pow(self.doublings) };
        self.doublings = (self.doublings + 1).min(4);
    }

    fn report(&mut self, outcome: Outcome, now: u64) {
        let State::In { since } = self.state else { return };
        self.failures = if outcome == OK { 0 } else { self.failures + 1 };
        if self.failures == 2 {
            let forgiven = ((now - since) / (10 * EJECT)).min(4);
            self.doublings = self.doublings.saturating_sub(u32::try_from(forgiven).expect("at most 4"));
            self.failures = 0;
            self.out(now);
        }
    }

    /// The number of a trial, when the request is one.
    fn arrives(&mut self, now: u64) -> Option<u64> {
        let due = match self.state {
            State::In { .. } => return None,
            State::Out { until } => until,
            State::Trial { since, .. } => since + TRIAL_PATIENCE_MS,
        };
        if now < due {
            return None;
        }
        self.trials += 1;
        self.state = State::Trial { number: self.trials, since: now };
        Some(self.trials)
    }

    fn ends(&mut self, trial: u64, outcome: Option<Outcome>, now: u64) {
        match self.state {
            State::Trial { number, since } if number == trial => match outcome {
                None => self.state = State::Out { until: since },
                Some(OK) => {
                    self.state = State::In { since: now };
                    self.failures = 0;
                }
                Some(_) => self.out(now),
            },
            _ => {}
        }
    }

    fn standing(&self, now: u64) -> Standing {
        match self.state {
            State::In { .. } => Standing::Fit,
            State::Out { until } => Standing::Ejected { for_ms: until.saturating_sub(now) },
            State::Trial { .. } => Standing::OnTrial,
        }
    }
}

/// Runs both and compares them after each event.
fn run(events: &[Event]) {
    let outliers = Outliers { consecutive_failures: 2, eject_ms: EJECT, ..Outliers::default() };
    // The second one is always well, so that there is no panic.
    let roster = roster(&[1, 1], Rules { outliers, ..Rules::default() });
    let mut naive = Naive { failures: 0, doublings: 0, state: State::In { since: 0 }, trials: 0 };
    let mut trials: Vec<(u64, u64, Trial)> = Vec::new();
    let mut now = 0;
    for event in events {
        match *event {
            Event::Later(ms) => now += ms,
            Event::Arrives => {
                let choice = support::choose(&roster, &ask(0, now));
                let expect = naive.arrives(now);
                assert_eq!(choice.trial.is_some(), expect.is_some(), "{events:?} {naive:?}");
                let fit = matches!(naive.state, State::In { .. });
                assert_eq!(choice.index == 0, expect.is_some() || fit, "{events:?} {naive:?}");
                if let (Some(number), Some(trial)) = (expect, choice.trial) {
                    trials.push((number, now, trial));
                }
            }
            Event::Ends { oldest, outcome } => {
                let at = if oldest { 0 } else { trials.len().saturating_sub(1) };
                if at < trials.len() {
                    let (number, _, trial) = trials.remove(at);
                    naive.ends(number, outcome, now);
                    match outcome {
                        Some(outcome) => drop(roster.report(0, outcome, Some(trial), now)),
                        None => drop(trial),
                    }
                }
            }
            Event::Reported(outcome) => {
                naive.report(outcome, now);
                roster.report(0, outcome, None, now);
            }
        }
        assert_eq!(roster.standing(0, now), naive.standing(now), "{events:?} {naive:?}");
        let young = trials.iter().filter(|(_, since, _)| now < since + TRIAL_PATIENCE_MS);
        assert!(young.count() <= 1, "{events:?}: two trials at a time");
    }
}

#[test]
fn all_short_sequences_are_as_in_the_naive_model() {
    // An ejection first, or most of them would never see one.
    let refused = Event::Reported(Outcome::Refused);
    let mut events = vec![refused, refused];
    let length = 5;
    for mut number in 0..EVENTS.len().pow(length) {
        events.truncate(2);
        for _ in 0..length {
            events.push(EVENTS[number % EVENTS.len()]);
            number /= EVENTS.len();
        }
        run(&events);
    }
}

proptest! {
    #[test]
    fn long_sequences_are_as_in_the_naive_model(
        events in prop::collection::vec(
            prop_oneof![
                prop::sample::select(&EVENTS[..]),
                (0..3_000_u64).prop_map(Event::Later),
                Just(Event::Reported(Outcome::Broken)),
                Just(Event::Ends { oldest: false, outcome: Some(OK) }),
                Just(Event::Ends { oldest: false, outcome: None }),
            ],
            0..120,
        ),
    ) {
        run(&events);
    }
}
