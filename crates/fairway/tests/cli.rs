//! What a user sees without any environment running: messages, exit codes, standard output and standard error.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use std::{
    fs,
    path::Path,
    process::{Command, Output, Stdio},
};

struct Project(tempfile::TempDir);

impl Project {
    fn new(files: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = directory.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        Self(directory)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fairway"));
        command
            .args(arguments)
            .current_dir(self.path())
            .stdin(Stdio::null())
            .env("NO_COLOR", "1")
            .env_remove("FAIRWAY_ENV");
        command.output().unwrap()
    }

    /// Runs and checks the exit code and what stands on standard output and standard error.
    #[track_caller]
    fn check(&self, arguments: &[&str], code: i32, out: &[&str], err: &[&str]) {
        let output = self.run(arguments);
        let (stdout, stderr) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let seen = format!(
            "fairway {arguments:?}: {:?}\n--- stdout\n{stdout}\n--- stderr\n{stderr}",
            output.status.code()
        );
        assert_eq!(output.status.code(), Some(code), "{seen}");
        for (text, needles) in [(&stdout, out), (&stderr, err)] {
            for needle in needles {
                assert!(text.contains(needle), "`{needle}` is missing in {seen}");
            }
        }
    }
}

const GOOD: &str = r#"
system: small
services:
  web: { build: { command: ["true"], output: web }, run: [web], listen: ADDR, ready: /ready, env: { GREETING: "${GREETING:hello}", API_TOKEN: "${API_TOKEN:hunter2}" }, expose: { path: / } }
environments:
  dev: { target: local, listen: "127.0.0.1:0" }
  far: { target: "ssh://deploy@staging.example.com", listen: "127.0.0.1:80" }
"#;

const OPENAPI: &str = r#"
openapi: 3.0.3
info: { title: Orders, version: "1" }
paths:
  /orders:
    get: { operationId: listOrders, responses: { "200": { description: ok } } }
  /orders/{id}:
    get:
      operationId: getOrder
      parameters: [{ name: id, in: path, required: true, schema: { type: string } }]
      responses: { "200": { description: ok } }
"#;

#[test]
fn without_a_project_it_says_where_it_looked_and_what_to_do() {
    let nothing = Project::new(&[]);
    nothing.check(&["status", "dev"], 3, &[], &["there is no fairway.yaml in", "fairway init"]);
    nothing.check(&["--version"], 0, &["fairway 0."], &[]);
    nothing.check(&["--help"], 0, &["plan", "apply", "revert"], &[]);
    nothing.check(&["aply"], 3, &[], &["unrecognized subcommand 'aply'", "apply"]);
}

#[test]
fn every_mistake_is_pointed_at_with_a_suggestion() {
    let bad = Project::new(&[(
        "fairway.yaml",
        "system: x\nservces: {}\nservices:\n  a: { buld: 1, run: [a] }\nenvironments:\n  dev: { target: locl }\n",
    )]);
    bad.check(
        &["check"],
        3,
        &[],
        &[
            "[fairway.yaml:2:1]",
            "unknown key `servces`",
            "did you mean `services`?",
            "did you mean `build`?",
            "did you mean `local`?",
            "3 errors. Nothing was changed.",
        ],
    );
    let output = bad.run(&["check", "--json"]);
    let value: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(value["error"]["problems"].as_array().map(Vec::len), Some(3), "{value}");
    assert_eq!(value["error"]["exit_code"], 3);
}

#[test]
fn a_good_manifest_is_confirmed_on_standard_output() {
    Project::new(&[("fairway.yaml", GOOD)]).check(&["check"], 0, &["1 services, 2 environments: valid"], &[]);
}

