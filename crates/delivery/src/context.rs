//! What every verb needs: the project, the store, the target, the author, and somebody who is told.

use crate::{Error, Project, Reporter, git};
use fairway_manifest::{Manifest, Parsed, Target as Where};
use fairway_model::EnvironmentName;
use fairway_oplog::{Author, Via, Writer};
use fairway_store::{Location, Store};
use fairway_target::Target;
use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// What a caller decides before it calls a verb.
pub struct Settings {
    /// The project.
    pub project: Project,
    /// Where the log is kept; `None` for the project's own state directory.
    pub store: Option<String>,
    /// The fairway program, to start an agent with.
    pub executable: PathBuf,
    /// Through which mouth the verb is spoken.
    pub via: Via,
    /// Where to read on, such as the URL of a CI run.
    pub reference: Option<String>,
    /// The process environment, for `${VAR}` in configuration.
    pub process_environment: std::collections::BTreeMap<String, String>,
    /// Who is told.
    pub reporter: Arc<dyn Reporter>,
}

/// A project with everything that the verbs need. Each verb is a method, one file each.
pub struct Delivery {
    pub(crate) project: Project,
    pub(crate) store: Store,
    /// Where that is, for those who do not start where this process did.
    pub(crate) location: String,
    pub(crate) author: Author,
    pub(crate) executable: PathBuf,
    pub(crate) process_environment: std::collections::BTreeMap<String, String>,
    pub(crate) reporter: Arc<dyn Reporter>,
    /// Takes the place of the manifest's targets in tests.
    pub(crate) target_override: Option<Arc<dyn Target>>,
    /// How long somebody else's unfinished release is waited for.
    pub(crate) patience: Duration,
}

impl Delivery {
    /// Opens the store and finds out who is here.
    ///
    /// # Errors
    /// When the state directory or the store cannot be opened.
    pub async fn open(settings: Settings) -> Result<Self, Error> {
        let Settings { project, store, executable, via, reference, process_environment, reporter } = settings;
        let state = project.prepare_state()?;
        let location = store.unwrap_or_else(|| state.join("store").to_string_lossy().into_owned());
        let name = git::person(project.root()).await;
        let store = Store::open(&location)?;
        Ok(Self {
            location: from_anywhere(&store, location)?,
            store,
            author: Author { name, via, reference },
            project,
            executable,
            process_environment,
            reporter,
            target_override: None,
            patience: crate::PATIENCE,
        })
    }

    /// The same delivery with another target in place of the manifest's.
    #[must_use]
    pub fn with_target(mut self, target: Arc<dyn Target>) -> Self {
        self.target_override = Some(target);
        self
    }

    /// The same delivery with another patience than [`crate::PATIENCE`], for targets with another lease.
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// The project.
    #[must_use]
    pub fn project(&self) -> &Project {
        &self.project
    }

    /// The manifest as it is on disk now.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn manifest(&self) -> Result<Parsed, Error> {
        let text = self.project.read(crate::project::MANIFEST)?;
        Ok(Manifest::parse(crate::project::MANIFEST, &text)?)
    }

    /// Reads an environment's name and finds it in the manifest.
    ///
    /// # Errors
    /// When the text is not a name, or the manifest has no such environment.
    pub fn environment(&self, manifest: &Manifest, text: &str) -> Result<EnvironmentName, Error> {
        let name = EnvironmentName::new(text)?;
        if manifest.environments.contains_key(name.base()) {
            return Ok(name);
        }
        Err(no_environment(manifest, text))
    }

    /// The same for what is stopped, looked at or followed: an environment that the manifest does not name any more
    /// still is one when it has a history here.
    ///
    /// # Errors
    /// As for [`Delivery::environment`], and when the store cannot be read.
    pub async fn environment_or_past(
        &self,
        manifest: &Manifest,
        text: &str,
    ) -> Result<EnvironmentName, Error> {
        match self.environment(manifest, text) {
            Err(unknown @ Error::NoEnvironment { .. }) => {
                let name = EnvironmentName::new(text)?;
                if self.store.state(&name).await?.history().is_empty() { Err(unknown) } else { Ok(name) }
            }
            other => other,
        }
    }

    /// The agent's home of the project's local environments.
    #[must_use]
    pub fn host_home(&self) -> PathBuf {
        self.project.state().join("host")
    }

    /// The target of an environment.
    ///
    /// # Errors
    /// When this version cannot reach it.
    pub async fn target(
        &self,
        manifest: &Manifest,
        environment: &EnvironmentName,
    ) -> Result<Arc<dyn Target>, Error> {
        if let Some(target) = &self.target_override {
            return Ok(Arc::clone(target));
        }
        Ok(Arc::new(self.host(manifest, environment).await?))
    }

    /// The host of an environment, with what a host can do beyond a target: logs, endpoints.
    ///
    /// # Errors
    /// When this version cannot reach it.
    pub async fn host(
        &self,
        manifest: &Manifest,
        environment: &EnvironmentName,
    ) -> Result<fairway_host::Host, Error> {
        match manifest.environments.get(environment.base()).map(|environment| &environment.target) {
            Some(Where::Local) => Ok(fairway_host::Host::local(self.host_home(), &self.executable).await?),
            Some(other) => {
                Err(Error::UnsupportedTarget { environment: environment.clone(), target: other.to_string() })
            }
            // Nobody says any more where it runs; what was ever delivered from here runs on this machine.
            None if !self.store.state(environment).await?.history().is_empty() => {
                Ok(fairway_host::Host::local(self.host_home(), &self.executable).await?)
            }
            None => Err(no_environment(manifest, environment.as_str())),
        }
    }

    /// Who writes to the log, now.
    pub(crate) fn writer(&self) -> Writer {
        Writer { by: self.author.clone(), now: now(), lease: None }
    }
}

/// A directory as an absolute path; a bucket is the same everywhere.
fn from_anywhere(store: &Store, location: String) -> Result<String, Error> {
    match store.location() {
        Location::Directory(path) => {
            let absolute =
                path.canonicalize().map_err(|source| Error::File { path: path.clone(), source })?;
            Ok(absolute.to_string_lossy().into_owned())
        }
        Location::S3 { .. } => Ok(location),
    }
}

fn no_environment(manifest: &Manifest, name: &str) -> Error {
    let known: Vec<_> = manifest.environments.keys().map(String::as_str).collect();
    Error::NoEnvironment { name: name.to_owned(), known: known.join(", ") }
}

/// Milliseconds since the Unix epoch; the one door to the clock.
pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
