//! What is done for one certificate: read it, make it, ask for it. And what follows from how that went.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fairway_model::traffic::{Acme, AcmeStorage, CertificateSource};

use crate::acme::{self, AcmeError, Context, Failures, Head, Record, Step, Suggestion, Turn};
use crate::clock;
use crate::files::{self, Look, Stamp};
use crate::local::{self, Authority, LocalError};
use crate::pair::Pair;
use crate::problem::chain_of;
use crate::sharing::Sharing;
use crate::storage::{Directory, Storage};
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
    /// Its server was asked when it wants to be asked for the next one.
    Suggested(Suggestion),
    /// Another edge is at it.
    Waiting,
    /// What other edges know can't be looked at.
    CutOff { error: String },
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
    /// Where ACME certificates are kept that are this edge's alone.
    pub(crate) local: Arc<dyn Storage>,
    /// How often files are looked at, and what another edge is about to bring.
    pub(crate) poll: Duration,
    /// How often what others know is looked at.
    pub(crate) look: Duration,
    /// How long what the local authority issues is valid.
    pub(crate) local_lifetime: Duration,
    /// How orders of ACME servers ended.
    pub(crate) orders: Arc<OrderCounters>,
}

impl Tools {
    /// Where what comes from this source is kept. `secrets` is the directory with the values of secrets.
    pub(crate) fn storage(&self, source: &CertificateSource, secrets: Option<&Path>) -> Arc<dyn Storage> {
        match source {
            CertificateSource::Acme(Acme { storage: AcmeStorage::Store { access }, .. }) => {
                let copy = Directory::new(self.directory.join("shared").join(access.hex()));
                Arc::new(Sharing::new(secrets.map(|secrets| secrets.join(access.hex())), copy))
            }
            _ => self.local.clone(),
        }
    }
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
        CertificateSource::Acme(_) => {
            match at_hand(unit).await {
                Ok(record) => remember(unit, record),
                Err(error) => {
                    stand_in(unit);
                    unit.cut_off = Some(cut_off(unit, &error));
                }
            }
            unit.due = Some(0);
        }
    }
}

