//! The control API on the Unix socket; [`fairway_protocol::edge`] documents it.

use std::convert::Infallible;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fairway_protocol::edge::{CloseRequest, Problem, ProblemCode, ShutdownRequest};
use fairway_route::{DecodeError, decode};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use percent_encoding::percent_decode_str;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

use crate::apply::problem;
use crate::edge::Edge;
use crate::error::EdgeError;
use crate::metrics;
use crate::settings::Settings;

/// No table of a system that people run comes near this.
const MOST_BYTES: usize = 16 * 1024 * 1024;

/// The control socket, bound and not yet served.
#[derive(Debug)]
pub(crate) struct ControlSocket {
    listener: UnixListener,
    home: PathBuf,
}

impl ControlSocket {
    /// Binds the socket for this user only, where nobody looks for it. Whoever calls this holds the lock of the home, or
    /// is the one successor of whoever does, so a socket that is there is a left-over.
    pub(crate) fn bind(home: &Path) -> Result<Self, EdgeError> {
        let path = Settings::socket_in(home);
        let failed = |source| EdgeError::Socket { path: path.clone(), source };
        let beside = beside(home);
        match fs::remove_file(&beside) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        let listener = UnixListener::bind(&beside).map_err(failed)?;
        fs::set_permissions(&beside, fs::Permissions::from_mode(0o600)).map_err(failed)?;
        Ok(Self { listener, home: home.to_owned() })
    }

    /// Puts it into its place. Its mode is right already, so there is no moment in which others could connect, and none
    /// without a socket.
    pub(crate) fn publish(&self) -> Result<(), EdgeError> {
        let path = Settings::socket_in(&self.home);
        fs::rename(beside(&self.home), &path).map_err(|source| EdgeError::Socket { path, source })
    }

    /// Makes another one in its place.
    fn again(&mut self) -> Result<(), EdgeError> {
        let again = Self::bind(&self.home)?;
        again.publish()?;
        *self = again;
        Ok(())
    }

