//! End-to-end stories: the real binary, real services, real PostgreSQL, real traffic.
//!
//! [`World`] is a copy of the shop in a directory of its own, with its own ports and its own PostgreSQL, driven through
//! the `fairway` binary as a user would; a story may have a small system of its own instead. [`Load`] is traffic that remembers every request that failed. [`measure`] is what
//! the benchmarks are made of.

mod load;
pub mod measure;
mod world;

pub use load::{Count, Kind, Load, Tally, Target, speaks_h2};
pub use world::{Finished, World, free_port, get, missing};
