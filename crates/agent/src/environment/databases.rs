//! The environment's databases, and the commands that run once against them.

use super::{Environment, start::LOG_LINES};
use crate::{disk::Survives, fail};
use fairway_model::{
    Failure, FailureKind, Generation, Millis, PostgresSpec, ProcessSpec, Redacted, Release, ServiceName,
    StepKind,
};
use fairway_postgres::{Password, Server, database_name};
use fairway_supervisor::{OneShot, log};
use std::path::Path;

impl Environment {
    /// Starts the private server, or checks the existing one.
    pub(super) async fn database_server(&self, spec: &PostgresSpec) -> Result<String, Failure> {
        let server = self.server(spec).await?;
        let spec = spec.clone();
        self.change(Survives::Machine, |journal, _| journal.postgres = Some(spec)).await;
        Ok(format!("PostgreSQL {} at {}", server.major_version(), server.address()))
    }

    async fn server(&self, spec: &PostgresSpec) -> Result<Server, Failure> {
        match spec {
            PostgresSpec::Private { version } => {
                Ok(self.machine.databases.private(version.as_deref()).await?.server().clone())
            }
            PostgresSpec::Existing { url } => {
                self.machine.databases.existing(&self.secrets().get(*url)?).await
            }
        }
    }

    async fn release_server(&self, release: &Release) -> Result<Server, Failure> {
        match &release.resources.postgres {
            Some(spec) => self.server(spec).await,
            None => {
                Err(fail::invalid("the release has a database and no PostgreSQL", "Correct the manifest"))
            }
        }
    }

    /// Creates a service's database and login, if they are not there.
    pub(super) async fn ensure_database(
        &self,
        release: &Release,
        service: &ServiceName,
    ) -> Result<String, Failure> {
        let server = self.release_server(release).await?;
        let secrets = self.secrets();
        let password = Password::Given(secrets.database_password(service)?);
        let made = server.ensure_database(self.name.as_str(), service.as_str(), password).await;
        let credentials = made.map_err(|error| {
            Failure::new(
                FailureKind::Database,
                format!("the database of {service} could not be provided: {}", fail::chain(&error)),
                fail::NOTHING_MOVED,
                "Correct that and apply again",
            )
            .of_service(service)
        })?;
        secrets.put_database_url(service, &credentials.dsn())?;
        let named = service.clone();
        self.change(Survives::Machine, |journal, _| journal.databases.insert(named)).await;
        Ok(format!("{} {}", credentials.database, if credentials.created { "created" } else { "was there" }))
    }

    /// The URL at which a service reaches its database.
    pub(super) async fn database_url(&self, service: &ServiceName) -> Result<Redacted, Failure> {
        self.secrets().database_url(service)?.ok_or_else(|| {
            Failure::new(
                FailureKind::Database,
                format!("{service} has no database in {} yet", self.name),
                fail::NOTHING_MOVED,
                "Plan again: the plan must create the database first",
            )
            .of_service(service)
        })
    }

    /// Runs a migration or seed under a lock of its database. It is not interrupted by a release that is given up:
    /// half a migration is worse than a late answer. Its time limit ends it in any case.
    pub(super) async fn one_shot(
        &self,
        generation: Generation,
        release: &Release,
        service: &ServiceName,
        kind: &StepKind,
    ) -> Result<String, Failure> {
        let verb = kind.verb();
        let process = release.services[service].process();
        let database = process.and_then(|process| process.database.as_ref());
        let command = match (kind, database) {
            (StepKind::Migrate, Some(database)) => database.migrate.as_ref(),
            (StepKind::Seed, Some(database)) => database.seed.as_ref(),
            _ => None,
        };
        let (Some(process), Some(command)) = (process, command) else {
            return Err(fail::invalid(
                format!("the plan wants to {verb} {service}, and its release has no command for that"),
                "Plan again",
            )
            .of_service(service));
        };
        let name = format!("{verb}-{generation}");
        let path = self.machine.home.log(&self.name, service, &name);
        let server = self.release_server(release).await?;
        let key = format!("migrations of {} in {}", service, self.name);
        let limit = self.machine.settings.timing.one_shot;
        let run = self.run_command(service, &name, process, command);
        let locked = server
            .with_advisory_lock(&database_name(self.name.as_str(), service.as_str()), &key, limit, run)
            .await;
        let ran = match locked {
            Ok(Ok(ran)) => ran,
            Ok(Err(failure)) => return Err(failure),
            Err(error) => {
                return Err(migration_failure(
                    service,
                    format!("{verb} of {service}: {}", fail::chain(&error)),
                    &path,
                ));
            }
        };
        if ran.success() {
            return Ok(format!("done after {}", Millis::from(ran.duration)));
        }
        let how = if ran.timed_out {
            format!("was stopped after {}", Millis::from(limit))
        } else {
            ran.exit.to_string()
        };
        Err(migration_failure(service, format!("{verb} of {service} {how}"), &path))
    }

    async fn run_command(
        &self,
        service: &ServiceName,
        name: &str,
        process: &ProcessSpec,
        command: &[String],
    ) -> Result<fairway_supervisor::Outcome, Failure> {
        let path = self.machine.home.log(&self.name, service, name);
        let spec = self.command_spec(service, name, process, command).await?;
        let failed = |error: &dyn std::error::Error| {
            let what = format!("{} of {service}: {error}", name.split('-').next().unwrap_or(name));
            migration_failure(service, what, &path)
        };
        let command = OneShot::start(&spec).await.map_err(|error| failed(&error))?;
        let key = format!("{service}-{name}");
        let identity = command.identity().clone();
        self.change(Survives::Process, |journal, _| {
            journal.commands.insert(key.clone(), identity);
        })
        .await;
        let outcome =
            command.wait(self.machine.settings.timing.one_shot).await.map_err(|error| failed(&error));
        self.change(Survives::Process, |journal, _| journal.commands.remove(&key)).await;
        outcome
    }

    /// Removes the databases and logins of all services.
    pub(super) async fn drop_databases(&self) -> Result<(), Failure> {
        let (spec, services) = {
            let journal = self.journal.lock().await;
            (journal.postgres.clone(), journal.databases.clone())
        };
        let Some(spec) = spec else { return Ok(()) };
        if services.is_empty() {
            return Ok(());
        }
        let server = self.server(&spec).await?;
        for service in services {
            server.drop_database(self.name.as_str(), service.as_str()).await.map_err(|error| {
                Failure::new(
                    FailureKind::Database,
                    format!("the database of {service} could not be removed: {}", fail::chain(&error)),
                    "The instances of the environment are stopped; this and later databases are still there",
                    "Correct that and destroy it again",
                )
                .of_service(&service)
            })?;
            self.change(Survives::Machine, |journal, _| journal.databases.remove(&service)).await;
        }
        Ok(())
    }

    /// Whether this environment has something that needs the private database server.
    pub(crate) async fn needs_private_server(&self) -> bool {
        let journal = self.journal.lock().await;
        let private = matches!(journal.postgres, Some(PostgresSpec::Private { .. }));
        private && (journal.lifecycle.serving().is_some() || journal.lifecycle.pending().is_some())
    }
}

fn migration_failure(service: &ServiceName, message: String, path: &Path) -> Failure {
    let next = format!("Read {}, correct the command and apply again", path.display());
    let mut failure = Failure::new(
        FailureKind::Migration,
        message,
        "Routes and running instances are as they were; what the command has already changed in its database stays",
        next,
    )
    .of_service(service);
    failure.log = log::tail(path, LOG_LINES).unwrap_or_default();
    failure
}
