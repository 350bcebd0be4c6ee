//! What two looks at an environment's counters say about the time between them. A pure function, for everything that
//! shows traffic as it is now: terminals and consoles.

use crate::edge::{EnvironmentStats, InstanceStats, Latency, ServiceStats};
use serde::{Deserialize, Serialize};
use std::{cmp::Reverse, collections::BTreeMap};

/// What went through between two looks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rates {
    /// The time between the looks, in seconds.
    pub seconds: f64,
    /// By service and release, the busiest first.
    pub rows: Vec<Row>,
    /// All of them together.
    pub total: Flow,
    /// Requests that no route matched.
    pub unrouted: u64,
}

/// One release of one service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The service.
    pub service: String,
    /// Generation of the release that started the instances; absent for what the edge answered itself, as a stub or
    /// because there was no instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub release: Option<u64>,
    /// Instances that are known, those that drain among them.
    pub instances: usize,
    /// Those of them that drain.
    pub draining: usize,
    /// Those of them that get no share for now, because probes or traffic speak against them.
    pub out: usize,
    /// What went through.
    #[serde(flatten)]
    pub flow: Flow,
}

/// What went through a part of the edge between two looks, and what is there now.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Flow {
    /// Exchanges that were answered, failed or given up.
    pub requests: u64,
    /// The same in each second.
    pub per_second: f64,
    /// Answers of 500 and above, exchanges that failed or broke off, requests that found no instance.
    pub failed: u64,
    /// The same of a hundred requests; 0 when there was none.
    pub failed_percent: f64,
    /// Time from the request to the head of the answer in milliseconds: half of the answers took no longer. Absent when
    /// there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p50_ms: Option<f64>,
    /// The same for 90 of 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p90_ms: Option<f64>,
    /// The same for 99 of 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p99_ms: Option<f64>,
    /// Dials that failed and went to another instance.
    pub retries: u64,
    /// Exchanges that go on now.
    pub in_flight: u64,
    /// Upgraded connections (WebSockets) among them.
    pub upgrades: u64,
    /// Requests that wait at the edge now.
    pub waiting: u64,
}

/// Compares two looks. Counters that went down belong to an edge that was started in between: everything that they
/// say has happened since. So does everything that the first look did not know.
#[must_use]
pub fn rates(before: &EnvironmentStats, after: &EnvironmentStats, seconds: f64) -> Rates {
    let mut rows: BTreeMap<(&str, Option<u64>), Sum> = BTreeMap::new();
    let mut total = Sum::default();
    for (name, service) in &after.services {
        let earlier = before.services.get(name);
        let own = Sum::of_edge(earlier, service);
        if !own.is_nothing() || service.instances.is_empty() {
            rows.entry((name, None)).or_default().add(&own);
            total.add(&own);
        }
        for (id, instance) in &service.instances {
            let sum = Sum::of_instance(earlier.and_then(|service| service.instances.get(id)), instance);
            rows.entry((name, Some(instance.release))).or_default().add(&sum);
            total.add(&sum);
        }
    }
    let mut rows: Vec<Row> = rows
        .into_iter()
        .map(|((service, release), sum)| Row {
            service: service.to_owned(),
            release,
            instances: sum.instances,
            draining: sum.draining,
            out: sum.out,
            flow: sum.flow(seconds),
        })
        .collect();
    rows.sort_by(|a, b| {
        let busy = |row: &Row| (Reverse(row.flow.requests), Reverse(row.flow.in_flight));
        let named = |row: &Row| (row.service.clone(), Reverse(row.release));
        busy(a).cmp(&busy(b)).then_with(|| named(a).cmp(&named(b)))
    });
    Rates { seconds, rows, total: total.flow(seconds), unrouted: since(before.unrouted, after.unrouted) }
}

/// How far a counter moved.
fn since(before: u64, after: u64) -> u64 {
    after.checked_sub(before).unwrap_or(after)
}

/// What the edge answered itself, and what of it failed: a stub is meant to, and a refusal is the client's matter.
fn own(service: &ServiceStats) -> (u64, u64) {
    let ServiceStats { no_instance, stubbed, own, waiting: _, instances: _ } = service;
    let failed = own.iter().filter(|it| it.status >= 500 && it.code != "stub" && it.code != "maintenance");
    let sum = |counts: u64, count: u64| counts.saturating_add(count);
    let failed = failed.map(|it| it.count).fold(0, sum);
    let all = own.iter().map(|it| it.count).fold(0, sum);
    // An edge before this one counted only these two.
    (all.max(no_instance + stubbed), failed.max(*no_instance))
}

