//! What the repository says an environment should be: read, build, resolve.

use crate::{Delivery, Error, Notice, artifact::Packed, build, secret::SecretKey};
use fairway_manifest::{BASE_FILE, CONFIG_DIRECTORY, Inputs, Manifest, Origin, Parsed, Resolution, Sources};
use fairway_model::{
    ArtifactDigest, ContractDigest, EnvironmentName, Migration, Redacted, Release, SecretVersion,
    ServiceName, VariableName,
};
use fairway_store::Access;
use fairway_target::ArtifactSource;
use std::{collections::BTreeMap, path::Path};

/// A release as the repository wants it, with what must be brought to the target for it.
#[derive(Debug, Clone)]
pub struct Desired {
    /// The environment.
    pub environment: EnvironmentName,
    /// The complete intent.
    pub release: Release,
    /// Where the bytes of its artifacts are.
    pub artifacts: BTreeMap<ArtifactDigest, ArtifactSource>,
    /// The values of its secrets.
    pub secrets: BTreeMap<SecretVersion, Redacted>,
    /// Where each configuration value comes from.
    pub origins: BTreeMap<(ServiceName, VariableName), Origin>,
}

impl Delivery {
    /// Reads every file that the manifest speaks of.
    ///
    /// # Errors
    /// When a file that exists cannot be read.
    pub fn sources(&self, manifest: &Manifest) -> Result<Sources, Error> {
        let mut sources = Sources::new();
        let directories = [CONFIG_DIRECTORY, manifest.contracts.as_str()];
        for (path, text) in self.project.texts(&directories, &["yaml", "yml", "json"])? {
            sources.insert(path, text);
        }
        for directory in migration_directories(manifest) {
            for path in self.project.texts(&[directory], &["sql"])?.into_keys() {
                sources.note(path);
            }
        }
        if self.project.root().join(BASE_FILE).is_file() && sources.text(BASE_FILE).is_none() {
            sources.insert(BASE_FILE, self.project.read(BASE_FILE)?);
        }
        Ok(sources)
    }

    /// Builds every service and resolves the environment.
    ///
    /// # Errors
    /// When the manifest is not valid or a build fails.
    pub async fn desired(&self, environment: &str) -> Result<Desired, Error> {
        let parsed = self.manifest()?;
        let name = self.environment(&parsed.manifest, environment)?;
        let sources = self.sources(&parsed.manifest)?;
        // What is wrong with the manifest is said before anything is built.
        let report = fairway_manifest::check(&parsed, &sources);
        if let Some(problems) = fairway_manifest::Problems::new(report.problems) {
            return Err(Error::Manifest(problems));
        }
        // So is what is wrong with its configuration: a variable that is not set must not cost a build.
        fairway_manifest::config(&parsed, &name, &self.process_environment, &sources)?;
        fairway_manifest::check_passwords(&parsed, &name, &self.process_environment)?;
        let packed = build::build(&self.project, &parsed.manifest, &*self.reporter).await?;
        let resolution = self.resolve(&parsed, &name, &sources, &packed)?;
        for warning in &resolution.warnings {
            self.reporter.notice(Notice::Warning(words(warning)));
        }
        let Resolution { release, secrets, origins, warnings: _ } = resolution;
        self.keep_contracts(&release, &sources).await?;
        let artifacts = packed.into_values().map(|packed| (packed.artifact.digest, packed.source)).collect();
        Ok(Desired { environment: name, release, artifacts, secrets, origins })
    }

    fn resolve(
        &self,
        parsed: &Parsed,
        environment: &EnvironmentName,
        sources: &Sources,
        packed: &BTreeMap<ServiceName, Packed>,
    ) -> Result<Resolution, Error> {
        let key_file = self.project.prepare_state()?.join("secret.key");
        let key =
            SecretKey::open_or_create(&key_file).map_err(|source| Error::File { path: key_file, source })?;
        let inputs = Inputs {
            process_environment: self.process_environment.clone(),
            sources,
            artifacts: packed
                .iter()
                .map(|(service, packed)| (service.clone(), packed.artifact.clone()))
                .collect(),
            migrations: self.migrations(&parsed.manifest)?,
            contract_digests: contract_digests(parsed, sources)?,
            secret_version: &|service, variable, value| key.version(service, variable, value),
            store_access: Access {
                store: self.location.clone(),
                environment: environment.clone(),
                key: key.sharing(environment),
            }
            .to_secret(),
        };
        Ok(fairway_manifest::resolve(parsed, environment, &inputs)?)
    }

    /// The migrations of each service that names a directory, in the order of their file names.
    fn migrations(&self, manifest: &Manifest) -> Result<BTreeMap<ServiceName, Vec<Migration>>, Error> {
        let mut migrations = BTreeMap::new();
        for (name, service) in &manifest.services {
            let Some(directory) =
                service.database.as_ref().and_then(|database| database.migrations.as_deref())
            else {
                continue;
            };
            let files = self.project.texts(&[directory], &["sql"])?;
            let classify = |(path, text): (String, String)| {
                let name = Path::new(&path)
                    .file_name()
                    .map_or_else(|| path.clone(), |name| name.to_string_lossy().into_owned());
                fairway_plan::migration::classify_file(&name, &text)
            };
            migrations.insert(name.clone(), files.into_iter().map(classify).collect());
        }
        Ok(migrations)
    }
}

/// A problem in words, without its severity: that is the notice's to say.
fn words(problem: &fairway_manifest::Problem) -> String {
    let fairway_manifest::Problem { file, line, column, message, help, .. } = problem;
    let place = if *line > 0 { format!("{file}:{line}:{column}") } else { file.clone() };
    let help = help.as_ref().map_or_else(String::new, |help| format!("\n  help: {help}"));
    format!("{place}: {message}{help}")
}

fn migration_directories(manifest: &Manifest) -> impl Iterator<Item = &str> {
    manifest.services.values().filter_map(|service| service.database.as_ref()?.migrations.as_deref())
}

fn contract_digests(
    parsed: &Parsed,
    sources: &Sources,
) -> Result<BTreeMap<ServiceName, ContractDigest>, Error> {
    Ok(fairway_manifest::contract_digests(parsed, sources)?)
}
