//! A log in memory, and the one way in which the tests write it.

use fairway_model::{
    Digest, EnvironmentName, Evidence, Failure, FailureKind, Generation, Plan, PlanBase, ReleaseDigest,
};
use fairway_oplog::{
    Author, Draft, Intent, LeaseId, LockRequest, Operation, Outcome, Refusal, RevertTarget, Source, State,
    Via, Writer, acquire, commit, finish,
};
use std::collections::BTreeMap;

/// 2026-03-01 00:00:00 UTC.
pub(crate) const START: u64 = 1_772_323_200_000;

pub(crate) fn environment() -> EnvironmentName {
    EnvironmentName::new("staging").unwrap()
}

pub(crate) fn author(name: &str) -> Author {
    Author { name: name.to_owned(), via: Via::Terminal, reference: None }
}

pub(crate) fn digest(content: &str) -> ReleaseDigest {
    ReleaseDigest(Digest::of(content.as_bytes()))
}

pub(crate) fn applied() -> Outcome {
    Outcome::Applied { evidence: Evidence::default() }
}

pub(crate) fn failed() -> Outcome {
    Outcome::Failed { failure: failure() }
}

pub(crate) fn failure() -> Failure {
    Failure::new(FailureKind::Start, "commerce ended with exit code 1", "nothing was switched", "see its log")
}

pub(crate) fn source() -> Source {
    Source { commit: Some("1a2b3c".to_owned()), dirty: false }
}

/// A log that grows by what the constructors give.
#[derive(Debug, Clone)]
pub(crate) struct Log {
    pub(crate) operations: Vec<Operation>,
    pub(crate) state: State,
    pub(crate) now: u64,
    pub(crate) lease: Option<LeaseId>,
}

impl Log {
    pub(crate) fn new() -> Self {
        Self { operations: Vec::new(), state: State::new(environment()), now: START, lease: None }
    }

    pub(crate) fn writer(&self) -> Writer {
        Writer { by: author("ana"), now: self.now, lease: self.lease.clone() }
    }

    pub(crate) fn other(&self) -> Writer {
        Writer { by: author("ben"), now: self.now, lease: None }
    }

    /// Stores an operation, a minute after the one before.
    pub(crate) fn push(&mut self, operation: Result<Operation, Refusal>) {
        let operation = operation.unwrap();
        self.state.apply(&operation).unwrap();
        self.operations.push(operation);
        self.now += 60_000;
    }

    /// A plan from what serves now to a release.
    pub(crate) fn plan(&self, release: ReleaseDigest) -> Plan {
        let base = self.state.base();
        plan(base.clone(), base.generation.next(), release)
    }

    pub(crate) fn draft<'a>(&self, plan: &'a Plan, intent: Intent) -> Draft<'a> {
        Draft { plan, intent, source: source(), summary: "1 service changes".to_owned() }
    }

    pub(crate) fn commit(&mut self, release: ReleaseDigest, intent: Intent) -> Generation {
        let plan = self.plan(release);
        let operation = commit(&self.state, &self.writer(), self.draft(&plan, intent));
        self.push(operation);
        plan.generation
    }

    pub(crate) fn finish(&mut self, outcome: Outcome) {
        let generation = self.state.pending().unwrap().committed.generation;
        let operation = finish(&self.state, &self.writer(), generation, outcome);
        self.push(operation);
    }

    /// Commits and ends a release.
    pub(crate) fn run(&mut self, content: &str, outcome: Outcome) -> Generation {
        let generation = self.commit(digest(content), Intent::Apply);
        self.finish(outcome);
        generation
    }

    pub(crate) fn go_back(&mut self, target: &RevertTarget) -> Generation {
        let generation = self.commit(target.release, target.intent);
        self.finish(applied());
        generation
    }

    pub(crate) fn lock(&mut self, lease: &str, minutes: u64) {
        let request = self.request(lease, minutes);
        let operation = acquire(&self.state, &self.writer(), request);
        self.push(operation);
        self.lease = Some(LeaseId(lease.to_owned()));
    }

    pub(crate) fn request(&self, lease: &str, minutes: u64) -> LockRequest {
        LockRequest {
            lease: LeaseId(lease.to_owned()),
            holder: format!("{lease} on laptop"),
            until: self.now + minutes * 60_000,
            reason: "apply".to_owned(),
        }
    }

    pub(crate) fn serving(&self) -> Option<ReleaseDigest> {
        self.state.serving().map(|serving| serving.release)
    }
}

pub(crate) fn plan(base: PlanBase, generation: Generation, release: ReleaseDigest) -> Plan {
    Plan {
        format: 1,
        environment: environment(),
        base,
        child: release,
        generation,
        steps: Vec::new(),
        services: BTreeMap::new(),
        environment_changes: Vec::new(),
        verdicts: Vec::new(),
    }
}