/// Differences that are added up.
#[derive(Debug, Default)]
struct Sum {
    requests: u64,
    failed: u64,
    retries: u64,
    in_flight: u64,
    upgrades: u64,
    waiting: u64,
    instances: usize,
    draining: usize,
    out: usize,
    latency: Buckets,
}

impl Sum {
    /// What the edge answered in place of a service's instances.
    fn of_edge(before: Option<&ServiceStats>, after: &ServiceStats) -> Self {
        let (asked, failed) = own(after);
        let (asked_before, failed_before) = before.map(own).unwrap_or_default();
        Self {
            requests: since(asked_before, asked),
            failed: since(failed_before, failed),
            waiting: after.waiting,
            ..Self::default()
        }
    }

    fn of_instance(before: Option<&InstanceStats>, after: &InstanceStats) -> Self {
        // Totals only grow while an edge runs.
        let before = before.filter(|before| before.total <= after.total);
        let moved = |read: fn(&InstanceStats) -> u64| since(before.map_or(0, read), read(after));
        let instance = after;
        Self {
            requests: moved(|it| it.total),
            failed: moved(|it| it.responses.server_error) + moved(|it| it.failed.total()),
            retries: moved(|it| it.redialled),
            in_flight: instance.in_flight,
            upgrades: instance.upgrades,
            waiting: 0,
            instances: 1,
            draining: usize::from(instance.draining),
            out: usize::from(!instance.draining && instance.standing.is_out()),
            latency: Buckets::between(before.map(|before| &before.latency), &instance.latency),
        }
    }

    fn is_nothing(&self) -> bool {
        self.requests == 0 && self.waiting == 0
    }

    fn add(&mut self, other: &Self) {
        let Self {
            requests,
            failed,
            retries,
            in_flight,
            upgrades,
            waiting,
            instances,
            draining,
            out,
            latency,
        } = other;
        self.requests += requests;
        self.failed += failed;
        self.retries += retries;
        self.in_flight += in_flight;
        self.upgrades += upgrades;
        self.waiting += waiting;
        self.instances += instances;
        self.draining += draining;
        self.out += out;
        self.latency.add(latency);
    }

    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
    fn flow(&self, seconds: f64) -> Flow {
        // A stream that broke off may have been counted as a request long before.
        let asked = self.requests.max(self.failed);
        Flow {
            requests: self.requests,
            per_second: if seconds > 0.0 { self.requests as f64 / seconds } else { 0.0 },
            failed: self.failed,
            failed_percent: if asked == 0 { 0.0 } else { self.failed as f64 * 100.0 / asked as f64 },
            p50_ms: self.latency.quantile(0.5),
            p90_ms: self.latency.quantile(0.9),
            p99_ms: self.latency.quantile(0.99),
            retries: self.retries,
            in_flight: self.in_flight,
            upgrades: self.upgrades,
            waiting: self.waiting,
        }
    }
}

/// Answers by how long they took: bounds in microseconds with what lies between each and the one before it, and what
/// is beyond the last.
#[derive(Debug, Default, PartialEq, Eq)]
struct Buckets {
    within: BTreeMap<u64, u64>,
    beyond: u64,
}

impl Buckets {
    /// What came between two looks. Bounds that changed belong to another edge.
    fn between(before: Option<&Latency>, after: &Latency) -> Self {
        let before = before.filter(|before| {
            let same = |((a, _), (b, _)): (&(f64, u64), &(f64, u64))| a.to_bits() == b.to_bits();
            before.count <= after.count
                && before.buckets.len() == after.buckets.len()
                && before.buckets.iter().zip(&after.buckets).all(same)
        });
        let mut buckets = Self::of(after);
        if let Some(before) = before {
            let before = Self::of(before);
            for (bound, count) in &mut buckets.within {
                // Counters of many threads are read one after the other; a bucket may seem to have lost one.
                *count = count.saturating_sub(before.within.get(bound).copied().unwrap_or(0));
            }
            buckets.beyond = buckets.beyond.saturating_sub(before.beyond);
        }
        buckets
    }

    fn of(latency: &Latency) -> Self {
        let mut below = 0;
        let within = latency.buckets.iter().map(|(bound_ms, cumulative)| {
            let count = cumulative.saturating_sub(below);
            below = below.max(*cumulative);
            (microseconds(*bound_ms), count)
        });
        let within = within.collect();
        Self { within, beyond: latency.count.saturating_sub(below) }
    }

    fn add(&mut self, other: &Self) {
        for (bound, count) in &other.within {
            *self.within.entry(*bound).or_default() += count;
        }
        self.beyond += other.beyond;
    }

