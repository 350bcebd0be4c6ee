//! HTTP/1 as bytes: a strict reader of messages, an end of a connection that a test drives by hand, and an upstream
//! that records what arrives.
//!
//! The reader is strict on purpose. What it accepts has exactly one meaning for every recipient: lines end with CRLF,
//! there is one length and nothing else that could be taken for one. So when everything that the edge sends passes
//! here, no upstream however careless can see another number of requests than this reader does.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of this")]

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixListener};

/// How long a test waits for what should come at once.
pub const PATIENCE: Duration = Duration::from_secs(10);

pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Start line and fields of a message. Bytes above 127 are the characters of the same number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    pub start: String,
    pub fields: Vec<(String, String)>,
}

impl Head {
    /// All values of a field, in order.
    pub fn all(&self, name: &str) -> Vec<&str> {
        let same = |it: &&(String, String)| it.0.eq_ignore_ascii_case(name);
        self.fields.iter().filter(same).map(|(_, value)| value.as_str()).collect()
    }

    /// The value of a field that is there at most once.
    pub fn one(&self, name: &str) -> Option<&str> {
        let all = self.all(name);
        assert!(all.len() < 2, "{name} is there more than once: {all:?}");
        all.first().copied()
    }

    /// The elements of a list field, over all its lines.
    pub fn list(&self, name: &str) -> Vec<String> {
        let all = self.all(name).join(",");
        all.split(',').map(|it| it.trim().to_ascii_lowercase()).filter(|it| !it.is_empty()).collect()
    }

    pub fn method(&self) -> &str {
        self.start.split(' ').next().unwrap_or_default()
    }

    pub fn target(&self) -> &str {
        self.start.split(' ').nth(1).unwrap_or_default()
    }

    pub fn status(&self) -> u16 {
        self.start.split(' ').nth(1).and_then(|it| it.parse().ok()).unwrap_or(0)
    }
}

/// What follows a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    Bytes(u64),
    Chunked,
    /// Responses only: until the connection ends.
    Rest,
}

fn token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn text(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

/// The field lines of a head or trailer section.
fn fields(lines: &[u8]) -> Result<Vec<(String, String)>, String> {
    let mut fields = Vec::new();
    for line in split_lines(lines)? {
        let colon =
            line.iter().position(|it| *it == b':').ok_or_else(|| format!("no colon: {}", show(line)))?;
        let (name, value) = (&line[..colon], &line[colon + 1..]);
        if name.is_empty() || !name.iter().all(|it| token(*it)) {
            return Err(format!("not a field name: {}", show(line)));
        }
        if value.iter().any(|it| (*it < 0x20 && *it != b'\t') || *it == 0x7f) {
            return Err(format!("control character: {}", show(line)));
        }
        fields.push((text(name), text(value).trim().to_owned()));
    }
    Ok(fields)
}

/// Lines that each end with CRLF, without it.
fn split_lines(mut bytes: &[u8]) -> Result<Vec<&[u8]>, String> {
    let mut lines = Vec::new();
    while !bytes.is_empty() {
        let end = find(bytes, b"\r\n").ok_or_else(|| format!("no CRLF: {}", show(bytes)))?;
        let line = &bytes[..end];
        if line.iter().any(|it| [b'\r', b'\n', 0].contains(it)) {
            return Err(format!("bare CR, bare LF or NUL: {}", show(line)));
        }
        lines.push(line);
        bytes = &bytes[end + 2..];
    }
    Ok(lines)
}

pub fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|it| it == wanted)
}

/// Bytes for people.
pub fn show(bytes: &[u8]) -> String {
    let shown = bytes.escape_ascii().to_string();
    if shown.len() > 300 { format!("{}…", &shown[..300]) } else { shown }
}

