//! A private cluster: created from the installed programs, run by the supervisor.

use crate::{
    ClusterError, Server, account,
    account::Runner,
    config,
    files::{NO_CLUSTER, NOT_STARTED, NOTHING, beside, failed, make_dir, replace},
    installation::{Installation, locate},
    postmaster::{self, PidFile},
};
use fairway_model::Redacted;
use fairway_supervisor::{
    Adoption, Backoff, Identity, Instance, Limits, LogPolicy, Restart, Spec, State, Status, StopPolicy,
    StopSignal, Stopped, log, run_once,
};
use nix::{
    errno::Errno,
    fcntl::{Flock, FlockArg},
};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    net::TcpListener,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::{sync::watch, time::Instant};

/// How long `initdb` may take; on a slow disk it writes 40 MB in small files.
const CREATE_WITHIN: Duration = Duration::from_secs(180);
/// How long a server may take to accept connections; recovery from a crash takes longer than a start.
const READY_WITHIN: Duration = Duration::from_secs(120);
/// How long processes of a killed server are waited for.
const ORPHANS_WITHIN: Duration = Duration::from_secs(10);
/// How long a former owner, who may be ending just now, is waited for.
const OWNER_WITHIN: Duration = Duration::from_secs(5);
/// How often the server's own files are looked at.
const LOOK: Duration = Duration::from_millis(15);
/// How many ports are tried for a new cluster.
const PORTS_TRIED: u16 = 200;
/// Ports for new clusters: below the range from which the system takes ports for outgoing connections.
const PORTS: std::ops::Range<u16> = 20_000..30_000;

/// What a private cluster should be.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where its data is: an existing cluster, or a place for a new one.
    pub data_dir: PathBuf,
    /// Where its socket is; a directory for this cluster alone. Its path must be short: 107 bytes with the socket's name.
    pub socket_dir: PathBuf,
    /// The server's log.
    pub log: LogPolicy,
    /// The port on 127.0.0.1. `None` chooses a free one for a new cluster and keeps it for ever.
    pub port: Option<u16>,
    /// Major version. `None` takes the one of existing data, or the newest that is installed.
    pub version: Option<u32>,
    /// Lets the administrator `postgres` log in over TCP with this password. `None` lets nobody in but through the socket.
    pub superuser_password: Option<Redacted>,
    /// How safe the data is when the machine fails.
    pub durability: Durability,
    /// Where the programs are looked for first, as in the variable `PATH`.
    pub path: Option<String>,
}

/// How safe the data is when the machine fails. A server that fails loses nothing either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// What was committed is on the disk.
    Full,
    /// `fsync = off`: a power cut destroys the cluster. Several times faster, for tests.
    TestsOnly,
}

/// A private cluster whose server runs. Dropping it leaves the server running; [`Cluster::open_or_create`] finds it again.
#[derive(Debug)]
pub struct Cluster {
    instance: Instance,
    server: Server,
    installation: Installation,
    data_dir: PathBuf,
    port: u16,
    /// Two owners would restart what the other one stops.
    _lock: Flock<File>,
}

/// A cluster at one moment.
#[derive(Debug, Clone)]
pub struct ClusterStatus {
    /// Does its server take connections?
    pub ready: bool,
    /// What the supervisor says: state, process, restarts.
    pub process: Status,
    /// Version of the programs.
    pub version: String,
    /// Port on 127.0.0.1.
    pub port: u16,
    /// Where its data is.
    pub data_dir: PathBuf,
}

