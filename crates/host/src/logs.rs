//! Lines of logs as they come.

use crate::HostError;
use fairway_model::ServiceName;
use fairway_protocol::agent::LogLine;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use std::{fmt, path::PathBuf};

/// Which lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogQuery {
    /// Of one service; `None` of all.
    pub service: Option<ServiceName>,
    /// How many of the last lines of each log.
    pub tail: usize,
    /// Also the lines that come later, of instances that are started later as well.
    pub follow: bool,
}

impl fmt::Display for LogQuery {
    /// As the query of a URL.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { service, tail, follow } = self;
        write!(f, "tail={tail}&follow={follow}")?;
        service.as_ref().map_or(Ok(()), |service| write!(f, "&service={service}"))
    }
}

/// Lines as they come.
#[derive(Debug)]
pub struct LogStream {
    socket: PathBuf,
    body: Incoming,
    /// What came after the last whole line.
    rest: Vec<u8>,
    /// Where the search for the next line's end goes on.
    searched: usize,
}

impl LogStream {
    pub(crate) fn new(socket: PathBuf, body: Incoming) -> Self {
        Self { socket, body, rest: Vec::new(), searched: 0 }
    }

    /// The next line; `None` when there are no more, or when the agent has ended.
    ///
    /// # Errors
    /// [`HostError::Broken`] when the connection breaks.
    pub async fn next(&mut self) -> Result<Option<LogLine>, HostError> {
        let broken = |socket: &PathBuf, reason: String| HostError::Broken { socket: socket.clone(), reason };
        loop {
            if let Some(end) = self.rest[self.searched..].iter().position(|byte| *byte == b'\n') {
                let rest = self.rest.split_off(self.searched + end + 1);
                let line = std::mem::replace(&mut self.rest, rest);
                self.searched = 0;
                return serde_json::from_slice(&line).map(Some).map_err(|error| {
                    broken(&self.socket, format!("a line is not of the expected shape: {error}"))
                });
            }
            self.searched = self.rest.len();
            match self.body.frame().await {
                None => return Ok(None),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.rest.extend_from_slice(&data);
                    }
                }
                Some(Err(error)) => return Err(broken(&self.socket, error.to_string())),
            }
        }
    }
}
