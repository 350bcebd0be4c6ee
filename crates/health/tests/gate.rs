//! Whether a new release does as well as the old one.

use fairway_health::{Counts, Gate, Verdict};
use fairway_model::traffic::GateLimits;
use fairway_protocol::edge::{Failures, InstanceStats, Latency};
use proptest::prelude::*;

const BOUNDS: [f64; 6] = [1.0, 4.0, 16.0, 64.0, 250.0, 1_000.0];

/// Requests of which some failed, some were answered 500, and all of those answered took so many milliseconds, except
/// for the slow ones, which took 500.
fn counts(requests: u64, failed: u64, server_errors: u64, ms: f64, slow: u64) -> Counts {
    let answers = requests - failed;
    let within = |bound: f64| {
        let quick = if ms <= bound { answers - slow } else { 0 };
        quick + if bound >= 500.0 { slow } else { 0 }
    };
    let buckets = BOUNDS.map(|bound| (bound, within(bound))).into();
    Counts { requests, failed, server_errors, given_up: 0, buckets, answers }
}

fn good(requests: u64) -> Counts {
    counts(requests, 0, 0, 3.0, 0)
}

fn judge(old: &Counts, new: &Counts) -> Verdict {
    Gate::new(GateLimits { p99_floor_ms: 250, ..GateLimits::default() }).judge(Some(old), new)
}

fn check(old: &Counts, new: &Counts, expect: &str) {
    let verdict = match judge(old, new) {
        Verdict::Pass => "pass".to_owned(),
        Verdict::Hold(why) => format!("hold: {why}"),
        Verdict::Fail(why) => format!("fail: {why}"),
    };
    assert_eq!(verdict, expect);
}

#[test]
fn as_good_as_before_passes() {
    check(&good(1_000), &good(100), "pass");
    check(&counts(1_000, 20, 30, 3.0, 0), &counts(1_000, 30, 20, 3.0, 0), "pass");
    check(&counts(1_000, 0, 0, 3.0, 0), &counts(100, 1, 0, 3.0, 0), "pass");
    check(&counts(1_000, 500, 0, 3.0, 0), &good(1_000), "pass");
    // Slower, but not noticeably.
    check(&counts(1_000, 0, 0, 0.5, 0), &counts(1_000, 0, 0, 15.0, 0), "pass");
    // The last bucket is no bound: nothing can be said about what is beyond it.
    check(&counts(1_000, 0, 0, 5_000.0, 0), &counts(1_000, 0, 0, 5_000.0, 0), "pass");
}

#[test]
fn few_requests_hold() {
    check(
        &good(1_000),
        &good(99),
        "hold: the new release had 99 of the 100 requests that a comparison takes",
    );
    check(
        &good(99),
        &counts(1_000, 1_000, 0, 3.0, 0),
        "hold: the old release had 99 of the 100 requests that a comparison takes",
    );
    check(
        &good(1_000),
        &Counts::default(),
        "hold: the new release had 0 of the 100 requests that a comparison takes",
    );
}

#[test]
fn what_may_be_chance_holds() {
    check(
        &good(1_000),
        &counts(100, 2, 1, 3.0, 0),
        "hold: 3 of 100 requests to the new release failed or were answered 5xx, which is more than is allowed and may be chance",
    );
    // The same part of more requests is none.
    check(
        &good(1_000),
        &counts(10_000, 200, 100, 3.0, 0),
        "fail: 300 of 10000 requests to the new release failed or were answered 5xx (3.0 %); with the old one it was 0.0 %, and 1.0 % more is allowed",
    );
    check(
        &good(1_000),
        &counts(100, 0, 0, 3.0, 2),
        "hold: 2 of 100 answers of the new release took longer than 250 ms, which is more than is allowed and may be chance",
    );
}

#[test]
fn worse_fails() {
    check(
        &counts(1_000, 0, 10, 3.0, 0),
        &counts(100, 0, 10, 3.0, 0),
        "fail: 10 of 100 requests to the new release failed or were answered 5xx (10.0 %); with the old one it was 1.0 %, and 1.0 % more is allowed",
    );
    check(
        &good(1_000),
        &counts(1_000, 0, 0, 3.0, 50),
        "fail: 50 of 1000 answers of the new release took longer than 250 ms (5.0 %); 99 of 100 of the old one took at most 4 ms",
    );
    check(
        &counts(1_000, 0, 0, 60.0, 0),
        &counts(200, 0, 0, 300.0, 0),
        "fail: 200 of 200 answers of the new release took longer than 250 ms (100.0 %); 99 of 100 of the old one took at most 64 ms",
    );
}

/// A release that does not answer at all makes no errors: its clients go away before it could.
#[test]
fn a_release_that_hangs_fails() {
    let hanging = Counts { requests: 50, given_up: 40, answers: 10, ..good(10) };
    check(
        &Counts { given_up: 20, ..good(1_000) },
        &hanging,
        "fail: 40 of 50 clients of the new release went away before an answer (80.0 %); with the old one it was 2.0 %, and 1.0 % more is allowed",
    );
    check(&Counts { given_up: 20, ..good(1_000) }, &Counts { given_up: 2, ..good(100) }, "pass");
}

/// Nobody waits for the hundredth request of a release that answers none.
#[test]
fn what_cannot_be_made_up_for_fails_early() {
    let new = counts(6, 6, 0, 3.0, 0);
    check(
        &good(1_000),
        &new,
        "fail: 6 of 6 requests to the new release failed or were answered 5xx (100.0 %); with the old one it was 0.0 %, and 1.0 % more is allowed",
    );
    check(
        &good(1_000),
        &counts(3, 3, 0, 3.0, 0),
        "hold: the new release had 3 of the 100 requests that a comparison takes",
    );
}

