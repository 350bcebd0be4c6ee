//! A copy of the shop with its own directory, ports and PostgreSQL, driven through the `fairway` binary.

use anyhow::{Context, ensure};
use std::{
    collections::BTreeMap,
    fs,
    net::{SocketAddr, TcpListener},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

/// The name of the environment of a world.
const ENVIRONMENT: &str = "dev";

/// A loopback port that was free a moment ago.
#[must_use]
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("loopback has a free port")
        .port()
}

/// Why a story cannot be told on this machine, if so.
#[must_use]
pub fn missing() -> Option<&'static str> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let packaged = versions.map(|version| version.path().join("bin/initdb")).any(|path| path.is_file());
    let in_path = std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|p| p.join("initdb").is_file()));
    (!packaged && !in_path).then_some("PostgreSQL (initdb)")
}

/// What a run of the binary gave.
#[derive(Debug)]
pub struct Finished {
    /// The exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
    /// How long it took.
    pub took: Duration,
}

impl Finished {
    /// Fails unless the exit code is this one.
    ///
    /// # Errors
    /// With everything that the program printed.
    pub fn expect(self, code: i32) -> anyhow::Result<Self> {
        ensure!(
            self.code == Some(code),
            "expected exit {code}, got {:?}\n--- stdout\n{}\n--- stderr\n{}",
            self.code,
            self.out,
            self.err
        );
        Ok(self)
    }

    /// Standard output as JSON.
    ///
    /// # Errors
    /// When it is not JSON.
    pub fn json(&self) -> anyhow::Result<serde_json::Value> {
        serde_json::from_str(&self.out).with_context(|| format!("not JSON: {}", self.out))
    }
}

/// A copy of the shop.
pub struct World {
    directory: tempfile::TempDir,
    port: u16,
    programs: PathBuf,
}

impl World {
    /// Copies the shop; nothing is started. The programs are those next to the running test.
    ///
    /// # Errors
    /// When something cannot be copied or a program has not been built.
    pub fn new() -> anyhow::Result<Self> {
        let world = Self::empty()?;
        world.build()?;
        Ok(world)
    }

