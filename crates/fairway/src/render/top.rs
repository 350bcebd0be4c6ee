//! Traffic as it is now, for people.

use super::{
    Paint,
    columns::{Column, columns},
    routes::{duration, head},
};
use console::truncate_str;
use fairway_protocol::{
    rates::{Flow, Rates, Row},
    traffic::Traffic,
};

const COLUMNS: [Column; 11] = [
    Column::words("SERVICE"),
    Column::numbers("RELEASE"),
    Column::numbers("REQ/S"),
    Column::numbers("ERRORS"),
    Column::numbers("P50").goes(2),
    Column::numbers("P90").goes(4),
    Column::numbers("P99"),
    Column::numbers("IN FLIGHT"),
    Column::numbers("UPGRADED").goes(5),
    Column::numbers("RETRIES").goes(3),
    Column::words("INSTANCES").goes(1),
];

/// The head, a line for each service and release, their sum; not more than `height` lines. `note` is why the numbers
/// are not of now.
pub(crate) fn lines(
    traffic: &Traffic,
    rates: &Rates,
    note: Option<&str>,
    paint: Paint,
    (width, height): (Option<usize>, usize),
) -> Vec<String> {
    let mut lines = vec![head(traffic, paint)];
    // What is above and below the rows: the head, the titles, the sum, two empty lines, a note, and what was left out.
    let room = height.saturating_sub(7).max(1);
    let left_out = rates.rows.len().saturating_sub(room);
    let mut rows: Vec<_> = rates.rows.iter().take(room).map(|row| cells(row, paint)).collect();
    rows.push(flow(paint.bold("all"), String::new(), &rates.total, String::new(), paint));
    lines.push(String::new());
    lines.extend(columns(&COLUMNS, &rows, width));
    if left_out > 0 {
        let sum = lines.pop();
        lines.push(paint.dim(format!("… and {left_out} more that are less busy")));
        lines.extend(sum);
    }
    let mut notes = Vec::new();
    if rates.total.waiting > 0 {
        notes.push(paint.warn(format!("{} waiting at the edge", requests(rates.total.waiting))));
    }
    if rates.unrouted > 0 {
        notes.push(paint.warn(format!("{} matched no route (answered 404)", requests(rates.unrouted))));
    }
    notes.extend(note.map(|note| paint.warn(note)));
    if !notes.is_empty() {
        lines.push(String::new());
        lines.push(notes.join("; "));
    }
    if let Some(width) = width {
        for line in &mut lines {
            *line = truncate_str(line, width, "…").into_owned();
        }
    }
    lines
}

fn requests(number: u64) -> String {
    super::count(usize::try_from(number).unwrap_or(usize::MAX), "request")
}

fn cells(row: &Row, paint: Paint) -> Vec<String> {
    let Row { service, release, instances, draining, out, flow: of_row } = row;
    let who = match (instances, draining, out) {
        (0, ..) if of_row.failed > 0 => paint.bad("none"),
        (0, ..) => paint.dim("the edge itself"),
        (all, draining, 0) if all == draining => paint.warn(format!("{all} draining")),
        (all, 0, 0) => all.to_string(),
        (all, draining, out) => {
            let of = |number: &usize, word: &str| (*number > 0).then(|| format!("{number} {word}"));
            let special: Vec<_> = [of(draining, "draining"), of(out, "out")].into_iter().flatten().collect();
            paint.warn(format!("{all}, {}", special.join(", ")))
        }
    };
    let release = release.map_or_else(|| "-".to_owned(), |release| release.to_string());
    flow(service.clone(), release, of_row, who, paint)
}

fn flow(service: String, release: String, flow: &Flow, instances: String, paint: Paint) -> Vec<String> {
    let Flow {
        requests: _,
        per_second,
        failed,
        failed_percent,
        p50_ms,
        p90_ms,
        p99_ms,
        retries,
        in_flight,
        upgrades,
        waiting: _,
    } = flow;
    let time = |ms: &Option<f64>| ms.map_or_else(|| "-".to_owned(), duration);
    // A share that is not nothing must not look like nothing.
    let errors = match failed {
        0 => "-".to_owned(),
        _ if *failed_percent < 0.1 => paint.bad("<0.1 %"),
        _ => paint.bad(format!("{failed_percent:.1} %")),
    };
    vec![
        service,
        release,
        format!("{per_second:.1}"),
        errors,
        time(p50_ms),
        time(p90_ms),
        time(p99_ms),
        in_flight.to_string(),
        upgrades.to_string(),
        if *retries > 0 { paint.warn(retries) } else { "0".to_owned() },
        instances,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn traffic() -> Traffic {
        serde_json::from_str(include_str!("sample-traffic.json")).unwrap()
    }

    fn sample() -> Rates {
        let row = |service: &str, release, instances, draining, out, flow| Row {
            service: service.to_owned(),
            release,
            instances,
            draining,
            out,
            flow,
        };
        let busy = Flow {
            requests: 1240,
            per_second: 1240.04,
            failed: 1,
            failed_percent: 0.08,
            p50_ms: Some(1.25),
            p90_ms: Some(3.5),
            p99_ms: Some(1240.0),
            retries: 2,
            in_flight: 31,
            upgrades: 4,
            waiting: 0,
        };
        let broken =
            Flow { requests: 9, per_second: 9.0, failed: 9, failed_percent: 100.0, ..Flow::default() };
        let total = Flow { waiting: 3, ..busy.clone() };
        Rates {
            seconds: 1.0,
            rows: vec![
                row("commerce", Some(7), 3, 0, 1, busy),
                row("gateway-bff", None, 0, 0, 0, broken),
                row("ai", None, 0, 0, 0, Flow::default()),
                row("commerce", Some(6), 2, 2, 0, Flow { in_flight: 1, ..Flow::default() }),
            ],
            total,
            unrouted: 1,
        }
    }

    fn text(width: Option<usize>, height: usize, note: Option<&str>) -> String {
        lines(&traffic(), &sample(), note, Paint::default(), (width, height)).join("\n")
    }

    #[test]
    fn a_wide_screen() {
        insta::assert_snapshot!(text(None, 40, Some("the edge does not answer; these numbers are 4 s old")));
    }

    #[test]
    fn a_small_screen() {
        let text = text(Some(60), 10, None);
        assert!(text.lines().all(|line| console::measure_text_width(line) <= 60), "{text}");
        assert!(text.lines().count() <= 10, "{text}");
        insta::assert_snapshot!(text);
    }
}
