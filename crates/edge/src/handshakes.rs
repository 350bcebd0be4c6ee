//! How handshakes ended, counted.

use std::sync::atomic::{AtomicU64, Ordering};

use fairway_tls::AcceptError;

/// Counters of the ends of handshakes.
#[derive(Debug, Default)]
pub(crate) struct Handshakes {
    ok: AtomicU64,
    unknown_name: AtomicU64,
    not_tls: AtomicU64,
    old_version: AtomicU64,
    acme: AtomicU64,
    failed: AtomicU64,
    timeout: AtomicU64,
}

/// How one ended.
#[derive(Debug)]
pub(crate) enum Ended<'a> {
    Ok,
    Failed(&'a AcceptError),
    Timeout,
}

impl Handshakes {
    pub(crate) fn count(&self, ended: &Ended<'_>) {
        let counter = match ended {
            Ended::Ok => &self.ok,
            Ended::Timeout => &self.timeout,
            Ended::Failed(error) => match error {
                AcceptError::UnknownName(_) => &self.unknown_name,
                AcceptError::NotTls => &self.not_tls,
                AcceptError::OldVersion => &self.old_version,
                AcceptError::AcmeChallenge => &self.acme,
                AcceptError::Handshake(_) => &self.failed,
            },
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// By result, as the metrics name them.
    pub(crate) fn read(&self) -> [(&'static str, u64); 7] {
        let Self { ok, unknown_name, not_tls, old_version, acme, failed, timeout } = self;
        [
            ("ok", ok),
            ("unknown_name", unknown_name),
            ("not_tls", not_tls),
            ("old_version", old_version),
            ("acme_challenge", acme),
            ("failed", failed),
            ("timeout", timeout),
        ]
        .map(|(name, counter)| (name, counter.load(Ordering::Relaxed)))
    }
}
