//! The one door to other programs: builds and git.

use rustix::process::{Pid, Signal, kill_process_group};
use std::{collections::BTreeMap, ffi::OsStr, io::IsTerminal, path::Path, process::Stdio};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    process::Command,
};

/// How many lines of a program's output are kept to explain its failure.
const TAIL: usize = 40;

/// A program that could not be run or did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// It could not be started.
    #[error("`{command}` could not be started")]
    Start {
        /// The command line.
        command: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// It ended without success.
    #[error("`{command}` ended with {status}")]
    Failed {
        /// The command line.
        command: String,
        /// How it ended, in words.
        status: String,
        /// The last lines of its output.
        tail: Vec<String>,
    },
}

/// What a program said.
#[derive(Debug)]
pub(crate) enum Output<'a> {
    /// A line on its standard output.
    Data(&'a str),
    /// A line on its standard error.
    Diagnostic(&'a str),
}

/// The processes of a build that is given up end with it, and are asked rather than killed: `make` removes what it has
/// half written.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0.take() {
            // All of them having ended by themselves is fine.
            let _ = kill_process_group(group, Signal::TERM);
        }
    }
}

/// Runs a program to its end and hands every line of its output to `each` as it comes.
pub(crate) async fn run(
    program: impl AsRef<OsStr>,
    arguments: &[String],
    directory: &Path,
    environment: &BTreeMap<String, String>,
    mut each: impl FnMut(Output<'_>),
) -> Result<(), ProcessError> {
    let program = program.as_ref();
    let command = std::iter::once(program.to_string_lossy().into_owned())
        .chain(arguments.iter().cloned())
        .collect::<Vec<_>>()
        .join(" ");
    let mut command_line = Command::new(program);
    // At a terminal it stays in the caller's group: there it may ask for a passphrase, and Ctrl-C reaches all of it.
    let own_group = !std::io::stdin().is_terminal();
    if own_group {
        command_line.process_group(0);
    }
    let mut child = command_line
        .args(arguments)
        .current_dir(directory)
        .envs(environment)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(!own_group)
        .spawn()
        .map_err(|source| ProcessError::Start { command: command.clone(), source })?;
    let leader = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    let mut group = Group(leader.filter(|_| own_group));
    let mut data = lines(child.stdout.take().expect("standard output is a pipe"));
    let mut diagnostics = lines(child.stderr.take().expect("standard error is a pipe"));
    let mut tail = std::collections::VecDeque::new();
    let mut keep = |line: &str| {
        if tail.len() == TAIL {
            tail.pop_front();
        }
        tail.push_back(line.to_owned());
    };
    let (mut data_open, mut diagnostics_open) = (true, true);
    while data_open || diagnostics_open {
        tokio::select! {
            line = data.next_line(), if data_open => match line {
                Ok(Some(line)) => each(Output::Data(&line)),
                _ => data_open = false,
            },
            line = diagnostics.next_line(), if diagnostics_open => match line {
                Ok(Some(line)) => { keep(&line); each(Output::Diagnostic(&line)) }
                _ => diagnostics_open = false,
            },
        }
    }
    // What it has left running on purpose is its own affair, and its number may soon be somebody else's.
    let status =
        child.wait().await.map_err(|source| ProcessError::Start { command: command.clone(), source })?;
    group.0 = None;
    if status.success() {
        Ok(())
    } else {
        Err(ProcessError::Failed { command, status: status.to_string(), tail: tail.into() })
    }
}

fn lines<R: AsyncRead + Unpin>(reader: R) -> tokio::io::Lines<BufReader<R>> {
    BufReader::new(reader).lines()
}

/// The first line that a quick query prints, or `None` when the program is missing or says no.
pub(crate) async fn query(program: &str, arguments: &[&str], directory: &Path) -> Option<String> {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(directory)
        .stdin(Stdio::null())
        .output()
        .await
        .ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn shell(script: &str) -> (Vec<String>, Result<(), ProcessError>) {
        let mut seen = Vec::new();
        let result =
            run("sh", &["-c".to_owned(), script.to_owned()], Path::new("/"), &BTreeMap::new(), |line| {
                seen.push(match line {
                    Output::Data(line) => format!("data {line}"),
                    Output::Diagnostic(line) => format!("diagnostic {line}"),
                });
            })
            .await;
        seen.sort();
        (seen, result)
    }

    #[tokio::test]
    async fn both_streams_come_line_by_line() {
        let (seen, result) = shell("echo one; echo two >&2").await;
        assert_eq!(seen, ["data one", "diagnostic two"]);
        assert!(result.is_ok());
    }

    #[tokio::test]
    async fn a_failure_keeps_the_last_words() {
        let (_, result) = shell("for i in $(seq 100); do echo line $i >&2; done; exit 3").await;
        let Err(ProcessError::Failed { tail, status, .. }) = result else { panic!("it failed") };
        assert_eq!(tail.len(), TAIL);
        assert_eq!(tail.last().unwrap(), "line 100");
        assert!(status.contains('3'), "{status}");
    }

    #[tokio::test]
    async fn a_missing_program_is_named() {
        let result = run("no-such-program-here", &[], Path::new("/"), &BTreeMap::new(), |_| {}).await;
        assert!(result.unwrap_err().to_string().contains("no-such-program-here"));
    }
}
