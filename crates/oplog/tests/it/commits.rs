//! Committing and finishing: what is written, and what is refused in which words.

use crate::log::{Log, applied, digest, failed, failure, plan};
use fairway_model::{EnvironmentName, Gate, Generation, PlanBase, Verdict, VerdictLevel};
use fairway_oplog::{Draft, Intent, OperationKind, Outcome, Refusal, Writer, commit, finish, note};

fn refused(log: &Log, writer: &Writer, draft: Draft<'_>) -> Refusal {
    commit(&log.state, writer, draft).unwrap_err()
}

#[test]
fn a_release_serves_when_it_was_applied_and_not_before() {
    let mut log = Log::new();
    let generation = log.commit(digest("a"), Intent::Apply);
    assert_eq!(log.state.serving(), None);
    assert_eq!(log.state.pending().unwrap().committed.generation, generation);
    log.finish(applied());
    let serving = log.state.serving().unwrap();
    assert_eq!((serving.generation, serving.release), (Generation(1), digest("a")));
    assert_eq!(serving.by.name, "ana");
    assert_eq!(log.state.pending(), None);
    assert_eq!(log.state.history()[0].word(), "applied");
}

#[test]
fn what_did_not_serve_changes_only_the_history() {
    for outcome in [
        failed(),
        Outcome::Reverted { failure: failure() },
        Outcome::Aborted { reason: "the caller went away".to_owned() },
        Outcome::Stuck { failure: failure() },
    ] {
        let mut log = Log::new();
        log.run("a", applied());
        log.run("b", outcome.clone());
        assert_eq!(log.serving(), Some(digest("a")));
        assert_eq!(log.state.generation(), Generation(2), "numbers are not given out twice");
        assert_eq!(log.state.history()[1].word(), outcome.word());
        let stuck = matches!(outcome, Outcome::Stuck { .. }).then_some(Generation(2));
        assert_eq!(log.state.stuck(), stuck);
        log.run("c", applied());
        assert_eq!((log.serving(), log.state.stuck()), (Some(digest("c")), None));
    }
}

#[test]
fn down_leaves_nothing_serving() {
    let mut log = Log::new();
    log.run("a", applied());
    log.commit(digest("empty"), Intent::Down);
    assert_eq!(log.serving(), Some(digest("a")), "until it is done");
    log.finish(applied());
    assert_eq!(log.serving(), None);
    assert_eq!(log.state.base(), PlanBase { serving: None, generation: Generation(2) });
}

#[test]
fn a_stale_plan_is_refused_and_told_what_moved() {
    let mut log = Log::new();
    log.run("a", applied());
    let old = log.plan(digest("c"));
    log.run("b", applied());
    log.run("broken", failed());
    let refusal = refused(&log, &log.writer(), log.draft(&old, Intent::Apply));
    assert_eq!(
        refusal.to_string(),
        format!(
            "the plan is stale: it was made for staging when generation 1 served (release {}). Since then: generation 2 \
             (1 service changes) was committed by ana (terminal) at 2026-03-01 00:02:00 UTC: applied; generation 3 \
             (1 service changes) was committed by ana (terminal) at 2026-03-01 00:04:00 UTC: failed. Nothing was \
             changed; plan again and look at what is different",
            digest("a").short()
        )
    );
    assert!(matches!(refusal, Refusal::Stale(stale) if stale.since.len() == 2));
}

#[test]
fn a_failed_release_makes_older_plans_stale_too() {
    let mut log = Log::new();
    log.run("a", applied());
    let old = log.plan(digest("c"));
    log.run("b", failed());
    assert!(matches!(log.state.check_base(&old.base), Err(Refusal::Stale(_))));
    assert_eq!(log.state.check_base(&log.state.base()), Ok(()));
}

#[test]
fn nothing_is_committed_while_a_release_is_on_its_way() {
    let mut log = Log::new();
    let plan = log.plan(digest("b"));
    log.commit(digest("a"), Intent::Apply);
    let refusal = refused(&log, &log.writer(), log.draft(&plan, Intent::Apply));
    assert_eq!(
        refusal.to_string(),
        "generation 1 of staging was committed by ana (terminal) at 2026-03-01 00:00:00 UTC and has not finished: \
         nothing was changed; let it finish and plan again (`apply --wait 5m` waits for it)"
    );
}

#[test]
fn only_what_is_on_its_way_can_be_finished_and_only_once() {
    let mut log = Log::new();
    log.commit(digest("a"), Intent::Apply);
    let wrong = finish(&log.state, &log.writer(), Generation(2), applied()).unwrap_err();
    assert!(wrong.to_string().contains("is not on its way (never committed)"), "{wrong}");
    // Whoever comes later may write it down.
    let late = finish(&log.state, &log.other(), Generation(1), applied());
    log.push(late);
    let twice = finish(&log.state, &log.writer(), Generation(1), applied()).unwrap_err();
    assert!(twice.to_string().contains("is not on its way (applied)"), "{twice}");
}

#[test]
fn verdicts_that_refuse_are_not_committed() {
    let log = Log::new();
    let mut plan = log.plan(digest("a"));
    for (level, message) in [(VerdictLevel::Refuse, "drops a column"), (VerdictLevel::Warn, "look")] {
        plan.verdicts.push(Verdict {
            level,
            gate: Gate::Migration,
            service: None,
            message: message.to_owned(),
        });
    }
    let refusal = refused(&log, &log.writer(), log.draft(&plan, Intent::Apply));
    assert_eq!(refusal.to_string(), "the plan for staging is refused: drops a column; nothing was changed");
}

#[test]
fn a_plan_for_another_environment_is_refused() {
    let log = Log::new();
    let mut plan = log.plan(digest("a"));
    plan.environment = EnvironmentName::new("prod").unwrap();
    let refusal = refused(&log, &log.writer(), log.draft(&plan, Intent::Apply));
    assert!(refusal.to_string().starts_with("the plan is for prod, not for staging"), "{refusal}");
}

#[test]
fn a_plan_may_skip_numbers_and_may_not_reuse_them() {
    let mut log = Log::new();
    let ahead = plan(log.state.base(), Generation(7), digest("a"));
    let operation = commit(&log.state, &log.writer(), log.draft(&ahead, Intent::Apply));
    log.push(operation);
    log.finish(applied());
    assert_eq!(log.state.generation(), Generation(7));
    let behind = plan(log.state.base(), Generation(7), digest("b"));
    let refusal = refused(&log, &log.writer(), log.draft(&behind, Intent::Apply));
    assert!(matches!(refusal, Refusal::Invalid(_)), "{refusal}");
}

#[test]
fn a_revert_must_have_the_content_that_it_names() {
    let mut log = Log::new();
    log.run("a", applied());
    log.run("b", applied());
    let plan = log.plan(digest("c"));
    let refusal = refused(&log, &log.writer(), log.draft(&plan, Intent::Revert { to: Generation(1) }));
    assert!(matches!(refusal, Refusal::Invalid(_)), "{refusal}");
}

#[test]
fn notes_change_nothing_and_are_never_kept_out() {
    let mut log = Log::new();
    log.run("a", applied());
    log.lock("lease", 10);
    let before = log.state.clone();
    let operation = note(&log.state, &log.other(), "the load test begins at noon");
    log.push(operation);
    assert!(matches!(log.operations.last().unwrap().kind, OperationKind::Noted { .. }));
    assert_eq!(log.state.last(), before.last() + 1);
    assert_eq!((log.state.serving(), log.state.lock()), (before.serving(), before.lock()));
    assert_eq!(log.state.history(), before.history());
}
