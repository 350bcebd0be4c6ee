//! A private PostgreSQL for a test process.
//!
//! The first test that asks starts a cluster from the installed binaries: its own directory under the
//! temporary directory, a Unix socket and no port, nothing synced to disk. Started by root it runs as
//! `nobody`, because PostgreSQL refuses root. Each test gets a database of its own, copied from a template
//! that is migrated once. The cluster ends with the last test that holds a database, and with the process
//! in any case (`setpriv --pdeathsig`).

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Weak, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use sqlx::{AssertSqlSafe, PgPool};
use tokio::sync::Mutex;
use uuid::Uuid;

use crate::database::Database;
use crate::settings::Secret;
use crate::testing::work::{Work, filled};

const START_DEADLINE: Duration = Duration::from_secs(60);

/// The cluster of this process, as long as a test uses it.
static CURRENT: Mutex<Weak<Cluster>> = Mutex::const_new(Weak::new());

/// A running PostgreSQL.
#[derive(Debug)]
pub struct Cluster {
    directory: PathBuf,
    pid: Pid,
    waiter: Option<JoinHandle<()>>,
    templates: Mutex<BTreeSet<String>>,
}

/// A database that belongs to one test.
#[derive(Debug)]
pub struct TestDatabase {
    // Field order matters: the pool goes before the server it talks to.
    pool: PgPool,
    name: String,
    dsn: String,
    cluster: Arc<Cluster>,
}

impl TestDatabase {
    /// A fresh copy of the database that `prepare` filled the first time it was asked for under this name.
    /// Nothing when PostgreSQL is not installed; says so, and the test should return.
    ///
    /// # Panics
    /// When PostgreSQL is installed and does not work.
    pub async fn create(template: &str, prepare: impl AsyncFnOnce(Database)) -> Option<Self> {
        let Some(binaries) = find_binaries() else {
            eprintln!("skipped: needs postgres");
            return None;
        };
        let cluster = {
            let mut current = CURRENT.lock().await;
            match current.upgrade() {
                Some(cluster) => cluster,
                None => {
                    let cluster = Arc::new(Cluster::start(&binaries).await);
                    *current = Arc::downgrade(&cluster);
                    cluster
                }
            }
        };
        let template = format!("template_{template}");
        {
            let mut templates = cluster.templates.lock().await;
            if templates.insert(template.clone()) {
                cluster.execute(format!("CREATE DATABASE {template}")).await;
                prepare(database(&cluster.dsn(&template))).await;
            }
        }
        let name = format!("test_{}", Uuid::new_v4().simple());
        cluster.execute(format!("CREATE DATABASE {name} TEMPLATE {template}")).await;
        let dsn = cluster.dsn(&name);
        Some(Self { pool: database(&dsn).pool(), name, dsn, cluster })
    }

    /// A pool on the database.
    pub fn pool(&self) -> PgPool {
        self.pool.clone()
    }

    /// Every statement that this database has been given so far, its first line, as PostgreSQL logged it. What a
    /// request adds to it is what the request cost.
    ///
    /// # Panics
    /// When the log can't be read; the test is over then.
    pub fn statements(&self) -> Vec<String> {
        self.logged().into_iter().map(|(statement, _)| statement).collect()
    }

    /// What PostgreSQL looked at for each query that came after the first `before` statements. Queries are done once
    /// more for that.
    ///
    /// # Panics
    /// When the log can't be read, or a query takes more than one line there.
    pub async fn work(&self, before: usize) -> Vec<Work> {
        let mut all = Vec::new();
        for (statement, parameters) in self.logged().split_off(before) {
            if statement.starts_with("SELECT ") {
                all.push(Work::of(&self.pool, filled(&statement, &parameters)).await);
            }
        }
        all
    }

    /// The first lines of statements, with what was logged of their parameters.
    fn logged(&self) -> Vec<(String, String)> {
        let log = std::fs::read_to_string(self.cluster.directory.join("log")).expect("the cluster's own log");
        let mut logged: Vec<(String, String)> = Vec::new();
        for line in log.lines().filter_map(|line| line.strip_prefix(&self.name)?.strip_prefix(' ')) {
            if let Some((kind, text)) = line.strip_prefix("LOG:  ").and_then(|line| line.split_once(": ")) {
                // `statement: …`, or with parameters `execute <name>: …`.
                if kind == "statement" || kind.starts_with("execute ") {
                    logged.push((text.to_owned(), String::new()));
                }
            } else if let Some((_, text)) =
                line.strip_prefix("DETAIL:  ").and_then(|line| line.split_once(": "))
                && let Some(last) = logged.last_mut()
            {
                text.clone_into(&mut last.1);
            }
        }
        logged
    }

    /// The database's address, as a service would be given it.
    pub fn dsn(&self) -> &str {
        &self.dsn
    }
}