/// Reads a head strictly: none as long as it is not complete.
pub fn head(bytes: &[u8]) -> Result<Option<(Head, usize)>, String> {
    let Some(end) = find(bytes, b"\r\n\r\n") else {
        // A head that ends differently would otherwise only look late.
        if find(bytes, b"\n\n").is_some()
            || find(bytes, b"\n\r\n").is_some_and(|at| at == 0 || bytes[at - 1] != b'\r')
        {
            return Err(format!("lines end with a bare LF: {}", show(bytes)));
        }
        return Ok(None);
    };
    let section = &bytes[..end + 2];
    let start = find(section, b"\r\n").expect("it ends with one");
    let line = &section[..start];
    if line.iter().any(|it| *it < 0x20 || *it == 0x7f) {
        return Err(format!("control character in the first line: {}", show(line)));
    }
    Ok(Some((Head { start: text(line), fields: fields(&section[start + 2..])? }, end + 4)))
}

/// The length that fields announce.
fn announced(head: &Head) -> Result<Option<Length>, String> {
    let lengths = head.all("content-length");
    let codings = head.all("transfer-encoding");
    match (lengths.as_slice(), codings.as_slice()) {
        ([], []) => Ok(None),
        ([length], []) => {
            // There are servers that read leading zeros as octal.
            let octal = length.len() > 1 && length.starts_with('0');
            if length.is_empty() || octal || !length.bytes().all(|it| it.is_ascii_digit()) {
                return Err(format!("not a length: {length}"));
            }
            Ok(Some(Length::Bytes(length.parse().map_err(|_| format!("not a length: {length}"))?)))
        }
        ([], [coding]) if coding.eq_ignore_ascii_case("chunked") => Ok(Some(Length::Chunked)),
        _ => Err(format!("lengths {lengths:?} and transfer codings {codings:?}")),
    }
}

/// What follows the head of a request.
pub fn request_length(head: &Head) -> Result<Length, String> {
    let words: Vec<&str> = head.start.split(' ').collect();
    let [method, target, version] = words.as_slice() else {
        return Err(format!("not a request line: {}", head.start));
    };
    if method.is_empty() || !method.bytes().all(token) || target.is_empty() {
        return Err(format!("not a request line: {}", head.start));
    }
    if !["HTTP/1.1", "HTTP/1.0"].contains(version) {
        return Err(format!("not a version: {version}"));
    }
    let hosts = head.all("host").len();
    if hosts > 1 || (hosts == 0 && *version == "HTTP/1.1") {
        return Err(format!("{hosts} hosts"));
    }
    Ok(announced(head)?.unwrap_or(Length::Bytes(0)))
}

/// What follows the head of a response to this method.
pub fn response_length(head: &Head, method: &str) -> Result<Length, String> {
    let status = head.status();
    if !head.start.starts_with("HTTP/1.") || !(100..1000).contains(&status) {
        return Err(format!("not a status line: {}", head.start));
    }
    let announced = announced(head)?;
    if (100..200).contains(&status) || status == 204 {
        // RFC 9112, 6.1 and RFC 9110, 8.6
        return match announced {
            None => Ok(Length::Bytes(0)),
            Some(length) => Err(format!("{status} with {length:?}")),
        };
    }
    if method == "HEAD" || status == 304 {
        return Ok(Length::Bytes(0));
    }
    Ok(announced.unwrap_or(Length::Rest))
}

