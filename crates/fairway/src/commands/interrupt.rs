//! Ctrl-C while a release is on its way: what has not switched is given up at once, and not when a lease runs out.

use fairway_delivery::{Delivery, Error};
use fairway_model::EnvironmentName;
use fairway_target::Target;
use std::time::Duration;

/// How long an end may take without a word.
const MOMENT: Duration = Duration::from_millis(500);

/// Runs `work` until it ends or a person interrupts it.
pub(super) async fn until_interrupted<T>(
    delivery: &Delivery,
    environment: &EnvironmentName,
    target: &dyn Target,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    tokio::select! {
        result = work => result,
        () = stop_signal() => {
            Err(patiently(environment, "giving up the release", delivery.interrupt(environment, target)).await?)
        }
    }
}

/// Runs what comes before anything is committed: building, planning. Given up, it ends its builds with it.
pub(super) async fn unless_stopped<T>(
    environment: &EnvironmentName,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    tokio::select! {
        biased;
        () = stop_signal() => Err(Error::Interrupted { environment: environment.clone(), stands: None }),
        result = work => result,
    }
}

/// Waits for an end that may take its time, such as that of a migration, which is not cut short. After a moment it
/// says so, and a second Ctrl-C leaves at once.
pub(super) async fn patiently<T>(
    environment: &EnvironmentName,
    what: &str,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let note = async {
        tokio::time::sleep(MOMENT).await;
        eprintln!("{what} of {environment}, once what runs has come to its end; Ctrl-C again leaves at once");
        std::future::pending::<Result<T, Error>>().await
    };
    tokio::select! {
        result = work => result,
        () = stop_signal() => Err(Error::Left { environment: environment.clone() }),
        never = note => never,
    }
}

/// Ctrl-C or SIGTERM.
pub(super) async fn stop_signal() {
    match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        Ok(mut terminate) => tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        },
        Err(_) => {
            let _ = tokio::signal::ctrl_c().await;
        }
    }
}
