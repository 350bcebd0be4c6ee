//! The first manifest of a repository, with comments that say what to look at.

use crate::detect::{Detected, DetectedContract, DetectedProject, ProjectKind};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

/// Writes a manifest for what was detected. It parses, and `check` finds no error in it as long as the files are the
/// ones that were looked at; what could only be guessed says so in a comment.
#[must_use]
pub fn render_initial(detected: &Detected) -> String {
    let mut out = Text::default();
    let system = detected.system.as_ref().map_or("my-system", |name| name.as_str());
    out.line(0, "# What this repository delivers, and where. `fairway explain` describes every key;");
    out.line(0, "# `fairway check` reads the file without changing anything.");
    out.line(0, &format!("system: {}", scalar(system)));
    if let Some(directory) = &detected.contracts_directory {
        out.line(0, &format!("contracts: {}", scalar(directory)));
    }
    out.line(0, "");
    let pairs = pairs(detected);
    if pairs.iter().any(|(project, _)| project.is_some_and(has_database)) {
        out.line(0, "resources:");
        out.line(
            1,
            "# A private server for each environment; every service gets its own database and login in it.",
        );
        out.line(1, "# For a server that is already there: postgres: { url: \"${DATABASE_ADMIN_URL}\" }");
        out.line(1, "postgres: {}");
        out.line(0, "");
    }
    services(&mut out, detected, &pairs);
    remarks(&mut out, detected);
    out.line(0, "");
    out.line(0, "environments:");
    out.line(1, "dev:");
    out.line(2, "target: local");
    out.line(2, "listen: 127.0.0.1:8080 # the public address of the edge");
    out.0
}

#[derive(Default)]
struct Text(String);

impl Text {
    fn line(&mut self, depth: usize, line: &str) {
        if line.is_empty() {
            self.0.push('\n');
        } else {
            // Writing into a string cannot fail.
            let _ = writeln!(self.0, "{:width$}{line}", "", width = depth * 2);
        }
    }
}

type Pair<'d> = (Option<&'d DetectedProject>, Option<&'d DetectedContract>);

/// Brings projects and contracts together by their names: the same, or one with more words than the other.
fn pairs(detected: &Detected) -> Vec<Pair<'_>> {
    let mut free: Vec<&DetectedContract> = detected.contracts.iter().collect();
    let mut found: BTreeMap<usize, &DetectedContract> = BTreeMap::new();
    let same: fn(&str, &str) -> bool = |project, contract| project == contract;
    let longer: fn(&str, &str) -> bool = |project, contract| {
        project.strip_prefix(contract).is_some_and(|rest| rest.starts_with('-'))
            || project.strip_suffix(contract).is_some_and(|rest| rest.ends_with('-'))
    };
    for rule in [same, longer] {
        for (index, project) in detected.projects.iter().enumerate() {
            if found.contains_key(&index) {
                continue;
            }
            if let Some(at) = free.iter().position(|contract| rule(&project.name, &contract.name)) {
                found.insert(index, free.remove(at));
            }
        }
    }
    // One program and one contract belong together whatever they are called.
    if detected.projects.len() == 1 && found.is_empty() && free.len() == 1 {
        found.insert(0, free.remove(0));
    }
    let projects = detected
        .projects
        .iter()
        .enumerate()
        .map(|(index, project)| (Some(project), found.get(&index).copied()));
    projects.chain(free.iter().map(|contract| (None, Some(*contract)))).collect()
}

fn has_database(project: &DetectedProject) -> bool {
    project.migrations.is_some() || project.database.is_some()
}

