//! Databases, migrations and seeds: when they run, and what is said about them.

use crate::{
    shop::{
        artifact, changed, database, edit, environment, migration, plan_from, plan_with, process, service,
        shop, steps,
    },
    world::World,
};
use fairway_model::{
    Gate, Generation, MigrationEffect, Observed, Plan, PostgresSpec, Program, Release, Reversibility, Sight,
    StepKind, VerdictLevel,
};
use fairway_plan::Context;
use std::collections::{BTreeMap, BTreeSet};

use MigrationEffect::{Additive, Destructive, Unknown};

/// The shop with a new identity that brings another migration.
fn migrating(effect: MigrationEffect) -> Release {
    changed("identity", |identity| {
        identity.artifact = artifact("identity 2");
        identity.database = Some(database(&[("0001_users.sql", Additive), ("0002_more.sql", effect)]));
    })
}

fn migrate(plan: &Plan) -> Option<Reversibility> {
    plan.steps.iter().find(|step| step.kind == StepKind::Migrate).map(|step| step.reversibility.clone())
}

fn worst(plan: &Plan, gate: Gate) -> Option<VerdictLevel> {
    plan.verdicts.iter().filter(|verdict| verdict.gate == gate).map(|verdict| verdict.level).max()
}

#[test]
fn effects_decide_reversibility_and_verdict() {
    let reversible = |reversibility: &Reversibility| matches!(reversibility, Reversibility::Reversible);
    let one_way = |reversibility: &Reversibility| matches!(reversibility, Reversibility::OneWay { .. });
    let unknown = |reversibility: &Reversibility| matches!(reversibility, Reversibility::Unknown { .. });
    type Test = fn(&Reversibility) -> bool;
    for (effect, expect, level) in [
        (Additive, reversible as Test, None),
        (Unknown, unknown as Test, Some(VerdictLevel::Warn)),
        (Destructive, one_way as Test, Some(VerdictLevel::Refuse)),
    ] {
        let plan = plan_from(&shop(), &migrating(effect));
        assert_eq!(
            steps(&plan),
            ["deliver identity", "migrate identity", "start identity", "switch", "bake", "retire identity"]
        );
        assert!(expect(&migrate(&plan).unwrap()), "{plan:#?}");
        assert_eq!(worst(&plan, Gate::Migration), level, "{plan:#?}");
    }
}

#[test]
fn a_destructive_migration_can_be_allowed() {
    let observed = World::running(&shop(), Generation(4)).observe();
    let context = Context { allow_destructive: true, ..Context::default() };
    let plan = plan_with(Some(&shop()), &migrating(Destructive), &observed, context);
    assert_eq!(worst(&plan, Gate::Migration), Some(VerdictLevel::Warn));
    assert!(matches!(migrate(&plan), Some(Reversibility::OneWay { .. })));
}

#[test]
fn a_new_database_has_no_older_code_to_break() {
    let plan =
        plan_with(None, &migrating(Destructive), &Observed::nothing(environment()), Context::default());
    assert_eq!(plan.refusals().count(), 0, "{plan:#?}");
    assert_eq!(migrate(&plan), Some(Reversibility::Reversible));
    assert_eq!(steps(&plan).iter().filter(|step| step.starts_with("seed")).count(), 2);
}

#[test]
fn a_change_without_migrations_does_not_migrate() {
    let plan =
        plan_from(&shop(), &changed("identity", |identity| identity.artifact = artifact("identity 2")));
    assert_eq!(migrate(&plan), None);
}

#[test]
fn unlisted_migrations_run_whenever_the_service_starts_anew_but_not_on_a_revert() {
    let unlisted = |text: &str| {
        changed("identity", |identity| {
            identity.artifact = artifact(text);
            identity.database.as_mut().unwrap().migrations = None;
        })
    };
    let (old, new) = (unlisted("identity"), unlisted("identity 2"));
    let plan = plan_from(&old, &new);
    assert!(matches!(migrate(&plan), Some(Reversibility::Unknown { .. })), "{plan:#?}");
    assert_eq!(worst(&plan, Gate::Migration), Some(VerdictLevel::Warn));
    let observed = World::running(&new, Generation(4)).observe();
    let plan = plan_with(Some(&new), &old, &observed, Context { is_revert: true, ..Context::default() });
    assert_eq!(migrate(&plan), None, "its command might refuse a schema that is ahead of it");
}

