//! What the operating system says about this process, under the names that Prometheus' own clients use.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};

/// A reading. What the system does not tell is none.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct ProcessMetrics {
    pub(crate) cpu_seconds: f64,
    pub(crate) resident_bytes: Option<u64>,
    pub(crate) open_descriptors: Option<u64>,
    pub(crate) most_descriptors: Option<u64>,
    /// Since 1970.
    pub(crate) start_seconds: f64,
}

/// Reads them now; `started` is when the process began to serve.
pub(crate) fn read(started: SystemTime) -> ProcessMetrics {
    let cpu = clock_gettime(ClockId::ProcessCPUTime);
    #[expect(clippy::cast_precision_loss, reason = "seconds of a process are far below 2^52")]
    let cpu_seconds = cpu.tv_sec as f64 + cpu.tv_nsec as f64 / 1e9;
    ProcessMetrics {
        cpu_seconds,
        resident_bytes: fs::read_to_string("/proc/self/status").ok().and_then(|status| resident(&status)),
        // Reading the directory takes a descriptor that is not there afterwards.
        open_descriptors: fs::read_dir("/proc/self/fd")
            .ok()
            .map(|all| (all.count() as u64).saturating_sub(1)),
        most_descriptors: getrlimit(Resource::Nofile).current,
        start_seconds: started.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64(),
    }
}

/// The memory in use, of the page that Linux has about a process.
fn resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_page_about_a_process() {
        let check = |status: &str, expect| assert_eq!(resident(status), expect, "{status:?}");
        check("Name:\tedge\nVmRSS:\t   15360 kB\nRssAnon:\t 1 kB\n", Some(15_728_640));
        check("VmRSS:\t1 pages\n", None);
        check("Name:\tVmRSS: 1 kB\n", None);
        check("", None);
    }

    #[test]
    fn this_process() {
        let started = SystemTime::UNIX_EPOCH + Duration::from_millis(1_500);
        let found = read(started);
        assert!(found.cpu_seconds > 0.0 && found.start_seconds == 1.5, "{found:?}");
        assert!(found.resident_bytes.is_some_and(|bytes| bytes > 1 << 20), "{found:?}");
        assert!(found.open_descriptors.is_some_and(|count| count >= 3), "{found:?}");
    }
}
