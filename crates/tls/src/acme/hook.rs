//! The program that publishes the TXT records of DNS-01 challenges.

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;

/// How much of what it prints is kept for the message when it fails.
const KEPT: usize = 2_000;

/// Why a record was not published.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HookError {
    /// Nothing to run.
    #[error("the hook of the DNS-01 challenge is empty; write the program and its first arguments")]
    Empty,
    /// It could not be started.
    #[error("the hook `{program}` could not be started: {source}")]
    Start { program: String, source: std::io::Error },
    /// It said no.
    #[error("the hook `{command}` failed ({status}){}", said(.output))]
    Failed { command: String, status: ExitStatus, output: String },
    /// It took too long.
    #[error("the hook `{command}` did not end within {} s and was killed{}", .limit.as_secs(), said(.output))]
    TooLong { command: String, limit: Duration, output: String },
}

fn said(output: &str) -> String {
    if output.trim().is_empty() { String::new() } else { format!("; it said: {}", output.trim()) }
}

/// Runs the program with `present` or `cleanup`, the record's name and its value. It has the environment of the edge
/// and nothing to read. When its time is over, it and what it started are killed.
pub(crate) async fn run(
    hook: &[String],
    verb: &str,
    record: &str,
    value: &str,
    limit: Duration,
) -> Result<(), HookError> {
    let (program, first) = hook.split_first().ok_or(HookError::Empty)?;
    let command = format!("{} {verb} {record}", hook.join(" "));
    let mut child = Command::new(program)
        .args(first)
        .args([verb, record, value])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|source| HookError::Start { program: program.clone(), source })?;
    let mut group = Group(child.id().and_then(|id| Pid::from_raw(id.cast_signed())));
    let mut tail = Vec::new();
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let ended = {
        // Both streams are read to the end of the program, not to their own: a daemon that it leaves behind may keep
        // them open for ever.
        let reading = read_both(stdout, stderr, &mut tail);
        tokio::pin!(reading);
        let both = async {
            let mut read = false;
            loop {
                tokio::select! {
                    biased;
                    () = &mut reading, if !read => read = true,
                    status = child.wait() => break status,
                }
            }
        };
        tokio::time::timeout(limit, both).await
    };
    let output = String::from_utf8_lossy(&tail).into_owned();
    match ended {
        Err(_) => {
            group.kill();
            // Reaped at once; the signal can't be ignored.
            let _ = child.wait().await;
            Err(HookError::TooLong { command, limit, output })
        }
        Ok(Err(source)) => Err(HookError::Start { program: program.clone(), source }),
        Ok(Ok(status)) => {
            group.0 = None;
            if status.success() { Ok(()) } else { Err(HookError::Failed { command, status, output }) }
        }
    }
}

/// The process group of the program: killed with the attempt that is given up.
struct Group(Option<Pid>);

impl Group {
    fn kill(&mut self) {
        if let Some(group) = self.0.take() {
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

async fn read_both(
    stdout: Option<impl AsyncRead + Unpin>,
    stderr: Option<impl AsyncRead + Unpin>,
    tail: &mut Vec<u8>,
) {
    let (Some(mut stdout), Some(mut stderr)) = (stdout, stderr) else { return };
    let (mut out, mut err) = ([0; 1024], [0; 1024]);
    let (mut out_open, mut err_open) = (true, true);
    while out_open || err_open {
        let bytes = tokio::select! {
            read = stdout.read(&mut out), if out_open => match read {
                Ok(count) if count > 0 => &out[..count],
                _ => { out_open = false; continue }
            },
            read = stderr.read(&mut err), if err_open => match read {
                Ok(count) if count > 0 => &err[..count],
                _ => { err_open = false; continue }
            },
        };
        tail.extend_from_slice(bytes);
        let surplus = tail.len().saturating_sub(KEPT);
        tail.drain(..surplus);
    }
}
