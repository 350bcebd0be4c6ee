//! Free loopback ports.
//!
//! They are taken from below the range that the kernel gives to outgoing connections: a port that an instance or a
//! listener of the edge leaves for a moment must not become the local end of somebody's connection meanwhile.

use rand::RngExt as _;
use std::{
    collections::BTreeSet,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    ops::Range,
    sync::Mutex,
};

/// Where ports are looked for.
const RANGE: Range<u16> = 20_000..32_000;

/// Ports that this agent has given out.
#[derive(Debug, Default)]
pub(crate) struct Ports {
    taken: Mutex<BTreeSet<u16>>,
}

/// No port is left.
#[derive(Debug, thiserror::Error)]
#[error("no free port was found on 127.0.0.1 between {} and {}", RANGE.start, RANGE.end)]
pub(crate) struct NoPort;

impl Ports {
    /// Remembers a port that a journal names.
    pub(crate) fn remember(&self, port: u16) {
        self.taken.lock().expect("nobody panics while holding this lock").insert(port);
    }

    /// Gives a port back.
    pub(crate) fn release(&self, port: u16) {
        self.taken.lock().expect("nobody panics while holding this lock").remove(&port);
    }

    /// A port that nothing listens on and that this agent has not given out.
    pub(crate) fn take(&self) -> Result<u16, NoPort> {
        let mut taken = self.taken.lock().expect("nobody panics while holding this lock");
        let size = usize::from(RANGE.end - RANGE.start);
        let first = rand::rng().random_range(0..size);
        for step in 0..size {
            let offset = u16::try_from((first + step) % size).map_err(|_| NoPort)?;
            let port = RANGE.start + offset;
            if !taken.contains(&port) && is_free(port) {
                taken.insert(port);
                return Ok(port);
            }
        }
        Err(NoPort)
    }
}

fn is_free(port: u16) -> bool {
    TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_port_is_given_once_and_can_be_used() {
        let ports = Ports::default();
        let given: BTreeSet<u16> = (0..50).map(|_| ports.take().unwrap()).collect();
        assert_eq!(given.len(), 50);
        assert!(given.iter().all(|port| RANGE.contains(port)));
    }
}
