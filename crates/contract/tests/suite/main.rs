//! What the crate promises, tested through its public interface alone.

mod common;
mod operation_rules;
mod properties;
mod reading;
mod routing;
mod schema_rules;
mod story;
