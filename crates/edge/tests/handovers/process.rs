//! Edges as processes of their own.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use fairway_edge::client::Client;
use fairway_route::Table;

use crate::support::within;

/// Where edges succeed one another.
pub struct Home(tempfile::TempDir);

impl Home {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn client(&self) -> Client {
        Client::in_home(self.path())
    }

    /// Applies a table and returns where its listener `public` is.
    pub async fn apply(&self, table: &Table) -> SocketAddr {
        self.client().apply(table).await.unwrap().listeners["public"]
    }
}

/// A running edge. Dropping it kills it.
pub struct Process {
    child: Child,
    client: Client,
    log: tempfile::NamedTempFile,
}

impl Process {
    pub fn start(home: &Home, arguments: &[&str]) -> Self {
        let test = std::env::current_exe().unwrap();
        let program = test.parent().unwrap().parent().unwrap().join("examples/edge");
        assert!(program.is_file(), "{} is not built; run the tests of the whole package", program.display());
        let log = tempfile::NamedTempFile::new().unwrap();
        let child = Command::new(program)
            .arg(home.path())
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log.reopen().unwrap())
            .spawn()
            .unwrap();
        Self { child, client: home.client(), log }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log.path()).unwrap()
    }

    async fn is_the_one(&self) -> bool {
        self.client.info().await.is_ok_and(|info| info.pid == self.pid())
    }

    /// Waits until it is the one that answers.
    pub async fn answers(&self) {
        let answers = async {
            while !self.is_the_one().await {
                tokio::task::yield_now().await;
            }
        };
        let answered = tokio::time::timeout(crate::support::PATIENCE, answers).await;
        assert!(answered.is_ok(), "it does not answer: {}", self.log());
    }

    /// Waits until it is the one that answers, or has ended.
    pub async fn answers_or_ends(&mut self) -> bool {
        within(async {
            loop {
                if self.is_the_one().await {
                    return true;
                }
                if self.child.try_wait().unwrap().is_some() {
                    return false;
                }
                // It may have been taken over from already.
                if self.log().contains("a successor has taken over") {
                    return true;
                }
                tokio::task::yield_now().await;
            }
        })
        .await
    }

    /// Waits for its end; its code and what it said.
    pub async fn ended(&mut self) -> (Option<i32>, String) {
        let ended = async {
            loop {
                if let Some(status) = self.child.try_wait().unwrap() {
                    return status.code();
                }
                tokio::task::yield_now().await;
            }
        };
        match tokio::time::timeout(crate::support::PATIENCE, ended).await {
            Ok(code) => (code, self.log()),
            Err(_) => panic!("it does not end: {}", self.log()),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("process {}:\n{}", self.pid(), self.log());
        }
    }
}
