//! The planner from outside: what it plans for a shop that changes, and what holds for every plan.

mod cases;
mod contracts;
mod databases;
mod generate;
mod order;
mod properties;
mod shop;
mod sql;
mod world;