impl Cluster {
    /// Finds the running server of this cluster, or starts it, or creates the cluster first. Returns when the server takes
    /// connections. A server that crashes later is restarted.
    ///
    /// # Errors
    /// [`ClusterError`]; existing data is never changed by an error.
    pub async fn open_or_create(settings: Settings) -> Result<Self, ClusterError> {
        let settings = absolute(settings)?;
        let existing = existing_version(&settings.data_dir)?;
        if let (Some(found), Some(wanted)) = (existing, settings.version)
            && found != wanted
        {
            return Err(ClusterError::VersionMismatch { data_dir: settings.data_dir, found, wanted });
        }
        if existing.is_some() && config::persisted_port(&settings.data_dir).is_none() {
            return Err(ClusterError::ForeignCluster { data_dir: settings.data_dir });
        }
        let wanted = existing.or(settings.version);
        let path = settings.path.clone();
        let installation = tokio::task::spawn_blocking(move || locate(path.as_deref(), wanted))
            .await
            .map_err(|error| {
                failed("looking for PostgreSQL in", &settings.data_dir, NOTHING)(std::io::Error::other(error))
            })??;
        let runner = Runner::choose()?;
        let plan = Plan { settings, installation, runner };
        plan.check_paths()?;

        let lock = plan.lock().await?;
        if let Some(identity) = postmaster::running(&plan.settings.data_dir)
            && let Adoption::Adopted(instance) = Instance::adopt(&identity, plan.server_spec())
        {
            wait_ready(&instance, &plan.settings.data_dir, None).await?;
            match plan.fitting_port() {
                Some(port) => return plan.take_over(instance, port, lock).await,
                // It was started with other settings; sessions are broken off, because that is what is asked for.
                None => drop(instance.stop().await?),
            }
        }
        // Another owner may have been at work until now.
        if existing_version(&plan.settings.data_dir)?.is_none() {
            plan.create().await?;
        }
        plan.start(lock).await
    }

    /// The server, for databases and logins.
    #[must_use]
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// Its port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The programs that run it.
    #[must_use]
    pub fn installation(&self) -> &Installation {
        &self.installation
    }

    /// What it is doing now.
    #[must_use]
    pub fn status(&self) -> ClusterStatus {
        let process = self.instance.status();
        let ready = process.identity.as_ref().is_some_and(|identity| {
            PidFile::read(&self.data_dir).is_some_and(|file| file.ready && file.pid == identity.pid)
        });
        ClusterStatus {
            ready,
            process,
            version: self.installation.version.clone(),
            port: self.port,
            data_dir: self.data_dir.clone(),
        }
    }

    /// What its process is doing, as it changes.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Status> {
        self.instance.watch()
    }

    /// Waits until its server takes connections again, as after a crash.
    ///
    /// # Errors
    /// [`ClusterError`] when it has stopped for good or takes too long.
    pub async fn ready(&self) -> Result<(), ClusterError> {
        wait_ready(&self.instance, &self.data_dir, None).await
    }

    /// Stops the server: sessions are broken off, what was committed is kept. Stopping twice is fine.
    ///
    /// # Errors
    /// [`ClusterError::Stop`] when something of it is left.
    pub async fn stop(&self) -> Result<Stopped, ClusterError> {
        Ok(self.instance.stop().await?)
    }

    /// Lets go of the server without stopping it. The same as dropping the cluster.
    #[must_use]
    pub fn detach(self) -> Option<Identity> {
        self.instance.detach()
    }

    /// The server that runs on `data_dir`, if one does, without touching anything.
    #[must_use]
    pub fn running(data_dir: &Path) -> Option<Identity> {
        postmaster::running(data_dir)
    }
}

/// What is known before anything is touched.
struct Plan {
    settings: Settings,
    installation: Installation,
    runner: Runner,
}

impl Plan {
    fn check_paths(&self) -> Result<(), ClusterError> {
        let socket = self.socket(config::persisted_port(&self.settings.data_dir).unwrap_or(u16::MAX));
        if socket.as_os_str().len() > 107 {
            return Err(ClusterError::SocketPath { path: socket });
        }
        self.runner.check_reach(&self.settings.data_dir)?;
        self.runner.check_reach(&socket)?;
        self.runner.check_reach(&self.installation.bin.join("postgres"))
    }

    fn socket(&self, port: u16) -> PathBuf {
        self.settings.socket_dir.join(format!(".s.PGSQL.{port}"))
    }

