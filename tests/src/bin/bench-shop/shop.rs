//! The four programs.

use crate::database::Database;
use anyhow::{Context, ensure};
use fairway_stories::{
    free_port,
    measure::{
        process::{Program, Running},
        rate::{exchange, get},
    },
};
use std::{
    ffi::OsStr,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use tokio::net::TcpStream;

/// How long a service has to be ready.
const READY_WITHIN: Duration = Duration::from_secs(30);
/// Signs the tokens of this run.
const SECRET: &str = "only for this benchmark";

/// The services in the order in which they are started.
pub(crate) const SERVICES: [&str; 4] = ["identity", "commerce", "payment", "gateway-bff"];

/// A running shop.
pub(crate) struct Shop {
    pub(crate) services: Vec<Service>,
}

/// A running service, and how to start it once more.
pub(crate) struct Service {
    pub(crate) name: &'static str,
    pub(crate) address: SocketAddr,
    pub(crate) running: Running,
    directory: PathBuf,
    environment: Vec<(String, String)>,
}

impl Shop {
    /// Makes the databases, migrates and seeds them, and starts everything.
    pub(crate) async fn open(database: &Database, directory: &Path) -> anyhow::Result<Self> {
        let mut services: Vec<Service> = Vec::new();
        for name in SERVICES {
            let environment = environment(name, &services, database, directory).await?;
            if name != "gateway-bff" {
                for command in ["migrate", "seed"] {
                    finish(name, command, &environment).await?;
                }
            }
            services.push(Service::start(name, environment, directory).await?);
        }
        Ok(Self { services })
    }

    /// A service by its name.
    pub(crate) fn service(&self, name: &str) -> anyhow::Result<&Service> {
        self.services.iter().find(|service| service.name == name).context("no such service")
    }

    /// Where the one door is.
    pub(crate) fn gateway(&self) -> anyhow::Result<SocketAddr> {
        Ok(self.service("gateway-bff")?.address)
    }

    /// Fails when a service has ended.
    pub(crate) fn alive(&mut self) -> anyhow::Result<()> {
        self.services.iter_mut().try_for_each(|service| service.running.alive())
    }
}

impl Service {
    async fn start(
        name: &'static str,
        environment: Vec<(String, String)>,
        directory: &Path,
    ) -> anyhow::Result<Self> {
        let (address, running) = start(name, name, &environment, directory).await?;
        Ok(Self { name, address, running, directory: directory.to_owned(), environment })
    }

    /// Starts another one of the kind and ends it when it is ready. How long that took.
    pub(crate) async fn start_again(&self) -> anyhow::Result<Duration> {
        let begin = Instant::now();
        let again = format!("{}-again", self.name);
        start(self.name, &again, &self.environment, &self.directory).await?;
        Ok(begin.elapsed())
    }
}

async fn start(
    name: &str,
    log: &str,
    environment: &[(String, String)],
    directory: &Path,
) -> anyhow::Result<(SocketAddr, Running)> {
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let variable = format!("{}_HTTP_ADDR", prefix(name));
    let listen = address.to_string();
    let mut variables: Vec<(&str, &OsStr)> =
        environment.iter().map(|(name, value)| (name.as_str(), OsStr::new(value))).collect();
    variables.push((&variable, OsStr::new(&listen)));
    let path = program(name)?;
    let arguments = vec![OsStr::new("serve")];
    let started = Program { name: log, path: &path, arguments, environment: variables, directory };
    let mut running = Running::start(&started, None)?;
    ready(address, &mut running).await?;
    Ok((address, running))
}

/// Waits until `/ready` answers 200.
async fn ready(address: SocketAddr, running: &mut Running) -> anyhow::Result<()> {
    let begin = Instant::now();
    let request = get(address, "/ready")(0);
    let mut buffer = vec![0; 4096];
    loop {
        let answered = match TcpStream::connect(address).await {
            Ok(mut stream) => exchange(&mut stream, &request, &mut buffer).await.map(drop),
            Err(error) => Err(error.into()),
        };
        match answered {
            Ok(()) => return Ok(()),
            Err(error) if begin.elapsed() > READY_WITHIN => {
                return Err(error.context(format!("not ready within {READY_WITHIN:?}")));
            }
            Err(_) => running.alive()?,
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

fn prefix(name: &str) -> String {
    name.split('-').next().unwrap_or_default().to_uppercase()
}

/// The file of a program, beside this one.
fn program(name: &str) -> anyhow::Result<PathBuf> {
    let path = std::env::current_exe()?.with_file_name(name);
    ensure!(path.is_file(), "{} is missing; `cargo xtask bench shop` builds it", path.display());
    Ok(path)
}

/// What a service is told: its database, its secret, its files, and where those are that were started before.
async fn environment(
    name: &str,
    others: &[Service],
    database: &Database,
    directory: &Path,
) -> anyhow::Result<Vec<(String, String)>> {
    let prefix = prefix(name);
    let mut all = vec![(format!("{prefix}_JWT_SECRET"), SECRET.to_owned())];
    if name != "gateway-bff" {
        all.push((format!("{prefix}_DB_DSN"), database.address_for(name).await?));
    }
    if name == "commerce" {
        let media = directory.join("media").to_string_lossy().into_owned();
        all.push(("MEDIA_LOCAL_OUTPUT_DIR".to_owned(), media));
    }
    for other in others {
        let variable = format!("{prefix}_{}_BASE_URL", other.name.to_uppercase());
        all.push((variable, format!("http://{}", other.address)));
    }
    Ok(all)
}

/// Runs a command of a service to its end.
async fn finish(name: &str, command: &str, environment: &[(String, String)]) -> anyhow::Result<()> {
    let output = tokio::process::Command::new(program(name)?)
        .arg(command)
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .kill_on_drop(true)
        .output()
        .await?;
    ensure!(
        output.status.success(),
        "{name} {command} failed ({}):\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}
