//! The machine: which core is whose, and how many descriptors there are.

use anyhow::{Context, ensure};
use rustix::process::{Resource, Rlimit, Signal, getrlimit, set_parent_process_death_signal, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::time::Duration;

/// Who works where.
#[derive(Clone, Copy, Debug)]
pub struct Cores {
    /// The proxies; only one of them works at a time.
    pub proxy: usize,
    /// The load generator.
    pub load: usize,
    /// The upstream: the load generator's core where there are only two.
    pub upstream: usize,
}

impl Cores {
    /// The first cores that this process may use.
    pub fn choose() -> anyhow::Result<Self> {
        let allowed = sched_getaffinity(None).context("the kernel does not say which cores may be used")?;
        let cores: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core)).take(3).collect();
        ensure!(
            cores.len() >= 2,
            "a comparison needs 2 cores, one for the proxy and one for its load; nothing was run"
        );
        Ok(Self { proxy: cores[0], load: cores[1], upstream: cores.get(2).copied().unwrap_or(cores[1]) })
    }
}

/// Moves this thread, and whatever it starts from now on, to a core.
pub fn pin(core: usize) -> anyhow::Result<()> {
    let mut set = CpuSet::new();
    set.set(core);
    sched_setaffinity(None, &set).with_context(|| format!("core {core} cannot be chosen"))
}

/// How long nobody has used a core since the machine was started.
pub fn idle(core: usize) -> anyhow::Result<Duration> {
    let text = std::fs::read_to_string("/proc/stat").context("/proc/stat cannot be read")?;
    let ticks = idle_ticks(&text, core).with_context(|| format!("/proc/stat does not know core {core}"))?;
    Ok(ticks_to_time(ticks))
}

/// CPU time as the kernel counts it.
pub fn ticks_to_time(ticks: u64) -> Duration {
    #[expect(clippy::cast_precision_loss, reason = "hundredths of seconds since a start")]
    let seconds = ticks as f64 / rustix::param::clock_ticks_per_second() as f64;
    Duration::from_secs_f64(seconds)
}

/// The columns `idle` and `iowait` of a core.
fn idle_ticks(stat: &str, core: usize) -> Option<u64> {
    let name = format!("cpu{core}");
    let line = stat.lines().find(|line| line.split(' ').next() == Some(&name))?;
    let mut columns = line.split_whitespace().skip(4);
    let mut next = || columns.next()?.parse::<u64>().ok();
    Some(next()? + next()?)
}

/// Takes as many descriptors as the system gives, up to `wanted`, also for what is started; returns how many there are.
pub fn descriptors(wanted: u64) -> u64 {
    let now = getrlimit(Resource::Nofile);
    let hard = now.maximum.unwrap_or(u64::MAX);
    // Raising the hard limit is for the superuser alone; where that is refused, the hard limit is what there is.
    for most in [wanted.max(hard), hard] {
        let raised = Rlimit { current: Some(most), maximum: Some(most) };
        if setrlimit(Resource::Nofile, raised).is_ok() {
            return most;
        }
    }
    now.current.unwrap_or(u64::MAX)
}

/// A part ends when the program that started it ends, however that happens.
pub fn end_with_parent() -> anyhow::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL)).context("the kernel does not watch over the parent")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_time_is_that_of_the_core() {
        let stat = "cpu  9 9 9 9 9 0 0 0 0 0\ncpu0 1 2 3 40 5 0 7 8 0 0\ncpu10 1 2 3 4 5 0 0 0 0 0\n";
        assert_eq!(idle_ticks(stat, 0), Some(45));
        assert_eq!(idle_ticks(stat, 10), Some(9));
        assert_eq!(idle_ticks(stat, 1), None);
    }
}
