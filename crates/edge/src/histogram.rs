//! Durations counted in fixed buckets.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fairway_protocol::edge::Latency;

/// Upper bounds in microseconds. What takes longer than the last is only in the count.
const BOUNDS: [u64; 17] = [
    250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 125_000, 250_000, 500_000, 1_000_000,
    2_000_000, 5_000_000, 15_000_000, 60_000_000,
];

/// A histogram that many threads add to.
#[derive(Debug, Default)]
pub(crate) struct Histogram {
    buckets: [AtomicU64; BOUNDS.len() + 1],
    sum_us: AtomicU64,
}

impl Histogram {
    pub(crate) fn add(&self, took: Duration) {
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS.partition_point(|bound| *bound < us);
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum_us.fetch_add(us, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> Latency {
        let counts: Vec<u64> = self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed)).collect();
        let count = counts.iter().sum();
        let mut below = 0;
        let buckets = BOUNDS
            .iter()
            .zip(&counts)
            .map(|(bound, count)| {
                below += count;
                (ms(*bound), below)
            })
            .collect();
        Latency {
            count,
            sum_ms: ms(self.sum_us.load(Ordering::Relaxed)),
            p50_ms: quantile(&counts, count, 0.5),
            p90_ms: quantile(&counts, count, 0.9),
            p99_ms: quantile(&counts, count, 0.99),
            buckets,
        }
    }
}

/// Both together; what one of them has other bounds for is only in the count. Quantiles are not told of a sum.
pub(crate) fn sum(one: &Latency, other: &Latency) -> Latency {
    if one.count == 0 {
        return Latency { p50_ms: 0.0, p90_ms: 0.0, p99_ms: 0.0, ..other.clone() };
    }
    let buckets = one.buckets.iter().map(|(bound, count)| {
        let same = other.buckets.iter().find(|(theirs, _)| theirs.total_cmp(bound).is_eq());
        (*bound, count + same.map_or(0, |(_, count)| *count))
    });
    Latency {
        count: one.count + other.count,
        sum_ms: one.sum_ms + other.sum_ms,
        buckets: buckets.collect(),
        ..Latency::default()
    }
}

#[expect(clippy::cast_precision_loss, reason = "durations and counts far below 2^52")]
fn ms(us: u64) -> f64 {
    us as f64 / 1000.0
}

/// A linear estimate within the bucket that holds the quantile; the last bound for what is beyond it.
#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn quantile(counts: &[u64], count: u64, part: f64) -> f64 {
    let rank = count as f64 * part;
    let mut below = 0.0;
    let mut lower = 0;
    for (in_bucket, bound) in counts.iter().zip(BOUNDS) {
        let in_bucket = *in_bucket as f64;
        if in_bucket > 0.0 && below + in_bucket >= rank {
            let within = ((rank - below) / in_bucket).clamp(0.0, 1.0);
            return ms(lower) + (ms(bound) - ms(lower)) * within;
        }
        below += in_bucket;
        lower = bound;
    }
    if count == 0 { 0.0 } else { ms(lower) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_lie_in_their_bucket() {
        let histogram = Histogram::default();
        for _ in 0..98 {
            histogram.add(Duration::from_micros(1500));
        }
        histogram.add(Duration::from_millis(300));
        histogram.add(Duration::from_secs(100));
        let latency = histogram.read();
        assert_eq!(latency.count, 100);
        assert!((1.0..=2.0).contains(&latency.p50_ms), "{latency:?}");
        assert!((1.0..=2.0).contains(&latency.p90_ms), "{latency:?}");
        assert!((250.0..=500.0).contains(&latency.p99_ms), "{latency:?}");
        assert_eq!(latency.buckets.last(), Some(&(60_000.0, 99)));
        assert_eq!(Histogram::default().read().p99_ms, 0.0);
    }

    #[test]
    fn a_sum_has_what_both_have() {
        let (one, other) = (Histogram::default(), Histogram::default());
        one.add(Duration::from_micros(200));
        one.add(Duration::from_millis(3));
        other.add(Duration::from_millis(3));
        other.add(Duration::from_secs(100));
        let both = sum(&one.read(), &other.read());
        assert_eq!((both.count, both.buckets[0], both.buckets[4]), (4, (0.25, 1), (4.0, 3)));
        assert_eq!(both.buckets.last(), Some(&(60_000.0, 3)));
        let nothing = Latency::default();
        assert_eq!(sum(&nothing, &one.read()).count, 2);
        assert_eq!(sum(&one.read(), &nothing).buckets, one.read().buckets);
    }

    #[test]
    fn a_bound_belongs_to_its_bucket() {
        let histogram = Histogram::default();
        histogram.add(Duration::from_micros(250));
        assert_eq!(histogram.read().buckets[0], (0.25, 1));
    }
}
