use super::*;
use fairway_protocol::edge::{Failures, Latency, Standing, StatusClasses};

const BOUNDS: [f64; 4] = [10.0, 50.0, 250.0, 1000.0];

/// So many requests, of which some failed; all answers took at most this bound.
fn did(total: u64, server_error: u64, within: f64) -> InstanceStats {
    let buckets = BOUNDS.map(|bound| (bound, if bound >= within { total } else { 0 })).to_vec();
    InstanceStats {
        address: ([127, 0, 0, 1], 1).into(),
        release: 1,
        weight: 1,
        draining: false,
        standing: Standing::Fit,
        ejections: 0,
        in_flight: 0,
        upgrades: 0,
        total,
        responses: StatusClasses { server_error, ..StatusClasses::default() },
        failed: Failures::default(),
        redialled: 0,
        clients_gone: 0,
        latency: Latency { count: total, buckets, ..Latency::default() },
    }
}

fn counted(instances: &[(&str, &InstanceStats)]) -> ServiceStats {
    let instances = instances.iter().map(|(id, stats)| ((*id).to_owned(), (*stats).clone())).collect();
    ServiceStats { no_instance: 0, stubbed: 0, waiting: 0, own: Vec::new(), instances }
}

/// What two new instances do beside one old one; `earlier` is what the first of them had done before.
fn judged(old: &InstanceStats, earlier: Option<&InstanceStats>, new: [&InstanceStats; 2]) -> Option<String> {
    let mut before = vec![("old", old)];
    before.extend(earlier.map(|earlier| ("new-0", earlier)));
    let after = counted(&[("old", old), ("new-0", new[0]), ("new-1", new[1])]);
    let ids = ["new-0".to_owned(), "new-1".to_owned()];
    let limits = GateLimits { p99_floor_ms: 250, ..GateLimits::default() };
    compare(limits, (&["old".to_owned()], &counted(&before)), (&ids, &after))
}

#[test]
fn more_errors_than_before() {
    let (good, half_bad, bad) = (did(500, 0, 10.0), did(500, 100, 10.0), did(100, 9, 10.0));
    let how = judged(&good, None, [&bad, &bad]).unwrap();
    assert!(
        how.starts_with("18 of 200 requests to the new release failed or were answered 5xx (9.0 %)"),
        "{how}"
    );
    assert!(how.contains("with the old one it was 0.0 %, and 1.0 % more is allowed"), "{how}");
    // Who was as bad before is no reason to go back, and neither is what chance explains.
    assert_eq!(judged(&half_bad, None, [&bad, &bad]), None);
    assert_eq!(judged(&good, None, [&did(100, 2, 10.0), &did(100, 1, 10.0)]), None);
    // The instances of a service are judged together.
    assert!(judged(&good, None, [&bad, &did(100, 0, 10.0)]).is_some());
}

#[test]
fn slower_than_before() {
    let how = judged(&did(500, 0, 50.0), None, [&did(200, 0, 1000.0), &did(10, 0, 1000.0)]).unwrap();
    assert!(how.contains("took longer than 250 ms") && how.contains("at most 50 ms"), "{how}");
    assert_eq!(judged(&did(500, 0, 250.0), None, [&did(200, 0, 250.0), &did(10, 0, 250.0)]), None);
}

#[test]
fn what_was_before_the_switch_does_not_count() {
    let (good, bad) = (did(500, 0, 10.0), did(300, 60, 10.0));
    assert!(judged(&good, None, [&bad, &did(0, 0, 10.0)]).is_some());
    assert_eq!(judged(&good, Some(&bad), [&did(500, 60, 10.0), &did(0, 0, 10.0)]), None);
    // An edge that was started again counts from nothing.
    assert!(judged(&good, Some(&did(9_000, 0, 10.0)), [&bad, &did(0, 0, 10.0)]).is_some());
}

#[test]
fn nothing_to_compare() {
    let (none, bad) = (did(0, 0, 10.0), did(300, 60, 10.0));
    assert_eq!(judged(&none, None, [&bad, &bad]), None, "too few requests before");
    let (before, after) = (counted(&[]), counted(&[("new", &bad)]));
    let ids = ["new".to_owned()];
    assert_eq!(compare(GateLimits::default(), (&[], &before), (&ids, &after)), None, "no instance before");
    let off = GateLimits { requests: 0, ..GateLimits::default() };
    let good = did(500, 0, 10.0);
    let both = counted(&[("old", &good), ("new", &bad)]);
    assert_eq!(compare(off, (&["old".to_owned()], &both), (&ids, &both)), None, "it is off");
}
