//! HTTP/1.1 with a client: requests one after the other, each answered before the next is read.

use std::cell::Cell;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use fairway_forward::{Inbound, Interim, Prefixed, RequestBody};
use fairway_http1::encode::{self, CHUNK_END, Outgoing, chunk_start, last_chunk};
use fairway_http1::{
    Decoded, Framing, HeadError, HeadScanner, Headers, RequestHead, request_head, skip_empty_lines,
};
use http::header::{CONNECTION, CONTENT_LENGTH};
use http::{Method, StatusCode, Version};
use http_body::Body as _;
use tokio::time::Instant;

use crate::answer::{EdgeBody, Refusal, Reply};
use crate::connection::Door;
use crate::date;
use crate::line::{BodyFault, LineBody, SharedLine};
use crate::own;
use crate::proxy::{self, Asking};
use crate::visitor::{Presence, Signal};

/// How much of what a client still sends is read after the last answer, so that closing the socket does not take the
/// answer away from it, and for how long.
const LINGER_BYTES: usize = 256 * 1024;
const LINGER: Duration = Duration::from_secs(2);

/// A piece of a body that is not larger is copied behind its head: one write of one piece is cheaper than one of two.
const COPIED: usize = 2048;

thread_local! {
    /// What answers are written in. Of thousands of connections few write at the same time.
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Serves a connection until it ends.
pub(crate) async fn serve(door: &Arc<Door>, line: SharedLine, presence: &Presence) {
    let mut out = Outgoing::default();
    let interim = Interim::default();
    loop {
        let head = match read_head(door, &line, presence).await {
            Next::Request(head) => head,
            Next::End => return,
            Next::Refuse(error, start) => {
                let refusal = Refusal::new(error.status(), code(error), error.to_string());
                return refuse(&line, &mut out, own::unread(door, &start, &refusal)).await;
            }
            Next::Late => {
                let words = "the head of the request did not come in time".to_owned();
                let refusal = Refusal::new(StatusCode::REQUEST_TIMEOUT, "slow_head", words);
                let start = line.lock().bytes.clone();
                return refuse(&line, &mut out, own::unread(door, &start, &refusal)).await;
            }
        };
        match exchange(door, &line, presence, &interim, &mut out, head).await {
            After::Next => {}
            After::Linger => return linger(&line).await,
            After::End => return,
        }
    }
}

enum Next {
    Request(Head),
    /// Nothing more comes, or nothing more is wanted.
    End,
    /// Because of this, and what has come of it.
    Refuse(HeadError, Bytes),
    Late,
}

/// A request whose head is there.
struct Head {
    request: Box<Inbound>,
    framing: Framing,
    persistent: bool,
}

impl From<RequestHead> for Head {
    fn from(head: RequestHead) -> Self {
        let (framing, persistent) = (head.framing, head.persistent);
        Self { request: Box::new(Inbound::new(head, RequestBody::empty())), framing, persistent }
    }
}

async fn read_head(door: &Door, line: &SharedLine, presence: &Presence) -> Next {
    let settings = &door.shared.settings;
    let mut scanner = HeadScanner::default();
    // When the first look found nothing, and when the first one that found something did: nobody asks for the time as
    // long as nobody has to wait.
    let mut begun: Option<Instant> = None;
    let mut first_byte: Option<Instant> = None;
    let mut some = false;
    poll_fn(|cx| {
        let mut guard = line.lock();
        let line = &mut *guard;
        loop {
            if !some {
                skip_empty_lines(&mut line.bytes);
            }
            if let Some(byte) = line.bytes.first() {
                some = true;
                // No method begins so. TLS on a plain listener is the usual case.
                if !byte.is_ascii_alphabetic() && *byte != b'\r' && !is_token(*byte) {
                    let start = line.bytes.split().freeze();
                    return Poll::Ready(Next::Refuse(HeadError::Malformed("this is not HTTP"), start));
                }
            }
            match scanner.find(&line.bytes, settings.head_bytes) {
                Ok(Some(end)) => {
                    let head = line.bytes.split_to(end).freeze();
                    return Poll::Ready(match request_head(&head, settings.head_fields) {
                        Ok(head) => Next::Request(head.into()),
                        Err(error) => Next::Refuse(error, head),
                    });
                }
                Ok(None) => {}
                Err(error) => return Poll::Ready(Next::Refuse(error, line.bytes.split().freeze())),
            }
            if line.ended {
                return Poll::Ready(Next::End);
            }
            match line.poll_fill(cx) {
                Poll::Ready(Ok(_)) => continue,
                Poll::Ready(Err(_)) => return Poll::Ready(Next::End),
                Poll::Pending => {}
            }
            let told = presence.visitor.heed(cx);
            if told == Signal::Cut || (told == Signal::Finish && !some) {
                return Poll::Ready(Next::End);
            }
            let (since, limit) = if some {
                (&mut first_byte, settings.head_timeout)
            } else {
                (&mut begun, settings.keep_alive)
            };
            let deadline = *since.get_or_insert_with(Instant::now) + limit;
            ready!(line.timer.poll(cx, deadline));
            return Poll::Ready(if some { Next::Late } else { Next::End });
        }
    })
    .await
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn code(error: HeadError) -> &'static str {
    match error {
        HeadError::TooLarge(_) | HeadError::TooManyFields(_) => "head_too_large",
        HeadError::Version => "version",
        HeadError::Coding => "coding",
        HeadError::Expectation => "expectation",
        HeadError::BareLineFeed | HeadError::Malformed(_) | HeadError::Framing(_) => "bad_request",
    }
}

/// What becomes of the connection.
enum After {
    Next,
    /// It ends, and the client may still be sending.
    Linger,
    End,
}

async fn exchange(
    door: &Arc<Door>,
    line: &SharedLine,
    presence: &Presence,
    interim: &Interim,
    out: &mut Outgoing,
    head: Head,
) -> After {
    let Head { mut request, framing, persistent } = head;
    let version = request.version();
    let is_head = request.method() == Method::HEAD;
    line.lock().begin_body(framing);
    if matches!(framing, Framing::Chunked | Framing::Length(1..)) {
        *request.body_mut() = RequestBody::new(LineBody::new(line.clone()));
    }
    let asking = Asking {
        door,
        visitor: &presence.visitor,
        interim: (version == Version::HTTP_11).then_some(interim),
        line: Some(line),
    };
    let answered = {
        let mut answering = pin!(proxy::answer(asking, request));
        wait(line, presence, interim, out, answering.as_mut()).await
    };
    let Some(mut reply) = answered else { return After::End };
    if reply.status == StatusCode::SWITCHING_PROTOCOLS {
        return switch(line, out, reply).await;
    }
    let length = reply.body.size_hint().exact();
    // Whoever answers before the request is complete, and says all at once, does not want the rest of it.
    let unread = length.is_some() && !line.lock().decoder.is_over();
    let framing = match length {
        _ if is_head || bodiless(reply.status) => Framing::Empty,
        Some(length) => Framing::Length(length),
        None if version == Version::HTTP_10 => Framing::UntilClose,
        None => Framing::Chunked,
    };
    // Only the edge itself says so: an instance's `Connection` is not passed on.
    let asked_to_close = match &mut reply.headers {
        Headers::Map(map) => map.remove(CONNECTION).is_some_and(|value| value == "close"),
        Headers::Lines(_) => false,
    };
    let persistent = persistent
        && !unread
        && !asked_to_close
        && framing != Framing::UntilClose
        && presence.visitor.told() == Signal::Stay;
    if is_head && let Some(length) = length.filter(|length| *length > 0) {
        reply.headers.map().insert(CONTENT_LENGTH, length.into());
    }
    // Behind an interim response that could not be written at once.
    if out.left() == 0 {
        out.start = SPARE.take();
        out.clear();
    }
    write_head(out, version, &reply, persistent, framing);
    let body = (framing != Framing::Empty).then_some(reply.body);
    let sent = send(line, presence, out, body, framing).await;
    SPARE.set(std::mem::take(&mut out.start));
    out.clear();
    match sent {
        Ok(()) if persistent && drain(line).await => After::Next,
        Ok(()) => After::Linger,
        Err(_) => After::End,
    }
}

fn write_head(out: &mut Outgoing, version: Version, reply: &Reply, persistent: bool, framing: Framing) {
    let connection: &[(&str, &[u8])] = match version {
        _ if !persistent => &[("connection", b"close")],
        Version::HTTP_10 => &[("connection", b"keep-alive")],
        _ => &[],
    };
    let Reply { status, headers, .. } = reply;
    if reply.dated {
        encode::response(&mut out.start, version, *status, headers, connection, framing);
    } else {
        date::with_now(|now| {
            let date: [(&str, &[u8]); 2] = [("date", now), *connection.first().unwrap_or(&("", b""))];
            let more = &date[..=connection.len()];
            encode::response(&mut out.start, version, *status, headers, more, framing);
        });
    }
}

/// Reads what is left of a request that was answered before it was complete; whether that came to an end soon.
async fn drain(line: &SharedLine) -> bool {
    let deadline = Instant::now() + LINGER;
    let mut read = 0;
    poll_fn(|cx| {
        let mut guard = line.lock();
        let line = &mut *guard;
        while !line.decoder.is_over() {
            match line.decoder.decode(&mut line.bytes) {
                Ok(Decoded::Data(data)) => read += data.len(),
                Ok(Decoded::Trailers(_) | Decoded::End) => return Poll::Ready(true),
                Ok(Decoded::More) => match line.poll_fill(cx) {
                    Poll::Ready(Ok(1..)) => {}
                    Poll::Ready(_) => return Poll::Ready(false),
                    Poll::Pending => return line.timer.poll(cx, deadline).map(|()| false),
                },
                Err(_) => return Poll::Ready(false),
            }
            if read > LINGER_BYTES {
                return Poll::Ready(false);
            }
        }
        Poll::Ready(true)
    })
    .await
}

/// RFC 9110, 6.4.1.
fn bodiless(status: StatusCode) -> bool {
    status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED
}

/// Waits for the answer; none when there is nobody to give it to any more.
async fn wait<T>(
    line: &SharedLine,
    presence: &Presence,
    interim: &Interim,
    out: &mut Outgoing,
    mut answering: Pin<&mut impl Future<Output = T>>,
) -> Option<T> {
    poll_fn(|cx| {
        let answered = answering.as_mut().poll(cx);
        for (status, headers) in interim.take() {
            if out.left() == 0 {
                out.clear();
            }
            encode::response(&mut out.start, Version::HTTP_11, status, &headers, &[], Framing::Empty);
        }
        let mut line = line.lock();
        if out.left() > 0 {
            match line.poll_write(cx, out).map_ok(|()| line.poll_flush(cx)) {
                Poll::Ready(Err(_)) => return Poll::Ready(None),
                // The answer goes behind what is still to be written.
                Poll::Pending if answered.is_ready() => {}
                _ => {}
            }
        }
        if let Poll::Ready(answer) = answered {
            return Poll::Ready(Some(answer));
        }
        if presence.visitor.heed(cx) == Signal::Cut || line.poll_gone(cx).is_ready() {
            return Poll::Ready(None);
        }
        Poll::Pending
    })
    .await
}

/// Writes what is in `out`, then the body.
async fn send(
    line: &SharedLine,
    presence: &Presence,
    out: &mut Outgoing,
    mut body: Option<EdgeBody>,
    framing: Framing,
) -> io::Result<()> {
    let chunked = framing == Framing::Chunked;
    let cut = || io::Error::from(io::ErrorKind::ConnectionAborted);
    // Whether there is room for the next piece of the body beside what is to be written.
    let mut room = true;
    poll_fn(|cx| {
        loop {
            if room && let Some(source) = &mut body {
                match Pin::new(&mut *source).poll_frame(cx) {
                    Poll::Ready(frame) => {
                        if out.left() == 0 {
                            out.clear();
                        }
                        let over = take(out, frame.transpose().map_err(io::Error::other)?, chunked);
                        // Chunks have an end of their own, and trailers may come with it.
                        if over || (!chunked && source.is_end_stream()) {
                            body = None;
                        }
                    }
                    Poll::Pending if out.left() == 0 => {
                        let mut line = line.lock();
                        let _ = line.poll_flush(cx)?;
                        let gone = line.poll_gone(cx).is_ready();
                        if gone || presence.visitor.heed(cx) == Signal::Cut {
                            return Poll::Ready(Err(cut()));
                        }
                        return Poll::Pending;
                    }
                    Poll::Pending => {}
                }
            }
            let mut line = line.lock();
            if line.poll_write(cx, out)?.is_pending() {
                room = false;
                if presence.visitor.heed(cx) == Signal::Cut {
                    return Poll::Ready(Err(cut()));
                }
                return Poll::Pending;
            }
            room = true;
            if body.is_none() {
                return line.poll_flush(cx);
            }
        }
    })
    .await
}

/// Puts a piece of a body behind what is to be written; whether it was the last one.
fn take(out: &mut Outgoing, frame: Option<http_body::Frame<Bytes>>, chunked: bool) -> bool {
    let Some(frame) = frame else {
        if chunked {
            last_chunk(&mut out.start, None);
        }
        return true;
    };
    match frame.into_data() {
        Ok(data) if data.is_empty() => false,
        Ok(data) => {
            if chunked {
                chunk_start(&mut out.start, data.len());
                out.end = CHUNK_END;
            }
            if data.len() <= COPIED {
                out.start.extend_from_slice(&data);
                out.start.extend_from_slice(std::mem::take(&mut out.end));
            } else {
                out.data = data;
            }
            false
        }
        Err(frame) => {
            if chunked {
                last_chunk(&mut out.start, frame.trailers_ref());
            }
            true
        }
    }
}

/// Gives the connection away: it speaks another protocol now.
async fn switch(line: &SharedLine, out: &mut Outgoing, reply: Reply) -> After {
    let Reply { status, headers, takeover: Some(takeover), .. } = reply else { return After::End };
    out.clear();
    encode::response(&mut out.start, Version::HTTP_11, status, &headers, &[], Framing::Empty);
    let written = poll_fn(|cx| {
        let mut line = line.lock();
        ready!(line.poll_write(cx, out))?;
        line.poll_flush(cx)
    });
    if written.await.is_ok()
        && let Some((before, io)) = line.lock().take()
    {
        takeover.give(Prefixed::new(before, io));
    }
    After::End
}

/// Answers what is no request, and ends.
async fn refuse(line: &SharedLine, out: &mut Outgoing, mut reply: Reply) {
    reply.headers.map().remove(CONNECTION);
    let length = reply.body.size_hint().exact().unwrap_or(0);
    out.clear();
    write_head(out, Version::HTTP_11, &reply, false, Framing::Length(length));
    out.data = reply.body.into_own();
    let written = poll_fn(|cx| {
        let mut line = line.lock();
        ready!(line.poll_write(cx, out))?;
        line.poll_flush(cx)
    });
    if written.await.is_ok() {
        linger(line).await;
    }
}

/// Ends so that the last answer arrives: a socket that is closed with unread bytes takes back what was sent.
async fn linger(line: &SharedLine) {
    let deadline = Instant::now() + LINGER;
    let mut read = 0;
    let mut shut = false;
    poll_fn(|cx| {
        let mut line = line.lock();
        if !shut {
            shut = line.poll_shutdown(cx).is_ready();
        }
        while !line.ended && read < LINGER_BYTES {
            match line.poll_fill(cx) {
                Poll::Ready(Ok(count)) => {
                    read += count;
                    let len = line.bytes.len();
                    line.bytes.advance(len);
                }
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Pending => return line.timer.poll(cx, deadline),
            }
        }
        Poll::Ready(())
    })
    .await;
}

impl BodyFault {
    /// What the edge answers when it could not read a request to its end.
    pub(crate) fn refusal(self) -> Refusal<'static> {
        let (status, code, words) = match self {
            Self::Slow => {
                (StatusCode::REQUEST_TIMEOUT, "slow_body", "the body of the request did not come in time")
            }
            Self::TooLarge => {
                (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", "the body of the request is too large")
            }
            Self::Malformed => {
                (StatusCode::BAD_REQUEST, "bad_request", "the body of the request is malformed")
            }
            Self::Gone => (StatusCode::BAD_REQUEST, "client", "the client went away"),
        };
        Refusal::new(status, code, words.to_owned())
    }
}
