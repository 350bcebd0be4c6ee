//! Asking an edge over its control socket.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use fairway_protocol::edge::{
    Applied, CertificateList, CloseAnswer, CloseRequest, EdgeInfo, Problem, ProblemCode, ShutdownRequest,
    Stats, TableList,
};
use fairway_route::Table;
use http::header::{CONTENT_TYPE, HOST};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

use crate::settings::Settings;

/// Between two attempts while one edge takes over from another.
const MOVING: Duration = Duration::from_millis(5);

/// Asks one edge. Each call makes a connection of its own, so a client outlives restarts of the edge.
#[derive(Clone, Debug)]
pub struct Client {
    socket: PathBuf,
    limit: Duration,
}

/// Why there was no good answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No edge accepts connections there.
    #[error("no edge listens on {socket}; nothing was changed, start it with `fairway edge --home DIR`")]
    Absent {
        /// The control socket.
        socket: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The edge refused.
    #[error(transparent)]
    Refused(#[from] Problem),
    /// The connection ended, or what came was not an answer of this API. A change may or may not have been made;
    /// sending it again is safe.
    #[error(
        "the edge on {socket} gave no answer that can be understood ({what}); ask again, repeating is safe"
    )]
    Broken {
        /// The control socket.
        socket: PathBuf,
        /// What was wrong.
        what: String,
    },
    /// No answer in time. A change may or may not have been made; sending it again is safe.
    #[error("the edge on {socket} did not answer within {} s; ask again, repeating is safe", after.as_secs())]
    Timeout {
        /// The control socket.
        socket: PathBuf,
        /// The limit.
        after: Duration,
    },
}

impl Client {
    /// A client of the edge with this home.
    pub fn in_home(home: &Path) -> Self {
        Self::new(Settings::socket_in(home))
    }

    /// A client of the edge with this control socket. Calls have 30 s.
    pub fn new(socket: impl Into<PathBuf>) -> Self {
        Self { socket: socket.into(), limit: Duration::from_secs(30) }
    }

    /// The same client with another limit for each call.
    #[must_use]
    pub fn with_limit(self, limit: Duration) -> Self {
        Self { limit, ..self }
    }

    /// Makes a table serve; sending the same one again is safe.
    ///
    /// # Errors
    /// [`ClientError::Refused`] when it is stale (409), wrong (422) or a listener can't be bound (409).
    pub async fn apply(&self, table: &Table) -> Result<Applied, ClientError> {
        let path = format!("/v1/environments/{}/table", segment(&table.environment));
        let body = serde_json::to_vec(table).expect("a table always serialises");
        self.ask(Method::PUT, &path, body.into()).await
    }

    /// Removes an environment; removing what is not there is no error.
    ///
    /// # Errors
    /// [`ClientError::Refused`] when the edge has a newer generation (409).
    pub async fn remove(&self, environment: &str, generation: u64) -> Result<(), ClientError> {
        let path = format!("/v1/environments/{}?generation={generation}", segment(environment));
        self.send(Method::DELETE, &path, Bytes::new()).await.map(drop)
    }

