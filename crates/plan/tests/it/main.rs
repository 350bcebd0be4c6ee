//! The planner from outside: what it plans for a shop that changes, and what holds for every plan.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod cases;
mod comparing;
mod contracts;
mod databases;
mod describing;
mod edge;
mod generate;
mod order;
mod properties;
mod shop;
mod sql;
mod world;
