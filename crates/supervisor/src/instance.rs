//! One instance: a process that is kept running, with one task that owns it.

use crate::{
    Exit, How, Identity, Process, Restart, RestartCounter, Spec, StartError, State, Status, StopError,
    StopPolicy, Stopped, Verdict, log::Rotation,
};
use std::time::{Duration, SystemTime};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::Instant,
};

/// A process that is kept running according to its [`Spec`].
///
/// One task owns the process; this handle sends it requests and shows its [`Status`]. **Dropping the handle lets go
/// of the process without stopping it**: it runs on, unwatched, and can be adopted again by its [`Identity`].
#[derive(Debug)]
pub struct Instance {
    id: String,
    status: watch::Receiver<Status>,
    requests: mpsc::Sender<Request>,
    task: tokio::task::JoinHandle<()>,
}

/// What became of an attempt to take over a process.
#[derive(Debug)]
pub enum Adoption {
    /// It runs and is looked after again.
    Adopted(Instance),
    /// It is not there any more, or its id belongs to another process.
    Gone,
}

enum Request {
    Stop { policy: Option<StopPolicy>, answer: oneshot::Sender<Result<Stopped, StopError>> },
    Restart { answer: oneshot::Sender<Result<Stopped, StopError>> },
}

impl Instance {
    /// Starts what `spec` names and keeps it running. When this returns, the program's own code runs.
    ///
    /// # Errors
    /// [`StartError`]; nothing runs then, and nothing will be tried again.
    pub async fn start(spec: Spec) -> Result<Self, StartError> {
        let process = Process::start(&spec).await?;
        Ok(Self::own(process, spec))
    }

    /// Takes over a process that an earlier supervisor started for this `spec`.
    #[must_use]
    pub fn adopt(identity: &Identity, spec: Spec) -> Adoption {
        match Process::adopt(identity) {
            Some(process) => Adoption::Adopted(Self::own(process, spec)),
            None => Adoption::Gone,
        }
    }

    fn own(process: Process, spec: Spec) -> Self {
        let (status_sender, status) = watch::channel(Status {
            state: running(&process),
            identity: Some(process.identity().clone()),
            exits: 0,
            restarts: 0,
            last_exit: None,
            notes: process.notes().to_vec(),
        });
        let (requests, received) = mpsc::channel(8);
        let id = spec.id.clone();
        let owner = Owner { spec, status: status_sender, requests: received };
        let task = tokio::spawn(owner.run(process));
        Self { id, status, requests, task }
    }

    /// The name of its specification.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What it is doing now.
    #[must_use]
    pub fn status(&self) -> Status {
        self.status.borrow().clone()
    }

