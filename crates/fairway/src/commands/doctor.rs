//! `fairway doctor`.

use crate::{
    render::table::table,
    settings::{Context, executable, print, print_json},
};
use fairway_delivery::{Error, Project, exit};
use serde_json::json;

/// One thing that was looked at.
struct Finding {
    good: bool,
    /// Fairway cannot work without it.
    needed: bool,
    what: &'static str,
    detail: String,
}

pub(super) async fn run(context: &Context) -> Result<u8, Error> {
    let mut findings = Vec::new();
    let mut add = |good: bool, needed: bool, what: &'static str, detail: String| {
        findings.push(Finding { good, needed, what, detail })
    };
    add(true, true, "fairway", format!("{} at {}", env!("CARGO_PKG_VERSION"), executable()?.display()));
    for (program, arguments, needed) in [("git", "--version", false), ("cargo", "--version", false)] {
        let version = version(program, arguments).await;
        add(version.is_some(), needed, program, version.unwrap_or_else(|| "not installed; services with `build: { cargo: … }` need cargo, and history shows no commits without git".to_owned()));
    }
    let path = std::env::var("PATH").ok();
    match fairway_postgres::locate(path.as_deref(), None) {
        Ok(found) => add(true, false, "postgres", format!("{} in {}", found.version, found.bin.display())),
        Err(error) => add(false, false, "postgres", error.to_string()),
    }
    let cgroups =
        fairway_supervisor::cgroup::Cgroups::detect() != fairway_supervisor::cgroup::Cgroups::default();
    let limits = if cgroups {
        "control groups are mounted; `fairway status` says when one cannot be used"
    } else {
        "no control groups: limits are not enforced"
    };
    add(cgroups, false, "limits", limits.to_owned());
    match Project::find(&context.directory) {
        Err(error) => add(false, false, "project", error.to_string()),
        Ok(project) => {
            let delivery = context.delivery().await?;
            let parsed = delivery.manifest();
            match parsed.and_then(|parsed| delivery.check(&parsed, &[])) {
                Ok(problems) => {
                    let errors = problems.iter().filter(|problem| problem.is_error()).count();
                    let words = format!(
                        "{}: {errors} errors, {} warnings",
                        project.root().display(),
                        problems.len() - errors
                    );
                    add(errors == 0, true, "manifest", words);
                }
                Err(error) => add(false, true, "manifest", error.chain()),
            }
            match fairway_host::Host::running(&delivery.host_home()).await {
                Ok(Some(host)) => match host.info().await {
                    Ok(info) => {
                        let same = info.version == env!("CARGO_PKG_VERSION");
                        add(
                            same,
                            false,
                            "agent",
                            format!("{} runs as process {} ({})", info.version, info.pid, info.home),
                        );
                        for note in info.notes {
                            add(false, false, "agent", note);
                        }
                    }
                    Err(error) => add(false, false, "agent", error.to_string()),
                },
                Ok(None) => add(true, false, "agent", "not running; `up` and `apply` start it".to_owned()),
                Err(error) => add(false, false, "agent", error.to_string()),
            }
        }
    }
    let broken = findings.iter().any(|finding| finding.needed && !finding.good);
    if context.json {
        let list: Vec<_> = findings
            .iter()
            .map(|f| json!({ "good": f.good, "needed": f.needed, "what": f.what, "detail": f.detail }))
            .collect();
        print_json(&json!({ "format": 1, "healthy": !broken, "findings": list }));
    } else {
        let mark = |finding: &Finding| match (finding.good, finding.needed) {
            (true, _) => context.paint.good("✔"),
            (false, true) => context.paint.bad("✘"),
            (false, false) => context.paint.warn("!"),
        };
        let rows: Vec<_> = findings
            .iter()
            .map(|finding| vec![mark(finding), finding.what.to_owned(), finding.detail.clone()])
            .collect();
        print(table(&["", "WHAT", "FOUND"], &rows));
    }
    Ok(if broken { exit::INVALID } else { exit::DONE })
}

async fn version(program: &str, argument: &str) -> Option<String> {
    let output = tokio::process::Command::new(program).arg(argument).output().await.ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
