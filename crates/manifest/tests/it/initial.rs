//! `fairway init`: what is found in a repository, and the manifest that is written for it.

use crate::support::{contract, problems};
use fairway_manifest::{Sources, detect, render_initial};
use std::collections::BTreeMap;

fn files(list: &[(&str, &str)]) -> BTreeMap<String, String> {
    list.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect()
}

/// Writes the manifest and checks it against the files that it was written for.
fn check(name: &str, files: &BTreeMap<String, String>) {
    let detected = detect(files);
    let text = render_initial(&detected);
    let errors: Vec<_> = problems(&text, &Sources::from_iter(files.clone()))
        .into_iter()
        .filter(|problem| problem.is_error())
        .collect();
    assert_eq!(errors, [], "{text}");
    insta::assert_snapshot!(name, text);
}

#[test]
fn an_empty_repository() {
    check("init_empty", &files(&[]));
}

#[test]
fn a_workspace_with_contracts() {
    let mut repository = files(&[
        ("Cargo.toml", "[workspace]\nmembers = [\"services/*\"]\n"),
        ("services/identity/Cargo.toml", "[package]\nname = \"identity\"\n"),
        (
            "services/identity/src/main.rs",
            "let a = env(\"IDENTITY_HTTP_ADDR\"); let b = env(\"IDENTITY_DB_DSN\");",
        ),
        ("services/identity/migrations/0001_users.sql", ""),
        (
            "services/gateway/src/main.rs",
            "get(\"GATEWAY_IDENTITY_BASE_URL\", \"GATEWAY_PAYMENT_URL\", \"PUBLIC_URL\"); route(\"/ready\")",
        ),
        ("services/gateway/tests/all.rs", "get(\"IDENTITY_DB_DSN\")"),
        ("services/identity/src/links.rs", "get(\"GATEWAY_URL\")"),
        ("services/gateway/Cargo.toml", "[package]\nname = \"gateway-bff\"\n[[bin]]\nname = \"gateway\"\n"),
        ("services/kit/Cargo.toml", "[package]\nname = \"kit\"\n"),
        ("services/kit/src/lib.rs", ""),
        ("services/identity/target/debug/Cargo.toml", "[package]\nname = \"no\"\n[[bin]]\nname = \"no\"\n"),
        ("services/identity/Dockerfile", "FROM scratch\n"),
    ]);
    repository
        .insert("contracts/identity.yaml".to_owned(), contract("identity", &["/health", "/ready", "/me"]));
    repository.insert("contracts/gateway.yaml".to_owned(), contract("gateway", &["/healthz", "/bff"]));
    repository.insert("contracts/payment.yaml".to_owned(), contract("payment", &["/payments"]));
    repository.insert(
        "contracts/common.yaml".to_owned(),
        "openapi: 3.0.3\ninfo: { title: c, version: '1' }\npaths: {}\n".to_owned(),
    );
    check("init_workspace", &repository);
}

#[test]
fn one_go_program_and_one_contract() {
    let mut repository =
        files(&[("go.mod", "module example.com/acme/notes\n\ngo 1.24\n"), ("main.go", "package main\n")]);
    repository.insert("api/openapi.yaml".to_owned(), contract("notes", &["/notes", "/health"]));
    check("init_go", &repository);
}

#[test]
fn several_languages() {
    check(
        "init_several",
        &files(&[
            ("package.json", "{\"name\": \"@acme/Everything\", \"workspaces\": [\"apps/*\"]}"),
            (
                "apps/web/package.json",
                "{\"name\": \"@acme/web\", \"scripts\": {\"start\": \"node .\", \"build\": \"vite build\"}}",
            ),
            ("apps/web/server.js", "process.env.WEB_LISTEN_ADDR"),
            ("apps/library/package.json", "{\"name\": \"@acme/library\"}"),
            ("apps/broken/package.json", "{"),
            ("ml/pyproject.toml", "[project]\nname = \"Recommend_er\"\n"),
            ("ml/main.py", "os.environ['DATABASE_URL']"),
            ("jobs/requirements.txt", "x\n"),
            ("tools/go.mod", "module example.com/tools\n"),
            ("tools/cmd/import/main.go", "package main\n"),
            ("tools/cmd/true/main.go", "package main\n"),
        ]),
    );
}

#[test]
fn names_that_yaml_would_misread() {
    check(
        "init_odd_names",
        &files(&[
            ("a/Cargo.toml", "[package]\nname = \"null\"\n"),
            ("a/src/main.rs", ""),
            ("b/Cargo.toml", "[package]\nname = \"1e3\"\n"),
            ("b/src/main.rs", ""),
            ("c d/Cargo.toml", "[package]\nname = \"x-files\"\n"),
            ("c d/src/main.rs", ""),
            ("e/go.mod", "module e # {x: y}\n"),
            ("e/main.go", "package main\n"),
        ]),
    );
}
