//! Secret values, each in a file of its own that only the agent's user can read.

use crate::{disk, disk::Survives, fail, home::Home};
use fairway_model::{EnvironmentName, Failure, FailureKind, Redacted, SecretVersion, ServiceName};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
    time::Duration,
};

/// The secrets of one environment.
#[derive(Debug, Clone)]
pub(crate) struct Secrets {
    root: PathBuf,
}

/// Generated database passwords and the URLs that contain them. The one type that writes them out; it is written to one
/// file and printed nowhere.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Databases {
    passwords: BTreeMap<ServiceName, String>,
    urls: BTreeMap<ServiceName, String>,
}

impl Secrets {
    pub(crate) fn new(home: &Home, environment: &EnvironmentName) -> Self {
        Self { root: home.secrets(environment) }
    }

    /// The directory that holds values, for an edge whose table names versions.
    pub(crate) fn directory(&self) -> &Path {
        &self.root
    }

    fn passwords(&self) -> PathBuf {
        self.root.join("databases.json")
    }

    /// Keeps a value under its version.
    pub(crate) fn put(&self, version: SecretVersion, value: &Redacted) -> Result<(), Failure> {
        disk::directory(&self.root)
            .and_then(|()| {
                disk::write(&self.root.join(version.hex()), value.expose().as_bytes(), Survives::Machine)
            })
            .map_err(|error| {
                fail::machine(format!("secret version {} could not be stored", version.short()), &error)
            })
    }

    /// The value of a version.
    pub(crate) fn get(&self, version: SecretVersion) -> Result<Redacted, Failure> {
        match std::fs::read_to_string(self.root.join(version.hex())) {
            Ok(value) => Ok(Redacted::new(value)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Failure::new(
                FailureKind::Missing,
                format!("secret version {} has not arrived on this host", version.short()),
                fail::NOTHING_MOVED,
                "Send the secret and prepare the release again",
            )),
            Err(error) => {
                Err(fail::machine(format!("secret version {} could not be read", version.short()), &error))
            }
        }
    }

    fn databases(&self) -> Result<Databases, Failure> {
        let refused = |error: io::Error| fail::machine("the database passwords could not be read", &error);
        Ok(disk::read_json(&self.passwords()).map_err(refused)?.unwrap_or_default())
    }

    fn keep(&self, databases: &Databases) -> Result<(), Failure> {
        disk::directory(&self.root)
            .and_then(|()| disk::write_json(&self.passwords(), databases, Survives::Machine))
            .map_err(|error| fail::machine("the database passwords could not be kept", &error))
    }

    /// The password of a service's database login; made the first time it is asked for.
    pub(crate) fn database_password(&self, service: &ServiceName) -> Result<Redacted, Failure> {
        let mut databases = self.databases()?;
        if let Some(password) = databases.passwords.get(service) {
            return Ok(Redacted::new(password.clone()));
        }
        let password = hex::encode(rand::random::<[u8; 24]>());
        databases.passwords.insert(service.clone(), password.clone());
        self.keep(&databases)?;
        Ok(Redacted::new(password))
    }

    /// Keeps the URL at which a service reaches its database.
    pub(crate) fn put_database_url(&self, service: &ServiceName, url: &Redacted) -> Result<(), Failure> {
        let mut databases = self.databases()?;
        if databases.urls.get(service).is_some_and(|known| known == url.expose()) {
            return Ok(());
        }
        databases.urls.insert(service.clone(), url.expose().to_owned());
        self.keep(&databases)
    }

    /// The URL at which a service reaches its database, if it has one.
    pub(crate) fn database_url(&self, service: &ServiceName) -> Result<Option<Redacted>, Failure> {
        Ok(self.databases()?.urls.remove(service).map(Redacted::new))
    }

    /// Removes versions that are not in `keep` and did not arrive within the time `arrivals`.
    pub(crate) fn collect(&self, keep: &BTreeSet<SecretVersion>, arrivals: Duration) -> io::Result<()> {
        for name in disk::names(&self.root)? {
            let version = format!("sha256:{name}").parse::<SecretVersion>();
            let path = self.root.join(name);
            if version.is_ok_and(|version| !keep.contains(&version)) && disk::is_older(&path, arrivals) {
                disk::remove(&path)?;
            }
        }
        Ok(())
    }

    /// Forgets everything, passwords included.
    pub(crate) fn purge(&self) -> io::Result<()> {
        disk::remove(&self.root)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fairway_model::Digest;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn values_by_version_and_passwords_once() {
        let directory = tempfile::tempdir().unwrap();
        let home = Home::open(directory.path()).unwrap();
        let secrets = Secrets::new(&home, &"test/pr-1".parse().unwrap());
        let version = |text: &str| SecretVersion(Digest::of(text.as_bytes()));
        secrets.put(version("a"), &Redacted::new("hunter2")).unwrap();
        secrets.put(version("b"), &Redacted::new("old")).unwrap();
        assert_eq!(secrets.get(version("a")).unwrap().expose(), "hunter2");
        assert_eq!(secrets.get(version("c")).unwrap_err().kind, FailureKind::Missing);
        let service = ServiceName::new("identity").unwrap();
        let password = secrets.database_password(&service).unwrap();
        assert_eq!(secrets.database_password(&service).unwrap(), password);
        secrets.collect(&BTreeSet::from([version("a")]), Duration::ZERO).unwrap();
        assert!(secrets.get(version("b")).is_err());
        assert_eq!(
            secrets.database_password(&service).unwrap(),
            password,
            "a collection leaves passwords alone"
        );
        for entry in std::fs::read_dir(&secrets.root).unwrap() {
            let entry = entry.unwrap();
            assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{entry:?}");
        }
        assert_eq!(std::fs::metadata(&secrets.root).unwrap().permissions().mode() & 0o777, 0o700);
    }
}