impl Cluster {
    async fn start(binaries: &Path) -> Self {
        let directory =
            std::env::temp_dir().join(format!("shop-test-{}", &Uuid::new_v4().simple().to_string()[..12]));
        std::fs::create_dir(&directory).expect("a directory under the temporary directory");
        let owner = Owner::of(&directory);
        let data = directory.join("data");

        let made = owner
            .command(&binaries.join("initdb"), &directory)
            .args(["-U", "shop", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync", "-D"])
            .arg(&data)
            .output()
            .expect("initdb can be run");
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));

        let log = std::fs::File::create(directory.join("log")).expect("a file in our own directory");
        let mut server = owner.command(&binaries.join("postgres"), &directory);
        server.arg("-D").arg(&data).arg("-k").arg(&directory).stdout(Stdio::null()).stderr(log);
        for setting in [
            "listen_addresses=",
            "fsync=off",
            "full_page_writes=off",
            "synchronous_commit=off",
            "autovacuum=off",
            "shared_buffers=16MB",
            "max_connections=200",
            "log_statement=all",
            "log_line_prefix=%d ",
        ] {
            server.args(["-c", setting]);
        }
        // The parent-death signal follows the thread that forks, so this thread stays with its child.
        let (tell, told) = mpsc::channel();
        let waiter = std::thread::spawn(move || {
            let mut child = server.stdin(Stdio::null()).spawn().expect("postgres can be run");
            let _nobody_waits = tell.send(child.id());
            let _ended = child.wait();
        });
        let id = told.recv().expect("postgres was started");
        let pid = Pid::from_raw(i32::try_from(id).expect("a process id")).expect("a process id is not zero");
        let cluster = Self { directory, pid, waiter: Some(waiter), templates: Mutex::default() };
        cluster.wait_until_ready().await;
        cluster
    }

    async fn wait_until_ready(&self) {
        let deadline = Instant::now() + START_DEADLINE;
        loop {
            let tried = sqlx::query("SELECT 1").execute(&database(&self.dsn("postgres")).pool()).await;
            match tried {
                Ok(_) => return,
                Err(error) if Instant::now() > deadline => {
                    let log = std::fs::read_to_string(self.directory.join("log")).unwrap_or_default();
                    panic!("postgres is not ready after {START_DEADLINE:?}: {error}\n{log}");
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    }

    async fn execute(&self, statement: String) {
        let pool = database(&self.dsn("postgres")).pool();
        if let Err(error) = sqlx::query(AssertSqlSafe(statement.clone())).execute(&pool).await {
            panic!("{statement}: {error}");
        }
        pool.close().await;
    }

    fn dsn(&self, name: &str) -> String {
        format!("postgres://shop@localhost/{name}?host={}", self.directory.display())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // SIGQUIT is PostgreSQL's immediate shutdown; nothing in here is worth keeping.
        let _already_gone = kill_process(self.pid, Signal::QUIT);
        if let Some(waiter) = self.waiter.take() {
            let _panicked = waiter.join();
        }
        let _best_effort = std::fs::remove_dir_all(&self.directory);
    }
}

fn database(dsn: &str) -> Database {
    Database::at("the test database", &Secret::new(dsn)).expect("an address made by us")
}

/// The directory of `initdb` and `postgres`: on the path, or where Debian puts them (newest first).
fn find_binaries() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).collect::<Vec<_>>();
    let mut debian: Vec<_> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let version: u32 = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .collect();
    debian.sort();
    on_path
        .into_iter()
        .chain(debian.into_iter().rev().map(|(_, bin)| bin))
        .find(|bin| bin.join("initdb").is_file() && bin.join("postgres").is_file())
}

/// As whom PostgreSQL runs.
enum Owner {
    Ourselves,
    User { uid: String, gid: String },
}

impl Owner {
    /// Ourselves, or `nobody` when we are root; the directory is made theirs.
    fn of(directory: &Path) -> Self {
        let root = std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0);
        if !root {
            return Self::Ourselves;
        }
        let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        let nobody =
            users.lines().find(|line| line.starts_with("nobody:")).expect("root knows a user `nobody`");
        let mut ids =
            nobody.split(':').skip(2).map(|id| id.parse::<u32>().expect("numeric ids in /etc/passwd"));
        let (uid, gid) = (ids.next().expect("a user id"), ids.next().expect("a group id"));
        std::os::unix::fs::chown(directory, Some(uid), Some(gid)).expect("root may give a directory away");
        Self::User { uid: uid.to_string(), gid: gid.to_string() }
    }

    /// A command that runs as that user and dies with us.
    fn command(&self, program: &Path, directory: &Path) -> Command {
        let mut command = Command::new("setpriv");
        if let Self::User { uid, gid } = self {
            command
                .args([OsStr::new("--reuid"), uid.as_ref(), "--regid".as_ref(), gid.as_ref()])
                .arg("--clear-groups");
        }
        command.args(["--pdeathsig", "QUIT"]).arg(program).current_dir(directory).env_remove("PGDATA");
        command
    }
}
