//! What the benchmarks share: processes that are watched, load, and tables.

pub mod machine;
pub mod message;
pub mod process;
pub mod rate;
pub mod report;
pub mod tools;
