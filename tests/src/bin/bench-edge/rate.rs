//! A fixed rate of requests. Times count from the moment at which a request was due, whether or not a connection was
//! free then: a proxy that stalls is charged for everybody who waited (no coordinated omission).

use crate::message::{content_length, head_end, second_word};
use anyhow::{Context, ensure};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use std::{
    net::SocketAddr,
    os::fd::OwnedFd,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, unix::AsyncFd},
    net::TcpStream,
    sync::mpsc,
    task::JoinSet,
};

/// What came of it.
#[derive(Debug)]
pub(crate) struct Latencies {
    sorted: Vec<Duration>,
    /// Requests that were not answered with 2xx.
    pub(crate) failed: u64,
}

impl Latencies {
    /// The duration that this part of the requests did not exceed.
    pub(crate) fn quantile(&self, part: f64) -> Duration {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "an index below the length"
        )]
        let index = (self.sorted.len() as f64 * part) as usize;
        let last = self.sorted.len().saturating_sub(1);
        self.sorted.get(index.min(last)).copied().unwrap_or_default()
    }

    /// How many were answered.
    pub(crate) fn count(&self) -> usize {
        self.sorted.len()
    }
}

/// Sends `rate` requests per second over `connections` kept connections for `lasts`, after a warm-up that does not count.
pub(crate) async fn run(
    address: SocketAddr,
    rate: u32,
    connections: usize,
    warm_up: Duration,
    lasts: Duration,
) -> anyhow::Result<Latencies> {
    let mut loops: JoinSet<(Vec<Duration>, u64)> = JoinSet::new();
    let mut queues = Vec::new();
    let counts_from = Instant::now() + warm_up;
    for _ in 0..connections {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (queue, due) = mpsc::unbounded_channel();
        queues.push(queue);
        loops.spawn(connection(stream, address, due, counts_from));
    }
    send_out(&queues, rate, counts_from + lasts).await?;
    drop(queues);
    let (mut sorted, mut failed) = (Vec::new(), 0);
    while let Some(ended) = loops.join_next().await {
        let (times, broken) = ended.context("a loop of the load ended with a panic")?;
        sorted.extend(times);
        failed += broken;
    }
    sorted.sort_unstable();
    Ok(Latencies { sorted, failed })
}

/// Gives each due moment to the next connection in turn.
async fn send_out(
    queues: &[mpsc::UnboundedSender<Instant>],
    rate: u32,
    until: Instant,
) -> anyhow::Result<()> {
    let step = Duration::from_secs(1) / rate;
    let timer = timer(step)?;
    let begin = Instant::now();
    for number in 1_u32.. {
        let due = begin + step * number;
        if due > until {
            break;
        }
        while Instant::now() < due {
            let mut ready = timer.readable().await?;
            // Its content, how often it rang, is known from the clock.
            let _ = rustix::io::read(timer.get_ref(), &mut [0_u8; 8]);
            ready.clear_ready();
        }
        // A connection that broke has been counted; its share is lost and shows in the count.
        let _ = queues[number as usize % queues.len()].send(due);
    }
    Ok(())
}

/// The runtime's own timers go by the millisecond, which is longer than what is measured.
#[expect(
    deprecated,
    reason = "an `OwnedFd` keeps its descriptor, which is what the unsafe successor asks for"
)]
fn timer(step: Duration) -> anyhow::Result<AsyncFd<OwnedFd>> {
    let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
    let step = Timespec { tv_sec: 0, tv_nsec: step.subsec_nanos().into() };
    let every = Itimerspec { it_interval: step, it_value: step };
    timerfd_settime(&timer, TimerfdTimerFlags::empty(), &every)?;
    Ok(AsyncFd::new(timer)?)
}

async fn connection(
    mut stream: TcpStream,
    address: SocketAddr,
    mut due: mpsc::UnboundedReceiver<Instant>,
    counts_from: Instant,
) -> (Vec<Duration>, u64) {
    let request = format!("GET / HTTP/1.1\r\nHost: {address}\r\n\r\n").into_bytes();
    let mut buffer = vec![0; 64 * 1024];
    let (mut times, mut failed) = (Vec::new(), 0);
    while let Some(due) = due.recv().await {
        let answered = exchange(&mut stream, &request, &mut buffer).await;
        if due < counts_from {
            continue;
        }
        match answered {
            Ok(()) => times.push(due.elapsed()),
            Err(_) => {
                failed += 1;
                match TcpStream::connect(address).await {
                    Ok(again) => stream = again,
                    Err(_) => break,
                }
            }
        }
    }
    (times, failed)
}

/// One request on a kept connection, and its whole answer.
pub(crate) async fn exchange<S: AsyncReadExt + AsyncWriteExt + Unpin>(
    stream: &mut S,
    request: &[u8],
    buffer: &mut [u8],
) -> anyhow::Result<()> {
    stream.write_all(request).await?;
    let mut filled = 0;
    loop {
        let read = stream.read(&mut buffer[filled..]).await?;
        ensure!(read > 0, "the connection ended before the answer");
        filled += read;
        if let Some(end) = head_end(&buffer[..filled]) {
            let head = &buffer[..end];
            ensure!(second_word(head).starts_with(b"2"), "{}", String::from_utf8_lossy(head));
            let whole = end + content_length(head).context("a length that is no number")?;
            ensure!(whole <= buffer.len(), "an answer that is too long");
            if filled >= whole {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_taken_from_the_sorted_times() {
        let latencies = Latencies { sorted: (1..=100).map(Duration::from_micros).collect(), failed: 0 };
        assert_eq!(latencies.quantile(0.5), Duration::from_micros(51));
        assert_eq!(latencies.quantile(0.99), Duration::from_micros(100));
        assert_eq!(latencies.quantile(1.0), Duration::from_micros(100));
        assert_eq!(Latencies { sorted: Vec::new(), failed: 0 }.quantile(0.99), Duration::ZERO);
    }

    /// A server that stands still for a while is charged for all requests that were due meanwhile.
    #[tokio::test]
    async fn who_waits_for_a_stalled_server_counts() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let stall = Duration::from_millis(200);
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            let mut buffer = [0; 1024];
            let mut first = true;
            while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {
                if std::mem::take(&mut first) {
                    tokio::time::sleep(stall).await;
                }
                let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
                stream.write_all(answer).await.expect("the client is there");
            }
        });
        let lasts = Duration::from_millis(400);
        let found = run(address, 1000, 1, Duration::ZERO, lasts).await.expect("a run");
        assert_eq!(found.failed, 0);
        assert!(found.count() >= 390, "{} answered", found.count());
        // Half of the requests were due during the stall: the median waited, although only one was ever sent into it.
        assert!(found.quantile(0.9) > stall / 2, "{:?}", found.quantile(0.9));
    }
}