/// A chunked body: its bytes, its trailers and how long it was; none as long as it is not complete.
#[expect(clippy::type_complexity, reason = "three things that only belong together here")]
pub fn chunked(bytes: &[u8]) -> Result<Option<(Vec<u8>, Vec<(String, String)>, usize)>, String> {
    let (mut body, mut at) = (Vec::new(), 0);
    loop {
        let Some(end) = find(&bytes[at..], b"\r\n") else {
            let digits = bytes[at..].iter().take_while(|it| it.is_ascii_hexdigit()).count();
            let rest = &bytes[at + digits..];
            return if digits <= 16 && (rest.is_empty() || rest == b"\r") {
                Ok(None)
            } else {
                Err(format!("not a chunk size: {}", show(&bytes[at..])))
            };
        };
        let digits = &bytes[at..at + end];
        let size = std::str::from_utf8(digits).ok().filter(|it| it.bytes().all(|it| it.is_ascii_hexdigit()));
        let size = size.and_then(|it| usize::from_str_radix(it, 16).ok());
        let size = size.ok_or_else(|| format!("not a chunk size: {}", show(digits)))?;
        at += end + 2;
        if size == 0 {
            break;
        }
        if bytes.len() < at + size + 2 {
            body.extend_from_slice(&bytes[at..bytes.len().min(at + size)]);
            return Ok(None);
        }
        body.extend_from_slice(&bytes[at..at + size]);
        if &bytes[at + size..at + size + 2] != b"\r\n" {
            return Err(format!("a chunk does not end with CRLF: {}", show(&bytes[at + size..])));
        }
        at += size + 2;
    }
    let rest = &bytes[at..];
    if rest.starts_with(b"\r\n") {
        return Ok(Some((body, Vec::new(), at + 2)));
    }
    let Some(end) = find(rest, b"\r\n\r\n") else { return Ok(None) };
    let trailers = fields(&rest[..end + 2])?;
    let forbidden = ["content-length", "transfer-encoding", "host", "connection", "trailer", "te"];
    if let Some((name, _)) =
        trailers.iter().find(|(name, _)| forbidden.contains(&name.to_ascii_lowercase().as_str()))
    {
        return Err(format!("{name} in the trailers"));
    }
    Ok(Some((body, trailers, at + end + 4)))
}

/// A whole message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    pub head: Head,
    pub body: Vec<u8>,
    pub trailers: Vec<(String, String)>,
}

impl Message {
    /// `POST /path 5`: method, target and length of the body of a request.
    pub fn summary(&self) -> String {
        format!("{} {} {}", self.head.method(), self.head.target(), self.body.len())
    }

    pub fn text(&self) -> String {
        text(&self.body)
    }
}

/// Reads a message whose head was read before: none as long as it is not complete.
fn message(head: Head, length: Length, rest: &[u8], ended: bool) -> Result<Option<(Message, usize)>, String> {
    match length {
        Length::Bytes(length) => {
            let length = usize::try_from(length).map_err(|_| "too long".to_owned())?;
            let Some(body) = rest.get(..length) else { return Ok(None) };
            Ok(Some((Message { head, body: body.to_vec(), trailers: Vec::new() }, length)))
        }
        Length::Chunked => {
            let Some((body, trailers, used)) = chunked(rest)? else { return Ok(None) };
            Ok(Some((Message { head, body, trailers }, used)))
        }
        Length::Rest if ended => {
            Ok(Some((Message { head, body: rest.to_vec(), trailers: Vec::new() }, rest.len())))
        }
        Length::Rest => Ok(None),
    }
}

/// Reads a request: none as long as it is not complete.
pub fn request(bytes: &[u8]) -> Result<Option<(Message, usize)>, String> {
    let Some((head, used)) = head(bytes)? else { return Ok(None) };
    let length = request_length(&head)?;
    Ok(message(head, length, &bytes[used..], false)?.map(|(it, more)| (it, used + more)))
}

/// Reads a response: none as long as it is not complete.
pub fn response(bytes: &[u8], method: &str, ended: bool) -> Result<Option<(Message, usize)>, String> {
    let Some((head, used)) = head(bytes)? else { return Ok(None) };
    let length = response_length(&head, method)?;
    Ok(message(head, length, &bytes[used..], ended)?.map(|(it, more)| (it, used + more)))
}

/// One end of a connection, driven by hand.
pub struct Wire {
    stream: Box<dyn Stream>,
    /// What was read and not taken yet.
    pub buffer: Vec<u8>,
    pub ended: bool,
}

impl Wire {
    pub fn new(stream: impl Stream + 'static) -> Self {
        Self { stream: Box::new(stream), buffer: Vec::new(), ended: false }
    }

