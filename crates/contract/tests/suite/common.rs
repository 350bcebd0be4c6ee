//! Documents for tests, written as briefly as they can be.

use std::collections::BTreeMap;

use fairway_contract::{Contract, Finding, Problems, compare};

pub(crate) fn files(list: &[(&str, &str)]) -> BTreeMap<String, String> {
    list.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect()
}

pub(crate) fn parse(text: &str) -> Result<Contract, Problems> {
    Contract::parse("api.yaml", &files(&[("api.yaml", text)]))
}

#[track_caller]
pub(crate) fn contract(text: &str) -> Contract {
    parse(text).unwrap_or_else(|problems| panic!("{problems}\n---\n{text}"))
}

/// A document with these paths; the rest is as short as it may be.
pub(crate) fn with_paths(version: &str, paths: &str) -> String {
    format!("openapi: {version}\ninfo: {{title: Test, version: '1'}}\npaths:\n{}", indent(paths, 2))
}

/// A document with one operation that takes and one that gives the schema, which is written in flow style.
pub(crate) fn with_schema(version: &str, direction: &str, schema: &str, components: &str) -> String {
    let operation = match direction {
        "request" => format!(
            "/x:\n  post:\n    requestBody:\n      content:\n        application/json:\n          schema: {schema}\n    \
             responses:\n      '204': {{description: Done}}\n"
        ),
        "response" => format!(
            "/x:\n  get:\n    responses:\n      '200':\n        description: Done\n        content:\n          \
             application/json:\n            schema: {schema}\n"
        ),
        other => panic!("{other}"),
    };
    let mut text = with_paths(version, &operation);
    if !components.is_empty() {
        text.push_str(&format!("components:\n  schemas:\n{}", indent(components, 4)));
    }
    text
}

pub(crate) fn indent(text: &str, by: usize) -> String {
    text.lines().map(|line| format!("{}{line}\n", " ".repeat(by))).collect()
}

/// `breaking response-property-removed`, sorted.
pub(crate) fn rules(findings: &[Finding]) -> Vec<String> {
    let mut rules: Vec<String> = findings.iter().map(|f| format!("{} {}", f.verdict, f.rule)).collect();
    rules.sort();
    rules
}

#[track_caller]
pub(crate) fn check_documents(old: &str, new: &str, expect: &[&str]) {
    let findings = compare(&contract(old), &contract(new));
    let mut expect: Vec<String> = expect.iter().map(|e| (*e).to_owned()).collect();
    expect.sort();
    let shown: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert_eq!(rules(&findings), expect, "{}\n--- old\n{old}\n--- new\n{new}", shown.join("\n"));
}
