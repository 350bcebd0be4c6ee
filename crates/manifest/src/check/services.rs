//! Each service by itself: is there a program, can it be reached, does anything in it contradict the rest?

use super::Check;
use crate::{
    Build, Cpu, Memory, Postgres, Probe, Problem, Service, interpolate,
    layers::{ALL, is_secret_name},
};
use fairway_model::{Millis, ServiceName, VariableName};
use std::collections::BTreeMap;

pub(super) fn check(check: &mut Check<'_>) {
    resources(check);
    if check.parsed.manifest.services.is_empty() {
        let help = Some("write at least one service".to_owned());
        check.error_at_key(&["services"], "no-services", "the system has no services".to_owned(), help);
    }
    for (name, service) in check.services() {
        if name.as_str() == ALL {
            let message = format!("`{ALL}` cannot name a service: in `config/` it stands for every service");
            check.error_at_key(&["services", ALL], "bad-name", message, Some("take another name".to_owned()));
        }
        if service.stub {
            stub(check, name, service);
        } else {
            program(check, name, service);
            listening(check, name, service);
            readiness(check, name, service);
            probes(check, name, service);
            limits(check, name, service);
        }
        database(check, name, service);
        variables(check, name, service);
    }
}

/// A server that nobody uses is not started; a URL with a password does not belong into a file.
fn resources(check: &mut Check<'_>) {
    let manifest = &check.parsed.manifest;
    let Some(postgres) = &manifest.resources.postgres else { return };
    if !manifest.services.values().any(|service| service.database.is_some()) {
        let message = "`postgres` has no effect: no service has a `database`".to_owned();
        check.warn_at_key(&["resources", "postgres"], "no-effect", message, None);
    }
    if let Postgres::Existing(existing) = postgres
        && interpolate::is_literal(&existing.url)
    {
        let message =
            "the URL of the server stands in the file, for everybody who can read the repository".to_owned();
        let span = check.parsed.places.value(&["resources", "postgres", "url"]);
        let problem = Problem::warning(&check.parsed.file, span, "secret-in-file", message);
        let help = "write `${DATABASE_ADMIN_URL}`, which is read from the process environment";
        check.problems.push(problem.help(help));
    }
}

/// A stub has a contract and nothing that only a program has.
fn stub(check: &mut Check<'_>, name: &ServiceName, service: &Service) {
    let name = name.as_str();
    if service.contract.is_none() {
        let help = Some("a stub stands for a contract; write `contract: <file>`".to_owned());
        check.error_at_key(
            &["services", name],
            "stub-contract",
            format!("the stub `{name}` has no contract"),
            help,
        );
    }
    for key in [
        "build", "run", "listen", "database", "env", "secrets", "needs", "health", "ready", "start",
        "limits", "replicas", "stop", "traffic",
    ] {
        if check.parsed.places.contains(&["services", name, key]) {
            let message = format!("`{name}` is a stub, so its `{key}` has no meaning");
            let help = Some("remove it, or remove `stub: true`".to_owned());
            check.error_at_key(&["services", name, key], "stub-program", message, help);
        }
    }
}

fn program(check: &mut Check<'_>, name: &ServiceName, service: &Service) {
    let name = name.as_str();
    let at = ["services", name];
    match (&service.build, &service.run) {
        (None, None) => {
            let help = Some("write both, or `stub: true` for a contract without a program yet".to_owned());
            check.error_at_key(&at, "no-program", format!("`{name}` has neither `build` nor `run`"), help);
        }
        (Some(_), None) => {
            let help = Some(format!("write the command that starts it, such as `run: [{name}]`"));
            check.error_at_key(&at, "no-program", format!("`{name}` has no `run`"), help);
        }
        (None, Some(_)) => {
            let help = Some("say what is delivered: `build: { cargo: PACKAGE }`, or `build: { command: [...], output: PATH }`".to_owned());
            check.error_at_key(&at, "no-program", format!("`{name}` has no `build`"), help);
        }
        (Some(_), Some(_)) => {}
    }
    let mut commands = vec![(vec!["services", name, "run"], service.run.as_ref())];
    if let Some(Build::Command { command, .. }) = &service.build {
        commands.push((vec!["services", name, "build", "command"], Some(command)));
    }
    if let Some(database) = &service.database {
        commands.push((vec!["services", name, "database", "migrate"], database.migrate.as_ref()));
        commands.push((vec!["services", name, "database", "seed"], database.seed.as_ref()));
    }
    for (mut path, command) in commands {
        if command.and_then(|command| command.first()).is_some_and(|program| program.trim().is_empty()) {
            path.push("0");
            let message = "the command names no program".to_owned();
            check.error(
                &path,
                "missing-program",
                message,
                Some("write the program first, then its arguments".to_owned()),
            );
        }
    }
}

