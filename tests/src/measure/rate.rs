//! Load over kept connections, with the time of each answer.
//!
//! [`run`] sends at a fixed rate. Times count from the moment at which a request was due, whether or not a connection
//! was free then: a server that stalls is charged for everybody who waited (no coordinated omission). [`flood`] sends
//! as fast as answers come.

use super::message::{content_length, head_end, second_word};
use anyhow::{Context, ensure};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use std::{
    net::SocketAddr,
    ops::Range,
    os::fd::OwnedFd,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, unix::AsyncFd},
    net::TcpStream,
    sync::mpsc,
    task::JoinSet,
};

/// The bytes of the n-th request.
pub type Requests = Arc<dyn Fn(u64) -> Vec<u8> + Send + Sync>;

/// A GET of always the same path.
#[must_use]
pub fn get(address: SocketAddr, path: &str) -> Requests {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n").into_bytes();
    Arc::new(move |_| request.clone())
}

/// How fast, and over how many connections.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Requests per second.
    pub rate: u32,
    /// Kept connections.
    pub connections: usize,
}

/// The longest answer that is read.
const LARGEST: usize = 256 * 1024;

/// What came of it.
#[derive(Debug)]
pub struct Latencies {
    sorted: Vec<Duration>,
    /// Requests that were not answered with 2xx.
    pub failed: u64,
}

impl Latencies {
    /// The duration that this part of the requests did not exceed.
    pub fn quantile(&self, part: f64) -> Duration {
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
    pub fn count(&self) -> usize {
        self.sorted.len()
    }
}

/// Sends at this pace for `lasts`, after a warm-up that does not count.
///
/// # Errors
/// When no connection can be made.
pub async fn run(
    address: SocketAddr,
    pace: Pace,
    warm_up: Duration,
    lasts: Duration,
    requests: &Requests,
) -> anyhow::Result<Latencies> {
    let mut loops: JoinSet<(Vec<Duration>, u64)> = JoinSet::new();
    let mut queues = Vec::new();
    let counts_from = Instant::now() + warm_up;
    for _ in 0..pace.connections {
        let (queue, due) = mpsc::unbounded_channel();
        queues.push(queue);
        loops.spawn(Connection::open(address).await?.when_due(due, counts_from, Arc::clone(requests)));
    }
    send_out(&queues, pace.rate, counts_from + lasts).await?;
    drop(queues);
    collect(loops).await
}

/// Sends over so many connections for `lasts`, each as soon as it has its answer, after a warm-up that does not count.
///
/// # Errors
/// When no connection can be made.
pub async fn flood(
    address: SocketAddr,
    connections: usize,
    warm_up: Duration,
    lasts: Duration,
    requests: &Requests,
) -> anyhow::Result<Latencies> {
    let mut loops: JoinSet<(Vec<Duration>, u64)> = JoinSet::new();
    let counts_from = Instant::now() + warm_up;
    let numbers = Arc::new(AtomicU64::new(0));
    for _ in 0..connections {
        let connection = Connection::open(address).await?;
        let (numbers, requests) = (Arc::clone(&numbers), Arc::clone(requests));
        loops.spawn(connection.without_pause(counts_from..counts_from + lasts, numbers, requests));
    }
    collect(loops).await
}

async fn collect(mut loops: JoinSet<(Vec<Duration>, u64)>) -> anyhow::Result<Latencies> {
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
    queues: &[mpsc::UnboundedSender<(u64, Instant)>],
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
        let _ = queues[number as usize % queues.len()].send((u64::from(number), due));
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

/// A kept connection, opened again when it breaks.
struct Connection {
    address: SocketAddr,
    stream: TcpStream,
    buffer: Vec<u8>,
    times: Vec<Duration>,
    failed: u64,
}

impl Connection {
    async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = connect(address).await?;
        Ok(Self { address, stream, buffer: vec![0; LARGEST], times: Vec::new(), failed: 0 })
    }

    /// Sends a request at each moment that comes, as soon as the one before it is answered.
    async fn when_due(
        mut self,
        mut due: mpsc::UnboundedReceiver<(u64, Instant)>,
        counts_from: Instant,
        requests: Requests,
    ) -> (Vec<Duration>, u64) {
        while let Some((number, due)) = due.recv().await {
            if !self.ask(&requests(number), due, due >= counts_from).await {
                break;
            }
        }
        (self.times, self.failed)
    }

    /// Sends one request after the other; those of `counts` count.
    async fn without_pause(
        mut self,
        counts: Range<Instant>,
        numbers: Arc<AtomicU64>,
        requests: Requests,
    ) -> (Vec<Duration>, u64) {
        loop {
            let now = Instant::now();
            let request = requests(numbers.fetch_add(1, Ordering::Relaxed));
            if now >= counts.end || !self.ask(&request, now, now >= counts.start).await {
                return (self.times, self.failed);
            }
        }
    }

    /// One request and its time since `begin`. False when there is nobody any more.
    async fn ask(&mut self, request: &[u8], begin: Instant, counts: bool) -> bool {
        match exchange(&mut self.stream, request, &mut self.buffer).await {
            Ok(_) if counts => self.times.push(begin.elapsed()),
            Ok(_) => {}
            Err(_) => {
                self.failed += u64::from(counts);
                match connect(self.address).await {
                    Ok(again) => self.stream = again,
                    Err(_) => return false,
                }
            }
        }
        true
    }
}

async fn connect(address: SocketAddr) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// One request on a kept connection; where the body of its answer stands in the buffer.
///
/// # Errors
/// When the answer is not 2xx, breaks off, or is larger than the buffer.
pub async fn exchange<S: AsyncReadExt + AsyncWriteExt + Unpin>(
    stream: &mut S,
    request: &[u8],
    buffer: &mut [u8],
) -> anyhow::Result<Range<usize>> {
    stream.write_all(request).await?;
    let mut filled = 0;
    loop {
        let read = stream.read(&mut buffer[filled..]).await?;
        ensure!(read > 0, "the connection ended before the answer");
        filled += read;
        if let Some(end) = head_end(&buffer[..filled]) {
            let head = &buffer[..end];
            ensure!(second_word(head).starts_with(b"2"), "{}", String::from_utf8_lossy(&buffer[..filled]));
            let whole = end + content_length(head).context("a length that is no number")?;
            ensure!(whole <= buffer.len(), "an answer that is too long");
            if filled >= whole {
                return Ok(end..whole);
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
        let pace = Pace { rate: 1000, connections: 1 };
        let found = run(address, pace, Duration::ZERO, lasts, &get(address, "/")).await.expect("a run");
        assert_eq!(found.failed, 0);
        assert!(found.count() >= 390, "{} answered", found.count());
        // Half of the requests were due during the stall: the median waited, although only one was ever sent into it.
        assert!(found.quantile(0.9) > stall / 2, "{:?}", found.quantile(0.9));
    }
}