    /// Answers until `closing` is cancelled; requests under way are finished. Requests to shut down go to `shutdown`.
    pub(crate) async fn serve(
        mut self,
        taken_back: Arc<Notify>,
        edge: Edge,
        shutdown: mpsc::Sender<Duration>,
        closing: CancellationToken,
    ) {
        let tasks = tokio_util::task::TaskTracker::new();
        loop {
            let accepted = tokio::select! {
                biased;
                () = closing.cancelled() => break,
                () = taken_back.notified() => {
                    if let Err(error) = self.again() {
                        tracing::error!(%error, "the control socket could not be put back");
                    }
                    continue;
                }
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, _)) => {
                    let (edge, shutdown, closing) = (edge.clone(), shutdown.clone(), closing.clone());
                    tasks.spawn(connection(stream, edge, shutdown, closing));
                }
                Err(error) => {
                    tracing::error!(%error, "the control socket can't accept for now");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
        tasks.close();
        tasks.wait().await;
    }
}

fn beside(home: &Path) -> PathBuf {
    home.join("edge.sock.tmp")
}

async fn connection(
    stream: UnixStream,
    edge: Edge,
    shutdown: mpsc::Sender<Duration>,
    closing: CancellationToken,
) {
    let service = service_fn(|request| {
        let (edge, shutdown) = (&edge, &shutdown);
        async move { Ok::<_, Infallible>(answer(edge, shutdown, request).await) }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(Duration::from_secs(300));
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = closing.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "control connection ended");
    }
}

type Answer = Response<Full<Bytes>>;

async fn answer(edge: &Edge, shutdown: &mpsc::Sender<Duration>, request: Request<Incoming>) -> Answer {
    match route(edge, shutdown, request).await {
        Ok(answer) => answer,
        Err(problem) => {
            tracing::warn!(code = ?problem.code, message = problem.message, "control request refused");
            json(status(problem.code), &problem)
        }
    }
}

async fn route(
    edge: &Edge,
    shutdown: &mpsc::Sender<Duration>,
    request: Request<Incoming>,
) -> Result<Answer, Problem> {
    edge.stays()?;
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().to_owned();
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    let query = parts.uri.query().unwrap_or_default();
    match (&parts.method, segments.as_slice()) {
        (&Method::PUT, ["v1", "environments", environment, "table"]) => {
            let environment = decoded(environment)?;
            let found = decode(&read(body).await?).map_err(|error| match error {
                DecodeError::Shape(_) => malformed(error.to_string()),
                DecodeError::Format(_) => Problem {
                    entries: vec![format!("table: {error}")],
                    ..problem(
                        ProblemCode::Table,
                        error.to_string(),
                        "Send a table of a format that this edge knows.",
                    )
                },
            })?;
            if found.table.environment != environment {
                let named = &found.table.environment;
                return Err(malformed(format!(
                    "the path names environment `{environment}`, the table `{named}`"
                )));
            }
            if !found.problems.is_empty() {
                let entries: Vec<String> = found.problems.iter().map(ToString::to_string).collect();
                let message = format!("the table has entries that can't be read: {}", entries.join("; "));
                let next = "Correct the entries and send the table again.";
                return Err(Problem { entries, ..problem(ProblemCode::Table, message, next) });
            }
            Ok(json(StatusCode::OK, &edge.apply(found.table).await?))
        }
        (&Method::GET, ["v1", "environments", environment, "table"]) => {
            let environment = decoded(environment)?;
            let table = edge.table(&environment).await.ok_or_else(|| {
                let message = format!("environment `{environment}` is not served here");
                problem(ProblemCode::Unknown, message, "Ask for the list of tables to see what is.")
            })?;
            Ok(json(StatusCode::OK, &table))
        }
        (&Method::DELETE, ["v1", "environments", environment]) => {
            let generation = parameter(query, "generation")
                .and_then(|text| text.parse().ok())
                .ok_or_else(|| malformed("the request needs `?generation=` with a number".to_owned()))?;
            edge.remove(&decoded(environment)?, generation).await?;
            let mut answer = Response::new(Full::default());
            *answer.status_mut() = StatusCode::NO_CONTENT;
            Ok(answer)
        }
        (&Method::POST, ["v1", "environments", environment, "instances", id, "close"]) => {
            let CloseRequest { grace_ms } = optional(&read(body).await?)?;
            let grace = Duration::from_millis(grace_ms);
            Ok(json(
                StatusCode::ACCEPTED,
                &edge.close_instance(&decoded(environment)?, &decoded(id)?, grace)?,
            ))
        }
        (&Method::GET, ["v1", "tables"]) => Ok(json(StatusCode::OK, &edge.tables().await)),
        (&Method::GET, ["v1", "stats"]) => {
            let only = parameter(query, "environment").map(decoded).transpose()?;
            Ok(json(StatusCode::OK, &edge.stats(only.as_deref()).await))
        }
        (&Method::GET, ["v1", "certificates"]) => Ok(json(StatusCode::OK, &edge.certificates())),
        (&Method::GET, ["v1", "version"]) => Ok(json(StatusCode::OK, &edge.info())),
        (&Method::GET, ["metrics"]) => {
            let mut answer = Response::new(Full::from(metrics::render(&edge.sight().await)));
            let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
            answer.headers_mut().insert(CONTENT_TYPE, kind);
            Ok(answer)
        }
        (&Method::POST, ["v1", "shutdown"]) => {
            let ShutdownRequest { grace_ms } = optional(&read(body).await?)?;
            // Full: a request to shut down is under way already.
            let _ = shutdown.try_send(Duration::from_millis(grace_ms));
            Ok(json(StatusCode::ACCEPTED, &edge.info()))
        }
        (method, _) => {
            let message = format!("the edge's control API has no `{method} {path}`");
            Err(problem(ProblemCode::Unknown, message, "Compare the versions of edge and client."))
        }
    }
}

async fn read(body: Incoming) -> Result<Bytes, Problem> {
    match Limited::new(body, MOST_BYTES).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => Err(problem(
            ProblemCode::TooLarge,
            format!("the body has more than {MOST_BYTES} bytes"),
            "Send a smaller table.",
        )),
        Err(error) => Err(malformed(format!("the body could not be read: {error}"))),
    }
}

/// A body that may be left out.
fn optional<T: DeserializeOwned + Default>(body: &[u8]) -> Result<T, Problem> {
    if body.is_empty() {
        return Ok(T::default());
    }
    serde_json::from_slice(body).map_err(|error| malformed(format!("the body can't be read: {error}")))
}

fn parameter<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find_map(|(key, value)| (key == name).then_some(value))
}

fn decoded(segment: &str) -> Result<String, Problem> {
    let text = percent_decode_str(segment).decode_utf8();
    text.map(Into::into).map_err(|_| malformed(format!("`{segment}` is not UTF-8 when it is decoded")))
}

fn malformed(message: String) -> Problem {
    problem(ProblemCode::Malformed, message, "Send what the API documents.")
}

fn status(code: ProblemCode) -> StatusCode {
    match code {
        ProblemCode::Stale | ProblemCode::Contradicts | ProblemCode::Listener | ProblemCode::Serving => {
            StatusCode::CONFLICT
        }
        ProblemCode::Table => StatusCode::UNPROCESSABLE_ENTITY,
        ProblemCode::Malformed => StatusCode::BAD_REQUEST,
        ProblemCode::Unknown => StatusCode::NOT_FOUND,
        ProblemCode::Moved => StatusCode::MISDIRECTED_REQUEST,
        ProblemCode::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        ProblemCode::Storage => StatusCode::INSUFFICIENT_STORAGE,
        ProblemCode::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn json(status: StatusCode, value: &impl Serialize) -> Answer {
    let text = serde_json::to_vec(value).expect("types of the protocol always serialise");
    let mut answer = Response::new(Full::from(text));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}