    /// A directory for a system of the story's own; nothing is in it.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn empty() -> anyhow::Result<Self> {
        let test = std::env::current_exe()?;
        let directory = test.parent().context("the test stands in a directory")?;
        let programs = if directory.ends_with("deps") {
            directory.parent().context("deps stands in a profile")?
        } else {
            directory
        };
        let world = Self {
            directory: tempfile::Builder::new().prefix("fairway-story-").tempdir_in("/tmp")?,
            port: free_port(),
            programs: programs.to_owned(),
        };
        // PostgreSQL runs as another user when the test runs as root, and must be able to walk here.
        fs::set_permissions(world.root(), fs::Permissions::from_mode(0o755))?;
        fs::create_dir(world.root().join("bin"))?;
        Ok(world)
    }

    /// Copies a program that has been built to `bin`.
    ///
    /// # Errors
    /// When it has not been built.
    pub fn take_program(&self, name: &str) -> anyhow::Result<()> {
        let program = self.programs.join(name);
        ensure!(
            program.is_file(),
            "{} has not been built: run `cargo build --workspace --bins`",
            program.display()
        );
        fs::copy(program, self.root().join("bin").join(name))?;
        Ok(())
    }

    fn build(&self) -> anyhow::Result<()> {
        let shop = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shop");
        for part in [
            "contracts",
            "services/identity/migrations",
            "services/commerce/migrations",
            "services/payment/migrations",
        ] {
            copy(&shop.join(part), &self.root().join(part))?;
        }
        // The layers of environments that this copy does not have stay behind.
        fs::create_dir_all(self.root().join("config/environments"))?;
        fs::copy(shop.join("config/base.yaml"), self.root().join("config/base.yaml"))?;
        let manifest = fs::read_to_string(shop.join("fairway.yaml"))?;
        let (services, _) =
            manifest.split_once("\nenvironments:").context("the shop's manifest has environments")?;
        let mut text = String::new();
        for line in services.lines() {
            if let Some(name) =
                line.trim().strip_prefix("build: { cargo: ").and_then(|rest| rest.strip_suffix(" }"))
            {
                self.take_program(name)?;
                let indent = &line[..line.len() - line.trim_start().len()];
                text.push_str(&format!("{indent}build: {{ command: [\"true\"], output: bin/{name} }}\n"));
            } else {
                text.push_str(line);
                text.push('\n');
            }
        }
        text.push_str(&format!(
            "environments:\n  {ENVIRONMENT}: {{ target: local, listen: \"127.0.0.1:{}\", bake: 1s, drain: 5s }}\n",
            self.port
        ));
        fs::write(self.root().join("fairway.yaml"), text)?;
        Ok(())
    }

    /// The directory of the copy.
    #[must_use]
    pub fn root(&self) -> &Path {
        self.directory.path()
    }

    /// The public address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// Replaces a text in a file of the copy.
    ///
    /// # Errors
    /// When the file does not contain the text.
    pub fn edit(&self, file: &str, from: &str, to: &str) -> anyhow::Result<()> {
        let path = self.root().join(file);
        let text = fs::read_to_string(&path).with_context(|| file.to_owned())?;
        ensure!(text.contains(from), "{file} does not contain `{from}`:\n{text}");
        fs::write(path, text.replacen(from, to, 1))?;
        Ok(())
    }

    /// Sets an environment variable of a service in the highest configuration layer.
    ///
    /// # Errors
    /// When the layer cannot be written.
    pub fn configure(&self, values: &[(&str, &str, &str)]) -> anyhow::Result<()> {
        let mut services: BTreeMap<&str, BTreeMap<&str, &str>> = BTreeMap::new();
        for (service, name, value) in values {
            services.entry(service).or_default().insert(name, value);
        }
        // JSON is YAML.
        fs::write(
            self.root().join(format!("config/environments/{ENVIRONMENT}.yaml")),
            serde_json::to_string_pretty(&services)?,
        )?;
        Ok(())
    }

    /// Replaces the program of a service by a shell script. `$REAL` in it is the path of the real program; commands
    /// other than `serve` still reach that one.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn replace_program(&self, service: &str, serve: &str) -> anyhow::Result<()> {
        let program = self.root().join("bin").join(service);
        let real = self.root().join("bin").join(format!("{service}.real"));
        if !real.exists() {
            fs::rename(&program, &real)?;
        }
        let script = format!(
            "#!/bin/sh\nREAL={}\nif [ \"$1\" != serve ]; then exec $REAL \"$@\"; fi\n{serve}\n",
            real.display()
        );
        fs::write(&program, script)?;
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
        Ok(())
    }

    /// Puts the real program of a service back.
    ///
    /// # Errors
    /// When it was not replaced.
    pub fn restore_program(&self, service: &str) -> anyhow::Result<()> {
        fs::rename(
            self.root().join("bin").join(format!("{service}.real")),
            self.root().join("bin").join(service),
        )?;
        Ok(())
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.programs.join("fairway"));
        command
            .args(arguments)
            .current_dir(self.root())
            .stdin(Stdio::null())
            .env_remove("FAIRWAY_ENV")
            .env("NO_COLOR", "1");
        command
    }

    /// Runs `fairway` to its end.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn fairway(&self, arguments: &[&str]) -> anyhow::Result<Finished> {
        let begin = Instant::now();
        let output = self
            .command(arguments)
            .output()
            .context("cannot start fairway; run `cargo build --workspace --bins`")?;
        Ok(finished(output, begin.elapsed()))
    }

    /// The same, without blocking the traffic of this process.
    ///
    /// # Errors
    /// When it cannot be started.
    pub async fn run(&self, arguments: &[&str]) -> anyhow::Result<Finished> {
        let begin = Instant::now();
        let output = tokio::process::Command::from(self.command(arguments)).output().await?;
        Ok(finished(output, begin.elapsed()))
    }

    /// Starts `fairway` and returns at once.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn spawn(&self, arguments: &[&str]) -> anyhow::Result<tokio::process::Child> {
        let mut command = tokio::process::Command::from(self.command(arguments));
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        Ok(command.spawn()?)
    }

    /// `status --json`.
    ///
    /// # Errors
    /// When it fails.
    pub async fn status(&self) -> anyhow::Result<serde_json::Value> {
        self.run(&["status", ENVIRONMENT, "--json"]).await?.expect(0)?.json()
    }

    /// What `fairway status` says stands behind each service: instance id by service, without what is going away.
    ///
    /// # Errors
    /// When it fails.
    pub async fn instances(&self) -> anyhow::Result<BTreeMap<String, Vec<String>>> {
        let status = self.status().await?;
        let mut instances: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for instance in status["observed"]["instances"]["known"].as_array().context("instances are known")? {
            let text = |key: &str| instance[key].as_str().unwrap_or_default().to_owned();
            instances.entry(text("service")).or_default().push(text("id"));
        }
        Ok(instances)
    }

    /// `GET` on the public address: status and body.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn get(&self, path: &str) -> anyhow::Result<(u16, String)> {
        let (status, _, body) = get(self.address(), path).await?;
        Ok((status, body))
    }
}

/// `GET` over a connection of its own: status, `X-Service-Version` and body.
///
/// # Errors
/// When there is no answer.
pub async fn get(address: SocketAddr, path: &str) -> anyhow::Result<(u16, Option<String>, String)> {
    use http_body_util::{BodyExt, Empty};
    let stream = tokio::net::TcpStream::connect(address).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(hyper_util::rt::TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let request =
        hyper::Request::get(path).header("host", address.to_string()).body(Empty::<bytes::Bytes>::new())?;
    let response = sender.send_request(request).await?;
    let status = response.status().as_u16();
    let version =
        response.headers().get("x-service-version").and_then(|value| value.to_str().ok()).map(str::to_owned);
    Ok((
        status,
        version,
        String::from_utf8_lossy(&response.into_body().collect().await?.to_bytes()).into_owned(),
    ))
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = self.command(&["down", ENVIRONMENT, "--purge"]).output();
        if std::thread::panicking() {
            for log in ["agent.log", "edge.log"] {
                let path = self.root().join(".fairway/host").join(log);
                let text = fs::read_to_string(&path).unwrap_or_default();
                let tail: Vec<_> = text.lines().rev().take(60).collect();
                eprintln!("--- {log}\n{}", tail.into_iter().rev().collect::<Vec<_>>().join("\n"));
            }
        }
    }
}

fn finished(output: Output, took: Duration) -> Finished {
    Finished {
        code: output.status.code(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
        took,
    }
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| from.display().to_string())? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
