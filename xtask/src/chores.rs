//! The chores themselves: they run programs and read files.

use crate::tidy::{self, Package};
use crate::wire;
use anyhow::{Context, bail};
use serde_json::Value;
use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask stands in the repository").to_owned()
}

/// Runs a program in the repository; its output goes where ours goes.
fn run(program: &str, arguments: &[&str]) -> anyhow::Result<()> {
    let line = format!("{program} {}", arguments.join(" "));
    eprintln!("▸ {line}");
    let begin = Instant::now();
    let status = Command::new(program)
        .args(arguments)
        .current_dir(root())
        .status()
        .with_context(|| format!("cannot run `{line}`"))?;
    if !status.success() {
        bail!("`{line}` failed: {status}");
    }
    eprintln!("  {:.1}s", begin.elapsed().as_secs_f64());
    Ok(())
}

fn succeeds(program: &str, arguments: &[&str]) -> bool {
    Command::new(program)
        .args(arguments)
        .current_dir(root())
        .output()
        .is_ok_and(|output| output.status.success())
}

pub(crate) fn tidy() -> anyhow::Result<()> {
    let problems = tidy::check(&packages()?);
    for problem in &problems {
        eprintln!("tidy: {problem}");
    }
    if !problems.is_empty() {
        bail!("tidy: {} problems", problems.len());
    }
    Ok(())
}

pub(crate) fn lint() -> anyhow::Result<()> {
    run("cargo", &["fmt", "--all", "--check"])?;
    tidy()?;
    run("cargo", &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])?;
    if succeeds("cargo", &["deny", "--version"]) {
        run("cargo", &["deny", "check", "licenses", "bans", "sources"])?;
    }
    Ok(())
}

pub(crate) fn ci() -> anyhow::Result<()> {
    lint()?;
    // The stories drive the built programs as a user would, so these come first.
    run("cargo", &["build", "--workspace", "--bins"])?;
    generate(true)?;
    run("cargo", &["test", "--workspace", "--doc"])?;
    if succeeds("cargo", &["nextest", "--version"]) {
        run("cargo", &["nextest", "run", "--workspace"])
    } else {
        run("cargo", &["test", "--workspace", "--all-targets"])
    }
}

