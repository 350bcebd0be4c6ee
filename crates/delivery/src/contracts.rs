//! Contracts: what changed between two releases, or between two files.

use crate::{Delivery, Error, process};
use fairway_contract::{Contract, Finding, Verdict};
use fairway_manifest::Sources;
use fairway_model::{ContractRef, Release, ServiceName};
use fairway_plan::{ContractFinding, FindingLevel};
use std::{collections::BTreeMap, path::Path};

/// The comparison of two versions of a contract.
#[derive(Debug)]
pub struct ContractDiff {
    /// Every difference that a client could see.
    pub findings: Vec<Finding>,
    /// Services of the manifest that need a service with this contract.
    pub consumers: Vec<ServiceName>,
}

impl Delivery {
    /// The differences of each contract that changed between two releases. A contract whose older version nobody kept
    /// is left out, which the plan shows as not compared.
    pub(crate) async fn contract_findings(
        &self,
        serving: &Release,
        desired: &Release,
    ) -> Result<BTreeMap<ServiceName, Vec<ContractFinding>>, Error> {
        let mut findings = BTreeMap::new();
        for (name, service) in &desired.services {
            let old = serving.services.get(name).and_then(|service| service.contract.as_ref());
            let (Some(old), Some(new)) = (old, &service.contract) else { continue };
            if old.digest == new.digest {
                continue;
            }
            if let (Some(old), Some(new)) = (self.kept_contract(old).await?, self.kept_contract(new).await?) {
                findings.insert(
                    name.clone(),
                    fairway_contract::compare(&old, &new).into_iter().map(finding).collect(),
                );
            }
        }
        Ok(findings)
    }

    /// Keeps the files of every contract of a release, for later comparisons.
    pub(crate) async fn keep_contracts(&self, release: &Release, sources: &Sources) -> Result<(), Error> {
        for contract in release.services.values().filter_map(|service| service.contract.as_ref()) {
            let Ok(parsed) = Contract::parse(&contract.file, sources) else { continue };
            let text = |file: &String| Some((file.clone(), sources.text(file)?.to_owned()));
            let files = parsed.files().iter().filter_map(text).collect();
            self.store.put_contract(contract.digest, &contract.file, files).await?;
        }
        Ok(())
    }

    async fn kept_contract(&self, contract: &ContractRef) -> Result<Option<Contract>, Error> {
        let Some((entry, files)) = self.store.get_contract(contract.digest).await? else { return Ok(None) };
        Ok(Contract::parse(&entry, &files).ok())
    }
}

fn finding(finding: Finding) -> ContractFinding {
    let place = match finding.operation() {
        Some(operation) => operation.to_string(),
        None => finding.new.as_ref().or(finding.old.as_ref()).map_or_else(String::new, ToString::to_string),
    };
    ContractFinding {
        level: match finding.verdict {
            Verdict::Compatible => FindingLevel::Compatible,
            Verdict::Unknown => FindingLevel::Unknown,
            Verdict::Breaking => FindingLevel::Breaking,
        },
        rule: finding.rule.id().to_owned(),
        place,
        message: finding.message,
    }
}

impl Delivery {
    /// Compares two versions of a contract. Each is a file relative to `directory`, or `REV:path` in git, where the
    /// path is relative to `directory` too.
    ///
    /// # Errors
    /// When one cannot be read or is not a contract.
    pub async fn contract_diff(&self, old: &str, new: &str, directory: &Path) -> Result<ContractDiff, Error> {
        let findings = fairway_contract::compare(
            &self.read_contract(old, directory).await?,
            &self.read_contract(new, directory).await?,
        );
        let manifest = self.manifest()?.manifest;
        let file = new.rsplit('/').next().unwrap_or(new);
        let promises = |name: &ServiceName| {
            manifest
                .services
                .get(name)
                .and_then(|service| service.contract.as_deref())
                .is_some_and(|contract| contract.ends_with(file))
        };
        let consumers = manifest
            .services
            .iter()
            .filter(|(_, service)| service.needs.keys().any(promises))
            .map(|(name, _)| name.clone())
            .collect();
        Ok(ContractDiff { findings, consumers })
    }

    /// Reads a contract from a file, or from `REV:path` in git.
    ///
    /// # Errors
    /// When it cannot be read or is not a contract; every problem with its place.
    pub async fn read_contract(&self, text: &str, directory: &Path) -> Result<Contract, Error> {
        let not_found = |why: &str| Error::Contract(format!("{text} cannot be read: {why}"));
        let revision = text.split_once(':').filter(|_| !directory.join(text).exists());
        let path = revision.map_or(text, |(_, path)| path);
        let (folder, entry) = path.rsplit_once('/').unwrap_or((".", path));
        let mut files = BTreeMap::new();
        match revision {
            None => {
                for found in walkdir::WalkDir::new(directory.join(folder)).max_depth(4).into_iter().flatten()
                {
                    let relative = found
                        .path()
                        .strip_prefix(directory.join(folder))
                        .unwrap_or(found.path())
                        .to_string_lossy()
                        .into_owned();
                    if is_contract_file(&relative)
                        && let Ok(text) = std::fs::read_to_string(found.path())
                    {
                        files.insert(relative, text);
                    }
                }
            }
            Some((revision, _)) => {
                let here = directory.join(folder);
                let listing =
                    process::query("git", &["ls-tree", "-r", "--name-only", revision, "--", "."], &here)
                        .await;
                let listing = listing.ok_or_else(|| not_found("git knows no such revision or directory"))?;
                for name in listing.lines().filter(|name| is_contract_file(name)) {
                    if let Some(text) =
                        process::query("git", &["show", &format!("{revision}:./{name}")], &here).await
                    {
                        files.insert(name.to_owned(), text);
                    }
                }
            }
        }
        if !files.contains_key(entry) {
            return Err(not_found("there is no such file"));
        }
        Contract::parse(entry, &files)
            .map_err(|problems| Error::Contract(format!("{text} is not a contract:\n{problems}")))
    }
}

fn is_contract_file(path: &str) -> bool {
    [".yaml", ".yml", ".json"].iter().any(|extension| path.ends_with(extension))
}
