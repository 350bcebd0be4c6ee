//! The stats as Prometheus reads them.

use std::fmt::Write;

use fairway_protocol::edge::{
    EnvironmentStats, Failures, InstanceStats, OwnAnswers, ServiceStats, Stats, StatusClasses,
};

const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// Every environment, service, release and instance as labels; names and buckets never change between calls.
pub(crate) fn render(stats: &Stats) -> String {
    let mut page = Page::default();
    page.family("fairway_edge_connections", "gauge", "Open client connections.");
    page.line("fairway_edge_connections", "", stats.connections);
    page.family("fairway_edge_table_generation", "gauge", "Generation of the route table that serves.");
    each_environment(stats, |labels, it| {
        page.line("fairway_edge_table_generation", labels, it.generation);
    });
    page.family("fairway_edge_unrouted_total", "counter", "Requests that no route matched.");
    each_environment(stats, |labels, it| page.line("fairway_edge_unrouted_total", labels, it.unrouted));
    page.family("fairway_edge_no_instance_total", "counter", "Requests that found no instance.");
    each_service(stats, |labels, it| page.line("fairway_edge_no_instance_total", labels, it.no_instance));
    page.family("fairway_edge_stubbed_total", "counter", "Requests that a stub answered.");
    each_service(stats, |labels, it| page.line("fairway_edge_stubbed_total", labels, it.stubbed));
    page.family("fairway_edge_in_flight", "gauge", "Exchanges that have begun and not ended.");
    each_instance(stats, |labels, it| page.line("fairway_edge_in_flight", labels, it.in_flight));
    page.family("fairway_edge_waiting", "gauge", "Requests that are held or wait for an instance with room.");
    each_service(stats, |labels, it| page.line("fairway_edge_waiting", labels, it.waiting));
    page.family(
        "fairway_edge_instance_up",
        "gauge",
        "Whether an instance gets requests as far as its health goes.",
    );
    each_instance(stats, |labels, it| {
        page.line("fairway_edge_instance_up", labels, u8::from(!it.standing.is_out()));
    });
    page.family("fairway_edge_ejections_total", "counter", "How often traffic took an instance out.");
    each_instance(stats, |labels, it| page.line("fairway_edge_ejections_total", labels, it.ejections));
    page.family("fairway_edge_upgrades", "gauge", "Upgraded connections (WebSockets) that are open.");
    each_instance(stats, |labels, it| page.line("fairway_edge_upgrades", labels, it.upgrades));
    let requests = "fairway_edge_requests_total";
    page.family(
        requests,
        "counter",
        "Answers by class of status; what the edge answered without an instance has no release and instance_id.",
    );
    each_instance(stats, |labels, it| {
        let StatusClasses { informational, success, redirection, client_error, server_error } = it.responses;
        let Failures { refused, connect_timeout, header_timeout, broken, broken_streams: _, cut: _ } =
            it.failed;
        // Clients got 502 or 504 for these.
        let unanswered = refused + connect_timeout + header_timeout + broken;
        let counts = [informational, success, redirection, client_error, server_error + unanswered];
        for (class, count) in CLASSES.iter().zip(counts) {
            page.line(requests, &format!("{labels},class=\"{class}\""), count);
        }
    });
    each_own(stats, |labels, own| {
        for (digit, class) in (1_u16..).zip(CLASSES) {
            let of_class = own.iter().filter(|it| it.status / 100 == digit).map(|it| it.count);
            let count: u64 = of_class.sum();
            if count > 0 {
                page.line(requests, &joined(labels, &format!("class=\"{class}\"")), count);
            }
        }
    });
    let answers = "fairway_edge_own_answers_total";
    page.family(answers, "counter", "What the edge answered without an instance, by reason and status.");
    each_own(stats, |labels, own| {
        for OwnAnswers { code, status, count } in own {
            page.line(answers, &joined(labels, &format!("code=\"{code}\",status=\"{status}\"")), count);
        }
    });
    page.family("fairway_edge_failed_total", "counter", "Exchanges that failed at the edge or broke off.");
    each_instance(stats, |labels, it| {
        let failed = it.failed;
        for (reason, count) in [
            ("refused", failed.refused),
            ("connect_timeout", failed.connect_timeout),
            ("header_timeout", failed.header_timeout),
            ("broken", failed.broken),
            ("broken_stream", failed.broken_streams),
            ("cut", failed.cut),
        ] {
            page.line("fairway_edge_failed_total", &format!("{labels},reason=\"{reason}\""), count);
        }
    });
    page.family("fairway_edge_redialled_total", "counter", "Dials that failed and went to another instance.");
    each_instance(stats, |labels, it| page.line("fairway_edge_redialled_total", labels, it.redialled));
    page.family("fairway_edge_clients_gone_total", "counter", "Clients that went away before the end.");
    each_instance(stats, |labels, it| page.line("fairway_edge_clients_gone_total", labels, it.clients_gone));
    let latency = "fairway_edge_latency_seconds";
    page.family(latency, "histogram", "Time from the request to the head of the answer.");
    each_instance(stats, |labels, it| {
        for (bound_ms, count) in &it.latency.buckets {
            let bound = bound_ms / 1000.0;
            page.line(&format!("{latency}_bucket"), &format!("{labels},le=\"{bound}\""), count);
        }
        page.line(&format!("{latency}_bucket"), &format!("{labels},le=\"+Inf\""), it.latency.count);
        page.line(&format!("{latency}_sum"), labels, it.latency.sum_ms / 1000.0);
        page.line(&format!("{latency}_count"), labels, it.latency.count);
    });
    page.0
}

#[derive(Default)]
struct Page(String);

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}").expect("a string takes everything");
    }

    fn line(&mut self, name: &str, labels: &str, value: impl std::fmt::Display) {
        let written = if labels.is_empty() {
            writeln!(self.0, "{name} {value}")
        } else {
            writeln!(self.0, "{name}{{{labels}}} {value}")
        };
        written.expect("a string takes everything");
    }
}

fn each_environment(stats: &Stats, mut with: impl FnMut(&str, &EnvironmentStats)) {
    for (name, it) in &stats.environments {
        with(&format!("environment=\"{}\"", escaped(name)), it);
    }
}

fn each_service(stats: &Stats, mut with: impl FnMut(&str, &ServiceStats)) {
    each_environment(stats, |labels, it| {
        for (name, it) in &it.services {
            with(&format!("{labels},service=\"{}\"", escaped(name)), it);
        }
    });
}

/// What the edge answered itself: where no environment is known, in environments, for services.
fn each_own(stats: &Stats, mut with: impl FnMut(&str, &[OwnAnswers])) {
    with("", &stats.own);
    each_environment(stats, |labels, it| with(labels, &it.own));
    each_service(stats, |labels, it| with(labels, &it.own));
}

fn joined(labels: &str, more: &str) -> String {
    if labels.is_empty() { more.to_owned() } else { format!("{labels},{more}") }
}

fn each_instance(stats: &Stats, mut with: impl FnMut(&str, &InstanceStats)) {
    each_service(stats, |labels, it| {
        for (id, it) in &it.instances {
            let instance = escaped(id);
            with(&format!("{labels},release=\"{}\",instance=\"{instance}\"", it.release), it);
        }
    });
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
