//! One host, through its agent.

use crate::{
    HostError, LogQuery, LogStream,
    start::{self, Starter},
    wire::{self, Payload},
};
use fairway_model::{EnvironmentName, Generation};
use fairway_protocol::{
    agent::{AgentInfo, Endpoints, EnvironmentList},
    traffic::Traffic,
};
use http::{Method, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::DeserializeOwned;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Mutex,
    time::Duration,
};
use tokio::time::Instant;

/// How long an agent that does not answer is given to come back.
const PATIENCE: Duration = Duration::from_secs(10);
const AGAIN: Duration = Duration::from_millis(50);

/// What happens to instances, edge and database server when the agent ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Instances {
    /// They go on, and the next agent takes them over.
    Keep,
    /// They are stopped.
    Stop,
}

/// One host, through its agent.
#[derive(Debug)]
pub struct Host {
    place: Place,
    name: String,
    patience: Duration,
    /// The last event of each release that was handed to somebody, so that each is handed out once.
    pub(crate) seen: Mutex<BTreeMap<(EnvironmentName, Generation), u64>>,
}

/// Where the agent is.
#[derive(Debug)]
enum Place {
    Socket(PathBuf),
    Home(PathBuf),
    Startable(Starter),
}

impl Host {
    /// The agent on this socket. Nobody is asked yet, and none is started.
    #[must_use]
    pub fn connect(socket: impl Into<PathBuf>) -> Self {
        let socket = socket.into();
        let name = format!("the agent on {}", socket.display());
        Self::at(Place::Socket(socket), name)
    }

    /// The agent of this home directory on this machine; it is started from `executable` when none answers, now or
    /// later (`<executable> agent --home <home>`).
    ///
    /// # Errors
    /// [`HostError::NotStarted`] with the end of the agent's log, [`HostError::Version`].
    pub async fn local(home: impl Into<PathBuf>, executable: impl Into<PathBuf>) -> Result<Self, HostError> {
        let starter = Starter { home: home.into(), executable: executable.into() };
        starter.ensure().await?;
        Ok(Self::at(Place::Startable(starter), "this machine".into()))
    }

    /// The agent of this home directory on this machine, if one runs.
    ///
    /// # Errors
    /// [`HostError::Version`], or an answer that cannot be understood.
    pub async fn running(home: &Path) -> Result<Option<Self>, HostError> {
        match start::info(&wire::socket_of(home)).await {
            Ok(_) => Ok(Some(Self::at(Place::Home(home.to_owned()), "this machine".into()))),
            Err(HostError::Absent { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn at(place: Place, name: String) -> Self {
        Self { place, name, patience: PATIENCE, seen: Mutex::default() }
    }

    /// The same with another time for an agent that does not answer to come back; the usual is ten seconds.
    #[must_use]
    pub fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// The host as people know it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Who answers.
    ///
    /// # Errors
    /// See [`HostError`].
    pub async fn info(&self) -> Result<AgentInfo, HostError> {
        self.get("/v1/agent").await
    }

    /// The environments of this host.
    ///
    /// # Errors
    /// See [`HostError`].
    pub async fn environments(&self) -> Result<Vec<EnvironmentName>, HostError> {
        Ok(self.get::<EnvironmentList>("/v1/environments").await?.environments)
    }

    /// Where the services of an environment can be reached on the host.
    ///
    /// # Errors
    /// See [`HostError`]; an unknown environment is a failure.
    pub async fn endpoints(&self, environment: &EnvironmentName) -> Result<Endpoints, HostError> {
        self.get(&format!("{}/endpoints", path(environment))).await
    }

    /// What the edge serves for an environment and what went through; none when it serves nothing of it.
    ///
    /// # Errors
    /// See [`HostError`]; an unknown environment and an edge that does not answer are failures.
    pub async fn traffic(&self, environment: &EnvironmentName) -> Result<Option<Traffic>, HostError> {
        self.get(&format!("{}/traffic", path(environment))).await
    }

    /// The lines of an environment's logs: the last ones, then those that come.
    ///
    /// # Errors
    /// See [`HostError`]; an unknown environment is a failure.
    pub async fn logs(
        &self,
        environment: &EnvironmentName,
        query: &LogQuery,
    ) -> Result<LogStream, HostError> {
        let path = format!("{}/logs?{query}", path(environment));
        let socket = self.socket();
        let response = wire::send(&socket, Method::GET, &path, &Payload::Empty).await?;
        if response.status() != StatusCode::OK {
            wire::answer(&socket, response).await?;
            return Err(HostError::Broken { socket, reason: "an answer without lines".into() });
        }
        Ok(LogStream::new(socket, response.into_body()))
    }

    /// Ends the agent, and everything it looks after if asked to. Returns when nobody answers any more.
    ///
    /// # Errors
    /// [`HostError::Absent`] when there is none; [`HostError::Broken`] when it still answers after two minutes.
    pub async fn shutdown(&self, instances: Instances) -> Result<(), HostError> {
        let socket = self.socket();
        let what = match instances {
            Instances::Keep => "keep",
            Instances::Stop => "stop",
        };
        let pid = start::info(&socket).await?.pid;
        let response =
            wire::send(&socket, Method::POST, &format!("/v1/shutdown?instances={what}"), &Payload::Empty)
                .await?;
        wire::answer(&socket, response).await?;
        let deadline = Instant::now() + Duration::from_secs(120);
        // The process and not the socket: what the agent stops is stopped after the socket was closed.
        while fairway_supervisor::Identity::of(pid).is_ok_and(|identity| identity.is_running()) {
            if Instant::now() >= deadline {
                return Err(HostError::Broken {
                    socket,
                    reason: format!("process {pid} is still there after two minutes"),
                });
            }
            tokio::time::sleep(AGAIN).await;
        }
        Ok(())
    }

    fn socket(&self) -> PathBuf {
        match &self.place {
            Place::Socket(socket) => socket.clone(),
            Place::Home(home) | Place::Startable(Starter { home, .. }) => wire::socket_of(home),
        }
    }

    /// A JSON answer to a `GET`.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, HostError> {
        self.ask(Method::GET, path, &Payload::Empty).await
    }

    /// A JSON answer; asked again for a while when the agent does not answer.
    pub(crate) async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        payload: &Payload,
    ) -> Result<T, HostError> {
        let (_, bytes) = self.patiently(method, path, payload).await?;
        wire::decode(&self.socket(), &bytes)
    }

    /// Sends a request, and sends it again when the agent does not answer: everything in this API may be repeated.
    pub(crate) async fn patiently(
        &self,
        method: Method,
        path: &str,
        payload: &Payload,
    ) -> Result<(StatusCode, bytes::Bytes), HostError> {
        let deadline = Instant::now() + self.patience;
        loop {
            let socket = self.socket();
            let asked = async {
                let response = wire::send(&socket, method.clone(), path, payload).await?;
                wire::answer(&socket, response).await
            };
            let error = match asked.await {
                Err(error) if error.is_passing() => error,
                other => return other,
            };
            if Instant::now() >= deadline {
                return Err(error);
            }
            tracing::debug!(%error, path, "asking again");
            if let (Place::Startable(starter), HostError::Absent { .. }) = (&self.place, &error) {
                starter.ensure().await?;
            }
            tokio::time::sleep(AGAIN).await;
        }
    }
}

/// The path of an environment.
pub(crate) fn path(environment: &EnvironmentName) -> String {
    format!("/v1/environments/{}", utf8_percent_encode(environment.as_str(), NON_ALPHANUMERIC))
}
