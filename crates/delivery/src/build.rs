//! From sources to artifacts.

use crate::{Error, Notice, Project, Reporter, artifact, artifact::Packed, process, process::Output};
use fairway_manifest::{Build, Manifest};
use fairway_model::ServiceName;
use std::{collections::BTreeMap, path::PathBuf};

/// Builds every service of the manifest that has something to build.
pub(crate) async fn build(
    project: &Project,
    manifest: &Manifest,
    reporter: &dyn Reporter,
) -> Result<BTreeMap<ServiceName, Packed>, Error> {
    let mut outputs: BTreeMap<ServiceName, PathBuf> = BTreeMap::new();
    let mut packages: BTreeMap<ServiceName, String> = BTreeMap::new();
    for (name, service) in &manifest.services {
        match &service.build {
            Some(Build::Cargo { cargo }) => {
                packages.insert(name.clone(), cargo.clone());
            }
            Some(Build::Command { command, output }) => {
                outputs.insert(name.clone(), command_build(project, name, command, output, reporter).await?);
            }
            None => {}
        }
    }
    outputs.extend(cargo_build(project, &packages, reporter).await?);
    let mut packed = BTreeMap::new();
    let cache = project.state().join("artifacts");
    for (service, path) in outputs {
        let (path_in, cache) = (path.clone(), cache.clone());
        let made = tokio::task::spawn_blocking(move || artifact::pack(&path_in, &cache)).await;
        let made = made.unwrap_or_else(|error| Err(std::io::Error::other(error)));
        let made = made.map_err(|source| Error::Pack { path, source })?;
        reporter.notice(Notice::Built {
            service: service.clone(),
            artifact: made.artifact.digest,
            size: made.artifact.size,
        });
        packed.insert(service, made);
    }
    Ok(packed)
}

async fn command_build(
    project: &Project,
    service: &ServiceName,
    command: &[String],
    output: &str,
    reporter: &dyn Reporter,
) -> Result<PathBuf, Error> {
    let [program, arguments @ ..] = command else {
        return Err(Error::Usage(format!("the build command of {service} is empty")));
    };
    reporter.notice(Notice::Building { services: vec![service.clone()], command: command.join(" ") });
    process::run(program, arguments, project.root(), &BTreeMap::new(), |line| tell(reporter, &line))
        .await
        .map_err(|source| Error::Build { service: service.clone(), source })?;
    let path = project.root().join(output);
    if path.exists() { Ok(path) } else { Err(Error::NoOutput { service: service.clone(), path }) }
}

fn tell(reporter: &dyn Reporter, line: &Output<'_>) {
    let (Output::Data(line) | Output::Diagnostic(line)) = line;
    reporter.notice(Notice::BuildLine((*line).to_owned()));
}

/// One run of cargo for all packages: they share most of their dependencies.
async fn cargo_build(
    project: &Project,
    packages: &BTreeMap<ServiceName, String>,
    reporter: &dyn Reporter,
) -> Result<BTreeMap<ServiceName, PathBuf>, Error> {
    let Some(first) = packages.keys().next() else { return Ok(BTreeMap::new()) };
    let mut arguments: Vec<String> =
        ["build", "--message-format", "json-render-diagnostics"].map(str::to_owned).into();
    for package in packages.values() {
        arguments.extend(["--package".to_owned(), package.clone()]);
    }
    let command = format!(
        "cargo build --package {}",
        packages.values().cloned().collect::<Vec<_>>().join(" --package ")
    );
    reporter.notice(Notice::Building { services: packages.keys().cloned().collect(), command });
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let mut executables: BTreeMap<String, PathBuf> = BTreeMap::new();
    process::run(cargo, &arguments, project.root(), &BTreeMap::new(), |line| match line {
        Output::Data(line) => executables.extend(executable(line)),
        Output::Diagnostic(_) => tell(reporter, &line),
    })
    .await
    .map_err(|source| Error::Build { service: first.clone(), source })?;
    let find = |(service, package): (&ServiceName, &String)| match executables.get(package) {
        Some(path) => Ok((service.clone(), path.clone())),
        None => Err(Error::NoOutput {
            service: service.clone(),
            path: PathBuf::from(format!("binary `{package}`")),
        }),
    };
    packages.iter().map(find).collect()
}

/// The binary that a line of cargo's JSON output announces: its target's name and its path.
fn executable(line: &str) -> Option<(String, PathBuf)> {
    let message: serde_json::Value = serde_json::from_str(line).ok()?;
    let path = message["executable"].as_str()?;
    let is_binary = message["target"]["kind"].as_array()?.iter().any(|kind| kind == "bin");
    is_binary
        .then(|| (message["target"]["name"].as_str().unwrap_or_default().to_owned(), PathBuf::from(path)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_announces_its_binaries() {
        for (line, expect) in [
            (
                r#"{"reason":"compiler-artifact","target":{"kind":["bin"],"name":"identity"},"executable":"/t/debug/identity"}"#,
                Some("identity"),
            ),
            (
                r#"{"reason":"compiler-artifact","target":{"kind":["lib"],"name":"kit"},"executable":null}"#,
                None,
            ),
            (r#"{"reason":"build-finished","success":true}"#, None),
            ("warning: not JSON", None),
        ] {
            assert_eq!(executable(line).map(|(name, _)| name).as_deref(), expect, "{line}");
        }
    }
}
