//! The final block of an apply: what runs now, what it took, what it cost, how to go back.

use super::{Paint, progress::took};
use fairway_delivery::{Applied, Done};
use fairway_model::Evidence;
use serde_json::json;
use std::time::Duration;

/// The block as lines for standard output.
pub(crate) fn block(applied: &Applied, duration: Duration, paint: Paint) -> Vec<String> {
    match applied {
        Applied::Nothing { serving } => vec![match serving {
            Some((generation, digest)) => format!(
                "nothing to do: release {generation} ({}) is what the repository says",
                digest.short()
            ),
            None => "nothing to do".to_owned(),
        }],
        Applied::Done(done) => done_block(done, duration, paint),
    }
}

fn done_block(done: &Done, duration: Duration, paint: Paint) -> Vec<String> {
    let Done { environment, assignment, evidence } = done;
    let plan = &assignment.plan;
    let Evidence { phases, switch_micros, starts, requests_served, requests_failed, cut_off, notes } =
        evidence;
    let label = |text: &str| paint.dim(format!("{text:<10}"));
    let mut lines = vec![format!(
        "{} release {} of {environment} is applied  {}",
        paint.good("✔"),
        paint.bold(plan.generation),
        paint.dim(format!("({})", plan.child.short()))
    )];
    match plan.base.serving {
        Some((generation, digest)) => {
            lines.push(format!("  {} release {generation} ({})", label("before"), digest.short()))
        }
        None => lines.push(format!("  {} nothing", label("before"))),
    }
    let shown = ["preparing", "switching", "baking", "retiring"];
    let parts: Vec<_> =
        shown.iter().filter_map(|phase| Some(format!("{phase} {}", phases.get(*phase)?))).collect();
    lines.push(format!("  {} {}  {}", label("took"), took(duration), paint.dim(parts.join(", "))));
    if !starts.is_empty() {
        let starts: Vec<_> =
            starts.iter().map(|(instance, millis)| format!("{} {millis}", service_of(instance))).collect();
        lines.push(format!("  {} {}", label("starts"), starts.join(", ")));
    }
    if let Some(micros) = switch_micros {
        #[expect(clippy::cast_precision_loss, reason = "shown with one decimal")]
        let millis = *micros as f64 / 1000.0;
        lines.push(format!("  {} {millis:.1}ms", label("switch")));
    }
    let failed = if *requests_failed == 0 {
        paint.good("0 failed")
    } else {
        paint.bad(format!("{requests_failed} failed"))
    };
    lines.push(format!(
        "  {} {requests_served} served at the edge, {failed}, during switch and bake",
        label("requests")
    ));
    if *cut_off > 0 {
        lines.push(format!(
            "  {} {}",
            label("cut off"),
            paint.warn(format!("{cut_off} instances did not finish their requests in time"))
        ));
    }
    lines.extend(notes.iter().map(|note| format!("  {} {note}", label("note"))));
    if plan.base.serving.is_some() {
        lines.push(format!("  {} fairway revert {environment}", label("go back")));
    }
    lines
}

/// `gateway-bff` of the instance `gateway-bff-1a2b3c4d5e6f-0`.
fn service_of(instance: &str) -> &str {
    instance.rsplitn(3, '-').nth(2).unwrap_or(instance)
}

/// The same as JSON.
pub(crate) fn as_json(applied: &Applied, duration: Duration) -> serde_json::Value {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    match applied {
        Applied::Nothing { serving } => json!({
            "format": 1,
            "outcome": "nothing",
            "generation": serving.map(|(generation, _)| generation),
            "release": serving.map(|(_, digest)| digest),
            "took_ms": millis,
        }),
        Applied::Done(done) => json!({
            "format": 1,
            "outcome": "applied",
            "environment": done.environment,
            "generation": done.assignment.generation(),
            "release": done.assignment.plan.child,
            "plan": done.assignment.plan.id(),
            "previous": done.assignment.plan.base.serving.map(|(generation, digest)| json!({"generation": generation, "release": digest})),
            "took_ms": millis,
            "evidence": done.evidence,
            "revert": format!("fairway revert {}", done.environment),
        }),
    }
}
