//! A task that probes again and again.

use super::{Change, Counter, ProbeResult, ProbeSpec, Secure, probe};
use std::{net::SocketAddr, time::Duration};
use tokio::{sync::watch, time::Instant};

/// What the probes say about an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// It has never been good, and may still take its time.
    Starting,
    /// It has never been good, and its time is over. It is still asked, and may become good.
    Late,
    /// It is good.
    Good,
    /// It was good and is not any more.
    Bad,
}

/// What is known at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct ProbeState {
    /// What the probes say.
    pub health: Health,
    /// The last answer.
    pub last: Option<ProbeResult>,
    /// How many questions were asked.
    pub asked: u64,
}

/// A task that asks one instance as long as this lives.
#[derive(Debug)]
pub struct Prober {
    state: watch::Receiver<ProbeState>,
    task: tokio::task::JoinHandle<()>,
}

/// Until an instance is good for the first time it is asked this often at first,
const EAGER: Duration = Duration::from_millis(10);
/// and this often when it takes longer.
const PATIENT: Duration = Duration::from_millis(100);

/// Looking which ports a process has open costs more than the question itself, so hints are renewed this often only,
const HINT_EVERY: Duration = Duration::from_millis(500);
/// and shortly before the deadline, where they are read.
const HINT_BEFORE_DEADLINE: Duration = Duration::from_millis(50);

impl Prober {
    /// Starts to ask, in TLS if `secure` says how. `pid` tells the instance's present process, for hints.
    #[must_use]
    pub fn start(
        spec: ProbeSpec,
        address: SocketAddr,
        secure: Option<Secure>,
        pid: impl Fn() -> Option<u32> + Send + Sync + 'static,
    ) -> Self {
        let (sender, state) = watch::channel(ProbeState { health: Health::Starting, last: None, asked: 0 });
        let task = tokio::spawn(ask(spec, address, secure, pid, sender));
        Self { state, task }
    }

    /// What is known now.
    #[must_use]
    pub fn state(&self) -> ProbeState {
        self.state.borrow().clone()
    }

    /// What is known, as it changes.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<ProbeState> {
        self.state.clone()
    }

    /// Waits until the instance is good (`Ok`) or its start deadline has passed (`Err`); both with the last answer.
    ///
    /// # Errors
    /// The last answer before the deadline; `None` when no question was answered in time.
    pub async fn started(&self) -> Result<ProbeResult, Option<ProbeResult>> {
        let mut state = self.watch();
        let decided = state.wait_for(|state| state.health != Health::Starting).await;
        match decided {
            Ok(state) if state.health == Health::Late => Err(state.last.clone()),
            Ok(state) => state.last.clone().ok_or(None),
            Err(_) => Err(None),
        }
    }
}

impl Drop for Prober {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn ask(
    spec: ProbeSpec,
    address: SocketAddr,
    secure: Option<Secure>,
    pid: impl Fn() -> Option<u32> + Send + Sync + 'static,
    state: watch::Sender<ProbeState>,
) {
    let began = Instant::now();
    let deadline = spec.start_deadline.map(|deadline| began + deadline);
    let mut counter = Counter::new(spec.rise, spec.fall);
    let mut been_good = false;
    let mut hinted: Option<Instant> = None;
    loop {
        let at = Instant::now();
        let last_call =
            deadline.is_some_and(|deadline| at <= deadline && deadline - at <= HINT_BEFORE_DEADLINE);
        let with_hint = last_call || at - hinted.unwrap_or(began) >= HINT_EVERY;
        let question = probe(&spec, address, secure.as_ref(), if with_hint { pid() } else { None });
        if with_hint {
            hinted = Some(at);
        }
        let result = match deadline {
            Some(deadline) if !been_good && state.borrow().health == Health::Starting => {
                tokio::select! {
                    biased;
                    result = question => Some(result),
                    () = tokio::time::sleep_until(deadline) => None,
                }
            }
            _ => Some(question.await),
        };
        let change = result.as_ref().map_or(Change::None, |result| counter.record(result.ok));
        been_good |= change == Change::Rose;
        let late = deadline.is_some_and(|deadline| Instant::now() >= deadline);
        state.send_modify(|state| {
            state.asked += 1;
            if let Some(mut result) = result {
                if let Some(last) = state.last.take()
                    && result.hint.is_none()
                    && last.error == result.error
                {
                    result.hint = last.hint;
                }
                state.last = Some(result);
            }
            state.health = match (change, state.health) {
                (Change::Rose, _) => Health::Good,
                (Change::Fell, _) => Health::Bad,
                (Change::None, Health::Starting) if late => Health::Late,
                (Change::None, health) => health,
            };
        });
        if state.is_closed() {
            return;
        }
        let pause = pause(&spec, been_good, began.elapsed());
        let next = at + pause;
        // The deadline of the start is kept to the moment, not to the next question.
        match deadline {
            Some(deadline) if !been_good && deadline > Instant::now() => {
                tokio::time::sleep_until(next.min(deadline)).await
            }
            _ => tokio::time::sleep_until(next).await,
        }
    }
}

/// Time between two questions.
fn pause(spec: &ProbeSpec, been_good: bool, running: Duration) -> Duration {
    if been_good {
        return spec.interval.max(EAGER);
    }
    let eager = (running / 20).clamp(EAGER, PATIENT);
    spec.interval.clamp(EAGER, eager)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::ProbeKind;

    #[test]
    fn a_start_is_watched_closely_and_a_running_instance_at_its_interval() {
        let spec = ProbeSpec {
            kind: ProbeKind::Tcp,
            interval: Duration::from_secs(5),
            timeout: Duration::from_secs(1),
            rise: 1,
            fall: 1,
            start_deadline: None,
        };
        for (been_good, running, expect) in
            [(false, 0, 10), (false, 1_000, 50), (false, 60_000, 100), (true, 0, 5_000)]
        {
            assert_eq!(pause(&spec, been_good, Duration::from_millis(running)).as_millis(), expect);
        }
        let hasty = ProbeSpec { interval: Duration::from_millis(1), ..spec };
        assert_eq!(pause(&hasty, true, Duration::ZERO), EAGER);
        assert_eq!(pause(&hasty, false, Duration::from_secs(60)), EAGER);
    }
}
