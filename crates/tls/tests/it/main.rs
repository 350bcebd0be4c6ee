//! The certificates of an edge as its clients, its files and its ACME servers see them.

mod acme;
mod files;
mod local;
mod serving;
mod support;