    /// A linear estimate within the bucket that holds the quantile, in milliseconds; the last bound for what is
    /// beyond it.
    #[expect(clippy::cast_precision_loss, reason = "counts and durations far below 2^52")]
    fn quantile(&self, part: f64) -> Option<f64> {
        let count = self.within.values().sum::<u64>() + self.beyond;
        if count == 0 {
            return None;
        }
        let rank = count as f64 * part;
        let (mut below, mut lower) = (0.0, 0.0);
        for (bound, in_bucket) in &self.within {
            let (upper, in_bucket) = (*bound as f64 / 1000.0, *in_bucket as f64);
            if in_bucket > 0.0 && below + in_bucket >= rank {
                let within = ((rank - below) / in_bucket).clamp(0.0, 1.0);
                return Some(lower + (upper - lower) * within);
            }
            below += in_bucket;
            lower = upper;
        }
        Some(lower)
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "bounds are positive and far below 2^52; what is not becomes 0"
)]
fn microseconds(ms: f64) -> u64 {
    (ms * 1000.0).round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::{Failures, OwnAnswers, Standing, StatusClasses};

    const BOUNDS: [f64; 4] = [1.0, 2.0, 4.0, 8.0];

    /// A distribution with so many in each bucket; the last number is beyond all bounds.
    fn latency(counts: [u64; 5]) -> Latency {
        let mut below = 0;
        let mut cumulative = |(bound, count): (&f64, u64)| {
            below += count;
            (*bound, below)
        };
        let buckets = BOUNDS.iter().zip(counts).map(&mut cumulative).collect();
        Latency { count: counts.iter().sum(), buckets, ..Latency::default() }
    }

    fn instance(release: u64, total: u64, server_error: u64, counts: [u64; 5]) -> InstanceStats {
        InstanceStats {
            address: ([127, 0, 0, 1], 1).into(),
            release,
            weight: 1,
            draining: false,
            standing: Standing::Fit,
            ejections: 0,
            in_flight: 2,
            upgrades: 1,
            total,
            responses: StatusClasses { server_error, ..StatusClasses::default() },
            failed: Failures::default(),
            redialled: total / 100,
            clients_gone: 0,
            latency: latency(counts),
        }
    }

    fn service(instances: Vec<(&str, InstanceStats)>) -> ServiceStats {
        let instances = instances.into_iter().map(|(id, it)| (id.to_owned(), it)).collect();
        ServiceStats { no_instance: 0, stubbed: 0, waiting: 0, own: Vec::new(), instances }
    }

    fn look(services: Vec<(&str, ServiceStats)>) -> EnvironmentStats {
        let services = services.into_iter().map(|(name, it)| (name.to_owned(), it)).collect();
        EnvironmentStats { generation: 7, revision: 0, services, unrouted: 0, own: Vec::new() }
    }

    #[test]
    fn only_the_time_between_counts() {
        let before = look(vec![("web", service(vec![("a", instance(7, 1000, 10, [0, 0, 0, 1000, 0]))]))]);
        let after = look(vec![("web", service(vec![("a", instance(7, 1200, 15, [200, 0, 0, 1000, 0]))]))]);
        let rates = rates(&before, &after, 2.0);
        let [row] = rates.rows.as_slice() else { panic!("{rates:?}") };
        assert_eq!((row.service.as_str(), row.release, row.instances), ("web", Some(7), 1));
        let flow = &row.flow;
        assert_eq!((flow.requests, flow.failed, flow.retries), (200, 5, 2));
        assert_eq!((flow.per_second, flow.failed_percent), (100.0, 2.5));
        assert_eq!((flow.p50_ms, flow.p90_ms, flow.p99_ms), (Some(0.5), Some(0.9), Some(0.99)));
        assert_eq!((flow.in_flight, flow.upgrades), (2, 1));
        assert_eq!(&rates.total, flow);
    }

    #[test]
    fn quantiles_of_what_came_between() {
        let check = |before: [u64; 5], after: [u64; 5], part: f64, expect: Option<f64>| {
            let found = Buckets::between(Some(&latency(before)), &latency(after)).quantile(part);
            assert_eq!(found, expect, "{before:?} -> {after:?} at {part}");
        };
        let none = [0; 5];
        check(none, none, 0.5, None);
        check([9, 9, 9, 9, 9], [9, 9, 9, 9, 9], 0.99, None);
        check(none, [10, 0, 0, 0, 0], 0.5, Some(0.5));
        check(none, [0, 10, 0, 0, 0], 0.5, Some(1.5));
        check([50, 0, 0, 0, 0], [50, 0, 0, 10, 0], 0.5, Some(6.0));
        check(none, [90, 0, 0, 10, 0], 0.9, Some(1.0));
        check(none, [90, 0, 0, 10, 0], 0.95, Some(6.0));
        // What is beyond the last bound is said to be at it.
        check(none, [0, 0, 0, 0, 1], 0.5, Some(8.0));
        check([1, 0, 0, 0, 1], [2, 0, 0, 0, 9], 0.99, Some(8.0));
        // A bucket that seems to have lost one is empty and takes nothing from the others.
        check([5, 0, 0, 0, 0], [4, 10, 0, 0, 0], 1.0, Some(2.0));
    }

    #[test]
    fn an_edge_that_was_started_again_and_one_with_other_buckets_begin_at_nothing() {
        let before = look(vec![("web", service(vec![("a", instance(7, 1000, 10, [1000, 0, 0, 0, 0]))]))]);
        let after = look(vec![("web", service(vec![("a", instance(7, 30, 3, [0, 30, 0, 0, 0]))]))]);
        let flow = rates(&before, &after, 1.0).total;
        assert_eq!((flow.requests, flow.failed, flow.p50_ms), (30, 3, Some(1.5)));

        let mut other = latency([0, 0, 0, 5, 0]);
        other.buckets.remove(0);
        let buckets = Buckets::between(Some(&latency([5, 0, 0, 0, 0])), &other);
        assert_eq!(buckets, Buckets::of(&other));
    }

    #[test]
    fn releases_stand_apart_and_the_busiest_comes_first() {
        let before = look(vec![]);
        let mut stub = service(vec![]);
        stub.stubbed = 3;
        let mut broken = service(vec![]);
        broken.no_instance = 4;
        let mut drains = instance(6, 10, 0, [10, 0, 0, 0, 0]);
        drains.draining = true;
        let mut out = instance(7, 0, 0, [0; 5]);
        out.standing = Standing::Down;
        let web = service(vec![
            ("old", drains),
            ("new-0", instance(7, 40, 0, [0, 40, 0, 0, 0])),
            ("new-1", instance(7, 50, 0, [0, 0, 50, 0, 0])),
            ("new-2", out),
        ]);
        let idle = service(vec![("idle", instance(7, 0, 0, [0; 5]))]);
        let after = look(vec![("ai", stub), ("broken", broken), ("idle", idle), ("web", web)]);
        let rates = rates(&before, &after, 1.0);
        let seen: Vec<_> = rates
            .rows
            .iter()
            .map(|row| {
                (row.service.as_str(), row.release, row.flow.requests, row.instances, row.draining, row.out)
            })
            .collect();
        assert_eq!(
            seen,
            [
                ("web", Some(7), 90, 3, 0, 1),
                ("web", Some(6), 10, 1, 1, 0),
                ("broken", None, 4, 0, 0, 0),
                ("ai", None, 3, 0, 0, 0),
                ("idle", Some(7), 0, 1, 0, 0),
            ]
        );
        assert_eq!(rates.rows[2].flow.failed_percent, 100.0);
        assert_eq!(rates.rows[3].flow.failed_percent, 0.0);
        assert_eq!((rates.total.requests, rates.total.failed), (107, 4));
        // Two instances are one distribution: 40 up to 2 ms and 50 up to 4 ms.
        assert_eq!(rates.rows[0].flow.p50_ms, Some(2.2));
    }

    #[test]
    fn what_the_edge_answers_itself_counts() {
        let answers = |code: &str, status, count| OwnAnswers { code: code.to_owned(), status, count };
        let mut web = service(vec![]);
        web.no_instance = 1;
        web.own = vec![answers("no_instance", 503, 1), answers("unauthorised", 401, 4)];
        let before = look(vec![("web", web.clone())]);
        web.own = vec![
            answers("no_instance", 503, 1),
            answers("queue_full", 503, 2),
            answers("maintenance", 503, 5),
            answers("unauthorised", 401, 10),
        ];
        let flow = rates(&before, &look(vec![("web", web)]), 1.0).total;
        assert_eq!((flow.requests, flow.failed), (13, 2));
    }

    #[test]
    fn no_time_and_no_requests_divide_by_nothing() {
        let quiet = look(vec![("web", service(vec![("a", instance(7, 5, 0, [5, 0, 0, 0, 0]))]))]);
        let rates = rates(&quiet, &quiet, 0.0);
        assert_eq!(rates.total.per_second, 0.0);
        assert_eq!(rates.total.failed_percent, 0.0);
        assert_eq!(rates.total.p99_ms, None);
        let json = serde_json::to_string(&rates).unwrap();
        assert_eq!(serde_json::from_str::<Rates>(&json).unwrap(), rates, "{json}");
    }
}
