//! One line of the access log.

use std::fmt;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use http::Version;

use super::json::{address, id_digits, milliseconds, number, text};
use super::stamp::Stamp;

/// Longest text of each kind that is written; what a client sends can be as long as a request's head.
const LONGEST_PATH: usize = 1024;
const LONGEST_NAME: usize = 255;
/// The most that one line can take: every byte of every text escaped, and the fixed part.
#[cfg(test)]
pub(crate) const LONGEST_LINE: usize = 6 * (LONGEST_PATH + 10 * (LONGEST_NAME + 3)) + 1024;

/// What is known about one exchange when it is over. What is not known is left out of the line.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// When the request's head had been read.
    pub time: SystemTime,
    /// The environment; none when no table has the listener any more.
    pub environment: Option<&'a str>,
    /// The service that the route names; none when there was no route.
    pub service: Option<&'a str>,
    /// Generation of the release: the instance's, or the table's when no instance was asked.
    pub release: Option<u64>,
    /// Id of the instance that answered or was asked last.
    pub instance: Option<&'a str>,
    /// The last four as they stand in the line, if that is known; the line says what stands here.
    pub origin: Option<&'a Origin>,
    /// Who asked, behind trusted proxies.
    pub client: IpAddr,
    /// The method; none when the request could not be understood.
    pub method: Option<&'a str>,
    /// The host as the client named it.
    pub host: Option<&'a str>,
    /// The path. A query (everything from the first `?`) is never written: queries carry tokens.
    pub path: Option<&'a str>,
    /// What the client spoke.
    pub protocol: Version,
    /// The status that the client was sent; none when it was sent none.
    pub status: Option<u16>,
    /// Bytes of the request's body.
    pub bytes_in: u64,
    /// Bytes of the answer's body; of upgraded connections the bytes towards the client.
    pub bytes_out: u64,
    /// From the request's head to the last byte of the answer.
    pub duration: Duration,
    /// From the request's head to the head of the instance's answer; none when no instance answered.
    pub upstream: Option<Duration>,
    /// The request id that was passed on.
    pub request_id: Option<RequestId<'a>>,
    /// The trace id of `traceparent`, written as 32 hexadecimal digits.
    pub trace_id: Option<u128>,
    /// Version of TLS, such as `1.3`; none on a plain listener.
    pub tls: Option<&'a str>,
    /// Why it did not go the usual way: the code of a refusal (`no_route`, `no_instance`, `upstream_timeout`, …) or how
    /// the exchange ended (`client_gone`, `broken`, `cut`). None when everything went well.
    pub why: Option<&'a str>,
    /// How often it was tried again.
    pub retries: u32,
    /// One line stands for so many exchanges; 1 when each has its line. Written when it is more than 1, so that sums
    /// can be made right. See [`Line::is_exceptional`].
    pub one_in: u32,
}

/// What a request is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestId<'a> {
    /// Written as 32 hexadecimal digits.
    Number(u128),
    /// What a trusted peer called it.
    Text(&'a str),
}

impl fmt::Display for RequestId<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number:032x}"),
            Self::Text(text) => f.write_str(text),
        }
    }
}

/// Environment, service, release and instance as they stand in a line: written once for many lines.
#[derive(Clone, PartialEq, Eq)]
pub struct Origin(Box<[u8]>);

