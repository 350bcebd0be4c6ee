//! What the edge's counters say about a release.

use fairway_protocol::edge::EnvironmentStats;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Failures that a bake tolerates whatever their share: a single unlucky request is no verdict.
const FEW: u64 = 5;

/// Of a hundred requests, how many may fail.
const PERCENT: u64 = 5;

/// Requests and failed ones.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Count {
    pub(crate) served: u64,
    pub(crate) failed: u64,
}

impl Count {
    fn add(&mut self, other: Self) {
        self.served += other.served;
        self.failed += other.failed;
    }

    /// Is that trouble? At least five failures, and more than five of a hundred requests.
    pub(crate) fn is_trouble(self) -> bool {
        self.failed >= FEW && self.failed * 100 > self.served * PERCENT
    }
}

/// Counters by instance since a moment. The edge's own counters begin again at zero when it is started again, and
/// instances that left are forgotten there after a while; this does neither.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Totals {
    last: BTreeMap<String, Count>,
    sums: BTreeMap<String, Count>,
    /// The edge did not answer at the beginning: the first look says where counting begins.
    #[serde(default)]
    blind: bool,
}

impl Totals {
    /// Begins to count at what the edge says now.
    pub(crate) fn since(stats: Option<&EnvironmentStats>) -> Self {
        Self { last: stats.map(counters).unwrap_or_default(), sums: BTreeMap::new(), blind: stats.is_none() }
    }

    /// Adds what has happened since the last look.
    pub(crate) fn look(&mut self, stats: &EnvironmentStats) {
        if std::mem::take(&mut self.blind) {
            self.last = counters(stats);
            return;
        }
        for (id, now) in counters(stats) {
            let last = self.last.insert(id.clone(), now).unwrap_or_default();
            // A counter that went down belongs to an edge that was started again meanwhile.
            let restarted = now.served < last.served || now.failed < last.failed;
            let base = if restarted { Count::default() } else { last };
            let new = Count { served: now.served - base.served, failed: now.failed - base.failed };
            self.sums.entry(id).or_default().add(new);
        }
    }

    /// The sum over all instances.
    pub(crate) fn all(&self) -> Count {
        self.of(|_| true)
    }

    /// The sum over some instances.
    pub(crate) fn of(&self, which: impl Fn(&str) -> bool) -> Count {
        let mut sum = Count::default();
        self.sums.iter().filter(|(id, _)| which(id)).for_each(|(_, count)| sum.add(*count));
        sum
    }
}

/// Counters by instance; requests that found no instance or a stub count for the service.
fn counters(stats: &EnvironmentStats) -> BTreeMap<String, Count> {
    let mut counters = BTreeMap::new();
    for (name, service) in &stats.services {
        let own = Count { served: service.no_instance + service.stubbed, failed: service.no_instance };
        counters.insert(format!("service:{name}"), own);
        for (id, instance) in &service.instances {
            let failed = instance.responses.server_error + instance.failed.total();
            counters.insert(id.clone(), Count { served: instance.total, failed });
        }
    }
    counters
}

/// Requests in flight by instance.
pub(crate) fn in_flight(stats: &EnvironmentStats) -> BTreeMap<String, u64> {
    let instances = stats.services.values().flat_map(|service| &service.instances);
    instances.map(|(id, instance)| (id.clone(), instance.in_flight)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use fairway_protocol::edge::{Failures, InstanceStats, Latency, ServiceStats, Standing, StatusClasses};

    fn stats(instances: &[(&str, u64, u64, u64)], no_instance: u64) -> EnvironmentStats {
        let instances = instances.iter().map(|(id, total, server_error, refused)| {
            let stats = InstanceStats {
                address: ([127, 0, 0, 1], 1).into(),
                release: 1,
                weight: 1,
                draining: false,
                standing: Standing::Fit,
                ejections: 0,
                in_flight: 0,
                upgrades: 0,
                total: *total,
                responses: StatusClasses { server_error: *server_error, ..StatusClasses::default() },
                failed: Failures { refused: *refused, ..Failures::default() },
                redialled: 0,
                clients_gone: 0,
                latency: Latency::default(),
            };
            ((*id).to_owned(), stats)
        });
        let service = ServiceStats {
            no_instance,
            stubbed: 0,
            waiting: 0,
            own: Vec::new(),
            instances: instances.collect(),
        };
        EnvironmentStats {
            generation: 1,
            revision: 0,
            services: [("s".to_owned(), service)].into(),
            unrouted: 0,
            own: Vec::new(),
        }
    }

    #[test]
    fn counting_goes_on_over_a_new_edge_and_forgotten_instances() {
        let mut totals = Totals::since(Some(&stats(&[("old", 100, 3, 0)], 0)));
        totals.look(&stats(&[("old", 110, 4, 0), ("new", 5, 0, 1)], 1));
        assert_eq!(totals.all(), Count { served: 16, failed: 3 });
        totals.look(&stats(&[("new", 2, 1, 0)], 0));
        assert_eq!(totals.of(|id| id == "new"), Count { served: 7, failed: 2 });
        assert_eq!(totals.of(|id| id == "old"), Count { served: 10, failed: 1 });
    }

    #[test]
    fn an_edge_that_does_not_answer_at_first_does_not_count_the_past() {
        let mut totals = Totals::since(None);
        totals.look(&stats(&[("old", 40_000, 3, 0)], 0));
        assert_eq!(totals.all(), Count::default());
        totals.look(&stats(&[("old", 40_007, 3, 0)], 0));
        assert_eq!(totals.all(), Count { served: 7, failed: 0 });
    }

    #[test]
    fn trouble_needs_a_number_and_a_share() {
        for (served, failed, trouble) in
            [(4, 4, false), (5, 5, true), (100, 5, false), (100, 6, true), (0, 0, false)]
        {
            assert_eq!(Count { served, failed }.is_trouble(), trouble, "{failed} of {served}");
        }
    }
}
