//! What the checks need to know about contracts: the seam to `fairway-contract`.

use crate::{Parsed, Problem, Problems, Sources, Span, sources::join};
use fairway_contract::{Contract, RoutePattern, Unreadable};
use fairway_model::{ContractDigest, ServiceName};
use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

/// What one contract says that concerns the whole system.
pub(crate) struct Facts {
    /// What it promises, the more specific paths first.
    pub(crate) promises: Vec<Promise>,
    pub(crate) digest: ContractDigest,
}

/// A method and path that a contract promises to answer.
pub(crate) struct Promise {
    pub(crate) method: String,
    /// The whole path as it is written, base path included.
    pub(crate) path: String,
    /// The path without the names of its parameters: two promises of one shape are about the same requests.
    pub(crate) shape: String,
    pub(crate) file: String,
    pub(crate) span: Span,
}

impl fairway_contract::Sources for Sources {
    fn read(&self, path: &str) -> Result<String, Unreadable> {
        match self.text(path) {
            Some(text) => Ok(text.to_owned()),
            None => Err(Unreadable::NotFound),
        }
    }
}

/// Contracts that were read, by entry file. Reading one takes far longer than anything else here, and the same files
/// are looked at by `check`, `contract_digests` and `resolve`. It is a memory of what follows from the files, so it
/// takes no part in comparing them.
#[derive(Default)]
pub(crate) struct Memo(Mutex<BTreeMap<String, Reading>>);

type Reading = Arc<Result<Facts, Vec<Problem>>>;

impl Clone for Memo {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl PartialEq for Memo {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Memo {}

impl fmt::Debug for Memo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Memo")
    }
}

/// Reads the contract whose entry is this file, once.
pub(crate) fn read(entry: &str, sources: &Sources) -> Reading {
    // A reader that panicked leaves nothing half-written behind.
    let known = sources.contracts.0.lock().unwrap_or_else(PoisonError::into_inner).get(entry).cloned();
    known.unwrap_or_else(|| {
        let reading = Arc::new(read_anew(entry, sources));
        let mut memo = sources.contracts.0.lock().unwrap_or_else(PoisonError::into_inner);
        memo.insert(entry.to_owned(), Arc::clone(&reading));
        reading
    })
}

fn read_anew(entry: &str, sources: &Sources) -> Result<Facts, Vec<Problem>> {
    let contract = Contract::parse(entry, sources)
        .map_err(|problems| problems.into_iter().map(problem).collect::<Vec<_>>())?;
    let digest = format!("sha256:{}", contract.digest()).parse().map_err(|error| {
        let message = format!("the digest of the contract cannot be read: {error}");
        vec![Problem::error(entry, Span::FILE, "internal", message).help("please report this as a defect")]
    })?;
    let promise = |route: RoutePattern| Promise {
        method: route.method.to_string(),
        path: route.path.as_str().to_owned(),
        shape: route.path.shape(),
        file: route.place.file.to_string(),
        span: span(&route.place),
    };
    let promises = fairway_contract::routes(&contract).into_iter().map(promise).collect();
    Ok(Facts { promises, digest })
}

fn problem(problem: fairway_contract::Problem) -> Problem {
    let fairway_contract::Problem { place, kind, message, hint } = problem;
    let rule =
        serde_json::to_value(kind).ok().and_then(|kind| kind.as_str().map(|kind| format!("contract-{kind}")));
    let rule = rule.unwrap_or_else(|| "contract".to_owned());
    Problem::error(&place.file, span(&place), &rule, message).maybe_help(hint)
}

fn span(place: &fairway_contract::Place) -> Span {
    let number = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    Span { line: number(place.line), column: number(place.column), length: 1 }
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
        match &*read(&entry, sources) {
            Ok(facts) => {
                digests.insert(service.clone(), facts.digest);
            }
            Err(wrong) => problems.extend(wrong.iter().cloned()),
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
    Problem::error(&parsed.file, span, "no-contract", format!("the contract `{entry}` does not exist"))
        .help(help)
}
