//! What the checks need to know about contracts.

use crate::{Parsed, Problem, Problems, Sources, Span, sources::join, yaml};
use fairway_model::{ContractDigest, Digest, ServiceName};
use std::collections::BTreeMap;

/// What one contract says that concerns the whole system.
pub(crate) struct Facts {
    /// Its path templates, each with its place in the entry file.
    pub(crate) paths: Vec<(String, Span)>,
    pub(crate) digest: ContractDigest,
}

/// Reads the contract whose entry is this file.
pub(crate) fn read(entry: &str, sources: &Sources) -> Result<Facts, Vec<Problem>> {
    let text = sources.text(entry).unwrap_or_default();
    let document = yaml::parse(entry, text).map_err(Problems::into_vec)?;
    let mut paths = Vec::new();
    if let Some(yaml::Node { kind: yaml::Kind::Mapping(entries), .. }) = &document.root {
        for (key, value) in entries.iter() {
            if let (yaml::Kind::Scalar(key), yaml::Kind::Mapping(items)) = (&key.kind, &value.kind)
                && key.text == "paths"
            {
                for (path, _) in items.iter() {
                    if let yaml::Kind::Scalar(scalar) = &path.kind {
                        paths.push((scalar.text.clone(), path.span));
                    }
                }
            }
        }
    }
    Ok(Facts { paths, digest: ContractDigest(Digest::of(text.as_bytes())) })
}

/// The entry file of the contract of a service, relative to the repository.
pub(crate) fn entry(parsed: &Parsed, service: &ServiceName) -> Option<String> {
    let file = parsed.manifest.services.get(service)?.contract.as_ref()?;
    Some(join(&parsed.manifest.contracts, file))
}

/// The digest of the contract of every service that has one, for [`crate::Inputs`].
///
/// # Errors
/// What is wrong with the contracts; [`crate::check`] reports the same.
pub fn contract_digests(
    parsed: &Parsed,
    sources: &Sources,
) -> Result<BTreeMap<ServiceName, ContractDigest>, Problems> {
    let mut digests = BTreeMap::new();
    let mut problems = Vec::new();
    for service in parsed.manifest.services.keys() {
        let Some(entry) = entry(parsed, service) else { continue };
        if sources.text(&entry).is_none() {
            problems.push(missing(parsed, service, &entry, sources));
            continue;
        }
        match read(&entry, sources) {
            Ok(facts) => {
                digests.insert(service.clone(), facts.digest);
            }
            Err(wrong) => problems.extend(wrong),
        }
    }
    match Problems::new(problems) {
        Some(problems) => Err(problems),
        None => Ok(digests),
    }
}

/// The problem of a contract that is not there.
pub(crate) fn missing(parsed: &Parsed, service: &ServiceName, entry: &str, sources: &Sources) -> Problem {
    let span = parsed.places.value(&["services", service.as_str(), "contract"]);
    let directory = parsed.manifest.contracts.as_str();
    let prefix = format!("{}/", crate::sources::normal(directory));
    let files: Vec<&str> =
        sources.below(directory).map(|path| path.strip_prefix(&prefix).unwrap_or(path)).collect();
    let written = entry.strip_prefix(&prefix).unwrap_or(entry);
    let help = match crate::suggest::nearest(written, files.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if files.is_empty() => format!("`{directory}` has no files; `contracts:` names the directory"),
        None => format!("`contract` is a path inside `{directory}`"),
    };
    Problem::error(&parsed.file, span, "contract-missing", format!("the contract `{entry}` does not exist"))
        .help(help)
}
