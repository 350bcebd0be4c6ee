//! `fairway explain`, from the schema.

use fairway_manifest::{Explanation, explain};

#[test]
fn explanations() {
    for (name, path) in [
        ("explain_all", ""),
        ("explain_services", "services"),
        ("explain_ready", "services.identity.ready"),
        ("explain_build", "services.build"),
        ("explain_target", "environments.target"),
        ("explain_bake", "environments.dev.bake"),
        ("explain_postgres", "resources.postgres"),
        ("explain_expose", "services.expose"),
        ("explain_interval", "services.ready.interval"),
    ] {
        insta::assert_snapshot!(name, explain(path).unwrap());
    }
}

#[test]
fn unknown_keys() {
    for (path, expect) in [
        ("service", "there is no key `service` in the manifest; did you mean `services`?"),
        ("services.redy", "there is no key `redy` in `services.<name>`; did you mean `ready`?"),
        ("services.identity.redy", "there is no key `redy` in `services.<name>`; did you mean `ready`?"),
        (
            "services.ready.intervall",
            "there is no key `intervall` in `services.<name>.ready`; did you mean `interval`?",
        ),
    ] {
        assert_eq!(explain(path).unwrap_err().to_string(), expect);
    }
}

/// Every key has a description, says what may stand there, and can be asked for by its path.
#[test]
fn nothing_is_undocumented() {
    fn visit(explanation: &Explanation, seen: &mut usize) {
        *seen += 1;
        for child in &explanation.children {
            let path = if explanation.path.is_empty() {
                child.name.clone()
            } else {
                format!("{}.{}", explanation.path, child.name)
            };
            let inner = explain(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
            assert_eq!(inner.path, path);
            assert!(!inner.kind.is_empty(), "{path} has no kind");
            let free = ["<name>"].contains(&child.name.as_str()) && inner.children.is_empty();
            assert!(free || !inner.description.is_empty(), "{path} has no description");
            visit(&inner, seen);
        }
    }
    let mut seen = 0;
    visit(&explain("").unwrap(), &mut seen);
    assert!(seen > 60, "only {seen} keys were seen");
}
