//! The table that an edge serves, for people.

use super::{
    Paint,
    columns::{Column, columns},
    guard::guard,
};
use fairway_model::Millis;
use fairway_oplog::When;
use fairway_protocol::{
    edge::{CertificateOrigin, CertificateStatus, InstanceStats, ServiceStats, Standing},
    traffic::{Door, RouteView, Traffic},
};

/// The head, the routes, the instances, the certificates. `now` is in seconds since 1970.
pub(crate) fn lines(traffic: &Traffic, now: u64, paint: Paint, width: Option<usize>) -> Vec<String> {
    let head = head(traffic, paint);
    let head =
        width.map_or_else(|| head.clone(), |width| console::truncate_str(&head, width, "…").into_owned());
    let mut lines = vec![head, String::new()];
    lines.extend(routes(traffic, paint, width));
    lines.push(String::new());
    lines.extend(services(traffic, paint, width));
    if let Some(certificates) =
        traffic.certificates.as_deref().filter(|certificates| !certificates.is_empty())
    {
        lines.push(String::new());
        lines.extend(self::certificates(certificates, now, paint, width));
    }
    if traffic.stats.unrouted > 0 {
        let requests = super::count(usize::try_from(traffic.stats.unrouted).unwrap_or(usize::MAX), "request");
        lines.extend([String::new(), paint.warn(format!("{requests} matched no route (answered 404)"))]);
    }
    if !traffic.problems.is_empty() {
        lines.push(String::new());
        lines.extend(traffic.problems.iter().map(|problem| paint.bad(format!("not served: {problem}"))));
    }
    lines
}

/// Generation, revision and who serves them.
pub(crate) fn head(traffic: &Traffic, paint: Paint) -> String {
    let Traffic { environment, generation, revision, edge, connections, .. } = traffic;
    let (version, pid, up) = (&edge.version, edge.pid, Millis::from_secs(edge.uptime_seconds));
    let connections = super::count(usize::try_from(*connections).unwrap_or(usize::MAX), "connection");
    format!(
        "{} release {generation}, table {generation}.{revision} of {environment}   {}",
        paint.good("●"),
        paint.dim(format!("edge {version}, process {pid}, up {up}, {connections}"))
    )
}

fn routes(traffic: &Traffic, paint: Paint, width: Option<usize>) -> Vec<String> {
    let mut sorted: Vec<&RouteView> = traffic.routes.iter().collect();
    // What the world sees first; then by what people look for.
    let key = |route: &RouteView| {
        (
            route.listener.starts_with("internal:"),
            route.listener.clone(),
            route.host.clone(),
            route.path.clone(),
        )
    };
    sorted.sort_by_key(|route| key(route));
    let rows: Vec<_> = sorted
        .into_iter()
        .map(|route| {
            let RouteView { listener, host, path, service, guard: passed } = route;
            vec![
                traffic.listeners.get(listener).map_or_else(|| paint.bad("?"), |at| door(*at, paint)),
                listener.clone(),
                host.clone().unwrap_or_else(|| "*".to_owned()),
                path.clone(),
                service.clone(),
                guard(passed),
            ]
        })
        .collect();
    if rows.is_empty() {
        return vec!["no route is served".to_owned()];
    }
    let head = [
        Column::words("LISTENS ON"),
        Column::words("LISTENER").goes(2),
        Column::words("HOST"),
        Column::words("PATH"),
        Column::words("SERVICE"),
        Column::words("GUARDS").goes(1),
    ];
    columns(&head, &rows, width)
}

fn door(door: Door, paint: Paint) -> String {
    let Door { address, tls, bound } = door;
    let scheme = if tls { "https" } else { "http" };
    let text = format!("{scheme}://{address}");
    if bound { text } else { paint.bad(format!("{text} (taken)")) }
}

