//! The task behind the certificates: does what is due, when it is due.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use fairway_model::traffic::CertificateSource;
use tokio::sync::{Semaphore, watch};
use tokio::task::{Id, JoinSet};

use crate::certificates::Shared;
use crate::clock;
use crate::work::{self, Outcome};

/// The longest sleep. Due times are of the wall clock, which may jump while a timer sleeps.
const LONGEST: Duration = Duration::from_secs(30);
/// Orders at the same time.
const ORDERS: usize = 4;

/// Works until it is told to end, then until what runs has cleaned up after itself.
pub(crate) async fn run(shared: Arc<Shared>, mut ending: watch::Receiver<bool>) {
    let mut running: JoinSet<(String, Outcome)> = JoinSet::new();
    let mut whose: HashMap<Id, String> = HashMap::new();
    let orders = Arc::new(Semaphore::new(ORDERS));
    loop {
        let wait = start_due(&shared, &orders, &mut running, &mut whose);
        tokio::select! {
            _ = ending.wait_for(|ending| *ending) => break,
            Some(done) = running.join_next_with_id(), if !running.is_empty() => match done {
                Ok((task, (unit, outcome))) => {
                    whose.remove(&task);
                    shared.settle(&unit, outcome);
                }
                Err(error) => {
                    if let Some(unit) = whose.remove(&error.id()) {
                        let error = format!("a defect of the edge ended the work on it: {error}");
                        shared.settle(&unit, Outcome::Failed { error });
                    }
                }
            },
            () = shared.wake.notified() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
    while running.join_next().await.is_some() {}
}

/// Starts what is due. The answer is how long nothing more is.
fn start_due(
    shared: &Arc<Shared>,
    orders: &Arc<Semaphore>,
    running: &mut JoinSet<(String, Outcome)>,
    whose: &mut HashMap<Id, String>,
) -> Duration {
    let now = clock::now_ms();
    let (due, next) = shared.take_due(now);
    for unit in due {
        let (tools, orders, id) = (shared.tools.clone(), orders.clone(), unit.id.clone());
        let task = running.spawn(async move {
            let _permit = match unit.source {
                // The semaphore is never closed.
                CertificateSource::Acme(_) => orders.acquire().await.ok(),
                CertificateSource::Files { .. } | CertificateSource::Local => None,
            };
            let outcome = Box::pin(work::work(&tools, &unit)).await;
            (unit.id, outcome)
        });
        whose.insert(task.id(), id);
    }
    next.map_or(LONGEST, |next| LONGEST.min(Duration::from_millis(next.saturating_sub(now))))
}
