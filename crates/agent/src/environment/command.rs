//! What a process is started with.

use super::{Environment, journal::InstanceRecord};
use crate::{disk, fail};
use fairway_model::{ArtifactKind, ConfigValue, Failure, ProcessSpec, ServiceName, SpecDigest};
use fairway_supervisor::{Backoff, Limits, LogPolicy, Restart, Spec, StopPolicy, StopSignal};
use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf};

/// The variable by which a process is found again that was started just before the agent was killed.
pub(super) const INSTANCE_VARIABLE: &str = "FAIRWAY_INSTANCE";

impl Environment {
    /// The value of [`INSTANCE_VARIABLE`]: unique on this machine.
    pub(super) fn instance_tag(&self, id: &str) -> String {
        format!("{}:{}:{id}", self.machine.home.root().display(), self.name)
    }

    /// How an instance is started.
    ///
    /// Its working directory is its own; a program from an archive begins in the unpacked archive instead, so that it
    /// finds the files that came with it. `HOME` is its own directory in both cases.
    pub(super) async fn instance_spec(&self, id: &str, record: &InstanceRecord) -> Result<Spec, Failure> {
        let InstanceRecord { service, spec, process, port, .. } = record;
        let address = port.map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        let mut started = self.program(service, id, process, &process.command, *spec, address).await?;
        let first = self.machine.settings.timing.first_restart;
        started.restart = Restart::Backoff(Backoff { initial: first, ..Backoff::default() });
        Ok(started)
    }

    /// How a command of a service that runs once is started: as the service itself, apart from its address.
    pub(super) async fn command_spec(
        &self,
        service: &ServiceName,
        name: &str,
        process: &ProcessSpec,
        command: &[String],
    ) -> Result<Spec, Failure> {
        let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut spec =
            self.program(service, name, process, command, process.digest(), Some(anywhere)).await?;
        spec.id = format!("{}-{service}", spec.id);
        spec.restart = Restart::Never;
        Ok(spec)
    }

    async fn program(
        &self,
        service: &ServiceName,
        id: &str,
        process: &ProcessSpec,
        command: &[String],
        digest: SpecDigest,
        address: Option<SocketAddr>,
    ) -> Result<Spec, Failure> {
        let Some((program, args)) = command.split_first() else {
            return Err(fail::invalid(
                format!("service {service} has an empty command"),
                "Correct the manifest",
            )
            .of_service(service));
        };
        let own = self.machine.home.work(&self.name).join(id);
        disk::directory(&own).map_err(|error| {
            fail::machine(format!("{} could not be made", own.display()), &error).of_service(service)
        })?;
        let artifacts = self.machine.artifacts.clone();
        let artifact = process.artifact.clone();
        let files = tokio::task::spawn_blocking(move || artifacts.materialise(&artifact))
            .await
            .map_err(fail::internal)?
            .map_err(|failure| failure.of_service(service))?;
        let inside = files.join(program);
        let (program, directory) = match &process.artifact.kind {
            ArtifactKind::File { name } if name == program => (inside, own.clone()),
            ArtifactKind::Archive if inside.is_file() => (inside, files),
            ArtifactKind::Archive => (PathBuf::from(program), files),
            ArtifactKind::File { .. } => (PathBuf::from(program), own.clone()),
        };
        let limits = &process.limits;
        Ok(Spec {
            id: format!("fairway-{}-{}-{id}", self.machine.home.tag(), self.name.as_segment()),
            program,
            args: args.to_vec(),
            env: self.variables(service, id, process, digest, address, &own).await?,
            directory,
            user: None,
            log: LogPolicy::new(self.machine.home.log(&self.name, service, id)),
            limits: Limits {
                memory_bytes: limits.memory_bytes,
                cpu_millis: limits.cpu_millis,
                pids: limits.pids,
            },
            stop: StopPolicy { signal: StopSignal::Term, grace: process.stop_grace.into() },
            restart: Restart::Never,
        })
    }

    async fn variables(
        &self,
        service: &ServiceName,
        id: &str,
        process: &ProcessSpec,
        digest: SpecDigest,
        address: Option<SocketAddr>,
        own: &std::path::Path,
    ) -> Result<BTreeMap<String, String>, Failure> {
        let mut variables: BTreeMap<String, String> =
            self.machine.settings.inherited.iter().cloned().collect();
        variables.insert("HOME".into(), own.display().to_string());
        variables.insert("FAIRWAY_ENVIRONMENT".into(), self.name.to_string());
        variables.insert("FAIRWAY_SERVICE".into(), service.to_string());
        variables.insert("FAIRWAY_SPEC".into(), digest.short());
        variables.insert(INSTANCE_VARIABLE.into(), self.instance_tag(id));
        for (name, value) in &process.config {
            let value = match value {
                ConfigValue::Plain(value) => value.clone(),
                ConfigValue::Secret(version) => {
                    let secret = self.secrets().get(*version).map_err(|mut failure| {
                        failure.message = format!("{name} of {service}: {}", failure.message);
                        failure.of_service(service)
                    })?;
                    secret.expose().to_owned()
                }
            };
            variables.insert(name.to_string(), value);
        }
        if let (Some(variable), Some(address)) = (&process.listen, address) {
            variables.insert(variable.to_string(), address.to_string());
        }
        let journal = self.journal.lock().await;
        for (need, variable) in &process.needs {
            let Some(port) = journal.ports.get(need) else {
                return Err(fail::internal(format!("service {need}, which {service} needs, has no port"))
                    .of_service(service));
            };
            variables.insert(variable.to_string(), format!("http://127.0.0.1:{port}"));
        }
        drop(journal);
        if let Some(database) = &process.database {
            let url = self.database_url(service).await?;
            variables.insert(database.env.to_string(), url.expose().to_owned());
        }
        Ok(variables)
    }

    /// The secrets of this environment.
    pub(crate) fn secrets(&self) -> crate::secrets::Secrets {
        crate::secrets::Secrets::new(&self.machine.home, &self.name)
    }
}
