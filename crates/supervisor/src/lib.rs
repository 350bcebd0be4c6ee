//! Processes on one host: start in their own session, watch, stop, restart with backoff, keep logs and limits, find again after a crash.