/// Whoever is called must be told where to listen.
fn listening(check: &mut Check<'_>, name: &ServiceName, service: &Service) {
    if service.listen.is_some() {
        return;
    }
    let needed_by = check.needed_by.get(name);
    let reason = if service.expose.is_some() {
        "is exposed".to_owned()
    } else if let Some(other) = needed_by {
        format!("is needed by `{other}`")
    } else if service.ready.as_ref().and_then(Probe::path).is_some()
        || service.health.as_ref().and_then(Probe::path).is_some()
    {
        "is probed".to_owned()
    } else {
        return;
    };
    let message = format!("`{name}` {reason} and does not say where it listens");
    let help = Some("write `listen: VARIABLE`, the variable that receives `127.0.0.1:<port>`".to_owned());
    check.error_at_key(&["services", name.as_str()], "no-listen", message, help);
}

/// Traffic must not be sent to an instance about which nothing is known.
fn readiness(check: &mut Check<'_>, name: &ServiceName, service: &Service) {
    if service.ready.is_some() {
        return;
    }
    let help = Some(
        "write `ready: /path`, or `ready: none` if it takes traffic from its first moment on".to_owned(),
    );
    let name_text = name.as_str();
    if service.expose.is_some() {
        let message = format!("`{name}` is exposed and has no readiness probe");
        check.error_at_key(&["services", name_text], "no-readiness", message, help);
    } else if let Some(other) = check.needed_by.get(name) {
        let message = format!(
            "`{name}` is needed by `{other}` and has no readiness probe, so calls may come before it is ready"
        );
        check.warn_at_key(&["services", name_text], "no-readiness", message, help);
    }
}

fn probes(check: &mut Check<'_>, name: &ServiceName, service: &Service) {
    let name = name.as_str();
    let specs = [
        ("health", service.health.as_ref().and_then(Probe::live_spec)),
        ("ready", service.ready.as_ref().and_then(Probe::ready_spec)),
    ];
    for (key, spec) in specs.into_iter().filter_map(|(key, spec)| Some((key, spec?))) {
        for (field, value) in [("interval", spec.interval), ("timeout", spec.timeout)] {
            if value == Millis(0) {
                let message = format!("the {field} of a probe cannot be zero");
                check.error(&["services", name, key, field], "bad-value", message, None);
            }
        }
        let deadline = service.start.deadline.0;
        if deadline != Millis(0) && deadline < spec.interval && key == "ready" {
            let message = format!(
                "`{name}` has {} to become ready and is asked every {} only",
                service.start.deadline, spec.interval
            );
            let help = Some("make the deadline longer or the interval shorter".to_owned());
            check.error_at_key(&["services", name, "start", "deadline"], "bad-value", message, help);
        }
    }
    if service.start.deadline.0 == Millis(0) {
        let message = "nothing starts in no time".to_owned();
        check.error(&["services", name, "start", "deadline"], "bad-value", message, None);
    }
    let asked = service.ready.as_ref().is_some_and(|ready| ready.path().is_some());
    if check.parsed.places.contains(&["services", name, "start"]) && !asked {
        let message = format!("`start` has no effect: nothing asks `{name}` whether it is ready");
        let help = Some("write `ready: /path`".to_owned());
        check.warn_at_key(&["services", name, "start"], "no-effect", message, help);
    }
}

