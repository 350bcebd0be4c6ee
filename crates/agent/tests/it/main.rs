//! The agent, the edge, real processes and a real PostgreSQL, through the client.

mod conformance;
mod crashes;
mod housekeeping;
mod releases;
mod support;
