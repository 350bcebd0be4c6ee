//! Identity over HTTP, on a real PostgreSQL, against its contract.

mod access;
mod contract;
mod customers;
mod flags;
mod login;
mod matrix;
mod me;
mod mini;
mod odd;
mod platforms;
mod rbac;
mod sales_code;
mod seed;
mod staff;
mod world;
