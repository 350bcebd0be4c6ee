//! Tables on disk: the last good one of each environment and the one before it.
//!
//! ```text
//! <home>/edge/tables/<environment>.json            the table that serves
//! <home>/edge/tables/<environment>.previous.json   the one that served before
//! <home>/edge/tables/<environment>.removed.json    up to which generation the environment was removed
//! ```
//!
//! Names of environments are percent-encoded. Every file is written beside its place, synced and renamed into it, so
//! that there is always a whole one.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use fairway_route::{Decoded, Table, decode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde::{Deserialize, Serialize};

use crate::error::StoreError;

const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_');
const TABLE: &str = ".json";
const PREVIOUS: &str = ".previous.json";
const REMOVED: &str = ".removed.json";

/// The directory of tables.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    directory: PathBuf,
}

/// What is left of an environment that was removed.
#[derive(Debug, Serialize, Deserialize)]
struct Removed {
    format: u32,
    environment: String,
    generation: u64,
}

/// What was found on disk.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// What can be served, by environment.
    pub(crate) tables: BTreeMap<String, Decoded>,
    /// Up to which generation environments were removed.
    pub(crate) removed: BTreeMap<String, u64>,
    /// What could not be used, one line each.
    pub(crate) notes: Vec<String>,
}

impl Store {
    pub(crate) fn new(directory: PathBuf) -> Self {
        Self { directory }
    }

    /// Keeps a table, and the one it replaces as the previous one.
    pub(crate) fn save(&self, table: &Table) -> Result<(), StoreError> {
        let environment = &table.environment;
        let json = serde_json::to_vec_pretty(table).expect("a table always serialises");
        self.unlink(&self.path(environment, REMOVED))?;
        let current = self.path(environment, TABLE);
        if current.exists() {
            let previous = self.path(environment, PREVIOUS);
            let link = self.path(environment, ".link.tmp");
            self.unlink(&link)?;
            fs::hard_link(&current, &link).map_err(failed(&link, "could not create"))?;
            fs::rename(&link, &previous).map_err(failed(&previous, "could not replace"))?;
        }
        self.write(&current, &json)
    }

    /// Forgets an environment's tables and remembers that it was removed.
    pub(crate) fn remove(&self, environment: &str, generation: u64) -> Result<(), StoreError> {
        let removed = Removed { format: 1, environment: environment.to_owned(), generation };
        let json = serde_json::to_vec_pretty(&removed).expect("a name and numbers always serialise");
        // First the mark: whatever is left of the tables after a crash in between is not served.
        self.write(&self.path(environment, REMOVED), &json)?;
        self.unlink(&self.path(environment, TABLE))?;
        self.unlink(&self.path(environment, PREVIOUS))
    }

    /// Everything that can be served.
    pub(crate) fn load(&self) -> Result<Found, StoreError> {
        let listing = failed(&self.directory, "could not list");
        let mut found = Found::default();
        let mut names = std::collections::BTreeSet::new();
        for entry in fs::read_dir(&self.directory).map_err(&listing)? {
            let name = entry.map_err(&listing)?.file_name();
            let Some(name) = name.to_str() else { continue };
            if let Some(stem) = name.strip_suffix(REMOVED) {
                self.load_removed(stem, &mut found);
            } else if let Some(stem) = name.strip_suffix(PREVIOUS).or_else(|| name.strip_suffix(TABLE)) {
                names.insert(stem.to_owned());
            }
        }
        for stem in names {
            let environment = percent_decode_str(&stem).decode_utf8_lossy().into_owned();
            if !found.removed.contains_key(&environment) {
                self.load_table(&environment, &mut found);
            }
        }
        Ok(found)
    }

    fn load_removed(&self, stem: &str, found: &mut Found) {
        let path = self.directory.join(format!("{stem}{REMOVED}"));
        match read::<Removed>(&path) {
            Ok(Removed { format: 1, environment, generation }) => {
                found.removed.insert(environment, generation);
            }
            unread => {
                let error = match unread {
                    Ok(Removed { format, .. }) => format!("format {format} is not known here"),
                    Err(error) => error.to_string(),
                };
                // Removed it is, whenever that was.
                found.notes.push(format!(
                    "{}: {error}; generations before the removal are not refused",
                    path.display()
                ));
                found.removed.insert(percent_decode_str(stem).decode_utf8_lossy().into_owned(), 0);
            }
        }
    }

    fn load_table(&self, environment: &str, found: &mut Found) {
        for suffix in [TABLE, PREVIOUS] {
            let path = self.path(environment, suffix);
            let decoded = fs::read(&path).map_err(|error| error.to_string()).and_then(|json| {
                let decoded = decode(&json).map_err(|error| error.to_string())?;
                let named = &decoded.table.environment;
                if named == environment { Ok(decoded) } else { Err(format!("it is the table of `{named}`")) }
            });
            match decoded {
                Ok(decoded) => {
                    found.tables.insert(environment.to_owned(), decoded);
                    return;
                }
                Err(error) => found.notes.push(format!("{}: {error}", path.display())),
            }
        }
        found.notes.push(format!("environment `{environment}` is not served until it is sent a table"));
    }

    fn path(&self, environment: &str, suffix: &str) -> PathBuf {
        self.directory.join(format!("{}{suffix}", utf8_percent_encode(environment, PLAIN)))
    }

