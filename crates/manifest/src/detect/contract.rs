//! OpenAPI files.

use super::{Detected, Repository, label, last_part};
use serde::Serialize;
use std::collections::BTreeMap;

/// An OpenAPI file with paths.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DetectedContract {
    /// The boundary that its file name suggests.
    pub name: String,
    /// The file, relative to the directory of the contracts.
    pub file: String,
    /// The paths that it declares, of those that tell about the state of a service: `/health`, `/ready` and the like.
    pub state_paths: Vec<String>,
}

pub(super) const STATE_PATHS: [&str; 6] = ["/health", "/healthz", "/livez", "/ready", "/readyz", "/status"];
/// Names of files that gather or share what other files promise.
const GENERIC: [&str; 6] = ["openapi", "api", "common", "shared", "index", "spec"];

pub(super) fn detect(repository: &Repository<'_>, detected: &mut Detected) {
    let documents: Vec<(&str, &str)> =
        repository.files().filter(|(path, text)| is_openapi(path, text)).collect();
    let Some(directory) = common_directory(&documents) else { return };
    let mut contracts: Vec<DetectedContract> = Vec::new();
    let inner = |path: &str| match directory.as_str() {
        "" => Some(path.to_owned()),
        directory => path.strip_prefix(directory)?.strip_prefix('/').map(str::to_owned),
    };
    for (path, text) in documents.iter().filter(|(_, text)| has_paths(text)) {
        let Some(file) = inner(path) else { continue };
        let stem = file.rsplit('/').next().and_then(|name| name.split('.').next()).unwrap_or_default();
        let parent = file.rsplit_once('/').and_then(|(parent, _)| last_part(parent));
        let name = if GENERIC.contains(&stem) {
            parent.or((documents.len() == 1).then_some(stem))
        } else {
            Some(stem)
        };
        let state_paths =
            STATE_PATHS.iter().filter(|path| declares(text, path)).map(|&path| path.to_owned()).collect();
        if let Some(name) =
            name.and_then(label).filter(|name| !contracts.iter().any(|contract| contract.name == *name))
        {
            contracts.push(DetectedContract { name, file, state_paths });
        }
    }
    if !contracts.is_empty() {
        detected.contracts_directory = Some(if directory.is_empty() { ".".to_owned() } else { directory });
        detected.contracts = contracts;
    }
}

fn is_openapi(path: &str, text: &str) -> bool {
    let extension = path.rsplit('.').next().unwrap_or_default();
    match extension {
        "yaml" | "yml" => text.lines().any(|line| {
            line.strip_prefix("openapi:")
                .is_some_and(|version| version.trim().trim_matches(['"', '\'']).starts_with("3."))
        }),
        "json" => serde_json::from_str::<serde_json::Value>(text)
            .is_ok_and(|json| json["openapi"].as_str().is_some_and(|version| version.starts_with("3."))),
        _ => false,
    }
}

fn has_paths(text: &str) -> bool {
    if let Ok(json) = serde_json::from_str::<serde_json::Value>(text) {
        return json["paths"].as_object().is_some_and(|paths| !paths.is_empty());
    }
    let mut lines = text.lines().skip_while(|line| line.trim_end() != "paths:").skip(1);
    lines
        .find(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'))
        .is_some_and(|line| line.starts_with(' '))
}

fn declares(text: &str, path: &str) -> bool {
    let quoted = [format!("\"{path}\":"), format!("'{path}':"), format!("{path}:")];
    text.lines().any(|line| quoted.iter().any(|key| line.trim_start().starts_with(key.as_str())))
}

/// The directory that holds most of the documents, itself or below.
fn common_directory(documents: &[(&str, &str)]) -> Option<String> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for (path, _) in documents {
        let mut directory = *path;
        while let Some((parent, _)) = directory.rsplit_once('/') {
            *counts.entry(parent.to_owned()).or_default() += 1;
            directory = parent;
        }
        *counts.entry(String::new()).or_default() += 1;
    }
    // The deepest of those that hold them all, unless that is the root: then the one that holds most.
    let all = documents.len();
    let whole = counts.iter().filter(|(directory, count)| **count == all && !directory.is_empty());
    if let Some((directory, _)) = whole.max_by_key(|(directory, _)| directory.len()) {
        return Some(directory.clone());
    }
    let inner = counts.iter().filter(|(directory, _)| !directory.is_empty());
    match inner.max_by_key(|(directory, count)| (**count, directory.len())) {
        Some((directory, count)) if *count > 1 || all == 1 => Some(directory.clone()),
        _ => (all > 0).then(String::new),
    }
}