    /// Becomes the cluster's only owner, for as long as the lock lives. The system ends it with its holder.
    async fn lock(&self) -> Result<Flock<File>, ClusterError> {
        let data_dir = &self.settings.data_dir;
        let path = beside(data_dir, ".lock");
        if let Some(parent) = path.parent().filter(|parent| !parent.exists()) {
            make_dir(parent, 0o755).map_err(failed("making", parent, NOTHING))?;
        }
        let deadline = Instant::now() + OWNER_WITHIN;
        let mut file = File::options()
            .create(true)
            .append(true)
            .open(&path)
            .map_err(failed("opening", &path, NOTHING))?;
        loop {
            match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(lock) => return Ok(lock),
                Err((back, Errno::EAGAIN)) if Instant::now() < deadline => file = back,
                Err((_, Errno::EAGAIN)) => {
                    return Err(ClusterError::Owned { data_dir: data_dir.clone(), lock: path });
                }
                Err((_, error)) => return Err(failed("locking", &path, NOTHING)(error.into())),
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Creates the cluster beside its place and moves it there when it is complete.
    async fn create(&self) -> Result<(), ClusterError> {
        let target = &self.settings.data_dir;
        let unfinished = beside(target, ".creating");
        match fs::remove_dir_all(&unfinished) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(failed(
                    "removing the remains of an interrupted creation in",
                    &unfinished,
                    NO_CLUSTER,
                )(error));
            }
            _ => {}
        }
        make_dir(&unfinished, 0o700).map_err(failed("making", &unfinished, NO_CLUSTER))?;
        self.runner.own(&unfinished).map_err(failed("changing the owner of", &unfinished, NO_CLUSTER))?;

        let result = self.initdb(&unfinished).await;
        if let Err(error) = result {
            let _ = fs::remove_dir_all(&unfinished);
            return Err(error);
        }
        let port = match self.settings.port {
            Some(port) => port,
            None => free_port(target).ok_or_else(|| {
                let none = std::io::Error::from(std::io::ErrorKind::AddrInUse);
                failed("finding a free port for", target, NO_CLUSTER)(none)
            })?,
        };
        let main = unfinished.join("postgresql.conf");
        let text = fs::read_to_string(&main).map_err(failed("reading", &main, NO_CLUSTER))?;
        let text = format!("{text}{}", config::INCLUDE);
        replace(&main, &text, |path| self.runner.own(path)).map_err(failed("writing", &main, NO_CLUSTER))?;
        self.configure(&unfinished, port, NO_CLUSTER)?;
        // An empty directory in its place is replaced; anything else has been refused before.
        fs::rename(&unfinished, target).map_err(failed("moving the new cluster to", target, NO_CLUSTER))
    }

    async fn initdb(&self, dir: &Path) -> Result<(), ClusterError> {
        let mut last = None;
        // Not every system has the locale in which upper and lower case mean what they should in every script.
        for locale in ["C.UTF-8", "C"] {
            let mut args: Vec<String> = [
                "--username",
                config::SUPERUSER,
                "--encoding",
                "UTF8",
                "--auth-local",
                "peer",
                "--auth-host",
                "scram-sha-256",
            ]
            .map(str::to_owned)
            .into();
            args.push(format!("--locale={locale}"));
            if self.settings.durability == Durability::TestsOnly {
                args.push("--no-sync".into());
            }
            args.extend(["--pgdata".to_owned(), dir.to_string_lossy().into_owned()]);
            let mut spec = self.spec("initdb", args, dir.to_owned());
            spec.log.path = beside(&self.settings.log.path, ".initdb");
            let outcome = run_once(&spec, CREATE_WITHIN).await?;
            if outcome.success() {
                return Ok(());
            }
            let log = log::tail(&spec.log.path, 20).unwrap_or_default();
            let how = if outcome.timed_out { "took too long".to_owned() } else { outcome.exit.to_string() };
            let locale_missing = log.iter().any(|line| line.contains("locale"));
            last = Some(ClusterError::Initdb { outcome: how, log });
            if !locale_missing {
                break;
            }
        }
        last.map_or(Ok(()), Err)
    }

