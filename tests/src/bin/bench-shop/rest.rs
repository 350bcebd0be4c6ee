//! Memory of each service, and how long it takes to start.

use crate::shop::Shop;
use fairway_stories::measure::report::{Unit, median};

/// Starts of each service.
const STARTS: usize = 5;

/// A service at rest.
pub(crate) struct AtRest {
    name: &'static str,
    /// Resident before any load, in KiB.
    resident: u64,
    /// From the start of the process to the first 200 of `/ready`, in milliseconds.
    starts: Vec<f64>,
}

/// Measures every service, before anybody has asked it anything but whether it is ready.
pub(crate) async fn measure(shop: &Shop) -> anyhow::Result<Vec<AtRest>> {
    let mut all = Vec::new();
    for service in &shop.services {
        eprintln!("bench: {} at rest", service.name);
        let resident = service.running.settled().await?;
        let mut starts = Vec::new();
        for _ in 0..STARTS {
            starts.push(service.start_again().await?.as_secs_f64() * 1000.0);
        }
        all.push(AtRest { name: service.name, resident, starts });
    }
    Ok(all)
}

/// The table, with the memory of now beside that of then.
#[expect(clippy::cast_precision_loss, reason = "kibibytes for people")]
pub(crate) fn show(all: &[AtRest], shop: &Shop) -> anyhow::Result<String> {
    let mut text =
        "| service | resident at rest | resident after the load | start to ready |\n|---|---|---|---|\n"
            .to_owned();
    for AtRest { name, resident, starts } in all {
        let after = shop.service(name)?.running.resident()?;
        text.push_str(&format!(
            "| {name} | {} | {} | {:.0} ms |\n",
            Unit::Megabytes.show(*resident as f64),
            Unit::Megabytes.show(after as f64),
            median(starts.clone()),
        ));
    }
    Ok(format!("{text}\n"))
}
