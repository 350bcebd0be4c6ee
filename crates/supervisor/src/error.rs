//! Why a process could not be started or stopped.

use std::{io, path::PathBuf};

/// Why nothing was started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The program is not there.
    #[error("program {} does not exist{}; nothing was started. Check the command and the artifact", program.display(), searched_in(searched))]
    ProgramMissing {
        /// The program as it was given, or the path it was resolved to.
        program: PathBuf,
        /// Directories of `PATH` that were searched; empty when the program was given as a path.
        searched: Vec<PathBuf>,
    },
    /// The program is there, but what the kernel needs to run it is not.
    #[error("{} needs {}, which does not exist; nothing was started. Install it, or build the program for this machine", program.display(), interpreter.display())]
    InterpreterMissing {
        /// The program.
        program: PathBuf,
        /// The interpreter of the script, or the loader of the binary.
        interpreter: PathBuf,
    },
    /// The program is there and may not be executed.
    #[error("{} cannot be executed: {why}; nothing was started", program.display())]
    NotExecutable {
        /// The program.
        program: PathBuf,
        /// What forbids it and what helps.
        why: String,
    },
    /// The program is not for this machine.
    #[error("{} cannot run here: it is {found}, this machine runs {host} programs; nothing was started. Build it for this machine", program.display())]
    WrongFormat {
        /// The program.
        program: PathBuf,
        /// What it is.
        found: String,
        /// What would run.
        host: &'static str,
    },
    /// The working directory cannot be used.
    #[error("working directory {} cannot be used; nothing was started", directory.display())]
    Directory {
        /// The directory.
        directory: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The user cannot be changed.
    #[error(
        "cannot become user {uid}, group {gid}; nothing was started. Run the supervisor as root or leave the user out"
    )]
    User {
        /// User id.
        uid: u32,
        /// Group id.
        gid: u32,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The log file cannot be opened.
    #[error("log file {} cannot be opened; nothing was started", path.display())]
    Log {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// An argument or a variable contains a zero byte, or a variable's name an equals sign.
    #[error("{what} cannot be passed to a program; nothing was started")]
    Argument {
        /// Which one.
        what: String,
    },
    /// The system refused for another reason.
    #[error("{} could not be started", program.display())]
    Spawn {
        /// The program.
        program: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The process was started and could not be watched, so it was killed again.
    #[error(
        "a process descriptor could not be opened; the process was killed again. Linux 5.4 or newer is needed"
    )]
    Watch {
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

fn searched_in(searched: &[PathBuf]) -> String {
    if searched.is_empty() {
        return String::new();
    }
    let list: Vec<String> = searched.iter().map(|dir| dir.display().to_string()).collect();
    format!(" in PATH ({})", list.join(":"))
}

/// Why a process is not gone.
#[derive(Debug, thiserror::Error)]
pub enum StopError {
    /// Something of it is still there after SIGKILL.
    #[error(
        "processes {} are still there after SIGKILL; they wait inside the kernel, usually for a disk. Nothing else was changed; stop again later",
        list(pids)
    )]
    Survivors {
        /// Their ids.
        pids: Vec<u32>,
    },
    /// The system refused to send a signal.
    #[error(
        "process {pid} may not be signalled; it still runs. Run the supervisor as the user who started it, or as root"
    )]
    Forbidden {
        /// Its id.
        pid: u32,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The task that owns the instance is gone.
    #[error("nobody owns instance {id} any more; it was not stopped")]
    NoOwner {
        /// The instance.
        id: String,
    },
}

fn list(pids: &[u32]) -> String {
    pids.iter().map(u32::to_string).collect::<Vec<_>>().join(", ")
}