fn services(traffic: &Traffic, paint: Paint, width: Option<usize>) -> Vec<String> {
    let mut rows = Vec::new();
    for (name, service) in &traffic.stats.services {
        let ServiceStats { no_instance, stubbed, waiting, own: answered, instances } = service;
        for (id, instance) in instances {
            rows.push(row(name, id, instance, paint));
        }
        let own = |state: String, requests: u64, failed: u64| {
            let mut row = vec![String::new(); COLUMNS.len()];
            name.clone_into(&mut row[0]);
            (row[1], row[5], row[8]) = (state, requests.to_string(), shown(failed, paint));
            row
        };
        if traffic.stubs.contains(name) {
            rows.push(own(paint.dim("stub"), *stubbed, 0));
        } else if instances.is_empty() {
            rows.push(own(paint.bad("no instance"), *no_instance, *no_instance));
        } else if *no_instance > 0 {
            rows.push(own(paint.warn("found none"), *no_instance, *no_instance));
        }
        // Guards and queues; the two others have their rows above.
        let others = answered.iter().filter(|it| !matches!(it.code.as_str(), "stub" | "no_instance"));
        let refused: u64 = others.map(|it| it.count).sum();
        if refused > 0 {
            rows.push(own(paint.dim("by the edge"), refused, 0));
        }
        if *waiting > 0 {
            let mut row = own(paint.warn("waiting"), 0, 0);
            row[4] = waiting.to_string();
            row[5].clear();
            row[8].clear();
            rows.push(row);
        }
    }
    if rows.is_empty() {
        return vec!["no service is served".to_owned()];
    }
    columns(&COLUMNS, &rows, width)
}

const COLUMNS: [Column; 13] = [
    Column::words("SERVICE"),
    Column::words("STATE"),
    Column::numbers("RELEASE"),
    Column::numbers("WEIGHT"),
    Column::numbers("IN FLIGHT"),
    Column::numbers("REQUESTS"),
    Column::numbers("4XX").goes(4),
    Column::numbers("5XX"),
    Column::numbers("FAILED"),
    Column::numbers("RETRIES").goes(3),
    Column::numbers("P99").goes(2),
    Column::words("ADDRESS").goes(5),
    Column::words("INSTANCE").goes(1),
];

fn row(service: &str, id: &str, instance: &InstanceStats, paint: Paint) -> Vec<String> {
    let InstanceStats {
        address,
        release,
        weight,
        draining: _,
        standing: _,
        ejections: _,
        in_flight,
        upgrades: _,
        total,
        responses,
        failed,
        redialled,
        clients_gone: _,
        latency,
    } = instance;
    vec![
        service.to_owned(),
        state(instance, paint),
        release.to_string(),
        weight.to_string(),
        in_flight.to_string(),
        total.to_string(),
        responses.client_error.to_string(),
        shown(responses.server_error, paint),
        shown(failed.total(), paint),
        redialled.to_string(),
        if latency.count == 0 { "-".to_owned() } else { duration(latency.p99_ms) },
        address.to_string(),
        id.to_owned(),
    ]
}

/// What an instance does, in one or two words.
fn state(instance: &InstanceStats, paint: Paint) -> String {
    match instance.standing {
        _ if instance.draining && instance.in_flight == 0 => paint.dim("gone"),
        _ if instance.draining => paint.warn("draining"),
        Standing::Fit => paint.good("serving"),
        Standing::Starting { share } => paint.good(format!("slow start, {} %", share / 10)),
        Standing::Ejected { for_ms } => paint.bad(format!("out for {}", Millis(for_ms / 1000 * 1000 + 1000))),
        Standing::OnTrial => paint.warn("on trial"),
        Standing::Down => paint.bad("out, probe fails"),
    }
}

fn shown(count: u64, paint: Paint) -> String {
    if count > 0 { paint.bad(count) } else { count.to_string() }
}

/// Milliseconds as people read them.
pub(crate) fn duration(ms: f64) -> String {
    match ms {
        ms if ms < 10.0 => format!("{ms:.1} ms"),
        ms if ms < 1_000.0 => format!("{ms:.0} ms"),
        ms => format!("{:.1} s", ms / 1_000.0),
    }
}

