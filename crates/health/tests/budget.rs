//! How many requests may be repeated.

use std::sync::Arc;

use fairway_health::Budget;
use proptest::prelude::*;

fn spend(budget: &Budget, percent: u8, now: u64) -> u64 {
    let mut retries = 0;
    while budget.retry(percent, now) {
        retries += 1;
    }
    retries
}

#[test]
fn a_part_of_the_requests_and_never_fewer_than_ten() {
    let check = |requests: u64, percent: u8, expect: u64| {
        let budget = Budget::new();
        for number in 0..requests {
            // Over nine seconds.
            budget.request(number * 9_000 / requests);
        }
        assert_eq!(spend(&budget, percent, 9_000), expect, "{requests} {percent}");
        assert_eq!(budget.spent(9_000), (requests, expect));
    };
    check(0, 20, 10);
    check(49, 20, 10);
    check(50, 20, 10);
    check(1_000, 20, 200);
    check(1_000, 1, 10);
    check(1_000, 0, 0);
    check(999, 100, 999);
}

#[test]
fn ten_seconds_later_all_is_forgotten() {
    let budget = Budget::new();
    for _ in 0..100 {
        budget.request(500);
    }
    assert_eq!(spend(&budget, 20, 900), 20);
    assert_eq!(spend(&budget, 20, 9_999), 0);
    assert_eq!(spend(&budget, 20, 10_000), 10, "another second, another window");
    assert_eq!(budget.spent(10_000), (0, 10));
    assert_eq!(budget.spent(1_000_000), (0, 0));
    // A slot of long ago is not taken for one of now, whatever the multiple.
    for _ in 0..100 {
        budget.request(20_000_500);
    }
    assert_eq!(budget.spent(20_000_500), (100, 0));
}

#[test]
fn threads_do_not_exceed_it() {
    let budget = Arc::new(Budget::new());
    let work = |budget: Arc<Budget>| {
        move || {
            let mut retries = 0_u64;
            for _ in 0..5_000 {
                budget.request(3_500);
                retries += u64::from(budget.retry(20, 3_500));
            }
            retries
        }
    };
    let threads: Vec<_> = (0..4).map(|_| std::thread::spawn(work(Arc::clone(&budget)))).collect();
    let retries: u64 = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
    let (requests, counted) = budget.spent(3_500);
    assert_eq!((requests, counted), (20_000, retries));
    assert!((10..=4_000).contains(&retries), "{retries}");
}

proptest! {
    /// A plain list of what happened says the same.
    #[test]
    fn the_window_is_the_last_ten_seconds(
        steps in prop::collection::vec((0..4_000_u64, 0..3_u8), 0..300),
    ) {
        let budget = Budget::new();
        let (mut requests, mut retries) = (Vec::new(), Vec::new());
        let mut now = 0;
        for (later, what) in steps {
            now += later;
            let within = |times: &[u64]| {
                times.iter().filter(|time| *time / 1_000 + 10 > now / 1_000).count() as u64
            };
            if what > 0 {
                budget.request(now);
                requests.push(now);
            } else {
                let expect = within(&retries) < (within(&requests) / 5).max(10);
                prop_assert_eq!(budget.retry(20, now), expect);
                if expect {
                    retries.push(now);
                }
            }
            prop_assert_eq!(budget.spent(now), (within(&requests), within(&retries)));
        }
    }
}
