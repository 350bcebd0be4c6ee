//! The logs of an environment as lines of JSON.

mod order;

use super::{
    Shared,
    answer::{self, Refusal},
};
use crate::disk;
use axum::{
    body::Body,
    extract::{Path, Query, State},
    http::header,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use fairway_model::ServiceName;
use fairway_protocol::agent::LogLine;
use fairway_supervisor::log;
use order::Tail;
use serde::Deserialize;
use std::{
    collections::BTreeSet,
    convert::Infallible,
    io,
    path::PathBuf,
    time::{Duration, SystemTime},
};
use tokio::sync::mpsc;

/// How often a follower looks for logs that are new.
const NEW_LOGS: Duration = Duration::from_millis(500);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LogQuery {
    /// One service; all of them without it.
    service: Option<ServiceName>,
    /// How many lines of each log to begin with.
    #[serde(default = "some")]
    tail: usize,
    #[serde(default)]
    follow: bool,
}

fn some() -> usize {
    100
}

/// One log file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Log {
    service: ServiceName,
    instance: String,
    path: PathBuf,
}

/// The last lines of each log by time, and with `follow` every line that comes, of instances that start later as well.
pub(super) async fn lines(
    State(agent): Shared,
    path: Result<Path<String>, answer::BadPath>,
    query: Result<Query<LogQuery>, answer::BadQuery>,
) -> Result<Response, Refusal> {
    let environment = answer::known(&agent, &answer::environment(path)?)?;
    let Query(LogQuery { service, tail, follow }) = query?;
    let root = agent.machine.home.logs(environment.name());
    let unreadable = |error: io::Error| crate::fail::machine("the logs cannot be read", &error);
    let (lines, received) = mpsc::channel::<LogLine>(256);
    let find = move || logs(&root, service.as_ref());
    let mut found = find().map_err(unreadable)?;
    found.sort_by_key(Log::written);
    // Where following begins is decided before the last lines are read, so that none falls between. One that is
    // written meanwhile may come twice.
    let followers: Vec<_> =
        found.iter().filter(|_| follow).map(|log| (log.clone(), log::follow(&log.path))).collect();
    let end = agent.end.clone();
    tokio::spawn(end.run_until_cancelled_owned(async move {
        let mut known: BTreeSet<PathBuf> = found.iter().map(|log| log.path.clone()).collect();
        let tails = found.iter().map(|log| Tail {
            log,
            lines: log::tail(&log.path, tail).unwrap_or_default(),
            written: log.written().map(Into::into),
        });
        for (log, line) in order::by_time(tails.collect()) {
            if lines.send(log.line(line)).await.is_err() {
                return;
            }
        }
        for (log, follower) in followers {
            tokio::spawn(pass_on(log, follower, lines.clone()));
        }
        while follow && !lines.is_closed() {
            tokio::select! {
                () = lines.closed() => return,
                () = tokio::time::sleep(NEW_LOGS) => {}
            }
            for log in find().unwrap_or_default() {
                if known.insert(log.path.clone()) {
                    for line in log::tail(&log.path, usize::MAX).unwrap_or_default() {
                        if lines.send(log.line(line)).await.is_err() {
                            return;
                        }
                    }
                    let follower = log::follow(&log.path);
                    tokio::spawn(pass_on(log, follower, lines.clone()));
                }
            }
        }
    }));
    let body = futures::stream::unfold(received, |mut received| async move {
        let line = received.recv().await?;
        let mut bytes = serde_json::to_vec(&line).unwrap_or_default();
        bytes.push(b'\n');
        Some((Ok::<_, Infallible>(Bytes::from(bytes)), received))
    });
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(body)).into_response())
}

async fn pass_on(log: Log, mut follower: log::Follow, lines: mpsc::Sender<LogLine>) {
    loop {
        let line = tokio::select! {
            line = follower.next() => line,
            () = lines.closed() => return,
        };
        let Ok(line) = line else { return };
        if lines.send(log.line(line)).await.is_err() {
            return;
        }
    }
}

impl Log {
    /// When its last line was written.
    fn written(&self) -> Option<SystemTime> {
        std::fs::metadata(&self.path).and_then(|meta| meta.modified()).ok()
    }

    fn line(&self, line: String) -> LogLine {
        LogLine { service: self.service.clone(), instance: self.instance.clone(), line }
    }
}

fn logs(root: &std::path::Path, only: Option<&ServiceName>) -> io::Result<Vec<Log>> {
    let mut found = Vec::new();
    for service in disk::names(root)? {
        let Ok(service) = ServiceName::new(service) else { continue };
        if only.is_some_and(|only| *only != service) {
            continue;
        }
        let directory = root.join(service.as_str());
        for name in disk::names(&directory)? {
            // Rotated segments have a number after `.log`; the reader finds them by itself.
            let Some(instance) = name.strip_suffix(".log") else { continue };
            found.push(Log {
                service: service.clone(),
                instance: instance.to_owned(),
                path: directory.join(&name),
            });
        }
    }
    Ok(found)
}
