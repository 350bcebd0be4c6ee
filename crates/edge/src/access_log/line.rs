//! One line of the access log, and how it becomes JSON without an allocation.

use std::fmt;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use fairway_guard::digits as hexadecimal;
use http::Version;

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

// The keys have lengths that are known here: copying them takes no call.

#[inline]
fn name<const N: usize>(out: &mut Vec<u8>, key: &[u8; N], value: Option<&str>) {
    if let Some(value) = value {
        text(out, key, value, LONGEST_NAME);
    }
}

/// A text with its key; `key` ends with the opening quotation mark. What is too long ends with `…`.
#[inline]
fn text<const N: usize>(out: &mut Vec<u8>, key: &[u8; N], value: &str, longest: usize) {
    out.extend_from_slice(key);
    if value.len() <= longest {
        escaped(out, value);
    } else {
        let end = (0..=longest).rev().find(|end| value.is_char_boundary(*end)).unwrap_or(0);
        escaped(out, &value[..end]);
        out.extend_from_slice("…".as_bytes());
    }
    out.push(b'"');
}

/// The content of a JSON string (RFC 8259, 7).
fn escaped(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    // Nearly every text is.
    if is_clean(bytes) {
        out.extend_from_slice(bytes);
        return;
    }
    let mut clean = 0;
    for (at, byte) in bytes.iter().enumerate() {
        if !needs_escape(*byte) {
            continue;
        }
        out.extend_from_slice(&bytes[clean..at]);
        clean = at + 1;
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', *byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            _ => {
                let digit = |nibble: u8| b"0123456789abcdef"[usize::from(nibble)];
                out.extend_from_slice(&[b'\\', b'u', b'0', b'0', digit(byte >> 4), digit(byte & 15)]);
            }
        }
    }
    out.extend_from_slice(&bytes[clean..]);
}

/// Whether no byte needs an escape.
fn is_clean(text: &[u8]) -> bool {
    // Eight at a time; the last ones may have been seen in part.
    if let Some(last) = text.last_chunk() {
        let (eights, _) = text.as_chunks();
        return eights.iter().fold(has_escape(*last), |found, eight| found | has_escape(*eight)) == 0;
    }
    match (text.first_chunk(), text.last_chunk()) {
        (Some([a, b, c, d]), Some([e, f, g, h])) => has_escape([*a, *b, *c, *d, *e, *f, *g, *h]) == 0,
        _ => !text.iter().any(|byte| needs_escape(*byte)),
    }
}

/// Not zero when one of these eight [needs an escape](needs_escape). Each test leaves the highest bit of a byte that
/// passes it; a borrow from such a byte may leave others, never one without it.
fn has_escape(eight: [u8; 8]) -> u64 {
    const EACH: u64 = 0x0101_0101_0101_0101;
    let eight = u64::from_le_bytes(eight);
    let below = |bytes: u64, limit: u64| bytes.wrapping_sub(EACH * limit) & !bytes;
    let is = |byte: u8| below(eight ^ (EACH * u64::from(byte)), 1);
    (below(eight, 0x20) | is(0x7f) | is(b'"') | is(b'\\')) & (EACH << 7)
}

/// Control characters, DEL among them for the sake of terminals, and what means something in a string.
fn needs_escape(byte: u8) -> bool {
    (byte < 0x20) | (byte == 0x7f) | (byte == b'"') | (byte == b'\\')
}

#[inline]
fn number<const N: usize>(out: &mut Vec<u8>, key: &[u8; N], value: u64) {
    out.extend_from_slice(key);
    digits(out, value);
}

#[inline]
fn id_digits<const N: usize>(out: &mut Vec<u8>, key: &[u8; N], id: u128) {
    out.extend_from_slice(key);
    out.extend_from_slice(&hexadecimal(id));
    out.push(b'"');
}

/// Milliseconds with the microseconds behind the point.
#[inline]
fn milliseconds<const N: usize>(out: &mut Vec<u8>, key: &[u8; N], value: Duration) {
    let us = value.as_secs().saturating_mul(1_000_000).saturating_add(value.subsec_micros().into());
    out.extend_from_slice(key);
    digits(out, us / 1000);
    let rest = us % 1000;
    out.extend_from_slice(&[b'.', ascii(rest / 100), ascii(rest / 10 % 10), ascii(rest % 10)]);
}