#[test]
fn configuration_says_where_it_comes_from_and_hides_secrets() {
    let project =
        Project::new(&[("fairway.yaml", GOOD), ("config/environments/dev.yaml", "web: { GREETING: hi }\n")]);
    project.check(
        &["config", "show", "dev", "--origin"],
        0,
        &["GREETING", "hi", "config/environments/dev.yaml:1", "••••••"],
        &[],
    );
    let output = project.run(&["config", "show", "dev", "--json"]);
    assert!(!String::from_utf8_lossy(&output.stdout).contains("hunter2"), "a secret was printed");
    project.check(&["config", "show", "dev", "-s", "nobody"], 3, &[], &["there is no service `nobody`"]);
}

#[test]
fn what_this_version_cannot_do_is_refused_and_not_ignored() {
    let project = Project::new(&[("fairway.yaml", GOOD)]);
    project.check(&["plan", "far"], 3, &[], &["ssh://deploy@staging.example.com", "`local`"]);
    project.check(&["plan", "nowhere"], 3, &[], &["there is no environment `nowhere`", "dev, far"]);
    project.check(&["plan", "No/Where/At"], 3, &[], &["is not a valid environment name"]);
}

#[test]
fn a_history_that_is_empty_says_so() {
    Project::new(&[("fairway.yaml", GOOD)]).check(&["history", "dev"], 0, &["dev has no history yet"], &[]);
}

#[test]
fn contracts_are_compared_with_rules_places_and_an_exit_code() {
    let newer = OPENAPI.replace("listOrders", "listAllOrders").replace("  /orders/{id}:", "  /order/{id}:");
    let project = Project::new(&[("fairway.yaml", GOOD), ("old.yaml", OPENAPI), ("new.yaml", &newer)]);
    project.check(
        &["contract", "diff", "old.yaml", "new.yaml"],
        4,
        &["breaking", "[operation-removed]", "GET /orders/{id}", "old.yaml:"],
        &[],
    );
    project.check(
        &["contract", "diff", "old.yaml", "old.yaml"],
        0,
        &["0 breaking, 0 unknown, 0 compatible"],
        &[],
    );
    project.check(
        &["contract", "diff", "old.yaml", "missing.yaml"],
        3,
        &[],
        &["missing.yaml", "no such file"],
    );
    project.check(&["contract", "operations", "old.yaml"], 0, &["GET", "/orders/{id}", "getOrder"], &[]);
}

#[test]
fn init_writes_a_manifest_that_checks_and_never_overwrites() {
    let cargo = "[package]\nname = \"orders\"\nversion = \"0.1.0\"\n[dependencies]\naxum = \"0.8\"\n";
    let project = Project::new(&[
        ("Cargo.toml", cargo),
        ("src/main.rs", "fn main() {}"),
        ("contracts/orders.yaml", OPENAPI),
    ]);
    project.check(&["init"], 0, &["wrote fairway.yaml"], &[]);
    let written = fs::read_to_string(project.path().join("fairway.yaml")).unwrap();
    assert!(written.contains("orders"), "{written}");
    project.check(&["check"], 0, &["valid"], &[]);
    project.check(&["init"], 3, &[], &["is there already, and was not changed"]);
    assert_eq!(fs::read_to_string(project.path().join("fairway.yaml")).unwrap(), written);
}

#[test]
fn keys_are_explained_and_misspelt_ones_are_guessed() {
    let project = Project::new(&[]);
    project.check(&["explain", "services.ready"], 0, &["May the instance take traffic?"], &[]);
    project.check(&["explain", "services.redy"], 3, &[], &["ready"]);
}

#[test]
fn a_file_that_is_not_a_plan_is_not_applied() {
    let project = Project::new(&[("fairway.yaml", GOOD), ("plan.json", "{}")]);
    project.check(
        &["apply", "plan.json", "--yes"],
        3,
        &[],
        &["plan.json is not a saved plan", "Nothing was changed"],
    );
}

#[test]
fn completions_are_scripts() {
    Project::new(&[]).check(&["completions", "bash"], 0, &["_fairway()"], &[]);
}
