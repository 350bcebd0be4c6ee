//! Logging: one JSON object per line on standard output.

use thiserror::Error;
use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// Logging could not be started.
#[derive(Debug, Error)]
pub enum TelemetryError {
    /// The level is not one of error, warn, info, debug, trace or a filter expression.
    #[error("`{level}` is not a log level (error, warn, info, debug, trace)")]
    Level {
        /// What was given.
        level: String,
        /// What the filter parser said.
        #[source]
        source: tracing_subscriber::filter::ParseError,
    },
}

/// Starts logging at a level such as `info`. A second start in the same process changes nothing, which is
/// what tests want.
///
/// # Errors
/// When the level can't be read.
pub fn start(level: &str) -> Result<(), TelemetryError> {
    let filter = EnvFilter::try_new(level)
        .map_err(|source| TelemetryError::Level { level: level.to_owned(), source })?;
    let _already_started = tracing::subscriber::set_global_default(subscriber(filter, std::io::stdout));
    Ok(())
}

fn subscriber<W>(filter: EnvFilter, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_span_list(false)
        .with_env_filter(filter)
        .with_target(false)
        // Whoever read the log may be gone; the service goes on, and does not complain to the same nobody.
        .log_internal_errors(false)
        .with_writer(writer)
        .finish()
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use axum::Router;
    use axum::body::Body;
    use axum::routing::get;
    use serde_json::Value;
    use tower::ServiceExt;

    use super::*;
    use crate::health::Health;
    use crate::layers::dress;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, text: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(text)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn whatever_is_said_during_a_request_names_it() {
        let lines = Lines::default();
        let writer = lines.clone();
        let _until_the_end =
            tracing::subscriber::set_default(subscriber(EnvFilter::new("info"), move || writer.clone()));
        let handler = async || {
            tracing::warn!(what = "ice", "slippery");
            "done"
        };
        let app = dress("tester", Router::new().route("/walk", get(handler)), Health::always_ready(None));
        let request = http::Request::get("/walk").header("x-request-id", "abc").body(Body::empty()).unwrap();
        app.oneshot(request).await.unwrap();
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        let said: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!((&said[0]["message"], &said[0]["what"]), (&"slippery".into(), &"ice".into()));
        assert_eq!(said[0]["span"]["request_id"], "abc");
        let (status, id) = (&said[1]["status"], &said[1]["request_id"]);
        assert_eq!((status, id), (&200.into(), &"abc".into()), "and the request itself, at its end");
        assert_eq!(said.len(), 2);
    }
}