pub(crate) fn generate(check: bool) -> anyhow::Result<()> {
    wire_types(check)?;
    let fairway = binary("debug", "fairway")?;
    for (file, arguments) in [
        ("docs/reference/fairway.schema.json", ["generate", "schema"]),
        ("docs/reference/cli.md", ["generate", "cli"]),
        ("docs/reference/contract-rules.md", ["generate", "contract-rules"]),
    ] {
        let output = Command::new(&fairway)
            .args(arguments)
            .output()
            .with_context(|| format!("cannot run {}", fairway.display()))?;
        if !output.status.success() {
            bail!("fairway {} failed: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr));
        }
        keep(file, &output.stdout, check)?;
    }
    Ok(())
}

/// The shop's wire types and clients, from its contracts. Needs no program to be built.
pub(crate) fn wire_types(check: bool) -> anyhow::Result<()> {
    const SOURCES: &str = "shop/services/shop-wire/src";
    for (file, source) in wire::files(&root().join("shop/contracts/openapi"))? {
        keep(&format!("{SOURCES}/{file}"), source.as_bytes(), check)?;
    }
    Ok(())
}

/// Writes a generated file when it differs; with `check` a difference is an error.
fn keep(file: &str, content: &[u8], check: bool) -> anyhow::Result<()> {
    let path = root().join(file);
    if std::fs::read(&path).unwrap_or_default() == content {
        return Ok(());
    }
    if check {
        bail!("{file} is not what would be generated now; run `cargo xtask generate` and commit it");
    }
    std::fs::create_dir_all(path.parent().expect("a file stands in a directory"))?;
    std::fs::write(&path, content)?;
    eprintln!("wrote {file}");
    Ok(())
}

pub(crate) fn bench(only: Option<&str>, options: &[String]) -> anyhow::Result<()> {
    match only {
        Some(only @ ("edge" | "switches")) => bench_edge(only, options),
        Some("shop") => bench_shop(options),
        _ => bench_releases(only, options),
    }
}

fn bench_edge(only: &str, options: &[String]) -> anyhow::Result<()> {
    let mut build = vec!["build", "--release", "-p", "fairway-stories", "--bin", "bench-edge"];
    if options.iter().any(|option| option == "--profile") {
        // Without names there is nothing to read in a profile.
        build.extend(["--config", "profile.release.strip=\"none\""]);
    }
    run("cargo", &build)?;
    let mut arguments = vec![only];
    arguments.extend(options.iter().map(String::as_str));
    run_release("bench-edge", &arguments)
}

fn bench_shop(options: &[String]) -> anyhow::Result<()> {
    let mut build = vec!["build", "--release", "-p", "fairway-stories", "--bin", "bench-shop"];
    for service in ["identity", "commerce", "payment", "gateway-bff"] {
        build.extend(["-p", service, "--bin", service]);
    }
    run("cargo", &build)?;
    run_release("bench-shop", &options.iter().map(String::as_str).collect::<Vec<_>>())
}

fn bench_releases(only: Option<&str>, options: &[String]) -> anyhow::Result<()> {
    if let Some(option) = options.first() {
        bail!(
            "`{option}` is not understood here; only `bench edge`, `bench switches` and `bench shop` take options"
        );
    }
    run("cargo", &["build", "--release", "--workspace", "--bins"])?;
    let mut arguments = vec!["run", "--release", "--quiet", "-p", "fairway-stories", "--bin", "bench", "--"];
    arguments.extend(only);
    run("cargo", &arguments)
}

/// Runs a program that was built for release.
fn run_release(name: &str, arguments: &[&str]) -> anyhow::Result<()> {
    let program = binary("release", name)?;
    run(program.to_str().context("the target directory has a name of letters")?, arguments)
}

fn metadata() -> anyhow::Result<Value> {
    let output = Command::new("cargo")
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .context("cannot run cargo metadata")?;
    if !output.status.success() {
        bail!("cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn binary(profile: &str, name: &str) -> anyhow::Result<PathBuf> {
    let metadata = metadata()?;
    let target = metadata["target_directory"].as_str().context("cargo metadata names no target directory")?;
    Ok(Path::new(target).join(profile).join(name))
}

fn packages() -> anyhow::Result<Vec<Package>> {
    let metadata = metadata()?;
    let mut packages = Vec::new();
    for package in metadata["packages"].as_array().context("cargo metadata names no packages")? {
        let text = |key: &str| package[key].as_str().unwrap_or_default().to_owned();
        let directory = Path::new(&text("manifest_path"))
            .parent()
            .context("a manifest stands in a directory")?
            .to_owned();
        let dependencies = package["dependencies"].as_array().into_iter().flatten();
        let mut sources = Vec::new();
        for part in ["src", "tests", "examples", "benches"] {
            read_sources(&directory.join(part), &mut sources)?;
        }
        sources.sort();
        packages.push(Package {
            name: text("name"),
            description: text("description"),
            dependencies: dependencies
                .filter(|d| d["kind"].is_null())
                .filter_map(|d| d["name"].as_str().map(str::to_owned))
                .collect(),
            sources,
        });
    }
    Ok(packages)
}

fn read_sources(directory: &Path, into: &mut Vec<(String, String)>) -> anyhow::Result<()> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Ok(()) };
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            read_sources(&path, into)?;
        } else if path.extension().is_some_and(|e| e == "rs") {
            let name = path.strip_prefix(root()).unwrap_or(&path).display().to_string();
            into.push((name, std::fs::read_to_string(&path)?));
        }
    }
    Ok(())
}