fn services(out: &mut Text, detected: &Detected, pairs: &[Pair<'_>]) {
    if pairs.is_empty() {
        out.line(0, "# No contract and no program was found. This is what a service looks like:");
        out.line(0, "services:");
        out.line(1, "app:");
        out.line(2, "build: { command: [make, app], output: dist/app }");
        out.line(2, "run: [app]");
        return;
    }
    let names = names(pairs);
    let needs = needs(pairs, &names);
    let front = front(pairs);
    out.line(0, "services:");
    for (index, (project, contract)) in pairs.iter().enumerate() {
        if index > 0 {
            out.line(0, "");
        }
        out.line(1, &format!("{}:", scalar(&names[index])));
        if let Some(contract) = contract {
            out.line(2, &format!("contract: {}", scalar(&contract.file)));
        }
        match project {
            Some(project) => {
                let place = Place { name: &names[index], front: front == Some(index), needs: &needs[index] };
                program(out, detected, project, *contract, &place);
            }
            None => out.line(2, "stub: true # a contract without a program: its routes answer 501"),
        }
    }
}

/// A name for each service, no two the same.
fn names(pairs: &[Pair<'_>]) -> Vec<String> {
    let mut taken = BTreeSet::new();
    let mut name = |(project, contract): &Pair<'_>| {
        let wanted =
            project.map(|project| project.name.as_str()).or(contract.map(|contract| contract.name.as_str()));
        let mut name = wanted.unwrap_or("service").to_owned();
        while !taken.insert(name.clone()) {
            name.push_str("-2");
        }
        name
    };
    pairs.iter().map(&mut name).collect()
}

/// For each service, the others that it calls and the variables that say so: `SHOP_IDENTITY_BASE_URL` needs
/// `identity`. A need that would close a circle is left out.
fn needs(pairs: &[Pair<'_>], names: &[String]) -> Vec<BTreeMap<String, String>> {
    let mut needs: Vec<BTreeMap<String, String>> = vec![BTreeMap::new(); pairs.len()];
    for (index, (project, _)) in pairs.iter().enumerate() {
        let Some(project) = project else { continue };
        for variable in &project.upstreams {
            let endings = ["_BASE_URL", "_SERVICE_URL", "_URL"];
            let Some(subject) = endings.iter().find_map(|ending| variable.strip_suffix(ending)) else {
                continue;
            };
            let called = |(at, (_, contract)): (usize, &Pair<'_>)| {
                let own =
                    [names[at].as_str()].into_iter().chain(contract.map(|contract| contract.name.as_str()));
                let mut words = own.map(|name| name.to_ascii_uppercase().replace('-', "_"));
                let fits = words.any(|word| subject == word || subject.ends_with(&format!("_{word}")));
                (at != index && fits).then_some(at)
            };
            let Some(at) = pairs.iter().enumerate().find_map(called) else { continue };
            if !reaches(&needs, names, at, index) {
                needs[index].entry(names[at].clone()).or_insert_with(|| variable.clone());
            }
        }
    }
    needs
}

/// One service calls another, directly or through others.
fn reaches(needs: &[BTreeMap<String, String>], names: &[String], from: usize, to: usize) -> bool {
    let mut seen = BTreeSet::from([from]);
    let mut open = vec![from];
    while let Some(here) = open.pop() {
        if here == to {
            return true;
        }
        let next = needs[here].keys().filter_map(|name| names.iter().position(|other| other == name));
        open.extend(next.filter(|next| seen.insert(*next)));
    }
    false
}

/// What is known about a program from looking at the others.
struct Place<'n> {
    name: &'n str,
    /// It takes the requests from outside.
    front: bool,
    needs: &'n BTreeMap<String, String>,
}

/// The one that takes requests from outside: the only program, or the one that is called like a door.
fn front(pairs: &[Pair<'_>]) -> Option<usize> {
    let programs: Vec<(usize, &str)> = pairs
        .iter()
        .enumerate()
        .filter_map(|(index, (project, _))| Some((index, project.as_ref()?.name.as_str())))
        .collect();
    match programs.as_slice() {
        [(only, _)] => Some(*only),
        several => {
            let door = |name: &str| {
                name.split('-')
                    .any(|word| ["gateway", "bff", "web", "frontend", "www", "api"].contains(&word))
            };
            several.iter().find(|(_, name)| door(name)).map(|(index, _)| *index)
        }
    }
}

fn program(
    out: &mut Text,
    detected: &Detected,
    project: &DetectedProject,
    contract: Option<&DetectedContract>,
    place: &Place<'_>,
) {
    let Place { name, front, needs } = place;
    let DetectedProject { name: _, directory, kind, migrations, listen, database, upstreams: _, state_paths } =
        project;
    let here = if directory.is_empty() { "." } else { directory };
    match kind {
        ProjectKind::Cargo { package, binary } => {
            out.line(2, &format!("build: {{ cargo: {} }}", scalar(package)));
            out.line(2, &format!("run: {}", list(&[binary])));
        }
        ProjectKind::Go { package, binary } => {
            let output = crate::sources::join(directory, &format!("bin/{binary}"));
            let built = format!("bin/{binary}");
            let command = match directory.as_str() {
                "" => list(&["go", "build", "-o", &built, package]),
                directory => list(&["go", "build", "-C", directory, "-o", &built, package]),
            };
            out.line(2, &format!("build: {{ command: {command}, output: {} }}", scalar(&output)));
            out.line(2, &format!("run: {}", list(&[binary])));
        }
        ProjectKind::Node { builds } => {
            let install = format!("npm ci --prefix {here}");
            let command = match builds {
                true => list(&["sh", "-c", &format!("{install} && npm run build --prefix {here}")]),
                false => list(&["npm", "ci", "--prefix", here]),
            };
            out.line(2, &format!("build: {{ command: {command}, output: {} }}", scalar(here)));
            out.line(2, "run: [npm, start]");
        }
        ProjectKind::Python { entry } => {
            out.line(2, "# The command prepares what is delivered; this one only compiles. Install dependencies here if need be.");
            let command = list(&["python3", "-m", "compileall", "-q", here]);
            out.line(2, &format!("build: {{ command: {command}, output: {} }}", scalar(here)));
            out.line(2, &format!("run: {}", list(&["python3", entry])));
        }
    }
    match listen {
        Some(variable) => out.line(2, &format!("listen: {variable}")),
        None => {
            let variable = variable(name, "HTTP_ADDR");
            out.line(
                2,
                &format!(
                    "listen: {variable} # a guess: the variable in which the program finds 127.0.0.1:<port>"
                ),
            );
        }
    }
    if !needs.is_empty() {
        out.line(2, "needs:");
        for (needed, variable) in *needs {
            out.line(3, &format!("{}: {variable}", scalar(needed)));
        }
    }
    if has_database(project) {
        let env = database.clone().unwrap_or_else(|| "DATABASE_URL".to_owned());
        out.line(2, "database:");
        let guess = if database.is_some() {
            ""
        } else {
            " # a guess: the variable in which the program finds the connection URL"
        };
        out.line(3, &format!("env: {env}{guess}"));
        if let Some(directory) = migrations {
            let program = match kind {
                ProjectKind::Cargo { binary, .. } | ProjectKind::Go { binary, .. } => {
                    list(&[binary, "migrate"])
                }
                ProjectKind::Node { .. } => list(&["npm", "run", "migrate"]),
                ProjectKind::Python { entry } => list(&["python3", entry, "migrate"]),
            };
            out.line(
                3,
                &format!("migrate: {program} # a guess: the command that runs the migrations and ends"),
            );
            out.line(3, &format!("migrations: {}", scalar(directory)));
        }
    }
    let promised = contract.into_iter().flat_map(|contract| &contract.state_paths);
    let state: Vec<&str> = promised.chain(state_paths).map(String::as_str).collect();
    let ready =
        ["/ready", "/readyz", "/health", "/healthz", "/status"].into_iter().find(|path| state.contains(path));
    let live = ["/livez", "/health", "/healthz"].into_iter().find(|path| state.contains(path));
    if let Some(path) = live {
        out.line(2, &format!("health: {path}"));
    }
    match ready {
        Some(path) => out.line(2, &format!("ready: {path}")),
        None => {
            out.line(2, "ready: none # better a path that answers 2xx once the service can take requests")
        }
    }
    if *front {
        out.line(2, "expose: { path: / }");
    } else if detected.projects.len() > 1 {
        out.line(2, "# expose: { path: / } # for requests from outside; name it in the `needs` of services that call it");
    }
}

fn remarks(out: &mut Text, detected: &Detected) {
    let Detected { skipped, dockerfiles, system: _, contracts_directory: _, contracts: _, projects: _ } =
        detected;
    if skipped.is_empty() && dockerfiles.is_empty() {
        return;
    }
    out.line(0, "");
    out.line(1, "# Seen and left out:");
    for (file, reason) in skipped {
        out.line(1, &format!("# - {}: {}", one_line(file), one_line(reason)));
    }
    for file in dockerfiles {
        out.line(
            1,
            &format!(
                "# - {}: images need a container runtime, which the local target does not have",
                one_line(file)
            ),
        );
    }
}

/// A comment ends with its line.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn variable(name: &str, ending: &str) -> String {
    let name = name.to_ascii_uppercase().replace('-', "_");
    let digit = name.starts_with(|c: char| c.is_ascii_digit());
    format!("{}{name}_{ending}", if digit { "_" } else { "" })
}

/// A text as a YAML scalar, fit for block and flow context.
fn scalar(text: &str) -> String {
    let safe = |c: char| c.is_ascii_alphanumeric() || "_-./@".contains(c);
    let starts_well = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || c == '/' || c == '.');
    let word =
        !["true", "false", "null", "yes", "no", "on", "off"].contains(&text.to_ascii_lowercase().as_str());
    // A dot and digits would be a number.
    let number = text.trim_start_matches('.').starts_with(|c: char| c.is_ascii_digit())
        || text.starts_with(".inf")
        || text.starts_with(".nan");
    if starts_well && word && !number && text.chars().all(safe) {
        text.to_owned()
    } else {
        // JSON strings are YAML strings.
        serde_json::Value::String(text.to_owned()).to_string()
    }
}

fn list(items: &[&str]) -> String {
    let items: Vec<String> = items.iter().map(|item| flow_item(item)).collect();
    format!("[{}]", items.join(", "))
}

/// Options such as `-C` are plain text too.
fn flow_item(item: &str) -> String {
    let option = item.len() > 1
        && item.starts_with('-')
        && item[1..].chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    if option && !item[1..].starts_with(|c: char| c.is_ascii_digit() || c == '-' && item.len() == 2) {
        item.to_owned()
    } else {
        scalar(item)
    }
}
