//! The one place where a process is made.

use crate::{Spec, StartError, cgroup::Group, exec, log};
use std::{
    fs::File,
    io,
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::process::CommandExt,
    },
    path::PathBuf,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// How long a program that somebody still writes to is tried again.
const BUSY_FOR: Duration = Duration::from_secs(2);
const BUSY_PAUSE: Duration = Duration::from_millis(10);

/// Starts what `spec` names in a session of its own and in `group`; returns the process id.
pub(crate) async fn spawn(spec: &Spec, group: &Group) -> Result<u32, StartError> {
    check_strings(spec)?;
    let program = exec::resolve(spec)?;
    exec::check_format(&program)?;
    let began = Instant::now();
    loop {
        let log =
            log::open(&spec.log).map_err(|source| StartError::Log { path: spec.log.path.clone(), source })?;
        let entries = group.entries();
        let command = command(spec, &program, log, entries)
            .map_err(|source| StartError::Log { path: spec.log.path.clone(), source })?;
        // Fork and exec take milliseconds and block; the tasks of the other instances need not wait for them.
        let started = tokio::task::spawn_blocking(move || start(command)).await;
        match started.map_err(io::Error::other).and_then(|result| result) {
            Ok(pid) => return Ok(pid),
            // A program that has just been written is busy as long as any process between its own fork and exec
            // still holds a copy of the writer's descriptor. That passes by itself.
            Err(error) if error.raw_os_error() == Some(libc::ETXTBSY) && began.elapsed() < BUSY_FOR => {
                tokio::time::sleep(BUSY_PAUSE).await;
            }
            Err(error) => return Err(exec::diagnose(spec, program, error)),
        }
    }
}

/// Strings with a zero byte would be reported by the system without saying which one it was.
fn check_strings(spec: &Spec) -> Result<(), StartError> {
    if let Some(at) = spec.args.iter().position(|arg| arg.contains('\0')) {
        return Err(StartError::Argument {
            what: format!("argument {} of {} has a zero byte and", at + 1, spec.id),
        });
    }
    for (name, value) in &spec.env {
        if name.is_empty() || name.contains(['\0', '=']) || value.contains('\0') {
            return Err(StartError::Argument {
                what: format!("variable {name:?} of {} has a zero byte or a wrong name and", spec.id),
            });
        }
    }
    Ok(())
}

fn command(spec: &Spec, program: &PathBuf, log: File, entries: Vec<OwnedFd>) -> io::Result<Command> {
    let mut command = Command::new(program);
    command
        .arg0(&spec.program)
        .args(&spec.args)
        .env_clear()
        .envs(&spec.env)
        .current_dir(&spec.directory)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log);
    if let Some(user) = spec.user {
        command.uid(user.uid).gid(user.gid);
    }
    before_exec(&mut command, entries);
    Ok(command)
}

fn start(mut command: Command) -> io::Result<u32> {
    // The handle is dropped without waiting: the process is watched and reaped through its descriptor.
    command.spawn().map(|child| child.id())
}

#[expect(
    unsafe_code,
    reason = "a session and control groups can only be set between fork and exec; the closure is async-signal-safe"
)]
fn before_exec(command: &mut Command, entries: Vec<OwnedFd>) {
    // SAFETY: between fork and exec only async-signal-safe functions may be called: the closure makes plain system
    // calls, allocates nothing and takes no lock. The descriptors live as long as the command.
    unsafe {
        command.pre_exec(move || {
            if libc::setsid() == -1 {
                return Err(io::Error::last_os_error());
            }
            for entry in &entries {
                // Whether it worked is checked from outside, where it can be said in words.
                libc::write(entry.as_raw_fd(), b"0".as_ptr().cast(), 1);
            }
            // A shell that starts the supervisor in the background leaves SIGINT ignored, nohup leaves SIGHUP
            // ignored, and ignored signals survive exec.
            for signal in 1..=64 {
                libc::signal(signal, libc::SIG_DFL);
            }
            close_on_exec_from(3);
            Ok(())
        });
    }
}

/// Marks every descriptor from `first` on to be closed by exec. They are not closed here: one of them is the pipe
/// through which a failed exec is reported.
#[expect(unsafe_code, reason = "system calls without a safe wrapper that may run between fork and exec")]
fn close_on_exec_from(first: libc::c_int) {
    // SAFETY: both calls take plain numbers and only change flags of descriptors of the forked child.
    unsafe {
        if libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC) == 0 {
            return;
        }
        // Linux before 5.11.
        for descriptor in first..4096 {
            libc::fcntl(descriptor, libc::F_SETFD, libc::FD_CLOEXEC);
        }
    }
}