/// The least memory that a process can be started in, and the most that anybody means.
const MEMORY: (Memory, Memory) = (Memory(4 << 20), Memory(64 << 40));
/// The least that makes progress, and the most that anybody means.
const CPU: (Cpu, Cpu) = (Cpu(10), Cpu(1_024_000));

fn limits(check: &mut Check<'_>, name: &ServiceName, service: &Service) {
    let name = name.as_str();
    if let Some(memory) = service.limits.memory.filter(|memory| *memory < MEMORY.0 || *memory > MEMORY.1) {
        let message = format!(
            "{memory} of memory is not a sensible limit: write something from {} to {}",
            MEMORY.0, MEMORY.1
        );
        let help = (memory < MEMORY.0).then(|| "is the unit missing? `Mi` is 1024 × 1024 bytes".to_owned());
        check.error(&["services", name, "limits", "memory"], "bad-limit", message, help);
    }
    if let Some(cpu) = service.limits.cpu.filter(|cpu| *cpu < CPU.0 || *cpu > CPU.1) {
        let message =
            format!("{cpu} of CPU is not a sensible limit: write something from {} to {}", CPU.0, CPU.1);
        let help = Some("`500m` is half a CPU, `2` is two".to_owned());
        check.error(&["services", name, "limits", "cpu"], "bad-limit", message, help);
    }
}

fn database(check: &mut Check<'_>, name: &ServiceName, service: &Service) {
    let Some(database) = &service.database else { return };
    let name = name.as_str();
    if let Some(directory) = &database.migrations {
        let path = ["services", name, "database", "migrations"];
        if !check.sources.has_directory(directory) {
            let what = if check.sources.has_file(directory) {
                "is a file, not a directory"
            } else {
                "does not exist or is empty"
            };
            let message = format!("the directory of migrations `{directory}` {what}");
            check.error(&path, "migrations-missing", message, None);
        }
        if database.migrate.is_none() {
            let message = format!("`{name}` has migrations and no command that runs them");
            let help = Some(format!("write `migrate: [{name}, migrate]` or whatever runs them"));
            check.error(&path, "no-migrate", message, help);
        }
    }
}

/// Every variable has one source.
fn variables(check: &mut Check<'_>, name: &ServiceName, service: &Service) {
    let name = name.as_str();
    for (variable, places) in provided(service).into_iter().filter(|(_, places)| places.len() > 1) {
        let mut path = vec!["services", name];
        path.extend(places[1].iter().map(String::as_str));
        let first = places[0].join(".");
        let message = format!("`{variable}` already receives the value of `{first}`");
        check.error(&path, "variable-twice", message, Some("use another variable".to_owned()));
    }
    for (index, secret) in service.secrets.iter().enumerate() {
        let index = index.to_string();
        if is_secret_name(secret.as_str()) {
            let message = format!("`{secret}` is secret by its name; it need not be listed");
            check.warn_at_key(&["services", name, "secrets", &index], "secret-anyway", message, None);
        }
    }
}

/// The variables that Fairway sets for a service, each with the places that say so.
pub(super) fn provided(service: &Service) -> BTreeMap<&VariableName, Vec<Vec<String>>> {
    let mut provided: BTreeMap<&VariableName, Vec<Vec<String>>> = BTreeMap::new();
    let mut add = |variable, path: &[&str]| {
        provided.entry(variable).or_default().push(path.iter().map(|&part| part.to_owned()).collect());
    };
    if let Some(listen) = &service.listen {
        add(listen, &["listen"]);
    }
    if let Some(database) = &service.database {
        add(&database.env, &["database", "env"]);
    }
    for (needed, variable) in &service.needs {
        add(variable, &["needs", needed.as_str()]);
    }
    provided
}
