//! The stats as Prometheus reads them.

use std::collections::BTreeMap;
use std::fmt::Write;

use fairway_protocol::edge::{
    CertificateOrigin, CertificateStatus, EnvironmentStats, Failures, InstanceStats, Latency, OwnAnswers,
    ServiceStats, Stats, StatusClasses,
};

use crate::otlp::Counts;
use crate::process_metrics::ProcessMetrics;
use crate::state::Flock;

const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// What the page is made of.
#[derive(Debug)]
pub(crate) struct Sight {
    pub(crate) stats: Stats,
    pub(crate) latencies: BTreeMap<Flock, Latency>,
    pub(crate) handshakes: [(&'static str, u64); 7],
    pub(crate) certificates: Vec<CertificateStatus>,
    /// Of ACME: issued, and failed.
    pub(crate) orders: (u64, u64),
    pub(crate) spans: Counts,
    pub(crate) process: ProcessMetrics,
    pub(crate) version: String,
}

/// Every environment, service, release and instance as labels; names and buckets never change between calls.
pub(crate) fn render(sight: &Sight) -> String {
    let mut page = Page::default();
    let stats = &sight.stats;
    let build = "fairway_edge_build_info";
    page.family(build, "gauge", "The version that runs, always 1.");
    page.line(build, &format!("version=\"{}\"", escaped(&sight.version)), 1);
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
        let Failures { refused, tls, connect_timeout, header_timeout, broken, broken_streams: _, cut: _ } =
            it.failed;
        // Clients got 502 or 504 for these.
        let unanswered = refused + tls + connect_timeout + header_timeout + broken;
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
            ("tls", failed.tls),
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
    latencies(&mut page, &sight.latencies);
    tls(&mut page, sight);
    let spans = "fairway_edge_spans_total";
    page.family(spans, "counter", "Spans that the collector took, and those that were lost.");
    page.line(spans, "result=\"exported\"", sight.spans.exported);
    page.line(spans, "result=\"dropped\"", sight.spans.dropped);
    process(&mut page, &sight.process);
    page.0
}

fn latencies(page: &mut Page, latencies: &BTreeMap<Flock, Latency>) {
    let name = "fairway_edge_latency_seconds";
    page.family(
        name,
        "histogram",
        "Time from the request to the head of the answer, by service and release.",
    );
    for ((environment, service, release), it) in latencies {
        let (environment, service) = (escaped(environment), escaped(service));
        let labels = format!("environment=\"{environment}\",service=\"{service}\",release=\"{release}\"");
        for (bound_ms, count) in &it.buckets {
            let bound = bound_ms / 1000.0;
            page.line(&format!("{name}_bucket"), &format!("{labels},le=\"{bound}\""), count);
        }
        page.line(&format!("{name}_bucket"), &format!("{labels},le=\"+Inf\""), it.count);
        page.line(&format!("{name}_sum"), &labels, it.sum_ms / 1000.0);
        page.line(&format!("{name}_count"), &labels, it.count);
    }
}

fn tls(page: &mut Page, sight: &Sight) {
    let handshakes = "fairway_edge_tls_handshakes_total";
    page.family(handshakes, "counter", "TLS handshakes with clients by how they ended.");
    for (result, count) in sight.handshakes {
        page.line(handshakes, &format!("result=\"{result}\""), count);
    }
    let expiry = "fairway_edge_certificate_expiry_timestamp_seconds";
    page.family(expiry, "gauge", "When a certificate expires that is there, in seconds since 1970.");
    // Two for the same names are one here: the one that expires first.
    let mut certificates: BTreeMap<String, (Option<u64>, bool)> = BTreeMap::new();
    let mut stores: BTreeMap<String, bool> = BTreeMap::new();
    for certificate in &sight.certificates {
        let CertificateStatus { environment, names, source, not_after, serving, store_reached, .. } =
            certificate;
        let source = match source {
            CertificateOrigin::Files => "files",
            CertificateOrigin::Local => "local",
            CertificateOrigin::Acme => "acme",
        };
        let (environment, names) = (escaped(environment), escaped(&names.join(",")));
        let labels = format!("environment=\"{environment}\",names=\"{names}\",source=\"{source}\"");
        if let Some(reached) = store_reached {
            *stores.entry(format!("environment=\"{environment}\"")).or_insert(true) &= *reached;
        }
        let known = certificates.entry(labels).or_insert((*not_after, *serving));
        let first = known.0.into_iter().chain(*not_after).min();
        *known = (first, known.1 && *serving);
    }
    for (labels, (not_after, _)) in &certificates {
        if let Some(not_after) = not_after {
            page.line(expiry, labels, not_after);
        }
    }
    let serving = "fairway_edge_certificate_serving";
    page.family(serving, "gauge", "Whether clients get a certificate for at least one of its names.");
    for (labels, (_, serves)) in &certificates {
        page.line(serving, labels, u8::from(*serves));
    }
    let reached = "fairway_edge_certificate_store_reached";
    page.family(reached, "gauge", "Whether an edge reaches the store in which it shares certificates.");
    for (labels, is) in &stores {
        page.line(reached, labels, u8::from(*is));
    }
    let orders = "fairway_edge_acme_orders_total";
    page.family(orders, "counter", "Orders of ACME servers by how they ended.");
    let (issued, failed) = sight.orders;
    page.line(orders, "result=\"issued\"", issued);
    page.line(orders, "result=\"failed\"", failed);
}

fn process(page: &mut Page, process: &ProcessMetrics) {
    let ProcessMetrics { cpu_seconds, resident_bytes, open_descriptors, most_descriptors, start_seconds } =
        process;
    page.family("process_cpu_seconds_total", "counter", "Processor time spent, in seconds.");
    page.line("process_cpu_seconds_total", "", cpu_seconds);
    page.family(
        "process_start_time_seconds",
        "gauge",
        "When the process began to serve, in seconds since 1970.",
    );
    page.line("process_start_time_seconds", "", start_seconds);
    for (name, help, value) in [
        ("process_resident_memory_bytes", "Memory in use.", resident_bytes),
        ("process_open_fds", "Open file descriptors.", open_descriptors),
        ("process_max_fds", "How many may be open.", most_descriptors),
    ] {
        if let Some(value) = value {
            page.family(name, "gauge", help);
            page.line(name, "", value);
        }
    }
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
            with(&format!("{labels},release=\"{}\",instance_id=\"{instance}\"", it.release), it);
        }
    });
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