    pub async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self::new(stream)
    }

    /// The next connection of a listener.
    pub async fn accept(listener: &TcpListener) -> Self {
        let (stream, _) = soon("a connection", listener.accept()).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self::new(stream)
    }

    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        soon("room to send", self.stream.write_all(bytes.as_ref())).await.unwrap();
    }

    pub async fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref()).await
    }

    /// Says that nothing more will be sent.
    pub async fn finish(&mut self) {
        let _ = self.stream.shutdown().await;
    }

    /// Reads once. A connection that was reset has ended.
    pub async fn fill(&mut self) -> usize {
        self.buffer.reserve(16 * 1024);
        let read = self.stream.read_buf(&mut self.buffer).await.unwrap_or(0);
        self.ended |= read == 0;
        read
    }

    /// The next head; none when the connection ended before it began.
    pub async fn try_head(&mut self) -> Option<Head> {
        loop {
            match head(&self.buffer) {
                Ok(Some((head, used))) => {
                    self.buffer.drain(..used);
                    return Some(head);
                }
                Ok(None) if self.ended => return None,
                Ok(None) => {
                    soon("a head", self.fill()).await;
                }
                Err(error) => panic!("{error}"),
            }
        }
    }

    pub async fn head(&mut self) -> Head {
        match self.try_head().await {
            Some(head) => head,
            None => panic!("the connection ended before a head: {}", show(&self.buffer)),
        }
    }

    /// Exactly so many bytes.
    pub async fn exactly(&mut self, length: usize) -> Vec<u8> {
        while self.buffer.len() < length {
            assert!(!self.ended, "the connection ended after {} of {length} bytes", self.buffer.len());
            soon("bytes", self.fill()).await;
        }
        self.buffer.drain(..length).collect()
    }

    /// Waits until these bytes have come, takes them and what was before them.
    pub async fn until(&mut self, wanted: &[u8]) -> Vec<u8> {
        loop {
            if let Some(at) = find(&self.buffer, wanted) {
                return self.buffer.drain(..at + wanted.len()).collect();
            }
            assert!(!self.ended, "the connection ended before {}: {}", show(wanted), show(&self.buffer));
            soon("bytes", self.fill()).await;
        }
    }

    /// A whole request.
    pub async fn request(&mut self) -> Message {
        loop {
            match request(&self.buffer) {
                Ok(Some((message, used))) => {
                    self.buffer.drain(..used);
                    return message;
                }
                Ok(None) => {
                    assert!(!self.ended, "the connection ended in a request: {}", show(&self.buffer));
                    soon("a request", self.fill()).await;
                }
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// A whole response to a request with this method, or why there is none.
    pub async fn try_response(&mut self, method: &str) -> Result<Message, String> {
        loop {
            match response(&self.buffer, method, self.ended)? {
                Some((message, used)) => {
                    self.buffer.drain(..used);
                    return Ok(message);
                }
                None if self.ended => return Err(format!("ended after {}", show(&self.buffer))),
                None => {
                    soon("a response", self.fill()).await;
                }
            }
        }
    }

    pub async fn response(&mut self, method: &str) -> Message {
        match self.try_response(method).await {
            Ok(message) => message,
            Err(error) => panic!("{error}"),
        }
    }

    /// Waits for the end of the connection; returns what came before it.
    pub async fn rest(&mut self) -> Vec<u8> {
        while !self.ended {
            soon("the end of the connection", self.fill()).await;
        }
        std::mem::take(&mut self.buffer)
    }
}

/// Fails when it does not happen soon.
pub async fn soon<T>(what: &str, it: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, it).await {
        Ok(it) => it,
        Err(_) => panic!("waited too long for {what}"),
    }
}

/// What a recording upstream has seen.
#[derive(Clone, Debug, Default)]
pub struct Log {
    /// What arrived on each connection, byte for byte.
    pub connections: Vec<Vec<u8>>,
    /// Complete requests.
    pub requests: Vec<Message>,
    /// What the strict reader would not read.
    pub violations: Vec<String>,
}

/// What a recording upstream answers.
#[derive(Clone, Debug)]
pub struct Answer {
    pub bytes: Vec<u8>,
    /// Whether the connection ends then.
    pub close: bool,
}

impl Answer {
    pub fn bytes(bytes: impl AsRef<[u8]>) -> Self {
        Self { bytes: bytes.as_ref().to_vec(), close: false }
    }

    pub fn last(bytes: impl AsRef<[u8]>) -> Self {
        Self { bytes: bytes.as_ref().to_vec(), close: true }
    }

    /// 200 with the request's summary.
    pub fn summary(request: &Message) -> Self {
        let body = if request.head.method() == "HEAD" { String::new() } else { request.summary() };
        Self::bytes(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()))
    }
}

