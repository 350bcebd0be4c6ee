//! Versions of secrets: a keyed hash of the value, so that a release can tell two values apart and gives none away.

use fairway_model::{Digest, EnvironmentName, SecretVersion, ServiceName, VariableName};
use fairway_store::Key;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::{
    fs, io,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
};

/// The key of a project. It stays on this machine, in a file that only its owner can read.
pub(crate) struct SecretKey([u8; 32]);

impl SecretKey {
    /// Reads the key, or makes one on first use.
    ///
    /// # Errors
    /// When the file cannot be read or written, or does not hold a key.
    pub(crate) fn open_or_create(path: &Path) -> io::Result<Self> {
        match fs::read(path) {
            Ok(bytes) => {
                let key = bytes
                    .try_into()
                    .map_err(|_| io::Error::other(format!("{} does not hold a key", path.display())))?;
                if fs::metadata(path)?.permissions().mode() & 0o077 != 0 {
                    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
                }
                Ok(Self(key))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::create(path),
            Err(error) => Err(error),
        }
    }

    /// Whole file or no file: two first users at once agree on one key.
    fn create(path: &Path) -> io::Result<Self> {
        let key: [u8; 32] = rand::random();
        let temporary = path.with_extension(format!("{:016x}", rand::random::<u64>()));
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        io::Write::write_all(&mut file, &key)?;
        file.sync_all()?;
        let linked = fs::hard_link(&temporary, path);
        fs::remove_file(&temporary)?;
        match linked {
            Ok(()) => Ok(Self(key)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Self::open_or_create(path),
            Err(error) => Err(error),
        }
    }

    /// The version of this value of this variable of this service.
    #[must_use]
    pub(crate) fn version(
        &self,
        service: &ServiceName,
        variable: &VariableName,
        value: &str,
    ) -> SecretVersion {
        SecretVersion(Digest::from_bytes(self.mac(&[service.as_str(), variable.as_str(), value])))
    }

    /// The key that seals what edges of an environment share. Those of other environments can't open it.
    #[must_use]
    pub(crate) fn sharing(&self, environment: &EnvironmentName) -> Key {
        Key::new(self.mac(&["shared documents", environment.as_str()]))
    }

    fn mac(&self, parts: &[&str]) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes a key of any length");
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part.as_bytes());
        }
        mac.finalize().into_bytes().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_value_has_the_same_version_until_the_key_changes() {
        let directory = tempfile::tempdir().unwrap();
        let version = |file: &str, value: &str| {
            SecretKey::open_or_create(&directory.path().join(file)).unwrap().version(
                &ServiceName::new("identity").unwrap(),
                &VariableName::new("TOKEN").unwrap(),
                value,
            )
        };
        assert_eq!(version("a", "x"), version("a", "x"));
        assert_ne!(version("a", "x"), version("a", "y"));
        assert_ne!(version("a", "x"), version("b", "x"));
    }

    #[test]
    fn each_environment_has_a_key_of_its_own_to_share_with() {
        let directory = tempfile::tempdir().unwrap();
        let key = SecretKey::open_or_create(&directory.path().join("key")).unwrap();
        let sharing = |name: &str| key.sharing(&EnvironmentName::new(name).unwrap());
        assert_eq!(sharing("prod"), sharing("prod"));
        assert_ne!(sharing("prod"), sharing("test/pr-1"));
        assert_ne!(sharing("test/pr-2"), sharing("test/pr-1"));
    }

    #[test]
    fn only_the_owner_can_read_the_key() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        SecretKey::open_or_create(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn first_users_at_once_agree() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        let keys: Vec<_> = std::thread::scope(|scope| {
            let users: Vec<_> =
                (0..16).map(|_| scope.spawn(|| SecretKey::open_or_create(&path).unwrap().0)).collect();
            users.into_iter().map(|user| user.join().unwrap()).collect()
        });
        assert!(keys.iter().all(|key| *key == keys[0]));
    }
}