    /// Writes all configuration that is ours.
    fn configure(&self, dir: &Path, port: u16, unchanged: &'static str) -> Result<(), ClusterError> {
        let mut users = vec![self.runner.name.clone()];
        users.extend(account::own_name().filter(|own| *own != self.runner.name));
        let Settings { socket_dir, durability, superuser_password, .. } = &self.settings;
        for (name, text) in [
            (config::FILE, config::settings(port, socket_dir, *durability)),
            ("pg_hba.conf", config::hba(superuser_password.is_some())),
            ("pg_ident.conf", config::ident(&users)),
        ] {
            let path = dir.join(name);
            replace(&path, &text, |path| self.runner.own(path))
                .map_err(failed("writing", &path, unchanged))?;
        }
        Ok(())
    }

    /// The port of the running server, if it runs as the settings say.
    fn fitting_port(&self) -> Option<u16> {
        let Settings { data_dir, socket_dir, port, durability, .. } = &self.settings;
        let file = PidFile::read(data_dir)?;
        let running = file.port?;
        let text = fs::read_to_string(data_dir.join(config::FILE)).ok()?;
        let fits = port.is_none_or(|wanted| wanted == running)
            && file.socket_dir.as_ref() == Some(socket_dir)
            && config::durability(&text) == *durability;
        fits.then_some(running)
    }

    /// Looks after a server that runs already.
    async fn take_over(
        self,
        instance: Instance,
        port: u16,
        lock: Flock<File>,
    ) -> Result<Cluster, ClusterError> {
        self.configure(&self.settings.data_dir, port, NOTHING)?;
        let cluster = self.set_up(instance, port, lock).await?;
        // Who may log in, and how, may have changed.
        cluster.server.reload().await?;
        Ok(cluster)
    }

    async fn start(self, lock: Flock<File>) -> Result<Cluster, ClusterError> {
        let data_dir = &self.settings.data_dir;
        let port = self.settings.port.or_else(|| config::persisted_port(data_dir));
        let port = port.ok_or_else(|| ClusterError::ForeignCluster { data_dir: data_dir.clone() })?;
        self.wait_for_orphans().await?;
        let socket = self.socket(port);
        postmaster::remove_stale(data_dir, &socket).map_err(failed(
            "removing the stale lock file of",
            data_dir,
            NOT_STARTED,
        ))?;
        if TcpListener::bind(("127.0.0.1", port)).is_err() {
            return Err(ClusterError::PortTaken {
                port,
                holder: format!("`ss -ltnp 'sport = {port}'` names it"),
            });
        }
        let socket_dir = &self.settings.socket_dir;
        make_dir(socket_dir, 0o700).map_err(failed("making", socket_dir, NOT_STARTED))?;
        self.runner.own(socket_dir).map_err(failed("changing the owner of", socket_dir, NOT_STARTED))?;
        self.configure(data_dir, port, NOT_STARTED)?;

        let instance = Instance::start(self.server_spec()).await?;
        wait_ready(&instance, &self.settings.data_dir, Some(&self.settings.log)).await?;
        self.set_up(instance, port, lock).await
    }