/// An upstream that records every byte. Dropping it ends it with its connections.
pub struct Recorder {
    log: Arc<Mutex<Log>>,
    accepting: tokio::task::JoinHandle<()>,
    address: Option<SocketAddr>,
}

impl Recorder {
    /// On a port of its own, answering with summaries.
    pub async fn new() -> Self {
        Self::answering(Answer::summary).await
    }

    pub async fn answering(answer: impl Fn(&Message) -> Answer + Send + Sync + 'static) -> Self {
        Self::on(([127, 0, 0, 1], 0).into(), answer).await
    }

    /// At this address, which is free.
    pub async fn on(at: SocketAddr, answer: impl Fn(&Message) -> Answer + Send + Sync + 'static) -> Self {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(at).unwrap();
        let listener = socket.listen(1024).unwrap();
        let address = listener.local_addr().unwrap();
        let log = Arc::new(Mutex::new(Log::default()));
        let (answer, to) = (Arc::new(answer), log.clone());
        let accepting = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                connections.spawn(record(stream, to.clone(), answer.clone()));
            }
        });
        Self { log, accepting, address: Some(address) }
    }

    /// At a path in the file system, answering with summaries.
    pub fn at(path: &Path) -> Self {
        let listener = UnixListener::bind(path).unwrap();
        let log = Arc::new(Mutex::new(Log::default()));
        let to = log.clone();
        let accepting = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(record(stream, to.clone(), Arc::new(Answer::summary)));
            }
        });
        Self { log, accepting, address: None }
    }

    pub fn address(&self) -> SocketAddr {
        self.address.expect("it has a port")
    }

    pub fn log(&self) -> Log {
        self.log.lock().unwrap().clone()
    }

    /// Summaries of the complete requests.
    pub fn summaries(&self) -> Vec<String> {
        self.log().requests.iter().map(Message::summary).collect()
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn record(
    mut stream: impl Stream,
    log: Arc<Mutex<Log>>,
    answer: Arc<impl Fn(&Message) -> Answer + Send + Sync + 'static>,
) {
    let number = {
        let mut log = log.lock().unwrap();
        log.connections.push(Vec::new());
        log.connections.len() - 1
    };
    let (mut buffer, mut bytes) = (Vec::new(), vec![0; 16 * 1024]);
    loop {
        let Ok(read @ 1..) = stream.read(&mut bytes).await else { return };
        buffer.extend_from_slice(&bytes[..read]);
        log.lock().unwrap().connections[number].extend_from_slice(&bytes[..read]);
        loop {
            let (message, used) = match request(&buffer) {
                Ok(Some(complete)) => complete,
                Ok(None) => break,
                Err(error) => {
                    log.lock().unwrap().violations.push(error);
                    return;
                }
            };
            buffer.drain(..used);
            let answer = answer(&message);
            log.lock().unwrap().requests.push(message);
            if stream.write_all(&answer.bytes).await.is_err() || answer.close {
                let _ = stream.shutdown().await;
                return;
            }
        }
    }
}
