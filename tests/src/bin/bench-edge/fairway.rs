//! The edge as a process, and the tables that it gets.

use crate::certificate::Certificate;
use crate::process::{Place, Program, Running};
use anyhow::Context;
use fairway_edge::client::Client;
use fairway_route::Table;
use serde_json::json;
use std::{
    ffi::OsStr,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// An edge that runs.
#[derive(Debug)]
pub(crate) struct Edge {
    /// The process.
    pub(crate) running: Running,
    /// Its control API.
    pub(crate) client: Client,
    home: PathBuf,
}

impl Edge {
    /// The program next to this one.
    pub(crate) fn program() -> anyhow::Result<PathBuf> {
        Ok(std::env::current_exe()?.with_file_name("fairway"))
    }

    /// Starts `fairway edge`, or the example `edge` when that is the program, and waits until it takes tables.
    pub(crate) async fn start(
        program: &Path,
        directory: &Path,
        place: Option<Place>,
    ) -> anyhow::Result<Self> {
        anyhow::ensure!(
            program.is_file(),
            "{} has not been built: run `cargo xtask bench edge`, or name a program with --edge",
            program.display()
        );
        let home = directory.join("home");
        std::fs::create_dir_all(&home)?;
        let words: &[&str] = if program.ends_with("fairway") { &["edge", "--home"] } else { &[] };
        let mut arguments: Vec<&OsStr> = words.iter().map(OsStr::new).collect();
        arguments.push(home.as_os_str());
        let program =
            Program { name: "fairway", path: program, arguments, environment: Vec::new(), directory };
        let mut running = Running::start(&program, place)?;
        let client = Client::in_home(&home);
        let begin = Instant::now();
        while let Err(error) = client.info().await {
            running.alive()?;
            anyhow::ensure!(begin.elapsed() < Duration::from_secs(20), "{error}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(Self { running, client, home })
    }

    /// Serves everything on this address from the upstream.
    pub(crate) async fn serve(&self, listen: SocketAddr, upstream: SocketAddr) -> anyhow::Result<()> {
        self.apply(table("plain", listen, upstream, &json!({}))?).await
    }

    /// The same with a line in the access log for each exchange. False when this edge writes none.
    pub(crate) async fn serve_logged(
        &self,
        listen: SocketAddr,
        upstream: SocketAddr,
    ) -> anyhow::Result<bool> {
        let more = json!({ "options": { "access_log": { "one_in": 1 } } });
        if let Err(error) = self.apply(table("logged", listen, upstream, &more)?).await {
            eprintln!("bench: the edge takes no table with an access log: {error:#}");
            return Ok(false);
        }
        let log = self.home.join("edge/access.log");
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_secs(3) {
            fairway_stories::get(listen, "/").await?;
            if std::fs::metadata(&log).is_ok_and(|file| file.len() > 0) {
                return Ok(true);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(false)
    }

    /// The same over TLS. False when this edge takes no such table; whether it speaks TLS shows a handshake.
    pub(crate) async fn serve_secure(
        &self,
        listen: SocketAddr,
        upstream: SocketAddr,
        certificate: &Certificate,
    ) -> anyhow::Result<bool> {
        let more = json!({
            "tls": { "public": {} },
            "certificates": [{
                "names": ["localhost"],
                "source": { "files": { "chain": certificate.chain, "key": certificate.key } },
            }],
        });
        match self.apply(table("secure", listen, upstream, &more)?).await {
            Ok(()) => Ok(true),
            Err(error) => {
                eprintln!("bench: the edge takes no table with TLS: {error:#}");
                Ok(false)
            }
        }
    }

    async fn apply(&self, table: Table) -> anyhow::Result<()> {
        self.client.apply(&table).await.context("the edge refused the table")?;
        Ok(())
    }
}

/// One listener, one service with these instances, one route.
pub(crate) fn table_of(
    environment: &str,
    generation: u64,
    listen: SocketAddr,
    instances: &[(String, SocketAddr)],
) -> anyhow::Result<Table> {
    Ok(serde_json::from_value(document(environment, generation, listen, instances))?)
}

/// The same with one instance and whatever else.
fn table(
    environment: &str,
    listen: SocketAddr,
    upstream: SocketAddr,
    more: &serde_json::Value,
) -> anyhow::Result<Table> {
    let mut table = document(environment, 1, listen, &[(format!("{environment}-bench-1"), upstream)]);
    let parts = table.as_object_mut().context("a table is an object")?;
    parts.extend(more.as_object().cloned().unwrap_or_default());
    Ok(serde_json::from_value(table)?)
}

fn document(
    environment: &str,
    generation: u64,
    listen: SocketAddr,
    instances: &[(String, SocketAddr)],
) -> serde_json::Value {
    let instances = instances.iter();
    let instances =
        instances.map(|(id, address)| json!({ "id": id, "address": address, "release": generation }));
    json!({
        "environment": environment,
        "generation": generation,
        "listeners": { "public": listen },
        "services": { "bench": { "instances": instances.collect::<Vec<_>>() } },
        "routes": [{ "listener": "public", "path": "/", "service": "bench" }],
    })
}
