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
    Project::new(&[("fairway.yaml", GOOD)]).check(&["check"], 0, &["1 service, 2 environments: valid"], &[]);
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
fn what_is_neither_an_environment_nor_a_file_is_called_so() {
    let project = Project::new(&[("fairway.yaml", GOOD)]);
    project.check(
        &["apply", "next.plan", "--yes"],
        3,
        &[],
        &["there is no file next.plan", "nothing was changed"],
    );
    project.check(&["apply", "staging", "--yes"], 3, &[], &["no environment `staging`", "dev, far"]);
    project.check(&["-C", "nowhere", "check"], 3, &[], &["nowhere", "No such file"]);
}

#[test]
fn every_answer_is_one_json_object_when_asked_for() {
    let project = Project::new(&[("fairway.yaml", GOOD)]);
    for arguments in [
        &["down", "dev", "--json"][..],
        &["status", "dev", "--json"],
        &["history", "dev", "--json"],
        &["check", "--json"],
        &["init", "--print", "--json"],
        &["unlock", "dev", "--json"],
        &["apply", "staging", "--yes", "--json"],
    ] {
        let output = project.run(arguments);
        let text = String::from_utf8_lossy(&output.stdout);
        let value: serde_json::Value =
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {text}"));
        assert_eq!(value["format"], 1, "{arguments:?}: {text}");
    }
}

#[test]
fn a_stream_of_events_ends_with_the_error_in_one_line() {
    let project = Project::new(&[("fairway.yaml", GOOD)]);
    for arguments in [["revert", "nope", "--events"], ["apply", "nope", "--events"]] {
        let output = project.run(&arguments);
        let text = String::from_utf8_lossy(&output.stdout);
        let lines: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.last().unwrap()["error"]["exit_code"], 3, "{text}");
    }
}

#[test]
fn variables_that_are_not_text_disturb_nobody() {
    use std::os::unix::ffi::OsStrExt;
    let project = Project::new(&[("fairway.yaml", GOOD)]);
    let mut command = Command::new(env!("CARGO_BIN_EXE_fairway"));
    command.arg("check").current_dir(project.path()).env("ODD", std::ffi::OsStr::from_bytes(b"\xff"));
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    fs::write(project.path().join("fairway.yaml"), b"\xff").unwrap();
    project.check(&["check"], 3, &[], &["is not UTF-8 text", "nothing was changed"]);
}

#[test]
fn a_variable_that_is_not_set_costs_no_build() {
    let manifest = GOOD.replace("${GREETING:hello}", "${GREETING}").replace("[\"true\"]", "[touch, built]");
    let project = Project::new(&[("fairway.yaml", &manifest)]);
    project.check(&["diff", "dev"], 3, &[], &["DEV_GREETING", "is not set"]);
    assert!(!project.path().join("built").exists());
}

#[test]
fn a_build_that_is_given_up_leaves_no_process_behind() {
    // `sh` waits for `sleep`, as a build tool waits for a compiler.
    let build = "[sh, -c, \"sleep 300 & echo $! > child.tmp; mv child.tmp child; wait; true\"]";
    let project = Project::new(&[("fairway.yaml", &GOOD.replace("[\"true\"]", build))]);
    let fairway = Command::new(env!("CARGO_BIN_EXE_fairway"))
        .args(["diff", "dev"])
        .current_dir(project.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let child = wait_for("the build", || fs::read_to_string(project.path().join("child")).ok());
    let id = fairway.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    let output = fairway.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(5), "{stderr}");
    assert!(stderr.contains("interrupted: nothing was switched in dev"), "{stderr}");
    let status = Path::new("/proc").join(child.trim()).join("stat");
    // One that has ended and that nobody has collected yet is a zombie.
    wait_for("its end", || match fs::read_to_string(&status) {
        Ok(text) if !text.contains(") Z ") => None,
        _ => Some(()),
    });
}

/// Waits for a state, and not for a time.
#[track_caller]
fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(std::time::Instant::now() < deadline, "waited in vain for {what}");
        std::thread::yield_now();
    }
}

#[test]
fn completions_are_scripts() {
    Project::new(&[]).check(&["completions", "bash"], 0, &["_fairway()"], &[]);
}

#[test]
fn looking_at_traffic_starts_nothing_and_says_that_there_is_none() {
    let project = Project::new(&[("fairway.yaml", GOOD)]);
    let nothing = "the edge of this machine serves nothing of dev";
    project.check(&["routes"], 0, &[nothing], &[]);
    project.check(&["top", "dev"], 0, &[nothing], &[]);
    project.check(&["routes", "dev", "--json"], 0, &["\"traffic\": null"], &[]);
    project.check(&["top", "--json", "--once"], 0, &["\"rates\":null"], &[]);
    project.check(&["routes", "nowhere"], 3, &[], &["there is no environment `nowhere`"]);
    assert!(!project.path().join(".fairway/host").exists(), "an agent was started");
}

#[test]
fn an_interval_that_makes_no_sense_is_refused() {
    let project = Project::new(&[("fairway.yaml", GOOD)]);
    project.check(&["top", "-n", "10ms"], 3, &[], &["10ms is too short, the least is 100ms"]);
    project.check(&["top", "--interval", "fast"], 3, &[], &["--interval: ", "fast"]);
}
