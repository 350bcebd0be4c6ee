//! The program itself: arguments, environment, signals, exit codes.

use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::task::JoinHandle;
use tokio::time::timeout;

const LONG: Duration = Duration::from_secs(30);

/// How a program ended.
#[derive(Debug)]
pub struct Finished {
    /// Its exit code; nothing when a signal ended it.
    pub code: Option<i32>,
    /// What it printed.
    pub stdout: String,
    /// What it said on standard error.
    pub stderr: String,
}

/// A program that serves.
#[derive(Debug)]
pub struct Running {
    child: Child,
    lines: Option<Lines<BufReader<ChildStdout>>>,
    complaints: JoinHandle<()>,
    base: String,
    metrics: Option<String>,
}

fn command(program: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).env_clear().envs(environment.iter().copied()).kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs a program to its end, with nothing but the given environment.
///
/// # Panics
/// When it can't be run or does not end.
pub async fn finish(program: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Finished {
    let run = command(program, arguments, environment).output();
    let output = timeout(LONG, run).await.expect("the program ends").expect("the program can be run");
    let [stdout, stderr] =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    Finished { code: output.status.code(), stdout, stderr }
}

/// Starts a program that serves, and waits until its log says where it listens.
///
/// # Panics
/// When it can't be run or does not listen.
pub async fn start(program: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Running {
    let mut child = command(program, arguments, environment).spawn().expect("the program can be run");
    let mut stderr = BufReader::new(child.stderr.take().expect("standard error is a pipe")).lines();
    let complaints = tokio::spawn(async move {
        while let Ok(Some(line)) = stderr.next_line().await {
            eprintln!("{line}");
        }
    });
    let stdout = child.stdout.take().expect("standard output is a pipe");
    let mut lines = BufReader::new(stdout).lines();
    let mut metrics = None;
    let base = loop {
        let line =
            timeout(LONG, lines.next_line()).await.expect("the program listens").expect("readable output");
        let line = line.expect("the program listens before it ends");
        let entry: Value = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line}"));
        let address = || format!("http://{}", entry["address"].as_str().expect("an address in the log"));
        match entry["message"].as_str() {
            Some("listening") => break address(),
            Some("metrics listening") => metrics = Some(address()),
            _ => {}
        }
    };
    Running { child, lines: Some(lines), complaints, base, metrics }
}

impl Running {
    /// Where it answers.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Where its numbers are, if it was told to serve them.
    pub fn metrics(&self) -> Option<&str> {
        self.metrics.as_deref()
    }

    /// Stops reading what the program says, as if whoever did had died.
    pub async fn hang_up(&mut self) {
        self.lines = None;
        self.complaints.abort();
        let _aborted = (&mut self.complaints).await;
    }

    /// Sends SIGTERM and waits for the end. Every line of its log is one JSON object, or the test is over.
    ///
    /// # Panics
    /// When it does not end.
    pub async fn terminate(mut self) -> Option<i32> {
        let id =
            self.child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)).expect("it is running");
        kill_process(id, Signal::TERM).expect("our own child can be signalled");
        let end = async {
            if let Some(lines) = &mut self.lines {
                while let Some(line) = lines.next_line().await.expect("readable output") {
                    serde_json::from_str::<Value>(&line).unwrap_or_else(|e| panic!("{e}: {line}"));
                }
            }
            self.child.wait().await.expect("our own child can be waited for").code()
        };
        timeout(LONG, end).await.expect("the program ends")
    }
}