fn certificates(all: &[CertificateStatus], now: u64, paint: Paint, width: Option<usize>) -> Vec<String> {
    let rows: Vec<_> = all
        .iter()
        .map(|certificate| {
            let CertificateStatus {
                environment: _,
                names,
                source,
                issuer,
                not_after,
                serving,
                stand_in,
                problem,
                next_attempt: _,
                // Its problem says it in words.
                store_reached: _,
            } = certificate;
            let source = match source {
                CertificateOrigin::Files => "files",
                CertificateOrigin::Local => "local",
                CertificateOrigin::Acme => "acme",
            };
            let state = match (problem, serving, stand_in) {
                (Some(problem), true, true) => paint.bad(format!("stand-in; {problem}")),
                (Some(problem), ..) => paint.bad(problem),
                (None, true, true) => paint.warn("stand-in until the first is issued"),
                (None, true, false) => paint.good("serving"),
                (None, false, _) => paint.warn("not served"),
            };
            vec![
                names.join(", "),
                not_after.map_or_else(|| "-".to_owned(), |end| expiry(end, now, paint)),
                source.to_owned(),
                issuer.clone().unwrap_or_else(|| "-".to_owned()),
                state,
            ]
        })
        .collect();
    let head = [
        Column::words("CERTIFICATE"),
        Column::words("EXPIRES"),
        Column::words("SOURCE").goes(1),
        Column::words("ISSUER").goes(2),
        Column::words("STATE"),
    ];
    columns(&head, &rows, width)
}

/// The day, and how far it is.
fn expiry(end: u64, now: u64, paint: Paint) -> String {
    let day: String = When(end.saturating_mul(1_000)).to_string().chars().take("2026-11-21".len()).collect();
    let far = |seconds: u64| match seconds / 3_600 {
        hours @ 48.. => super::count(usize::try_from(hours / 24).unwrap_or(usize::MAX), "day"),
        hours @ 1.. => super::count(usize::try_from(hours).unwrap_or(usize::MAX), "hour"),
        0 => "less than an hour".to_owned(),
    };
    match end.checked_sub(now) {
        None => paint.bad(format!("{day} ({} ago)", far(now - end))),
        // By then a renewal has failed for days.
        Some(left) if left < 7 * 86_400 => paint.bad(format!("{day} (in {})", far(left))),
        Some(left) => format!("{day} (in {})", far(left)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What an agent sends, with everything that can be seen in it.
    fn traffic() -> Traffic {
        serde_json::from_str(include_str!("sample-traffic.json")).unwrap()
    }

    fn text(width: Option<usize>) -> String {
        lines(&traffic(), 1_795_271_464, Paint::default(), width).join("\n")
    }

    #[test]
    fn everything_in_a_wide_place() {
        insta::assert_snapshot!(text(None));
    }

    #[test]
    fn what_matters_in_a_narrow_one() {
        let text = text(Some(80));
        assert!(
            text.lines()
                .skip(1)
                .all(|line| line.starts_with("not served") || console::measure_text_width(line) <= 80),
            "{text}"
        );
        insta::assert_snapshot!(text);
    }

    #[test]
    fn durations_and_expiry() {
        let check = |ms: f64, expect: &str| assert_eq!(duration(ms), expect);
        check(0.25, "0.2 ms");
        check(9.94, "9.9 ms");
        check(250.4, "250 ms");
        check(1_250.0, "1.2 s");
        let check = |end: u64, expect: &str| assert_eq!(expiry(end, 1_000_000, Paint::default()), expect);
        check(1_000_000 + 90 * 86_400, "1970-04-12 (in 90 days)");
        check(1_000_000 + 3_600, "1970-01-12 (in 1 hour)");
        check(1_000_000 + 60, "1970-01-12 (in less than an hour)");
        check(1_000_000 - 7_200, "1970-01-12 (2 hours ago)");
    }
}
