//! Limits as the files of a control group want them.

use crate::Limits;

/// Settings that not every kernel has; without them the limit still holds, or holds for memory without swap.
pub(super) const OPTIONAL: [&str; 2] = ["memory.memsw.limit_in_bytes", "memory.swap.max"];

/// `(limit, file, value)` for one controller of version 1, in the order in which they have to be written.
pub(super) fn settings_v1(controller: &str, limits: &Limits) -> Vec<(&'static str, &'static str, String)> {
    let Limits { memory_bytes, cpu_millis, pids } = *limits;
    let mut settings = Vec::new();
    match controller {
        "memory" => {
            if let Some(bytes) = memory_bytes {
                settings.push(("memory", "memory.limit_in_bytes", bytes.to_string()));
                settings.push(("memory", "memory.memsw.limit_in_bytes", bytes.to_string()));
            }
        }
        "cpu" => {
            if let Some(millis) = cpu_millis {
                settings.push(("cpu", "cpu.cfs_period_us", PERIOD.to_string()));
                settings.push(("cpu", "cpu.cfs_quota_us", quota(millis).to_string()));
            }
        }
        "pids" => {
            if let Some(pids) = pids {
                settings.push(("pids", "pids.max", pids.to_string()));
            }
        }
        _ => {}
    }
    settings
}

/// The same for version 2, for all controllers.
pub(super) fn settings_v2(limits: &Limits) -> Vec<(&'static str, &'static str, String)> {
    let Limits { memory_bytes, cpu_millis, pids } = *limits;
    let mut settings = Vec::new();
    if let Some(bytes) = memory_bytes {
        settings.push(("memory", "memory.max", bytes.to_string()));
        settings.push(("memory", "memory.swap.max", "0".to_owned()));
    }
    if let Some(millis) = cpu_millis {
        settings.push(("cpu", "cpu.max", format!("{} {PERIOD}", quota(millis))));
    }
    if let Some(pids) = pids {
        settings.push(("pids", "pids.max", pids.to_string()));
    }
    settings
}

/// Scheduling period in microseconds.
const PERIOD: u64 = 100_000;

/// Microseconds of CPU for each period; the kernel takes no less than 1,000.
fn quota(millis: u32) -> u64 {
    (u64::from(millis) * PERIOD / 1_000).max(1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_of_both_versions() {
        let limits = Limits { memory_bytes: Some(64 << 20), cpu_millis: Some(500), pids: Some(10) };
        assert_eq!(
            settings_v2(&limits).iter().map(|(_, file, value)| format!("{file}={value}")).collect::<Vec<_>>(),
            ["memory.max=67108864", "memory.swap.max=0", "cpu.max=50000 100000", "pids.max=10"]
        );
        let v1: Vec<String> = ["memory", "cpu", "pids", "cpuset"]
            .iter()
            .flat_map(|controller| settings_v1(controller, &limits))
            .map(|(_, file, value)| format!("{file}={value}"))
            .collect();
        assert_eq!(
            v1,
            [
                "memory.limit_in_bytes=67108864",
                "memory.memsw.limit_in_bytes=67108864",
                "cpu.cfs_period_us=100000",
                "cpu.cfs_quota_us=50000",
                "pids.max=10"
            ]
        );
        assert!(settings_v2(&Limits::default()).is_empty());
        assert_eq!(quota(1), 1_000);
    }
}
