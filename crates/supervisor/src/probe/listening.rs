//! The ports that a process really listens on.

use crate::procfs;
use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

/// The TCP addresses on which `pid` or another member of its session listens, sorted by port. Empty when that cannot
/// be seen.
#[must_use]
pub fn listening(pid: u32) -> Vec<SocketAddr> {
    let Some(session) = procfs::Stat::of(pid).map(|stat| stat.session) else { return Vec::new() };
    let members = procfs::processes().filter(|stat| stat.session == session).map(|stat| stat.pid);
    let sockets: BTreeSet<u64> = members.flat_map(procfs::sockets).collect();
    let mut found: Vec<SocketAddr> = ["net/tcp", "net/tcp6"]
        .iter()
        .filter_map(|table| procfs::text(pid, table).ok())
        .flat_map(|table| table.lines().skip(1).filter_map(listener).collect::<Vec<_>>())
        .filter(|(inode, _)| sockets.contains(inode))
        .map(|(_, address)| address)
        .collect();
    found.sort_by_key(|address| (address.port(), address.ip()));
    found.dedup();
    found
}

/// Inode and local address of a line of `/proc/net/tcp` that stands for a listener.
fn listener(line: &str) -> Option<(u64, SocketAddr)> {
    let mut fields = line.split_ascii_whitespace().skip(1);
    let local = fields.next()?;
    let listens = fields.nth(1)? == "0A";
    let inode = fields.nth(5)?.parse().ok()?;
    let (ip, port) = local.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    listens.then_some((inode, SocketAddr::new(address(ip)?, port)))
}

/// An address in the kernel's notation: words of 32 bits in the machine's byte order.
fn address(hex: &str) -> Option<IpAddr> {
    let words: Vec<[u8; 4]> = (0..hex.len() / 8)
        .map(|word| u32::from_str_radix(hex.get(word * 8..word * 8 + 8)?, 16).ok().map(u32::to_ne_bytes))
        .collect::<Option<_>>()?;
    match words.as_slice() {
        [v4] => Some(Ipv4Addr::from(*v4).into()),
        [_, _, _, _] => {
            let bytes: [u8; 16] = words.concat().try_into().ok()?;
            Some(Ipv6Addr::from(bytes).into())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn lines_of_the_table() {
        let line = "   0: 0100007F:0BB8 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1471 1 0 100 0 0 10 0";
        assert_eq!(listener(line), Some((1471, "127.0.0.1:3000".parse().unwrap())));
        let v6 = "   1: 00000000000000000000000001000000:1F90 00000000000000000000000000000000:0000 0A 0:0 0:0 0 0 0 99 1 0";
        assert_eq!(listener(v6), Some((99, "[::1]:8080".parse().unwrap())));
        assert_eq!(listener(&line.replace(" 0A ", " 01 ")), None);
        assert_eq!(listener("nonsense"), None);
    }

    #[test]
    fn its_own_listener_is_found() {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        assert!(listening(std::process::id()).contains(&address));
        drop(socket);
        assert!(!listening(std::process::id()).contains(&address));
    }
}
