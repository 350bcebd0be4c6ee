//! The edge as a process, and the tables that it gets.

use crate::certificate::Certificate;
use anyhow::Context;
use fairway_edge::client::Client;
use fairway_model::traffic::Upstream;
use fairway_route::Table;
use fairway_stories::measure::process::{Place, Program, Running};
use serde_json::json;
use std::{
    ffi::OsStr,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// Which program is the edge.
#[derive(Debug)]
pub(crate) enum Which {
    /// A part of this program: the same `fairway_edge::run_blocking` that `fairway edge` calls, with a number of threads.
    Part {
        /// This program.
        program: PathBuf,
        /// Its threads.
        workers: Workers,
    },
    /// `fairway`, or a program that is called with a home directory alone; with its own number of threads.
    Program(PathBuf),
}

/// Threads of an edge.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Workers {
    /// As many as each of the others has.
    One,
    /// As many as `fairway edge` has.
    Two,
}

impl Which {
    /// The named one, or the part.
    pub(crate) fn choose(named: Option<&Path>, workers: Workers) -> anyhow::Result<Self> {
        Ok(match named {
            Some(named) => {
                Self::Program(std::fs::canonicalize(named).with_context(|| named.display().to_string())?)
            }
            None => Self::Part { program: std::env::current_exe()?, workers },
        })
    }
}

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
    /// Starts it and waits until it takes tables.
    pub(crate) async fn start(which: &Which, directory: &Path, place: Option<Place>) -> anyhow::Result<Self> {
        let home = directory.join("home");
        std::fs::create_dir_all(&home)?;
        let (path, before, after): (_, &[&str], &[&str]) = match which {
            Which::Part { program, workers: Workers::One } => (program, &["serve"], &["--workers", "1"]),
            Which::Part { program, workers: Workers::Two } => (program, &["serve"], &["--workers", "2"]),
            Which::Program(program) if program.ends_with("fairway") => (program, &["edge", "--home"], &[]),
            Which::Program(program) => (program, &[], &[]),
        };
        let words = |words: &'static [&str]| words.iter().map(OsStr::new);
        let arguments = words(before).chain([home.as_os_str()]).chain(words(after)).collect();
        let program = Program { name: "fairway", path, arguments, environment: Vec::new(), directory };
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

    /// The same, and speaks this with the upstream.
    pub(crate) async fn serve_as(
        &self,
        speaks: Upstream,
        listen: SocketAddr,
        upstream: SocketAddr,
    ) -> anyhow::Result<()> {
        let mut table = table("plain", listen, upstream, &json!({}))?;
        for service in table.services.values_mut() {
            service.treatment.upstream = speaks;
        }
        self.apply(table).await
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
