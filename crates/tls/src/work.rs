//! What is done for one certificate: read it, make it, ask for it. And what follows from how that went.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fairway_model::traffic::{Acme, CertificateSource};

use crate::acme::{self, AcmeError, Context, Failures, Lease, Records};
use crate::clock;
use crate::files::{self, Look, Stamp};
use crate::local::{self, Authority, LocalError};
use crate::pair::{Facts, Pair};
use crate::plan::{Attempts, When, plan_renewal};
use crate::storage::Storage;
use crate::unit::Unit;

/// How the work on a unit went.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// Nothing new.
    Same,
    /// This serves from now on.
    Serves {
        pair: Box<Pair>,
        stamp: Option<Stamp>,
        /// It serves, but something beside it went wrong.
        but: Option<String>,
    },
    /// It did not work; what served serves on.
    Failed { error: String },
    /// The same, from a server that counts: what this edge or another keeps of it.
    Refused(Failures),
    /// Another edge is at it.
    Waiting,
    /// The process ends; nobody is to blame.
    GivenUp,
}

/// What the work needs.
#[derive(Debug, Clone)]
pub(crate) struct Tools {
    /// The local authority is below it.
    pub(crate) directory: PathBuf,
    /// For ACME.
    pub(crate) acme: Context,
    /// How often files are looked at.
    pub(crate) poll: Duration,
    /// How long what the local authority issues is valid.
    pub(crate) local_lifetime: Duration,
    /// How orders of ACME servers ended.
    pub(crate) orders: Arc<OrderCounters>,
}

/// How orders ended.
#[derive(Debug, Default)]
pub(crate) struct OrderCounters {
    pub(crate) issued: AtomicU64,
    pub(crate) failed: AtomicU64,
}

/// What is known of a unit before anything is done: from files at once, from ACME what is kept.
pub(crate) async fn begin(tools: &Tools, unit: &mut Unit) {
    match unit.source.clone() {
        CertificateSource::Files { .. } | CertificateSource::Local => {
            let outcome = work(tools, unit).await;
            settle(tools, unit, outcome);
        }
        CertificateSource::Acme(acme) => {
            let records = Records::new(&acme.directory, &unit.names);
            let storage = &*tools.acme.storage;
            match acme::load::<Failures>(storage, &records.failures()).await {
                Ok(Some(failures)) => unit.failures = failures,
                Ok(None) => {}
                // Only a memory of failures: without it the first attempt comes sooner, nothing else.
                Err(error) => tracing::warn!(%error, "past failures of a certificate are not known"),
            }
            match kept(tools, &acme, unit).await {
                Ok(Some(pair)) => unit.pair = Some(pair),
                Ok(None) => stand_in(unit),
                Err(error) => {
                    stand_in(unit);
                    unit.problem = Some(format!("{error}; {}; a new one is asked for", unit.goes_on()));
                }
            }
            if unit.failures.failed > 0 && unit.problem.is_none() {
                refuse(unit, unit.failures.clone(), false);
            }
            unit.due = Some(unit.plan());
        }
    }
}

/// Does what is due.
pub(crate) async fn work(tools: &Tools, unit: &Unit) -> Outcome {
    match unit.source.clone() {
        CertificateSource::Files { chain, key } => {
            let seen = unit.stamp.clone();
            let looked = tokio::task::spawn_blocking(move || files::look(&chain, &key, seen.as_ref())).await;
            match looked {
                Ok(Ok(Look::Same)) => Outcome::Same,
                Ok(Ok(Look::Read(pair, stamp))) => Outcome::Serves { pair: Box::new(pair), stamp, but: None },
                Ok(Err(error)) => failed(error.to_string()),
                Err(error) => failed(error.to_string()),
            }
        }
        CertificateSource::Local => {
            let (directory, names) = (tools.directory.clone(), unit.names.clone());
            let lifetime = tools.local_lifetime;
            let made =
                tokio::task::spawn_blocking(move || Authority::open(&directory)?.issue(&names, lifetime))
                    .await;
            match made {
                Ok(Ok(pair)) => Outcome::Serves { pair: Box::new(pair), stamp: None, but: None },
                Ok(Err(error)) => failed(LocalError::to_string(&error)),
                Err(error) => failed(error.to_string()),
            }
        }
        CertificateSource::Acme(acme) => ask(tools, &acme, unit).await,
    }
}

/// Puts the outcome into the unit. True when handshakes are affected.
pub(crate) fn settle(tools: &Tools, unit: &mut Unit, outcome: Outcome) -> bool {
    unit.busy = false;
    unit.jitter = rand::random::<f64>();
    let poll_ms = u64::try_from(tools.poll.as_millis()).unwrap_or(u64::MAX);
    let polled = matches!(unit.source, CertificateSource::Files { .. });
    // Files are looked at all the time, and so is what another edge is about to bring.
    let soon = polled || matches!(outcome, Outcome::Waiting);
    let changed = match outcome {
        Outcome::Same | Outcome::Waiting | Outcome::GivenUp => false,
        Outcome::Serves { pair, stamp, but } => {
            let new = unit.stand_in || unit.pair.as_ref().is_none_or(|old| old.key.cert != pair.key.cert);
            if new {
                tracing::info!(
                    names = unit.names.join(", "),
                    issuer = pair.facts.issuer,
                    until = clock::readable(pair.facts.not_after),
                    "a certificate serves"
                );
            }
            unit.pair = Some(*pair);
            unit.stand_in = false;
            unit.stamp = stamp;
            unit.problem = but;
            unit.failures = Failures::default();
            new
        }
        Outcome::Failed { error } => {
            // What is there now was not read, so whatever comes next is new.
            unit.stamp = None;
            let failed = unit.failures.failed.saturating_add(1);
            refuse(unit, Failures::new(failed, clock::now(), None, error), polled);
            false
        }
        Outcome::Refused(failures) => {
            refuse(unit, failures, polled);
            false
        }
    };
    unit.due = Some(if soon { clock::now_ms().saturating_add(poll_ms) } else { unit.plan() });
    changed
}

