//! The one door to `/proc`.

use std::{fs, io, path::PathBuf};

/// What `/proc/<pid>/stat` says, as far as it is needed here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) pid: u32,
    pub(crate) state: char,
    pub(crate) group: u32,
    pub(crate) session: u32,
    /// Field 22, in clock ticks since boot.
    pub(crate) start_time: u64,
}

impl Stat {
    /// Has it ended and only waits to be reaped?
    pub(crate) fn is_dead(&self) -> bool {
        matches!(self.state, 'Z' | 'X' | 'x')
    }

    /// Reads it; `None` when there is no such process.
    pub(crate) fn of(pid: u32) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// The command's name stands in parentheses and may contain anything, so fields are counted from the last `)`.
    fn parse(text: &str) -> Option<Self> {
        let pid = text.split(' ').next()?.parse().ok()?;
        let mut fields = text.get(text.rfind(')')? + 1..)?.split_ascii_whitespace();
        let state = fields.next()?.chars().next()?;
        let group = fields.nth(1)?.parse().ok()?;
        let session = fields.next()?.parse().ok()?;
        let start_time = fields.nth(15)?.parse().ok()?;
        Some(Self { pid, state, group, session, start_time })
    }
}

/// Every process that can be seen. A process that ends meanwhile is left out.
pub(crate) fn processes() -> impl Iterator<Item = Stat> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter_map(Stat::of)
}

/// The id of this boot of the machine.
pub(crate) fn boot_id() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}

/// The environment that a process was started with.
pub(crate) fn environ(pid: u32) -> Option<Vec<u8>> {
    fs::read(format!("/proc/{pid}/environ")).ok()
}

/// Inode numbers of the sockets that a process holds.
pub(crate) fn sockets(pid: u32) -> Vec<u64> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| fs::read_link(entry.path()).ok())
        .filter_map(|link| link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok())
        .collect()
}

/// `/proc/<pid>/<name>` as text.
pub(crate) fn text(pid: u32, name: &str) -> io::Result<String> {
    fs::read_to_string(PathBuf::from(format!("/proc/{pid}")).join(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_and_spaces_does_not_confuse() {
        let line = "42 (a) R 7 (b c) S 1 40 39 0 -1 4194304 98 0 0 0 1 2 3 4 20 0 1 0 112077 3133440 350 18446744073709551615";
        assert_eq!(
            Stat::parse(line),
            Some(Stat { pid: 42, state: 'S', group: 40, session: 39, start_time: 112_077 })
        );
        assert_eq!(Stat::parse("42 (truncated"), None);
        assert_eq!(Stat::parse(""), None);
    }

    #[test]
    fn it_finds_itself() {
        let own = std::process::id();
        let stat = Stat::of(own).unwrap();
        assert_eq!(stat.pid, own);
        assert!(!stat.is_dead());
        assert!(processes().any(|process| process.pid == own));
    }
}
