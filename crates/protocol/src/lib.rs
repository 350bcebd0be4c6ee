//! What agent and edge say to their clients, as types: requests, answers and problems.

pub mod agent;
pub mod edge;
pub mod rates;
pub mod traffic;
