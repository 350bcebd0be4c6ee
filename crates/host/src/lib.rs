//! The client of one host's agent: a target over a Unix socket.
