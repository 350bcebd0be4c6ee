//! The store on its backends. One binary, because the S3 protocol takes its time to link.

mod killed;
mod network;
mod promises;
mod support;
