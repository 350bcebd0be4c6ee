//! One certificate that is wanted, and how it stands with it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use fairway_model::traffic::{AcmeChallenge, AcmeStorage, Certificate, CertificateSource};
use fairway_protocol::edge::CertificateOrigin;

use crate::acme::{Failures, Ours, Records, Suggestion, short_digest};
use crate::clock;
use crate::files::Stamp;
use crate::names::{self, NameError};
use crate::pair::Pair;
use crate::plan::{When, plan_renewal};
use crate::serving::Rank;
use crate::storage::Storage;

/// One certificate that is wanted, and how it stands with it. Environments that want the same share it.
#[derive(Debug, Clone)]
pub(crate) struct Unit {
    /// Which it is: a digest of what is wanted.
    pub(crate) id: String,
    /// For which names; those of the certificate when nobody wrote any.
    pub(crate) names: Vec<String>,
    /// From where.
    pub(crate) source: CertificateSource,
    /// What is served.
    pub(crate) pair: Option<Pair>,
    /// Whether that is only there until the real one is.
    pub(crate) stand_in: bool,
    /// How good it was when handshakes were last told.
    pub(crate) told: Rank,
    /// What is wrong.
    pub(crate) problem: Option<String>,
    /// What failed since it last worked.
    pub(crate) failures: Failures,
    /// Why nobody can tell what other edges know of it.
    pub(crate) cut_off: Option<String>,
    /// Somebody wants it tried now, whatever the plan says.
    pub(crate) urgent: bool,
    /// In `0..1`, for the plan.
    pub(crate) jitter: f64,
    /// When its server would like to be asked for the next one.
    pub(crate) suggestion: Option<Suggestion>,
    /// The directory with the values of the secrets that it takes.
    pub(crate) secrets: Option<PathBuf>,
    /// Where it is kept, if it is ordered.
    pub(crate) storage: Arc<dyn Storage>,
    /// By which it is told from whoever else orders the same.
    pub(crate) edge: String,
    /// How the files looked when they were read.
    pub(crate) stamp: Option<Stamp>,
    /// Whether somebody is at it.
    pub(crate) busy: bool,
    /// When it is next looked at, in milliseconds since 1970. None: never, it can't work as it is written.
    pub(crate) due: Option<u64>,
}

/// Why what is written can't work.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WantedError {
    /// A name is none.
    #[error("{0}")]
    Name(#[from] NameError),
    /// Nobody said for whom.
    #[error("a certificate that is issued needs names; write them in `names`")]
    NoNames,
    /// ACME and an address.
    #[error(
        "{0} is an IP address, which is not ordered by ACME here; write a host name, or use a certificate from files"
    )]
    Address(String),
    /// ACME, a wildcard, and the wrong challenge.
    #[error("{name} needs the challenge dns-01: {challenge} can only prove single names")]
    Wildcard { name: String, challenge: &'static str },
    /// Not an address that can be spoken to.
    #[error("the ACME directory `{0}` is no https:// address")]
    Directory(String),
    /// Nothing to run.
    #[error("the hook of the challenge dns-01 is empty; write the program and its first arguments")]
    Hook,
}

impl Unit {
    /// One that nothing was done for yet.
    pub(crate) fn new(
        wanted: &Certificate,
        secrets: Option<&Path>,
        storage: Arc<dyn Storage>,
    ) -> Result<Self, Box<(Self, WantedError)>> {
        let mut checked = Vec::new();
        let mut wrong = None;
        for name in &wanted.names {
            match names::normalise(name) {
                Ok(name) if checked.contains(&name) => {}
                Ok(name) => checked.push(name),
                Err(error) => wrong = Some(error.into()),
            }
        }
        let wrong = wrong.or_else(|| check(&checked, &wanted.source).err());
        let names = if wrong.is_some() { wanted.names.clone() } else { checked };
        let mut sorted = names.clone();
        sorted.sort_unstable();
        let text = serde_json::to_string(&(&sorted, &wanted.source)).expect("words serialise");
        let unit = Self {
            id: short_digest(&[&text]),
            names,
            source: wanted.source.clone(),
            pair: None,
            stand_in: false,
            told: Rank::StandIn,
            problem: None,
            failures: Failures::default(),
            cut_off: None,
            urgent: false,
            jitter: rand::random::<f64>(),
            suggestion: None,
            secrets: secrets.map(Path::to_owned),
            storage,
            edge: format!("{:016x}", rand::random::<u64>()),
            stamp: None,
            busy: false,
            due: Some(0),
        };
        match wrong {
            None => Ok(unit),
            Some(error) => Err(Box::new((unit, error))),
        }
    }

    /// The names that it is for: those that were written, else those of the certificate.
    pub(crate) fn serves(&self) -> Vec<String> {
        match &self.pair {
            Some(pair) if self.names.is_empty() => pair.facts.names.clone(),
            _ => self.names.clone(),
        }
    }

    /// How good what is served is.
    pub(crate) fn rank(&self, now: u64) -> Rank {
        match &self.pair {
            Some(pair) if !self.stand_in => {
                let facts = &pair.facts;
                if (facts.not_before..=facts.not_after).contains(&now) { Rank::Good } else { Rank::OutOfDate }
            }
            _ => Rank::StandIn,
        }
    }

    /// Where it comes from, as a word.
    pub(crate) fn origin(&self) -> CertificateOrigin {
        match self.source {
            CertificateSource::Files { .. } => CertificateOrigin::Files,
            CertificateSource::Local => CertificateOrigin::Local,
            CertificateSource::Acme(_) => CertificateOrigin::Acme,
        }
    }

