//! What the tests share: a system that is well, and a way to show what is wrong with others.

use fairway_manifest::{Inputs, Manifest, Parsed, Problem, Problems, Resolution, Sources, check, resolve};
use fairway_model::{
    Artifact, ArtifactDigest, ArtifactKind, ContractDigest, Digest, EnvironmentName, Migration,
    MigrationEffect, Redacted, SecretVersion, ServiceName,
};
use std::{collections::BTreeMap, fmt::Write as _};

/// A system like the shop.
pub(crate) const SHOP: &str = include_str!("shop.yaml");

/// A contract with these paths.
pub(crate) fn contract(title: &str, paths: &[&str]) -> String {
    let mut text = format!("openapi: 3.0.3\ninfo: {{ title: {title}, version: 1.0.0 }}\npaths:\n");
    for path in paths {
        let _ = writeln!(text, "  {path}:\n    get:");
        let holes: Vec<&str> = path.split('{').skip(1).filter_map(|rest| rest.split('}').next()).collect();
        if !holes.is_empty() {
            let _ = writeln!(text, "      parameters:");
            for hole in holes {
                let _ = writeln!(
                    text,
                    "        - {{ name: {hole}, in: path, required: true, schema: {{ type: string }} }}"
                );
            }
        }
        let _ = writeln!(text, "      responses: {{ '200': {{ description: fine }} }}");
    }
    text
}

/// The files that the shop speaks of.
pub(crate) fn shop_sources() -> Sources {
    let mut sources = Sources::new();
    for (name, paths) in [
        ("identity", &["/health", "/me", "/me/permissions"][..]),
        ("commerce", &["/health", "/products", "/products/{productId}"]),
        ("gateway", &["/health", "/bff/bootstrap"]),
        ("ai", &["/ai/chat"]),
    ] {
        sources.insert(format!("contracts/openapi/{name}.yaml"), contract(name, paths));
    }
    sources.note("services/commerce/migrations/0001_products.sql");
    sources
}

pub(crate) fn parse(text: &str) -> Parsed {
    Manifest::parse("fairway.yaml", text).unwrap_or_else(|problems| panic!("{problems}"))
}

pub(crate) fn environment(name: &str) -> EnvironmentName {
    EnvironmentName::new(name).expect("the test names an environment")
}

pub(crate) fn service(name: &str) -> ServiceName {
    ServiceName::new(name).expect("the test names a service")
}

/// A version that tells about the value, which is what a test wants and a real one must not.
pub(crate) fn version(service: &str, variable: &str, value: &str) -> SecretVersion {
    SecretVersion(Digest::of(format!("{service}/{variable}={value}").as_bytes()))
}

/// Resolves with a built file for every service, named like the first word of its `run`.
pub(crate) fn resolve_with(
    parsed: &Parsed,
    name: &str,
    sources: &Sources,
    process_environment: &[(&str, &str)],
) -> Result<Resolution, Problems> {
    let mut artifacts = BTreeMap::new();
    let mut migrations = BTreeMap::new();
    for (name, service) in &parsed.manifest.services {
        if let Some(program) = service.run.as_ref().and_then(|run| run.first()) {
            let digest = ArtifactDigest(Digest::of(program.as_bytes()));
            artifacts.insert(
                name.clone(),
                Artifact { digest, kind: ArtifactKind::File { name: program.clone() }, size: 1 },
            );
        }
        if let Some(directory) = service.database.as_ref().and_then(|database| database.migrations.as_ref()) {
            let files = sources.below(directory).map(|path| Migration {
                name: path.rsplit('/').next().unwrap_or(path).to_owned(),
                digest: Digest::of(path.as_bytes()),
                effect: MigrationEffect::Additive,
            });
            migrations.insert(name.clone(), files.collect());
        }
    }
    // Digests of their own, so that nothing here depends on how contracts are hashed.
    let contracts = parsed.manifest.services.iter().filter(|(_, service)| service.contract.is_some());
    let contract_digests = contracts
        .map(|(name, _)| (name.clone(), ContractDigest(Digest::of(name.as_str().as_bytes()))))
        .collect();
    let inputs = Inputs {
        process_environment: process_environment
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        sources,
        artifacts,
        migrations,
        contract_digests,
        secret_version: &|service, variable, value| version(service.as_str(), variable.as_str(), value),
        store_access: Redacted::new("the way to the store"),
    };
    resolve(parsed, &environment(name), &inputs)
}

/// Everything that is wrong with a manifest, in its text and in its system, with the offending text marked.
pub(crate) fn problems(text: &str, sources: &Sources) -> Vec<Problem> {
    match Manifest::parse("fairway.yaml", text) {
        Ok(parsed) => check(&parsed, sources).problems,
        Err(problems) => problems.into_vec(),
    }
}

/// Problems with the line and the marked text, as a terminal would show them.
pub(crate) fn show(problems: &[Problem], text_of: &dyn Fn(&str) -> Option<String>) -> String {
    let mut out = String::new();
    for problem in problems {
        let _ = writeln!(out, "{problem}");
        let text = text_of(&problem.file);
        if let Some(line) = text.as_deref().and_then(|text| text.lines().nth(problem.line.checked_sub(1)?)) {
            let _ = writeln!(out, "  | {line}");
            let _ = writeln!(out, "  | {}{}", " ".repeat(problem.column - 1), "^".repeat(problem.length));
        }
    }
    if out.is_empty() {
        out.push_str("nothing\n");
    }
    out
}

/// A table of bad manifests as one text: each with its name, what it says and what is wrong with it.
pub(crate) fn table(cases: &[(&str, &str)], sources: &Sources) -> String {
    let mut out = String::new();
    for (name, text) in cases {
        let shown =
            show(&problems(text, sources), &|file| (file == "fairway.yaml").then(|| (*text).to_owned()));
        let _ = writeln!(out, "━━ {name}\n{shown}");
    }
    out
}
