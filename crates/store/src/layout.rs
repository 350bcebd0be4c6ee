//! Which document lies where. Names are fixed: stores written by older versions must stay readable.

use crate::DocumentName;
use fairway_model::{ContractDigest, EnvironmentName, PlanId, ReleaseDigest};

/// Every environment has a folder here.
pub(crate) const ENVIRONMENTS: &str = "environments";

/// Operation numbers are padded so that the order of names is the order of numbers, which object stores list by.
const DIGITS: usize = 8;
/// The greatest number that keeps that order.
pub(crate) const LAST_NUMBER: u64 = 99_999_999;

pub(crate) fn operations(environment: &EnvironmentName) -> String {
    format!("{ENVIRONMENTS}/{}/operations", environment.as_segment())
}

pub(crate) fn operation(environment: &EnvironmentName, number: u64) -> String {
    format!("{}/{number:0DIGITS$}.json", operations(environment))
}

pub(crate) fn release(digest: ReleaseDigest) -> String {
    format!("releases/{}.json", digest.hex())
}

pub(crate) fn plan(id: PlanId) -> String {
    format!("plans/{}.json", id.hex())
}

pub(crate) fn contract(digest: ContractDigest) -> String {
    format!("contracts/{}.json", digest.hex())
}

/// What the edges of an environment share under a key.
pub(crate) fn shared(environment: &EnvironmentName, key: &str) -> String {
    format!("shared/{}/{key}", environment.as_segment())
}

/// The folder with the versions of a document.
pub(crate) fn document(folder: &str, name: &DocumentName) -> String {
    format!("{folder}/{}", name.as_str())
}

pub(crate) fn version(folder: &str, name: &DocumentName, number: u64) -> String {
    format!("{}/{number:0DIGITS$}.json", document(folder, name))
}

/// The number in the name of a version; `None` for a name that no version has.
pub(crate) fn version_number(path: &str) -> Option<u64> {
    operation_number(path)
}

/// The number in the name of an operation; `None` for a name that no operation has.
pub(crate) fn operation_number(path: &str) -> Option<u64> {
    let name = path.rsplit('/').next()?.strip_suffix(".json")?;
    let digits = name.len() == DIGITS && name.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| name.parse().ok()).flatten()
}

/// The environment whose folder this is; `None` for a name that no environment has.
pub(crate) fn environment(folder: &str) -> Option<EnvironmentName> {
    EnvironmentName::new(folder.replacen('~', "/", 1)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_fixed() {
        let environment_name = EnvironmentName::new("test/pr-42").unwrap();
        assert_eq!(operation(&environment_name, 42), "environments/test~pr-42/operations/00000042.json");
        assert_eq!(environment("test~pr-42"), Some(environment_name));
        assert_eq!(environment("Test"), None);
        assert_eq!(environment("a~b~c"), None);
    }

    #[test]
    fn numbers_come_back() {
        for (path, number) in [
            ("environments/dev/operations/00000001.json", Some(1)),
            ("00000042.json", Some(42)),
            ("99999999.json", Some(LAST_NUMBER)),
            ("42.json", None),
            ("0000004x.json", None),
            ("+0000042.json", None),
            ("00000042.json.bak", None),
        ] {
            assert_eq!(operation_number(path), number, "{path}");
        }
    }
}
