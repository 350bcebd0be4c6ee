//! Why the agent could not start.

use std::{io, path::PathBuf};

/// Why the agent could not start or had to end. Nothing that runs was touched.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// The home directory cannot be used.
    #[error("the agent's home {} cannot be used; nothing was started. Check that it is writable and has room", home.display())]
    Home {
        /// The directory.
        home: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Another agent owns the home directory.
    #[error("another agent (process {pid}) owns {}; nothing was started. Use that one, or stop it first", home.display())]
    Owned {
        /// The directory.
        home: PathBuf,
        /// Its process id, as it wrote it.
        pid: String,
    },
    /// The control socket cannot be made.
    #[error("the control socket {} cannot be made; nothing was started", path.display())]
    Socket {
        /// Where it should be.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A journal cannot be read.
    #[error(
        "the journal {} cannot be read; nothing was started or stopped. Restore the file, or move it away to forget that environment",
        path.display()
    )]
    Journal {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: io::Error,
    },
}
