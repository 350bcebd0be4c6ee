//! What went through the instances of a release, to compare it with another.

use fairway_protocol::edge::{Failures, InstanceStats, Latency};

/// Requests of a release, or of a part of its time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Counts {
    /// Exchanges that ended.
    pub requests: u64,
    /// Those that failed at the edge or broke off.
    pub failed: u64,
    /// Answers 500–599 of the instances.
    pub server_errors: u64,
    /// Those whose clients went away before there was an answer.
    pub given_up: u64,
    /// How many answers took at most so many milliseconds, cumulative.
    pub buckets: Vec<(f64, u64)>,
    /// All answers, those beyond the last bucket included.
    pub answers: u64,
}

impl Counts {
    /// What one instance did since the edge knows it.
    #[must_use]
    pub fn of(stats: &InstanceStats) -> Self {
        let Latency { count, buckets, .. } = &stats.latency;
        let Failures { refused, tls, connect_timeout, header_timeout, broken, broken_streams: _, cut: _ } =
            stats.failed;
        let without_answer = refused + tls + connect_timeout + header_timeout + broken;
        Self {
            requests: stats.total,
            failed: stats.failed.total(),
            server_errors: stats.responses.server_error,
            // The counters are not read in one moment, and one may be ahead of the others.
            given_up: stats.total.saturating_sub(*count).saturating_sub(without_answer),
            buckets: buckets.clone(),
            answers: *count,
        }
    }

    /// Together with another instance of the release.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        self.with(other, |a, b| a.saturating_add(b))
    }

    /// What came after an earlier reading. Instances that were not in it must not be in this one either.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        self.with(earlier, |a, b| a.saturating_sub(b))
    }

    /// Those that went wrong.
    #[must_use]
    pub fn errors(&self) -> u64 {
        // One exchange may be both: an error whose body broke off.
        self.failed.saturating_add(self.server_errors).min(self.requests)
    }

    fn with(&self, other: &Self, join: impl Fn(u64, u64) -> u64) -> Self {
        Self {
            requests: join(self.requests, other.requests),
            failed: join(self.failed, other.failed),
            server_errors: join(self.server_errors, other.server_errors),
            given_up: join(self.given_up, other.given_up),
            buckets: self.buckets_with(other, &join),
            answers: join(self.answers, other.answers),
        }
    }

    /// By bound. Cumulative counts stay right when bounds are left out, so edges with other bounds can be compared by
    /// those that they share. No answers means no bounds, and the other's are kept.
    fn buckets_with(&self, other: &Self, join: impl Fn(u64, u64) -> u64) -> Vec<(f64, u64)> {
        let empty = |counts: &Self| counts.answers == 0 && counts.buckets.is_empty();
        if empty(other) {
            return self.buckets.clone();
        }
        if empty(self) {
            return other.buckets.iter().map(|(bound, count)| (*bound, join(0, *count))).collect();
        }
        let theirs = |bound: f64| other.buckets.iter().find(|(other, _)| other.total_cmp(&bound).is_eq());
        self.buckets
            .iter()
            .filter_map(|(bound, count)| theirs(*bound).map(|(_, other)| (*bound, join(*count, *other))))
            .collect()
    }

    /// The bound that 99 of 100 answers stay within. None when it is beyond the last bucket.
    pub(crate) fn p99(&self) -> Option<f64> {
        let rank = self.answers.saturating_mul(99).div_ceil(100);
        self.buckets.iter().find(|(_, count)| *count >= rank).map(|(bound, _)| *bound)
    }

    /// How many answers certainly took longer: those beyond the first bound at or above it.
    pub(crate) fn slower_than(&self, ms: f64) -> u64 {
        let within =
            self.buckets.iter().find(|(bound, _)| *bound >= ms).map_or(self.answers, |(_, count)| *count);
        self.answers.saturating_sub(within)
    }
}
