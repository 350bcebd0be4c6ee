//! One POST over HTTP/1.1, with a deadline.

use std::io::{self, Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::{Duration, Instant};

use super::settings::Settings;

/// More of an answer is not read.
const LONGEST_ANSWER: usize = 64 * 1024;

/// What a collector said.
#[derive(Debug)]
pub(super) enum Answer {
    /// It has the spans.
    Taken,
    /// It can't take them for now.
    Later(Option<Duration>),
    /// It will not take them.
    Refused(String),
}

/// Posts a body on a connection of its own.
pub(super) fn post(settings: &Settings, body: &[u8]) -> io::Result<Answer> {
    let deadline = Instant::now() + settings.timeout;
    let left = || {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(io::Error::from(io::ErrorKind::TimedOut)) } else { Ok(left) }
    };
    let endpoint = &settings.endpoint;
    let mut stream = Err(io::Error::from(io::ErrorKind::NotFound));
    for address in endpoint.authority.to_socket_addrs()? {
        stream = TcpStream::connect_timeout(&address, left()?);
        if stream.is_ok() {
            break;
        }
    }
    let mut stream = stream?;
    let (authority, path) = (&endpoint.authority, &endpoint.path);
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: {authority}\r\nuser-agent: fairway-edge\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.set_write_timeout(Some(left()?))?;
    stream.write_all(head.as_bytes())?;
    stream.write_all(body)?;
    let mut answer = Vec::new();
    let mut piece = [0; 4096];
    // The head is all that matters.
    while !answer.windows(4).any(|four| four == b"\r\n\r\n") && answer.len() < LONGEST_ANSWER {
        stream.set_read_timeout(Some(left()?))?;
        match stream.read(&mut piece)? {
            0 => break,
            count => answer.extend_from_slice(&piece[..count]),
        }
    }
    read(&answer)
}

fn read(answer: &[u8]) -> io::Result<Answer> {
    let text = String::from_utf8_lossy(answer);
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default();
    let status = first.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5)?.parse::<u16>().ok());
    let Some(status) = status else {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "what came was no answer of HTTP/1.1"));
    };
    Ok(match status {
        200..=299 => Answer::Taken,
        429 | 502 | 503 | 504 => {
            let after = lines.find_map(|line| {
                let (name, value) = line.split_once(':')?;
                if !name.eq_ignore_ascii_case("retry-after") {
                    return None;
                }
                value.trim().parse().ok().map(Duration::from_secs)
            });
            Answer::Later(after)
        }
        _ => Answer::Refused(first.to_owned()),
    })
}