    fn write(&self, path: &Path, content: &[u8]) -> Result<(), StoreError> {
        let beside = path.with_extension("tmp");
        let mut file = File::create(&beside).map_err(failed(&beside, "could not create"))?;
        file.write_all(content).and_then(|()| file.sync_all()).map_err(failed(&beside, "could not write"))?;
        fs::rename(&beside, path).map_err(failed(path, "could not replace"))?;
        self.sync()
    }

    fn unlink(&self, path: &Path) -> Result<(), StoreError> {
        match fs::remove_file(path) {
            Ok(()) => self.sync(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(failed(path, "could not remove")(error)),
        }
    }

    /// Makes renames last.
    fn sync(&self) -> Result<(), StoreError> {
        File::open(&self.directory)
            .and_then(|directory| directory.sync_all())
            .map_err(failed(&self.directory, "could not sync"))
    }
}

fn read<T: for<'de> Deserialize<'de>>(path: &Path) -> io::Result<T> {
    serde_json::from_slice(&fs::read(path)?).map_err(io::Error::from)
}

fn failed(path: &Path, what: &'static str) -> impl Fn(io::Error) -> StoreError {
    let path = path.to_owned();
    move |source| StoreError { path: path.clone(), what, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(environment: &str, generation: u64) -> Table {
        Table::empty(environment, generation, 0)
    }

    fn generations(found: &Found) -> Vec<(&str, u64)> {
        found.tables.iter().map(|(name, it)| (name.as_str(), it.table.generation)).collect()
    }

    #[test]
    fn the_last_table_and_the_one_before() {
        let home = tempfile::tempdir().unwrap();
        let store = Store::new(home.path().to_owned());
        for generation in 1..=3 {
            store.save(&table("test/pr-42", generation)).unwrap();
        }
        store.save(&table("..", 9)).unwrap();
        let found = store.load().unwrap();
        assert_eq!(generations(&found), [("..", 9), ("test/pr-42", 3)]);
        assert_eq!(found.notes, Vec::<String>::new());
        for garbage in [&b""[..], b"{\"format\": 1", b"\xff\xfe", b"[]"] {
            fs::write(home.path().join("test%2Fpr-42.json"), garbage).unwrap();
            let found = store.load().unwrap();
            assert_eq!(generations(&found), [("..", 9), ("test/pr-42", 2)]);
            assert_eq!(found.notes.len(), 1);
        }
        fs::write(home.path().join("test%2Fpr-42.previous.json"), "").unwrap();
        let found = store.load().unwrap();
        assert_eq!(generations(&found), [("..", 9)]);
        assert!(found.notes.last().unwrap().contains("`test/pr-42` is not served"));
    }

    #[test]
    fn the_first_table_may_be_the_broken_one() {
        let home = tempfile::tempdir().unwrap();
        let store = Store::new(home.path().to_owned());
        store.save(&table("dev", 1)).unwrap();
        fs::remove_file(home.path().join("dev.json")).unwrap();
        assert!(store.load().unwrap().tables.is_empty());
    }

    #[test]
    fn a_removed_environment_stays_removed() {
        let home = tempfile::tempdir().unwrap();
        let store = Store::new(home.path().to_owned());
        store.save(&table("dev", 4)).unwrap();
        let stored = fs::read(home.path().join("dev.json")).unwrap();
        store.remove("dev", 4).unwrap();
        let found = store.load().unwrap();
        assert!(found.tables.is_empty());
        assert_eq!(found.removed, [("dev".to_owned(), 4)].into());
        // As after a crash between the mark and the removal.
        fs::write(home.path().join("dev.json"), stored).unwrap();
        assert!(store.load().unwrap().tables.is_empty());
        store.save(&table("dev", 5)).unwrap();
        let found = store.load().unwrap();
        assert_eq!(generations(&found), [("dev", 5)]);
        assert!(found.removed.is_empty());
    }

    /// As it was first written. It must load for ever.
    #[test]
    fn the_first_format_of_a_removal_still_loads() {
        let home = tempfile::tempdir().unwrap();
        let store = Store::new(home.path().to_owned());
        let sample = "{\n  \"format\": 1,\n  \"environment\": \"test/pr-42\",\n  \"generation\": 7\n}";
        let file = home.path().join("test%2Fpr-42.removed.json");
        fs::write(&file, sample).unwrap();
        assert_eq!(store.load().unwrap().removed, [("test/pr-42".to_owned(), 7)].into());
        store.remove("test/pr-42", 7).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), sample);
        for unknown in [sample.replace('1', "2"), String::new()] {
            fs::write(&file, unknown).unwrap();
            let found = store.load().unwrap();
            assert_eq!(found.removed, [("test/pr-42".to_owned(), 0)].into());
            assert_eq!(found.notes.len(), 1);
        }
    }

    #[test]
    fn a_table_in_the_wrong_place_is_not_served() {
        let home = tempfile::tempdir().unwrap();
        let store = Store::new(home.path().to_owned());
        store.save(&table("dev", 1)).unwrap();
        fs::rename(home.path().join("dev.json"), home.path().join("prod.json")).unwrap();
        let found = store.load().unwrap();
        assert!(found.tables.is_empty());
        assert!(found.notes[0].ends_with("it is the table of `dev`"), "{:?}", found.notes);
    }
}