impl Origin {
    /// How they stand there; what is not known is left out.
    #[must_use]
    pub fn new(
        environment: Option<&str>,
        service: Option<&str>,
        release: Option<u64>,
        instance: Option<&str>,
    ) -> Self {
        let mut out = Vec::new();
        belonging(&mut out, environment, service, release, instance);
        Self(out.into())
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

impl Line<'_> {
    /// A line about nothing yet, to be completed with `Line { … ..Line::new(…) }`.
    #[must_use]
    pub fn new(time: SystemTime, client: IpAddr, protocol: Version) -> Self {
        Self {
            time,
            environment: None,
            service: None,
            release: None,
            instance: None,
            origin: None,
            client,
            method: None,
            host: None,
            path: None,
            protocol,
            status: None,
            bytes_in: 0,
            bytes_out: 0,
            duration: Duration::ZERO,
            upstream: None,
            request_id: None,
            trace_id: None,
            tls: None,
            why: None,
            retries: 0,
            one_in: 1,
        }
    }

    /// Whether it has its line whatever the sampling: a status of 500 or above, none at all, or something to say why.
    #[must_use]
    pub fn is_exceptional(&self) -> bool {
        self.why.is_some() || self.status.is_none_or(|status| status >= 500)
    }

    /// Appends the line with its end.
    pub(crate) fn write(&self, stamp: &mut Stamp, out: &mut Vec<u8>) {
        // In full, so that a new field has to find its place here.
        let Self {
            time,
            environment,
            service,
            release,
            instance,
            origin,
            client,
            method,
            host,
            path,
            protocol,
            status,
            bytes_in,
            bytes_out,
            duration,
            upstream,
            request_id,
            trace_id,
            tls,
            why,
            retries,
            one_in,
        } = *self;
        out.extend_from_slice(b"{\"time\":\"");
        stamp.write(time, out);
        out.push(b'"');
        if let Some(origin) = origin {
            debug_assert_eq!(*origin, Origin::new(environment, service, release, instance));
            out.extend_from_slice(&origin.0);
        } else {
            belonging(out, environment, service, release, instance);
        }
        out.extend_from_slice(b",\"client\":\"");
        address(out, client);
        out.push(b'"');
        name(out, b",\"method\":\"", method);
        name(out, b",\"host\":\"", host);
        if let Some(path) = path {
            let path = path.split_once('?').map_or(path, |(path, _)| path);
            text(out, b",\"path\":\"", path, LONGEST_PATH);
        }
        out.extend_from_slice(b",\"protocol\":\"");
        out.extend_from_slice(spoken(protocol));
        out.push(b'"');
        if let Some(status) = status {
            number(out, b",\"status\":", status.into());
        }
        number(out, b",\"bytes_in\":", bytes_in);
        number(out, b",\"bytes_out\":", bytes_out);
        milliseconds(out, b",\"duration_ms\":", duration);
        if let Some(upstream) = upstream {
            milliseconds(out, b",\"upstream_ms\":", upstream);
        }
        match request_id {
            Some(RequestId::Number(id)) => id_digits(out, b",\"request_id\":\"", id),
            Some(RequestId::Text(id)) => text(out, b",\"request_id\":\"", id, LONGEST_NAME),
            None => {}
        }
        if let Some(id) = trace_id {
            id_digits(out, b",\"trace_id\":\"", id);
        }
        name(out, b",\"tls\":\"", tls);
        name(out, b",\"why\":\"", why);
        if retries > 0 {
            number(out, b",\"retries\":", retries.into());
        }
        if one_in > 1 && !self.is_exceptional() {
            number(out, b",\"one_in\":", one_in.into());
        }
        out.extend_from_slice(b"}\n");
    }
}

/// Says that lines are missing at this place, because the disk took them too slowly or not at all.
pub(crate) fn dropped(time: SystemTime, count: u64, stamp: &mut Stamp, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"time\":\"");
    stamp.write(time, out);
    out.extend_from_slice(b"\",\"why\":\"lines_dropped\"");
    number(out, b",\"dropped\":", count);
    out.extend_from_slice(b"}\n");
}

fn spoken(protocol: Version) -> &'static [u8] {
    match protocol {
        Version::HTTP_09 => b"HTTP/0.9",
        Version::HTTP_10 => b"HTTP/1.0",
        Version::HTTP_2 => b"HTTP/2",
        Version::HTTP_3 => b"HTTP/3",
        _ => b"HTTP/1.1",
    }
}

fn belonging(
    out: &mut Vec<u8>,
    environment: Option<&str>,
    service: Option<&str>,
    release: Option<u64>,
    instance: Option<&str>,
) {
    name(out, b",\"environment\":\"", environment);
    name(out, b",\"service\":\"", service);
    if let Some(release) = release {
        number(out, b",\"release\":", release);
    }
    name(out, b",\"instance\":\"", instance);
}

#[inline]
fn name<const N: usize>(out: &mut Vec<u8>, key: &[u8; N], value: Option<&str>) {
    if let Some(value) = value {
        text(out, key, value, LONGEST_NAME);
    }
}

#[cfg(test)]
mod tests;