#[test]
fn without_an_old_release_the_limits_alone_count() {
    let gate = Gate::default();
    assert_eq!(gate.judge(None, &counts(1_000, 5, 5, 900.0, 0)), Verdict::Pass);
    assert!(matches!(gate.judge(None, &counts(1_000, 50, 5, 3.0, 0)), Verdict::Fail(_)));
    assert!(matches!(gate.judge(None, &good(10)), Verdict::Hold(_)));
}

#[test]
fn limits_are_obeyed() {
    let limits = GateLimits { requests: 10, more_errors_permille: 200, p99_percent: 1_000, p99_floor_ms: 0 };
    let gate = Gate::new(limits);
    let old = good(10);
    assert_eq!(gate.judge(Some(&old), &counts(10, 1, 1, 3.0, 0)), Verdict::Pass);
    assert_eq!(gate.judge(Some(&old), &counts(10, 0, 0, 40.0, 0)), Verdict::Pass);
    assert!(matches!(gate.judge(Some(&old), &counts(10, 0, 0, 100.0, 0)), Verdict::Fail(_)));
}

#[test]
fn counts_are_read_from_an_edge_and_taken_apart() {
    // As it comes over the wire, so that later fields do not matter here.
    let stats = |total: u64, errors: u64, refused: u64, latency: Latency| -> InstanceStats {
        let success = total - errors - refused;
        let responses = serde_json::json!({ "1xx": 0, "2xx": success, "3xx": 0, "4xx": 0, "5xx": errors });
        let failed = Failures { refused, ..Failures::default() };
        let stats = serde_json::json!({
            "address": "127.0.0.1:1", "release": 7, "weight": 1, "draining": false, "in_flight": 0, "upgrades": 0,
            "total": total, "responses": responses, "failed": failed, "redialled": 0, "clients_gone": 0,
            "latency": latency,
        });
        serde_json::from_value(stats).unwrap()
    };
    let latency =
        |count: u64, buckets: &[(f64, u64)]| Latency { count, buckets: buckets.into(), ..Latency::default() };
    let before = Counts::of(&stats(10, 1, 2, latency(8, &[(1.0, 4), (2.0, 7)])));
    assert_eq!((before.requests, before.errors(), before.answers, before.given_up), (10, 3, 8, 0));
    // Another instance, whose edge has other bounds: those that both have are kept.
    let other = Counts::of(&stats(5, 0, 0, latency(5, &[(2.0, 3), (4.0, 5)])));
    let both = before.and(&other);
    assert_eq!((both.requests, both.errors(), both.answers, both.buckets), (15, 3, 13, vec![(2.0, 10)]));
    assert_eq!(before.and(&Counts::default()), before);
    assert_eq!(Counts::default().and(&before), before);
    let after = Counts::of(&stats(110, 1, 3, latency(107, &[(1.0, 50), (2.0, 99)])));
    let between = after.since(&before);
    assert_eq!((between.requests, between.failed, between.server_errors), (100, 1, 0));
    let hanging = Counts::of(&stats(10, 0, 1, latency(2, &[(1.0, 2)])));
    assert_eq!((hanging.given_up, hanging.errors()), (7, 1));
    assert_eq!((between.answers, between.buckets), (99, vec![(1.0, 46), (2.0, 92)]));
    assert_eq!(after.since(&Counts::default()), after);
}

/// A stream of numbers for tests that draw lots, the same every time.
fn lots(seed: u64) -> impl FnMut(u64) -> u64 {
    let mut state = seed | 1;
    move |below| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    }
}

/// A release that is like the old one must not be turned back by chance, and one that is ten times worse must be.
#[test]
fn equals_rarely_fail_and_the_bad_always_do() {
    let mut draw = lots(7);
    let mut sample = |requests: u64, permille: u64| {
        let failed = (0..requests).filter(|_| draw(1_000) < permille).count() as u64;
        counts(requests, failed, 0, 3.0, 0)
    };
    let (mut wrong, mut missed) = (0, 0);
    for _ in 0..2_000 {
        let old = sample(500, 10);
        wrong += u32::from(matches!(judge(&old, &sample(200, 10)), Verdict::Fail(_)));
        missed += u32::from(!matches!(judge(&old, &sample(400, 100)), Verdict::Fail(_)));
    }
    assert!(wrong < 10, "{wrong} of 2000 equals failed");
    assert!(missed < 10, "{missed} of 2000 bad ones did not fail");
}

proptest! {
    #[test]
    fn a_release_passes_beside_itself(
        (requests, failed, errors, slow) in (100..5_000_u64)
            .prop_flat_map(|n| (Just(n), 0..=n))
            .prop_flat_map(|(n, failed)| (Just(n), Just(failed), 0..=n, 0..=n - failed)),
        ms in 0.1..2_000.0_f64,
    ) {
        let counts = counts(requests, failed, errors, ms, slow);
        prop_assert_eq!(judge(&counts, &counts), Verdict::Pass);
    }

    #[test]
    fn more_errors_never_look_better(
        requests in 1..2_000_u64,
        old_failed in 0..1_000_u64,
        one in 0..2_000_u64,
        more in 0..2_000_u64,
    ) {
        let old = counts(1_000, old_failed, 0, 3.0, 0);
        let rank = |failed: u64| match judge(&old, &counts(requests, failed.min(requests), 0, 3.0, 0)) {
            Verdict::Pass => 0,
            Verdict::Hold(_) => 1,
            Verdict::Fail(_) => 2,
        };
        prop_assert!(rank(one) <= rank(one + more));
    }
}