    /// A server that was killed leaves children behind, which end by themselves as soon as they notice.
    async fn wait_for_orphans(&self) -> Result<(), ClusterError> {
        let deadline = Instant::now() + ORPHANS_WITHIN;
        loop {
            let pids = postmaster::workers(&self.settings.data_dir);
            if pids.is_empty() {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(ClusterError::Orphans { pids, data_dir: self.settings.data_dir.clone() });
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn set_up(self, instance: Instance, port: u16, lock: Flock<File>) -> Result<Cluster, ClusterError> {
        wait_ready(&instance, &self.settings.data_dir, None).await?;
        let server = Server::private(&self.settings.socket_dir, port).await?;
        server.close_common_databases().await?;
        server.set_superuser_password(self.settings.superuser_password.as_ref()).await?;
        let Self { settings, installation, runner: _ } = self;
        Ok(Cluster { instance, server, installation, data_dir: settings.data_dir, port, _lock: lock })
    }

    fn server_spec(&self) -> Spec {
        let dir = self.settings.data_dir.clone();
        let args = vec!["-D".to_owned(), dir.to_string_lossy().into_owned()];
        self.spec("postgres", args, dir)
    }

    fn spec(&self, program: &str, args: Vec<String>, directory: PathBuf) -> Spec {
        let env = [("PATH", "/usr/local/bin:/usr/bin:/bin"), ("LC_ALL", "C"), ("TZ", "UTC")];
        Spec {
            id: format!("{program}-{:016x}", crate::lock::number(&self.settings.data_dir.to_string_lossy())),
            program: self.installation.bin.join(program),
            args,
            env: env
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into_iter()
                .collect::<BTreeMap<_, _>>(),
            directory,
            user: self.runner.user(),
            log: self.settings.log.clone(),
            limits: Limits::default(),
            // SIGINT is the "fast" shutdown: sessions are broken off, everything is written.
            stop: StopPolicy { signal: StopSignal::Int, grace: Duration::from_secs(60) },
            restart: Restart::Backoff(Backoff::default()),
        }
    }
}

/// Waits until the server says in its lock file that it takes connections.
async fn wait_ready(
    instance: &Instance,
    data_dir: &Path,
    first_start: Option<&LogPolicy>,
) -> Result<(), ClusterError> {
    let deadline = Instant::now() + READY_WITHIN;
    let lines = |count| {
        first_start.map(|policy| log::tail(&policy.path, count).unwrap_or_default()).unwrap_or_default()
    };
    loop {
        let status = instance.status();
        let pid = status.identity.as_ref().map(|identity| identity.pid);
        if PidFile::read(data_dir).is_some_and(|file| file.ready && Some(file.pid) == pid) {
            return Ok(());
        }
        let ended = match &status.state {
            // A first start that fails is not repaired by repetition; a server that has run before may recover.
            State::Backoff { exit, .. } if first_start.is_some() => Some(exit.to_string()),
            state if state.is_final() => Some(state.to_string()),
            _ => None,
        };
        if let Some(outcome) = ended {
            return Err(ClusterError::Ended { outcome, log: lines(15) });
        }
        if Instant::now() >= deadline {
            return Err(ClusterError::NotReady { after: READY_WITHIN, log: lines(15) });
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// The major version of the data, when there is any.
fn existing_version(data_dir: &Path) -> Result<Option<u32>, ClusterError> {
    let file = data_dir.join("PG_VERSION");
    match fs::read_to_string(&file) {
        Ok(text) => match text.trim().split('.').next().and_then(|major| major.parse().ok()) {
            Some(major) => Ok(Some(major)),
            None => Err(ClusterError::NotACluster { data_dir: data_dir.to_owned() }),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => match fs::read_dir(data_dir) {
            Ok(mut entries) => match entries.next() {
                None => Ok(None),
                Some(_) => Err(ClusterError::NotACluster { data_dir: data_dir.to_owned() }),
            },
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed("reading", data_dir, NOTHING)(error)),
        },
        Err(error) => Err(failed("reading", &file, NOTHING)(error)),
    }
}

/// The server changes its directory, so that relative paths would mean something else to it.
fn absolute(mut settings: Settings) -> Result<Settings, ClusterError> {
    for path in [&mut settings.data_dir, &mut settings.socket_dir, &mut settings.log.path] {
        *path = std::path::absolute(&*path).map_err(failed("resolving", path, NOTHING))?;
    }
    Ok(settings)
}

/// A port on which nobody listens now. Where the search begins depends on the directory, so that clusters that are
/// created at the same time look in different places.
fn free_port(data_dir: &Path) -> Option<u16> {
    let start = crate::lock::number(&data_dir.to_string_lossy()).unsigned_abs();
    let span = u64::from(PORTS.end - PORTS.start);
    (0..u64::from(PORTS_TRIED))
        .filter_map(|step| u16::try_from(u64::from(PORTS.start) + (start + step) % span).ok())
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
}
