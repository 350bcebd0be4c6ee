//! Logging: one JSON object per line on standard output.

use thiserror::Error;
use tracing_subscriber::EnvFilter;

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
    let subscriber = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_env_filter(filter)
        .with_target(false)
        // Whoever read the log may be gone; the service goes on, and does not complain to the same nobody.
        .log_internal_errors(false)
        .finish();
    let _already_started = tracing::subscriber::set_global_default(subscriber);
    Ok(())
}