    /// What it is doing, as it changes.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Status> {
        self.status.clone()
    }

    /// Waits for the first time that it ends by itself, which may have been before the call.
    pub async fn exited(&self) -> Exit {
        let mut status = self.watch();
        match status.wait_for(|status| status.exits > 0 || matches!(status.state, State::Stopped(_))).await {
            Ok(status) => match (&status.last_exit, &status.state) {
                (Some(exit), _) => exit.clone(),
                (None, State::Stopped(Stopped { how: How::Exited(exit), .. })) => exit.clone(),
                (None, _) => Exit::Signal(libc::SIGKILL),
            },
            // The owner only ends with the handle, which is borrowed here, or with the runtime.
            Err(_) => Exit::Unknown,
        }
    }

    /// Stops it for good, with everything it has started. Stopping what is stopped gives the same answer again.
    ///
    /// # Errors
    /// [`StopError`] when something of it is left.
    pub async fn stop(&self) -> Result<Stopped, StopError> {
        self.ask(|answer| Request::Stop { policy: None, answer }).await
    }

    /// The same with another signal or grace than its specification says.
    ///
    /// # Errors
    /// As [`Instance::stop`].
    pub async fn stop_with(&self, policy: StopPolicy) -> Result<Stopped, StopError> {
        self.ask(|answer| Request::Stop { policy: Some(policy), answer }).await
    }

    /// Stops it and starts it again at once, also when it has been stopped or is in a crash loop: for a liveness
    /// probe that fails, or a person who has repaired something. Answers when the old process is gone; watch the
    /// status for the new one.
    ///
    /// # Errors
    /// As [`Instance::stop`]; it is not started again then.
    pub async fn restart(&self) -> Result<Stopped, StopError> {
        self.ask(|answer| Request::Restart { answer }).await
    }

    /// Lets go of the process without stopping it and says how to find it again. The same as dropping the handle.
    #[must_use]
    pub fn detach(self) -> Option<Identity> {
        self.status.borrow().identity.clone()
    }

    async fn ask(
        &self,
        request: impl FnOnce(oneshot::Sender<Result<Stopped, StopError>>) -> Request,
    ) -> Result<Stopped, StopError> {
        let (answer, answered) = oneshot::channel();
        let lost = || StopError::NoOwner { id: self.id.clone() };
        self.requests.send(request(answer)).await.map_err(|_| lost())?;
        answered.await.map_err(|_| lost())?
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn running(process: &Process) -> State {
    State::Running { since: SystemTime::now(), adopted: process.is_adopted() }
}

/// The task that owns the process.
struct Owner {
    spec: Spec,
    status: watch::Sender<Status>,
    requests: mpsc::Receiver<Request>,
}

/// What the owner does next.
enum Next {
    Start,
    Pause(Instant),
    Rest,
}

impl Owner {
    async fn run(mut self, process: Process) {
        let _rotation = Rotation::start(self.spec.log.clone());
        let mut counter = self.counter();
        let Some(mut next) = self.supervise(process, &mut counter).await else { return };
        loop {
            next = match next {
                Next::Start => {
                    self.status.send_modify(|status| status.state = State::Starting);
                    match Process::start(&self.spec).await {
                        Ok(process) => {
                            self.status.send_modify(|status| {
                                status.state = running(&process);
                                status.identity = Some(process.identity().clone());
                                status.restarts += 1;
                                status.notes = process.notes().to_vec();
                            });
                            match self.supervise(process, &mut counter).await {
                                Some(next) => next,
                                None => return,
                            }
                        }
                        Err(error) => self.ended(
                            Exit::NotStarted { reason: sentence(&error) },
                            Duration::ZERO,
                            &mut counter,
                        ),
                    }
                }
                Next::Pause(until) => tokio::select! {
                    () = tokio::time::sleep_until(until) => Next::Start,
                    request = self.requests.recv() => match request {
                        Some(request) => self.without_process(request),
                        None => return,
                    },
                },
                Next::Rest => match self.requests.recv().await {
                    Some(request) => {
                        // Whoever starts it again by hand has changed something; what was before does not count.
                        counter = self.counter();
                        self.without_process(request)
                    }
                    None => return,
                },
            };
        }
    }

    fn counter(&self) -> Option<RestartCounter> {
        match self.spec.restart {
            Restart::Never => None,
            Restart::Backoff(policy) => Some(RestartCounter::new(policy)),
        }
    }

    /// Looks after a running process until it has ended or was stopped. `None` when the handle is gone.
    async fn supervise(&mut self, process: Process, counter: &mut Option<RestartCounter>) -> Option<Next> {
        let began = Instant::now();
        loop {
            let request = tokio::select! {
                biased;
                request = self.requests.recv() => request?,
                exit = process.wait() => {
                    // What it has left behind would hold its ports and its files against its successor.
                    if let Err(error) = process.sweep().await {
                        tracing::warn!(instance = %self.spec.id, %error, "something of an ended process is left");
                    }
                    return Some(self.ended(exit, began.elapsed(), counter));
                }
            };
            let (policy, answer, again) = match request {
                Request::Stop { policy, answer } => (policy, answer, false),
                Request::Restart { answer } => (None, answer, true),
            };
            let before = self.status.borrow().state.clone();
            self.status.send_modify(|status| status.state = State::Stopping);
            match process.stop(policy.unwrap_or(self.spec.stop)).await {
                Ok(stopped) => {
                    self.status.send_modify(|status| {
                        status.identity = None;
                        status.state = State::Stopped(stopped.clone());
                    });
                    let _ = answer.send(Ok(stopped));
                    return Some(if again { Next::Start } else { Next::Rest });
                }
                Err(error) => {
                    self.status.send_modify(|status| status.state = before);
                    let _ = answer.send(Err(error));
                }
            }
        }
    }

    /// Records that the process ended by itself and decides what comes next.
    fn ended(&mut self, exit: Exit, ran: Duration, counter: &mut Option<RestartCounter>) -> Next {
        let verdict = counter.as_mut().map(|counter| counter.exited(Instant::now().into_std()));
        let (state, next) = match verdict {
            None => (State::Exited { exit: exit.clone(), ran }, Next::Rest),
            Some(Verdict::RestartAfter(pause)) => {
                let until = Instant::now() + pause;
                (State::Backoff { exit: exit.clone(), until }, Next::Pause(until))
            }
            Some(Verdict::GiveUp { failures }) => {
                (State::CrashLoop { exit: exit.clone(), failures }, Next::Rest)
            }
        };
        tracing::info!(instance = %self.spec.id, %state, "process ended");
        self.status.send_modify(|status| {
            status.state = state;
            status.identity = None;
            status.exits += 1;
            status.last_exit = Some(exit);
        });
        next
    }

    /// A request while no process runs.
    fn without_process(&mut self, request: Request) -> Next {
        let (answer, next) = match request {
            Request::Stop { answer, .. } => (answer, Next::Rest),
            Request::Restart { answer } => (answer, Next::Start),
        };
        let stopped = match &self.status.borrow().state {
            State::Stopped(stopped) => stopped.clone(),
            State::Exited { exit, .. } | State::Backoff { exit, .. } | State::CrashLoop { exit, .. } => {
                Stopped { how: How::Exited(exit.clone()), after: Duration::ZERO }
            }
            State::Starting | State::Running { .. } | State::Stopping => {
                Stopped { how: How::Exited(Exit::Unknown), after: Duration::ZERO }
            }
        };
        if matches!(next, Next::Rest) {
            self.status.send_modify(|status| status.state = State::Stopped(stopped.clone()));
        }
        let _ = answer.send(Ok(stopped));
        next
    }
}

/// An error with its causes in one line.
fn sentence(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