/// Begins with what was known last.
fn remember(unit: &mut Unit, record: Record) {
    unit.failures = record.failures.unwrap_or_default();
    match record.issued.map(|issued| issued.pair()).transpose() {
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
    unit.urgent = false;
    let polled = matches!(unit.source, CertificateSource::Files { .. });
    // Files are looked at all the time, and so is what another edge is about to bring.
    let soon = polled || matches!(outcome, Outcome::Waiting);
    let was_cut_off = unit.cut_off.take();
    let changed = match outcome {
        // The plan stands as it is: looking must not roll the dice again.
        Outcome::Same | Outcome::Waiting | Outcome::GivenUp => false,
        Outcome::Suggested(suggestion) => {
            unit.suggestion = Some(suggestion);
            false
        }
        Outcome::CutOff { error } => {
            let words = cut_off(unit, &error);
            if was_cut_off.as_ref() != Some(&words) {
                tracing::warn!(names = unit.names.join(", "), problem = words, "a certificate is cut off");
            }
            unit.cut_off = Some(words);
            false
        }
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
            unit.jitter = rand::random::<f64>();
            unit.suggestion = unit.suggestion.filter(|_| !new);
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
    let after =
        |wait: Duration| clock::now_ms().saturating_add(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
    unit.due = Some(match &unit.source {
        _ if soon => after(tools.poll),
        CertificateSource::Acme(_) if unit.cut_off.is_some() => after(tools.look.min(CUT_OFF)),
        CertificateSource::Acme(_) => unit.plan().min(after(tools.look)),
        CertificateSource::Files { .. } | CertificateSource::Local => unit.plan(),
    });
    changed
}

/// How often an edge tries to look again when it could not.
const CUT_OFF: Duration = Duration::from_secs(30);

fn cut_off(unit: &Unit, error: &str) -> String {
    format!("what edges know of it together is out of reach ({error}); {}; orders wait", unit.goes_on())
}

/// Puts a failure into the unit, with words for people; they are logged when they are new.
fn refuse(unit: &mut Unit, failures: Failures, polled: bool) {
    let known = unit.failures.problem == failures.problem;
    unit.failures = failures;
    unit.jitter = rand::random::<f64>();
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

/// How often another edge may be faster before this one looks later.
const ROUNDS: usize = 4;

/// Looks what edges know of a certificate together, and does what follows.
async fn ask(tools: &Tools, acme: &Acme, unit: &Unit) -> Outcome {
    let Some(name) = unit.record() else { return Outcome::Same };
    for _ in 0..ROUNDS {
        let head = match look(tools, unit, &name).await {
            Ok(head) => head,
            Err(error) => return Outcome::CutOff { error: error.to_string() },
        };
        let now = clock::now();
        // One that can't be served is none: it is asked for anew.
        let issued = head.record.issued.as_ref().and_then(|issued| issued.pair().ok());
        let not_after = issued.as_ref().map(|pair| pair.facts.not_after);
        match (acme::next(&head.record, not_after, unit.ours(now), now), issued) {
            (Step::Adopt, Some(pair)) => {
                return Outcome::Serves { pair: Box::new(pair), stamp: None, but: None };
            }
            (Step::Learn, _) => return Outcome::Refused(head.record.failures.unwrap_or_default()),
            (Step::Rest, _) => return suggestion(tools, acme, unit, now).await,
            (Step::Adopt, _) => return Outcome::Same,
            (Step::Wait, _) => return Outcome::Waiting,
            (Step::Order, _) => {
                match Turn::take(unit.storage.clone(), &name, &unit.edge, tools.acme.turn, &head).await {
                    Ok(Some(turn)) => return order(tools, acme, unit, &turn).await,
                    Ok(None) => {}
                    Err(error) => return Outcome::CutOff { error: error.to_string() },
                }
            }
        }
    }
    Outcome::Waiting
}

/// What edges know together now. What others answer is answered here too from then on.
pub(crate) async fn look(tools: &Tools, unit: &Unit, name: &str) -> Result<Head, AcmeError> {
    let head = Head::read(&*unit.storage, name).await?;
    let answers = head.record.answers_for(&unit.edge, clock::now());
    tools.acme.challenges.answer_for_others(name, answers);
    Ok(head)
}

/// Asks the server when it wants to be asked for the next certificate, if that is due.
async fn suggestion(tools: &Tools, acme: &Acme, unit: &Unit, now: u64) -> Outcome {
    let pair = unit.pair.as_ref().filter(|_| !unit.stand_in);
    match pair.and_then(|pair| pair.key.cert.first()) {
        Some(leaf) if unit.suggestion.is_none_or(|known| known.again <= now) => {
            Outcome::Suggested(Box::pin(acme::suggested(&tools.acme, acme, unit, leaf)).await)
        }
        _ => Outcome::Same,
    }
}

/// What this machine can tell of a certificate by itself.
async fn at_hand(unit: &Unit) -> Result<Record, String> {
    let Some(name) = unit.record() else { return Ok(Record::default()) };
    let version = unit.storage.at_hand(&name).await.map_err(|error| chain_of(&error))?;
    version
        .map_or_else(|| Ok(Record::default()), |version| acme::load(&name, &version.content))
        .map_err(|error| error.to_string())
}

async fn order(tools: &Tools, acme: &Acme, unit: &Unit, turn: &Turn) -> Outcome {
    match Box::pin(acme::obtain(&tools.acme, acme, &unit.names, unit.secrets.as_deref(), turn)).await {
        Ok(obtained) => {
            tools.orders.issued.fetch_add(1, Ordering::Relaxed);
            let but = obtained.unkept.map(|error| {
                format!(
                    "it was issued and serves, but could not be kept ({error}); after a restart it is asked for again"
                )
            });
            Outcome::Serves { pair: Box::new(obtained.pair), stamp: None, but }
        }
        Err(AcmeError::Shutdown) => {
            if let Err(error) = turn.give_back().await {
                tracing::warn!(%error, "the turn to order stays taken until its time is over");
            }
            Outcome::GivenUp
        }
        Err(AcmeError::Overtaken) => Outcome::Waiting,
        Err(error) => {
            tools.orders.failed.fetch_add(1, Ordering::Relaxed);
            not_obtained(turn, unit, &error).await
        }
    }
}

/// Keeps the failure, for the next edge and for the others.
async fn not_obtained(turn: &Turn, unit: &Unit, error: &AcmeError) -> Outcome {
    let not_before = match error {
        AcmeError::Server { not_before, .. } => *not_before,
        _ => None,
    };
    let failed = unit.failures.failed.saturating_add(1);
    let failures = Failures::new(failed, clock::now(), not_before, error.to_string());
    if let Err(error) = turn.failed(&failures).await {
        tracing::warn!(%error, "a failure is not remembered beyond this process");
    }
    Outcome::Refused(failures)
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