#[test]
fn a_revert_says_what_does_not_come_back() {
    for (effect, level, words) in [
        (Additive, VerdictLevel::Note, "older code works with it"),
        (Unknown, VerdictLevel::Warn, "nobody could tell"),
        (Destructive, VerdictLevel::Warn, "no data comes back"),
    ] {
        let recorded = migrating(effect);
        let observed = World::running(&recorded, Generation(4)).observe();
        let context = Context { is_revert: true, ..Context::default() };
        let plan = plan_with(Some(&recorded), &shop(), &observed, context);
        assert_eq!(migrate(&plan), None);
        let verdict = plan.verdicts.iter().find(|verdict| verdict.gate == Gate::Revert).unwrap();
        assert_eq!(verdict.level, level);
        assert!(verdict.message.starts_with("0002_more.sql: code, config and routes go back"), "{verdict:?}");
        assert!(verdict.message.contains(words), "{verdict:?}");
    }
}

#[test]
fn what_ran_earlier_does_not_run_again() {
    let (old, new) = (shop(), migrating(Destructive));
    let observed = World::running(&old, Generation(4)).observe();
    let ran = BTreeSet::from([migration("0002_more.sql", Destructive).digest]);
    let context = Context { migrated: BTreeMap::from([(service("identity"), ran)]), ..Context::default() };
    let plan = plan_with(Some(&old), &new, &observed, context);
    assert_eq!(migrate(&plan), None);
    assert_eq!(worst(&plan, Gate::Migration), None);
}

#[test]
fn an_edited_migration_is_remarked() {
    let edited = changed("identity", |identity| {
        let migrations = identity.database.as_mut().unwrap().migrations.as_mut().unwrap();
        migrations[0].digest = fairway_model::Digest::of(b"edited");
    });
    let plan = plan_from(&shop(), &edited);
    assert!(migrate(&plan).is_some());
    let verdict = plan.verdicts.iter().find(|verdict| verdict.gate == Gate::Migration).unwrap();
    assert!(verdict.message.starts_with("0001_users.sql ran before with another text"), "{verdict:?}");
}

#[test]
fn after_the_environment_was_down_its_databases_are_still_there() {
    let release = migrating(Destructive);
    let mut observed = Observed::nothing(environment());
    observed.databases = Sight::Known(BTreeSet::from([service("identity"), service("commerce")]));
    let plan = plan_with(None, &release, &observed, Context::default());
    assert!(
        !steps(&plan).iter().any(|step| step.starts_with("seed") || step.starts_with("database i")),
        "{plan:#?}"
    );
    assert_eq!(plan.refusals().count(), 0, "whether it ran is not known: {plan:#?}");
    assert_eq!(worst(&plan, Gate::Migration), Some(VerdictLevel::Warn));
}

#[test]
fn a_database_that_nobody_could_see_is_never_seeded() {
    let mut desired = shop();
    let mut orders = process("orders", &[]);
    orders.database = Some(database(&[("0001_orders.sql", Additive)]));
    let mut service_spec = desired.services["identity"].clone();
    service_spec.program = Program::Process(Box::new(orders));
    desired.services.insert(service("orders"), service_spec);
    let mut observed = World::running(&shop(), Generation(4)).observe();
    observed.databases = Sight::Unknown { reason: "no answer".to_owned() };
    let plan = plan_with(Some(&shop()), &desired, &observed, Context::default());
    assert_eq!(
        steps(&plan),
        [
            "deliver orders",
            "database server",
            "database orders",
            "migrate orders",
            "start orders",
            "switch",
            "bake"
        ]
    );
}

#[test]
fn a_lost_database_is_made_again() {
    let shop = shop();
    let mut observed = World::running(&shop, Generation(4)).observe();
    observed.databases = Sight::Known(BTreeSet::from([service("identity")]));
    let plan = plan_with(Some(&shop), &shop, &observed, Context::default());
    assert_eq!(steps(&plan), ["database server", "database commerce", "migrate commerce", "seed commerce"]);
    assert_eq!(plan.services.keys().map(|name| name.as_str()).collect::<Vec<_>>(), ["commerce"]);
}

#[test]
fn another_server_does_not_have_the_data() {
    let mut desired = shop();
    desired.resources.postgres = Some(PostgresSpec::Private { version: Some("16".to_owned()) });
    let plan = plan_from(&shop(), &desired);
    assert_eq!(steps(&plan), ["database server", "switch", "bake"]);
    assert_eq!(worst(&plan, Gate::Revert), Some(VerdictLevel::Warn));
}

#[test]
fn a_service_that_gives_up_its_database_keeps_it() {
    let mut desired = shop();
    edit(&mut desired, "identity").database = None;
    let plan = plan_from(&shop(), &desired);
    assert_eq!(worst(&plan, Gate::Revert), Some(VerdictLevel::Note));
    assert!(plan.verdicts[0].message.contains("its database stays"), "{plan:#?}");
}
