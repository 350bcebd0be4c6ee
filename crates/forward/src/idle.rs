//! A limit on silence that costs nothing while there is none.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// Expires when [`Idle::poll`] has been pending for the whole limit. The timer exists only from the first time that
/// something had to be waited for, and is moved only when it fires.
#[derive(Debug)]
pub(crate) struct Idle {
    limit: Option<Duration>,
    since: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Idle {
    pub(crate) fn new(limit: Option<Duration>) -> Self {
        Self { limit, since: None, timer: None }
    }

    /// Something came.
    pub(crate) fn reset(&mut self) {
        self.since = None;
    }

    /// Nothing has come. Ready when that has been so for the whole limit.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Duration> {
        let Some(limit) = self.limit else { return Poll::Pending };
        let deadline = *self.since.get_or_insert_with(Instant::now) + limit;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        while timer.as_mut().poll(cx).is_ready() {
            if timer.deadline() >= deadline {
                return Poll::Ready(limit);
            }
            timer.as_mut().reset(deadline);
        }
        Poll::Pending
    }
}
