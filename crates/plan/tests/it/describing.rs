//! Plans in words.

use crate::shop::{artifact, changed, database, edit, plan_from, service, shop, variable};
use fairway_model::{ConfigValue, MigrationEffect};
use fairway_plan::{LineKind, describe};

#[test]
fn a_refused_plan_with_a_one_way_step() {
    let mut desired = changed("identity", |identity| {
        identity.artifact = artifact("identity 2");
        identity.database = Some(database(&[
            ("0001_users.sql", MigrationEffect::Additive),
            ("0002_drop.sql", MigrationEffect::Destructive),
        ]));
    });
    desired.services.remove("ai");
    edit(&mut desired, "bff").needs.remove("ai");
    let plan = plan_from(&shop(), &desired);
    insta::assert_snapshot!(describe(&plan, &desired));
}

#[test]
fn the_summary() {
    let check = |desired: &fairway_model::Release, expect: &str| {
        assert_eq!(describe(&plan_from(&shop(), desired), desired).summary, expect);
    };
    let mut desired = shop();
    check(&desired, "nothing to do; 4 services are not touched");
    desired.bake = fairway_model::Millis(0);
    check(&desired, "4 services are not touched; 1 step; nothing is one-way");
    let extra = desired.services["ai"].clone();
    desired.services.insert(service("mail"), extra);
    check(&desired, "1 service is new, 4 are not touched; 1 step; nothing is one-way");
    desired.services.get_mut("bff").unwrap().replicas = 2;
    desired.services.remove("ai");
    check(
        &desired,
        "1 service is new, 1 changes, 1 is removed, 2 are not touched; 3 steps; nothing is one-way",
    );
}

#[test]
fn values_stay_on_their_line_and_inside_their_block() {
    let desired = changed("bff", |bff| {
        for (name, value) in
            [("A", "two\nlines"), ("B", ""), ("C", " edges "), ("D", "````"), ("E", "\u{1b}[31mred")]
        {
            bff.config.insert(variable(name), ConfigValue::Plain(value.to_owned()));
        }
    });
    let text = describe(&plan_from(&shop(), &desired), &desired);
    let values: Vec<&str> = text
        .lines
        .iter()
        .filter(|line| line.kind == LineKind::Add)
        .map(|line| line.text.split_once("  ").unwrap().1)
        .collect();
    assert_eq!(values, [r#""two\nlines""#, r#""""#, r#"" edges ""#, "````", r#""\u{1b}[31mred""#]);
    let markdown = text.to_markdown();
    assert!(markdown.starts_with("`````diff\n") && markdown.ends_with("\n`````\n"), "{markdown}");
    assert!(markdown.contains("\n!  bff changes\n") || markdown.contains("\n! bff changes\n"), "{markdown}");
    assert!(
        markdown.lines().skip(1).all(|line| line.is_empty() || "+-! `".contains(&line[..1])),
        "{markdown}"
    );
}