    /// The table that serves an environment; none if it is not served.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn table(&self, environment: &str) -> Result<Option<Table>, ClientError> {
        let path = format!("/v1/environments/{}/table", segment(environment));
        match self.ask(Method::GET, &path, Bytes::new()).await {
            Ok(table) => Ok(Some(table)),
            Err(ClientError::Refused(problem)) if problem.code == ProblemCode::Unknown => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The heads of the tables that serve.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn tables(&self) -> Result<TableList, ClientError> {
        self.ask(Method::GET, "/v1/tables", Bytes::new()).await
    }

    /// The certificates of all environments; none when the edge is too old to say.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn certificates(&self) -> Result<Option<CertificateList>, ClientError> {
        match self.ask(Method::GET, "/v1/certificates", Bytes::new()).await {
            Ok(list) => Ok(Some(list)),
            Err(ClientError::Refused(problem)) if problem.code == ProblemCode::Unknown => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What went through, of one environment or of all.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn stats(&self, environment: Option<&str>) -> Result<Stats, ClientError> {
        let path = match environment {
            Some(name) => format!("/v1/stats?environment={}", segment(name)),
            None => "/v1/stats".to_owned(),
        };
        self.ask(Method::GET, &path, Bytes::new()).await
    }

    /// Ends what does not end by itself on a draining instance. Watch the stats for the end.
    ///
    /// # Errors
    /// [`ClientError::Refused`] when the instance is unknown (404) or takes new requests (409).
    pub async fn close_instance(
        &self,
        environment: &str,
        id: &str,
        grace: Duration,
    ) -> Result<CloseAnswer, ClientError> {
        let path = format!("/v1/environments/{}/instances/{}/close", segment(environment), segment(id));
        let request = CloseRequest { grace_ms: ms(grace) };
        let body = serde_json::to_vec(&request).expect("numbers always serialise");
        self.ask(Method::POST, &path, body.into()).await
    }

    /// Who answers.
    ///
    /// # Errors
    /// [`ClientError::Absent`] when nobody does.
    pub async fn info(&self) -> Result<EdgeInfo, ClientError> {
        self.ask(Method::GET, "/v1/version", Bytes::new()).await
    }

    /// The page for Prometheus.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn metrics(&self) -> Result<String, ClientError> {
        let page = self.send(Method::GET, "/metrics", Bytes::new()).await?;
        String::from_utf8(page.into()).map_err(|error| self.broken(error))
    }

    /// Tells the process to end; returns when it has been told. It has ended when [`Client::info`] finds nobody.
    ///
    /// # Errors
    /// [`ClientError::Absent`] when there is none.
    pub async fn shutdown(&self, grace: Duration) -> Result<EdgeInfo, ClientError> {
        let body =
            serde_json::to_vec(&ShutdownRequest { grace_ms: ms(grace) }).expect("numbers always serialise");
        self.ask(Method::POST, "/v1/shutdown", body.into()).await
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<T, ClientError> {
        let answer = self.send(method, path, body).await?;
        serde_json::from_slice(&answer).map_err(|error| self.broken(error))
    }

    async fn send(&self, method: Method, path: &str, body: Bytes) -> Result<Bytes, ClientError> {
        let answered = async {
            loop {
                let (status, answer) = self.exchange(method.clone(), path, body.clone()).await?;
                if status.is_success() {
                    return Ok(answer);
                }
                match serde_json::from_slice::<Problem>(&answer) {
                    // The other one is about to put its socket into this place.
                    Ok(problem) if problem.code == ProblemCode::Moved => tokio::time::sleep(MOVING).await,
                    Ok(problem) => return Err(ClientError::Refused(problem)),
                    Err(_) => return Err(self.broken(format!("status {status} without a problem"))),
                }
            }
        };
        let late = |_| ClientError::Timeout { socket: self.socket.clone(), after: self.limit };
        tokio::time::timeout(self.limit, answered).await.map_err(late)?
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<(StatusCode, Bytes), ClientError> {
        let stream = UnixStream::connect(&self.socket)
            .await
            .map_err(|source| ClientError::Absent { socket: self.socket.clone(), source })?;
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, "edge")
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(body))
            .expect("made of percent-encoded segments");
        let connected = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = connected.map_err(|error| self.broken(error))?;
        let answered = async {
            let response = sender.send_request(request).await?;
            let status = response.status();
            Ok::<_, hyper::Error>((status, response.into_body().collect().await?.to_bytes()))
        };
        // The connection does the work of the answer; whichever ends, there is nothing more to wait for.
        let mut connection = std::pin::pin!(connection);
        let mut answered = std::pin::pin!(answered);
        let answer = tokio::select! {
            biased;
            answer = answered.as_mut() => answer,
            _ = connection.as_mut() => answered.await,
        };
        answer.map_err(|error| self.broken(error))
    }

    fn broken(&self, what: impl ToString) -> ClientError {
        ClientError::Broken { socket: self.socket.clone(), what: what.to_string() }
    }
}

fn segment(text: &str) -> impl std::fmt::Display + '_ {
    utf8_percent_encode(text, NON_ALPHANUMERIC)
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