pub(super) fn digits(out: &mut Vec<u8>, value: u64) {
    if value < 10 {
        return out.push(ascii(value));
    }
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// The digit of a number below ten.
pub(super) fn ascii(digit: u64) -> u8 {
    b'0' + digit.to_le_bytes()[0]
}

fn address(out: &mut Vec<u8>, address: IpAddr) {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            octet(out, a);
            for byte in [b, c, d] {
                out.push(b'.');
                octet(out, byte);
            }
        }
        IpAddr::V6(address) => {
            use std::io::Write as _;
            write!(out, "{address}").expect("memory takes everything");
        }
    }
}

fn octet(out: &mut Vec<u8>, byte: u8) {
    if byte >= 100 {
        out.push(b'0' + byte / 100);
    }
    if byte >= 10 {
        out.push(b'0' + byte / 10 % 10);
    }
    out.push(b'0' + byte % 10);
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn written(line: &Line<'_>) -> String {
        let mut out = Vec::new();
        line.write(&mut Stamp::default(), &mut out);
        assert!(out.len() <= LONGEST_LINE, "{} bytes", out.len());
        String::from_utf8(out).unwrap()
    }

    fn full<'a>() -> Line<'a> {
        Line {
            environment: Some("test/pr-42"),
            service: Some("commerce"),
            release: Some(7),
            instance: Some("commerce-1a2b-0"),
            method: Some("POST"),
            host: Some("shop.example.com"),
            path: Some("/orders/9?token=secret"),
            status: Some(201),
            bytes_in: 120,
            bytes_out: 4096,
            duration: Duration::from_micros(12_345),
            upstream: Some(Duration::from_micros(11_007)),
            request_id: Some(RequestId::Text("r-1")),
            trace_id: Some(0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736),
            tls: Some("1.3"),
            retries: 1,
            ..Line::new(
                SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_271_464_042),
                IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7)),
                Version::HTTP_2,
            )
        }
    }

    #[test]
    fn a_line_with_everything_and_one_with_nothing() {
        assert_eq!(
            written(&full()),
            concat!(
                r#"{"time":"2026-11-21T14:31:04.042Z","environment":"test/pr-42","service":"commerce","release":7,"#,
                r#""instance":"commerce-1a2b-0","client":"203.0.113.7","method":"POST","host":"shop.example.com","#,
                r#""path":"/orders/9","protocol":"HTTP/2","status":201,"bytes_in":120,"bytes_out":4096,"#,
                r#""duration_ms":12.345,"upstream_ms":11.007,"request_id":"r-1","#,
                r#""trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","tls":"1.3","retries":1}"#,
                "\n"
            )
        );
        let nothing = Line::new(SystemTime::UNIX_EPOCH, IpAddr::V6(Ipv6Addr::LOCALHOST), Version::HTTP_11);
        assert_eq!(
            written(&nothing),
            concat!(
                r#"{"time":"1970-01-01T00:00:00.000Z","client":"::1","protocol":"HTTP/1.1","#,
                r#""bytes_in":0,"bytes_out":0,"duration_ms":0.000}"#,
                "\n"
            )
        );
    }

    /// Every byte at every place among clean ones and among such as might mislead.
    #[test]
    fn a_byte_that_needs_an_escape_is_found_wherever_it_is() {
        for length in 0..20 {
            for (at, around) in (0..length).flat_map(|at| b"a\x20\x21\x23\x80\xff".map(|around| (at, around)))
            {
                for byte in 0..=255 {
                    let mut text = vec![around; length];
                    text[at] = byte;
                    assert_eq!(is_clean(&text), !needs_escape(byte), "{byte:#x} at {at} of {length}");
                }
            }
            assert!(is_clean(&vec![b'a'; length]));
        }
    }

    #[test]
    fn a_query_is_never_written() {
        for target in ["/a?token=hunter2", "/a?", "/a??x=hunter2", "/a"] {
            let line = written(&Line { path: Some(target), ..full() });
            assert!(line.contains(r#""path":"/a","#) && !line.contains("hunter2"), "{line}");
        }
    }

    #[test]
    fn a_hostile_client_cannot_make_long_lines_or_forge_one() {
        let long = "\u{1}é".repeat(40_000);
        let line = Line {
            environment: Some(&long),
            service: Some(&long),
            instance: Some(&long),
            method: Some(&long),
            host: Some(&long),
            path: Some(&long),
            request_id: Some(RequestId::Text(&long)),
            tls: Some(&long),
            why: Some(&long),
            ..full()
        };
        let written = written(&line);
        let value: Value = serde_json::from_str(&written).unwrap();
        assert!(
            value["path"].as_str().unwrap().ends_with("é…")
                || value["path"].as_str().unwrap().ends_with("\u{1}…")
        );
        let forged = self::written(&Line { host: Some("x\"}\n{\"status\":200,\"a\":\""), ..full() });
        assert_eq!(forged.matches('\n').count(), 1);
        assert_eq!(serde_json::from_str::<Value>(&forged).unwrap()["status"], 201);
    }

    #[test]
    fn exceptional_lines_say_nothing_about_sampling() {
        let check = |status, why, expect: bool| {
            let line = Line { status, why, one_in: 100, ..full() };
            assert_eq!(line.is_exceptional(), expect, "{status:?} {why:?}");
            assert_eq!(written(&line).contains("\"one_in\":100"), !expect);
        };
        check(Some(200), None, false);
        check(Some(404), None, false);
        check(Some(404), Some("no_route"), true);
        check(Some(500), None, true);
        check(Some(503), Some("no_instance"), true);
        check(Some(200), Some("client_gone"), true);
        check(None, None, true);
    }

    /// What the edge writes is what serde would have written about the same exchange.
    fn expected(line: &Line<'_>) -> Value {
        let mut value = json!({
            "client": line.client.to_canonical().to_string(),
            "protocol": format!("{:?}", line.protocol).replace("2.0", "2"),
            "bytes_in": line.bytes_in,
            "bytes_out": line.bytes_out,
        });
        for (key, text) in [
            ("environment", line.environment),
            ("service", line.service),
            ("instance", line.instance),
            ("method", line.method),
            ("host", line.host),
            ("tls", line.tls),
            ("why", line.why),
        ] {
            if let Some(text) = text {
                value[key] = text.into();
            }
        }
        if let Some(id) = line.request_id {
            value["request_id"] = id.to_string().into();
        }
        if let Some(id) = line.trace_id {
            value["trace_id"] = format!("{id:032x}").into();
        }
        if let Some(path) = line.path {
            value["path"] = path.split('?').next().into();
        }
        if let Some(release) = line.release {
            value["release"] = release.into();
        }
        if let Some(status) = line.status {
            value["status"] = status.into();
        }
        if line.retries > 0 {
            value["retries"] = line.retries.into();
        }
        value
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_by_serde(
            texts in proptest::collection::vec(proptest::option::of(any::<String>()), 8),
            (number, trace_id) in any::<(Option<u128>, Option<u128>)>(),
            known in any::<bool>(),
            path in proptest::option::of("\\PC*|[\\x00-\\x7f]*"),
            numbers in any::<(Option<u64>, Option<u16>, u64, u64, u32)>(),
            client in prop_oneof![any::<[u8; 4]>().prop_map(IpAddr::from), any::<[u8; 16]>().prop_map(IpAddr::from)],
            (us, upstream) in (0..1_u64 << 45, proptest::option::of(0..1_u64 << 45)),
            second in 0..4_102_444_800_000_u64,
        ) {
            // Within the lengths that are not cut.
            let texts: Vec<Option<String>> = texts
                .into_iter()
                .map(|text| text.map(|text| text.chars().take(60).collect()))
                .collect();
            let path: Option<String> = path.map(|path| path.chars().take(250).collect());
            let [environment, service, instance, method, host, request_id, tls, why] =
                std::array::from_fn(|at| texts[at].as_deref());
            let (release, status, bytes_in, bytes_out, retries) = numbers;
            let request_id = request_id.map(RequestId::Text).or(number.map(RequestId::Number));
            let origin = Origin::new(environment, service, release, instance);
            let line = Line {
                environment, service, instance, method, host, request_id, trace_id, tls, why,
                release, status, bytes_in, bytes_out, retries,
                origin: known.then_some(&origin),
                path: path.as_deref(),
                duration: Duration::from_micros(us),
                upstream: upstream.map(Duration::from_micros),
                ..Line::new(SystemTime::UNIX_EPOCH + Duration::from_millis(second), client, Version::HTTP_2)
            };
            let text = written(&line);
            prop_assert_eq!(text.find('\n'), Some(text.len() - 1));
            let mut value: Value = serde_json::from_str(&text).unwrap();
            let object = value.as_object_mut().unwrap();
            let time = object.remove("time").unwrap();
            prop_assert_eq!(time.as_str().unwrap().len(), "1970-01-01T00:00:00.000Z".len());
            let took = |value: Option<Value>| value.map(|ms| (ms.as_f64().unwrap() * 1000.0).round());
            #[expect(clippy::cast_precision_loss, reason = "below 2^52")]
            let given = |us: u64| us as f64;
            prop_assert_eq!(took(object.remove("duration_ms")), Some(given(us)));
            prop_assert_eq!(took(object.remove("upstream_ms")), upstream.map(given));
            prop_assert_eq!(value, expected(&line));
        }
    }
}