/// Puts a failure into the unit, with words for people; they are logged when they are new.
fn refuse(unit: &mut Unit, failures: Failures, polled: bool) {
    let known = unit.failures.problem == failures.problem;
    unit.failures = failures;
    let next = if polled {
        "the files are read again as soon as they change".to_owned()
    } else {
        format!("tried again at {}", clock::readable(unit.plan() / 1000))
    };
    unit.problem = Some(format!("{}; {}; {next}", unit.failures.problem, unit.goes_on()));
    if !known {
        tracing::warn!(names = unit.names.join(", "), problem = unit.problem, "a certificate has a problem");
    }
}

/// Asks the ACME server, unless another edge has.
async fn ask(tools: &Tools, acme: &Acme, unit: &Unit) -> Outcome {
    let records = Records::new(&acme.directory, &unit.names);
    let storage = &*tools.acme.storage;
    let lease = match Lease::take(storage, records.lease()).await {
        Ok(Some(lease)) => lease,
        Ok(None) => return Outcome::Waiting,
        Err(error) => return not_obtained(storage, &records, unit, &error).await,
    };
    // What others did is looked at with the lease in hand: before, they may still be at it.
    let outcome = match others(tools, acme, unit, &records).await {
        Some(outcome) => outcome,
        None => order(tools, acme, unit, &records, &lease).await,
    };
    lease.release().await;
    outcome
}

/// What another edge got, or tried in vain, since this one last looked.
async fn others(tools: &Tools, acme: &Acme, unit: &Unit, records: &Records) -> Option<Outcome> {
    if let Ok(Some(pair)) = kept(tools, acme, unit).await {
        let Facts { not_before, not_after, .. } = pair.facts;
        let due = plan_renewal(clock::now(), not_before, not_after, Attempts::default(), unit.jitter);
        let newer = unit.stand_in || unit.pair.as_ref().is_none_or(|ours| not_after > ours.facts.not_after);
        if newer && due != When::Now {
            return Some(Outcome::Serves { pair: Box::new(pair), stamp: None, but: None });
        }
    }
    // Servers count failures for each name, not for each edge.
    match acme::load::<Failures>(&*tools.acme.storage, &records.failures()).await {
        Ok(Some(theirs)) if theirs.last > unit.failures.last => Some(Outcome::Refused(theirs)),
        // Without this memory the worst is an attempt too many.
        _ => None,
    }
}

async fn order(tools: &Tools, acme: &Acme, unit: &Unit, records: &Records, lease: &Lease<'_>) -> Outcome {
    let storage = &*tools.acme.storage;
    match Box::pin(acme::obtain(&tools.acme, acme, &unit.names, lease)).await {
        Ok(obtained) => {
            tools.orders.issued.fetch_add(1, Ordering::Relaxed);
            if unit.failures.failed > 0
                && let Err(error) = storage.remove(&records.failures()).await
            {
                tracing::warn!(%error, "failures that are over are remembered");
            }
            let but = obtained.unkept.map(|error| {
                format!(
                    "it was issued and serves, but could not be kept ({error}); after a restart it is asked for again"
                )
            });
            Outcome::Serves { pair: Box::new(obtained.pair), stamp: None, but }
        }
        Err(AcmeError::Shutdown) => Outcome::GivenUp,
        Err(error) => {
            tools.orders.failed.fetch_add(1, Ordering::Relaxed);
            not_obtained(storage, records, unit, &error).await
        }
    }
}

/// Keeps the failure, for the next edge and for the others.
async fn not_obtained(storage: &dyn Storage, records: &Records, unit: &Unit, error: &AcmeError) -> Outcome {
    let not_before = match error {
        AcmeError::Server { not_before, .. } => *not_before,
        _ => None,
    };
    let failed = unit.failures.failed.saturating_add(1);
    let failures = Failures::new(failed, clock::now(), not_before, error.to_string());
    if let Err(error) = acme::save(storage, &records.failures(), &failures).await {
        tracing::warn!(%error, "a failure is not remembered beyond this process");
    }
    Outcome::Refused(failures)
}

/// What was issued earlier, by this edge or another.
async fn kept(tools: &Tools, acme: &Acme, unit: &Unit) -> Result<Option<Pair>, AcmeError> {
    let records = Records::new(&acme.directory, &unit.names);
    match acme::load::<acme::Issued>(&*tools.acme.storage, &records.certificate()).await? {
        Some(issued) => issued.pair().map(Some),
        None => Ok(None),
    }
}

fn stand_in(unit: &mut Unit) {
    match local::stand_in(&unit.names) {
        Ok(pair) => {
            unit.pair = Some(pair);
            unit.stand_in = true;
        }
        Err(error) => tracing::warn!(names = unit.names.join(", "), %error, "no stand-in for a certificate"),
    }
}

fn failed(error: String) -> Outcome {
    Outcome::Failed { error }
}
