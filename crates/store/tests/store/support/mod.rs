//! What the tests of both backends share.

pub(crate) mod server;

use fairway_model::{
    Digest, EnvironmentName, Generation, Millis, Plan, PlanBase, RELEASE_FORMAT, Release, ReleaseDigest,
    Resources, SystemName,
};
use fairway_oplog::{Author, Operation, Refusal, State, Via, Writer};
use fairway_store::{Location, Store};
use std::collections::BTreeMap;

/// A store, and what has to live as long as it does.
pub(crate) struct Fixture {
    pub(crate) store: Store,
    pub(crate) place: Place,
}

pub(crate) enum Place {
    Directory(tempfile::TempDir),
    Bucket(server::Server),
}

impl Fixture {
    pub(crate) fn directory() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path().join("store").to_str().unwrap()).unwrap();
        Self { store, place: Place::Directory(directory) }
    }

    pub(crate) async fn bucket() -> Self {
        let server = server::Server::start().await;
        let store = server.store("team/shop");
        Self { store, place: Place::Bucket(server) }
    }

    /// Another handle to the same store, as another process would have it.
    pub(crate) fn again(&self) -> Store {
        match &self.place {
            Place::Directory(directory) => {
                Store::open(directory.path().join("store").to_str().unwrap()).unwrap()
            }
            Place::Bucket(server) => server.store("team/shop"),
        }
    }

    /// Everything stored, by path.
    pub(crate) fn documents(&self) -> BTreeMap<String, Vec<u8>> {
        match &self.place {
            Place::Directory(directory) => {
                let mut documents = BTreeMap::new();
                collect(&directory.path().join("store"), "", &mut documents);
                documents
            }
            Place::Bucket(server) => server.documents("team/shop/"),
        }
    }

    /// Puts bytes where a document belongs, as a broken disk or a careless hand would.
    pub(crate) fn damage(&self, path: &str, content: &[u8]) {
        match &self.place {
            Place::Directory(directory) => {
                let file = directory.path().join("store").join(path);
                std::fs::create_dir_all(file.parent().unwrap()).unwrap();
                std::fs::write(file, content).unwrap();
            }
            Place::Bucket(server) => server.overwrite(&format!("team/shop/{path}"), content),
        }
    }

    pub(crate) fn lose(&self, path: &str) {
        match &self.place {
            Place::Directory(directory) => {
                std::fs::remove_file(directory.path().join("store").join(path)).unwrap()
            }
            Place::Bucket(server) => server.remove(&format!("team/shop/{path}")),
        }
    }
}

fn collect(folder: &std::path::Path, prefix: &str, documents: &mut BTreeMap<String, Vec<u8>>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries {
        let entry = entry.unwrap();
        let path = format!("{prefix}{}", entry.file_name().to_str().unwrap());
        if entry.file_type().unwrap().is_dir() {
            collect(&entry.path(), &format!("{path}/"), documents);
        } else {
            documents.insert(path, std::fs::read(entry.path()).unwrap());
        }
    }
}

pub(crate) fn environment(name: &str) -> EnvironmentName {
    EnvironmentName::new(name).unwrap()
}

pub(crate) fn writer(name: &str) -> Writer {
    Writer {
        by: Author { name: name.to_owned(), via: Via::Ci, reference: None },
        now: 1_700_000_000_000,
        lease: None,
    }
}

/// The operation that remarks `text` next.
pub(crate) fn note(state: &State, name: &str, text: &str) -> Result<Operation, Refusal> {
    fairway_oplog::note(state, &writer(name), text)
}

pub(crate) fn text_of(operation: &Operation) -> &str {
    match &operation.kind {
        fairway_oplog::OperationKind::Noted { text } => text,
        other => panic!("not a note: {other:?}"),
    }
}

pub(crate) fn release(drain: u64) -> Release {
    Release {
        format: RELEASE_FORMAT,
        system: SystemName::new("shop").unwrap(),
        environment: environment("test/pr-42"),
        listener: None,
        edge: Default::default(),
        services: BTreeMap::new(),
        resources: Resources::default(),
        bake: Millis(0),
        drain: Millis(drain),
    }
}

pub(crate) fn plan(generation: u64) -> Plan {
    Plan {
        format: 1,
        environment: environment("test/pr-42"),
        base: PlanBase { serving: None, generation: Generation(generation - 1) },
        child: ReleaseDigest(Digest::of(b"a release")),
        generation: Generation(generation),
        steps: Vec::new(),
        services: BTreeMap::new(),
        environment_changes: Vec::new(),
        verdicts: Vec::new(),
    }
}

pub(crate) fn location(text: &str) -> Location {
    Location::parse(text).unwrap()
}