    /// When to ask for the next one, in milliseconds since 1970.
    pub(crate) fn plan(&self) -> u64 {
        let now = clock::now();
        let (not_before, not_after) = match &self.pair {
            Some(pair) if !self.stand_in => (pair.facts.not_before, pair.facts.not_after),
            _ => (0, 0),
        };
        let attempts = self.failures.attempts();
        let window = self.suggestion.and_then(|suggestion| suggestion.window);
        let suggested =
            window.and_then(|window| window.plan(now, not_before, not_after, attempts, self.jitter));
        let usual = || plan_renewal(now, not_before, not_after, attempts, self.jitter);
        let planned = match suggested.unwrap_or_else(usual) {
            When::Now => now,
            When::At(at) => at,
        };
        // A server may ask to be left alone for longer than we would have; a day is where we ask again anyway.
        let allowed = self.failures.not_before.map_or(0, |at| at.min(now + 24 * 60 * 60));
        planned.max(allowed).saturating_mul(1000)
    }

    /// What it knows that others that want the same may not.
    pub(crate) fn ours(&self, now: u64) -> Ours<'_> {
        Ours {
            edge: &self.edge,
            not_after: self.pair.as_ref().filter(|_| !self.stand_in).map(|pair| pair.facts.not_after),
            failed: self.failures.last,
            due: self.urgent || self.plan() <= now.saturating_mul(1000),
        }
    }

    /// Whether edges of other machines have it too.
    pub(crate) fn is_shared(&self) -> bool {
        matches!(&self.source, CertificateSource::Acme(acme) if acme.storage != AcmeStorage::Local)
    }

    /// What edges know of it together, if it is ordered.
    pub(crate) fn record(&self) -> Option<String> {
        match &self.source {
            CertificateSource::Acme(acme) => Some(Records::new(acme, &self.names).record()),
            CertificateSource::Files { .. } | CertificateSource::Local => None,
        }
    }

    /// The second when something is tried next, for those that are issued.
    pub(crate) fn next_attempt(&self) -> Option<u64> {
        let due = match self.source {
            CertificateSource::Files { .. } => return None,
            CertificateSource::Local => self.due?,
            // What others do is looked at more often.
            CertificateSource::Acme(_) => self.due.map(|_| self.plan())?,
        };
        Some(if self.busy { clock::now() } else { due.div_ceil(1000) })
    }

    /// Everything that is wrong, as one line.
    pub(crate) fn trouble(&self, now: u64, lost: &[String]) -> Option<String> {
        let mut lines: Vec<String> = self.problem.iter().chain(&self.cut_off).cloned().collect();
        if let Some(pair) = &self.pair {
            let facts = &pair.facts;
            if !self.stand_in && now > facts.not_after {
                lines.push(format!("it expired on {}; clients refuse it", clock::readable(facts.not_after)));
            }
            if !self.stand_in && now < facts.not_before {
                lines.push(format!("it is not valid before {}", clock::readable(facts.not_before)));
            }
            let uncovered: Vec<&str> = self
                .names
                .iter()
                .filter(|name| !names::covered(name, &facts.names))
                .map(String::as_str)
                .collect();
            if !uncovered.is_empty() {
                lines.push(format!(
                    "the certificate is not for {} (it is for {}); clients refuse it there",
                    uncovered.join(", "),
                    if facts.names.is_empty() { "no name".to_owned() } else { facts.names.join(", ") }
                ));
            }
            if self.serves().is_empty() {
                lines.push(
                    "the certificate names no host; write `names`, or have one issued with subject alternative names"
                        .to_owned(),
                );
            }
            if self.stand_in && self.problem.is_none() && self.cut_off.is_none() {
                lines.push("it is not issued yet; a self-signed stand-in serves until it is".to_owned());
            }
        }
        if !lost.is_empty() {
            lines.push(format!("{} is served with another certificate that comes first", lost.join(", ")));
        }
        (!lines.is_empty()).then(|| lines.join("; "))
    }

    /// What goes on in spite of a problem, for its message.
    pub(crate) fn goes_on(&self) -> String {
        match &self.pair {
            Some(_) if self.stand_in => "a self-signed stand-in serves".to_owned(),
            Some(pair) => format!(
                "the certificate from before, valid until {}, serves on",
                clock::readable(pair.facts.not_after)
            ),
            None => "handshakes for its names fail, other certificates are not affected".to_owned(),
        }
    }
}

fn check(names: &[String], source: &CertificateSource) -> Result<(), WantedError> {
    match source {
        CertificateSource::Files { .. } => Ok(()),
        CertificateSource::Local if names.is_empty() => Err(WantedError::NoNames),
        CertificateSource::Local => Ok(()),
        CertificateSource::Acme(acme) => {
            if names.is_empty() {
                return Err(WantedError::NoNames);
            }
            if let Some(address) = names.iter().find(|name| names::is_address(name)) {
                return Err(WantedError::Address(address.clone()));
            }
            if !acme.directory.starts_with("https://") {
                return Err(WantedError::Directory(acme.directory.clone()));
            }
            let challenge = crate::acme::challenge_name(&acme.challenge);
            match &acme.challenge {
                AcmeChallenge::Dns01 { hook } if hook.is_empty() => Err(WantedError::Hook),
                AcmeChallenge::Dns01 { .. } => Ok(()),
                AcmeChallenge::Http01 | AcmeChallenge::TlsAlpn01 => {
                    match names.iter().find(|name| name.starts_with("*.")) {
                        Some(name) => Err(WantedError::Wildcard { name: name.clone(), challenge }),
                        None => Ok(()),
                    }
                }
            }
        }
    }
}
