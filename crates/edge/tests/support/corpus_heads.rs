//! Cases about heads, and about several requests in a row.

use super::{
    Arrives, BAD, Case, Either, EitherAndEnds, HIDDEN, LARGE, Never, Refused, ThenRefused, VERSION, case,
    chunked, get, post,
};

/// Field lines that are not about the length.
pub fn fields() -> Vec<Case> {
    let group = "fields";
    let one = || Arrives(vec!["GET /in 0"]);
    let murky = || Either(BAD, vec!["GET /in 0"]);
    let mut cases = vec![
        case(group, "odd but fine name", get("!#$%&'*+-.^_`|~09Az: x\r\n"), one()),
        case(group, "odd but fine value", get("X: \"(),/:;<=>?@[\\]{}\r\n"), one()),
        case(group, "bytes above 127 in a value", get(b"X: caf\xc3\xa9 \xff\r\n"), murky()),
        case(group, "empty value", get("X:\r\nY: \r\n"), one()),
        case(group, "tabs in a value", get("X: a\tb\r\n"), one()),
        case(group, "underscores for hyphens", get("Content_Length: 62\r\n"), murky()),
        // RFC 9110, 5.5: other control characters are invalid, and may be kept.
        case(group, "bell in a value", get("X: a\x07b\r\n"), Refused(BAD)),
        case(group, "DEL in a value", get("X: a\x7fb\r\n"), Refused(BAD)),
        case(group, "escape in a value", get("X: a\x1bb\r\n"), Refused(BAD)),
    ];
    let refused: [(&str, &[u8]); 30] = [
        ("NUL in a value", b"X: a\0b\r\n"),
        ("CR in a value", b"X: a\rb\r\n"),
        ("CR before CRLF", b"X: a\r\r\n"),
        ("LF ends a line", b"X: a\nY: b\r\n"),
        ("LF ends the last line", b"X: a\n"),
        ("value of LF", b"X:\n\r\n"),
        ("two LF hide a request", b"X:\n\nGET /smuggled HTTP/1.1\r\n"),
        ("LF CR hides a request", b"X: y\n\rGET /smuggled: HTTP/1.1\r\n"),
        ("CRLF CR ends the head for some", b"\rZGET /smuggled: HTTP/1.1\r\n"),
        ("LF NUL CR", b"X: y\n\0\rz\r\n"),
        ("fold", b"X: a\r\n b\r\n"),
        ("fold with a tab", b"X: a\r\n\tb\r\n"),
        ("fold of nothing", b"X: a\r\n \r\n"),
        ("fold before a request", b"X: a\r\n GET /smuggled HTTP/1.1\r\n"),
        ("no name", b": a\r\n"),
        ("no name and no value", b":\r\n"),
        ("no colon", b"X\r\n"),
        ("a request line as a field", b"GET /smuggled HTTP/1.1\r\n"),
        ("space before the colon", b"X : a\r\n"),
        ("tab before the colon", b"X\t: a\r\n"),
        ("space in a name", b"X Y: a\r\n"),
        ("at sign in a name", b"X@Y: a\r\n"),
        ("parentheses in a name", b"X(Y): a\r\n"),
        ("slash in a name", b"X/Y: a\r\n"),
        ("quotes in a name", b"\"X\": a\r\n"),
        ("NUL in a name", b"X\0Y: a\r\n"),
        ("byte above 127 in a name", b"X\xffY: a\r\n"),
        ("UTF-8 in a name", b"X\xc3\xa9: a\r\n"),
        ("DEL in a name", b"X\x7f: a\r\n"),
        ("curly brace in a name", b"X{: a\r\n"),
    ];
    cases.extend(refused.map(|(name, line)| case(group, name, get(line), Refused(BAD))));
    let first = |name, line: &str| {
        let bytes = format!("GET /in HTTP/1.1\r\n{line}Host: edge.test\r\n\r\n");
        case(group, name, bytes, Refused(BAD))
    };
    cases.push(first("space before the first field", " "));
    cases.push(first("tab before the first field", "\t"));
    cases.push(first("line of a space first", " \r\n"));
    cases.push(first("line of a field after a space first", " X: y\r\n"));
    cases
}

/// Request lines.
pub fn lines() -> Vec<Case> {
    let group = "lines";
    let with = |line: &[u8]| [line, b"\r\nHost: edge.test\r\n\r\n"].concat();
    let one = |summary: &'static str| Arrives(vec![summary]);
    let mut cases = vec![
        case(group, "query", with(b"GET /in?a=b&c=%20 HTTP/1.1"), one("GET /in?a=b&c=%20 0")),
        case(
            group,
            "dots and escapes stay",
            with(b"GET /in/../a/%2e%2E/%2f HTTP/1.1"),
            Either(BAD, vec!["GET /in/../a/%2e%2E/%2f 0"]),
        ),
        case(group, "two slashes", with(b"GET //evil.test/in HTTP/1.1"), one("GET //evil.test/in 0")),
        case(group, "any method", with(b"PROPFIND /in HTTP/1.1"), one("PROPFIND /in 0")),
        case(
            group,
            "lower case method",
            with(b"get /in HTTP/1.1"),
            Either(&[400, 405, 501], vec!["get /in 0"]),
        ),
        case(
            group,
            "method of symbols",
            with(b"!#$% /in HTTP/1.1"),
            Either(&[400, 405, 501], vec!["!#$% /in 0"]),
        ),
        case(
            group,
            "an empty line first",
            [b"\r\n".as_slice(), &with(b"GET /in HTTP/1.1")].concat(),
            Either(BAD, vec!["GET /in 0"]),
        ),
        case(
            group,
            "LF first",
            [b"\n".as_slice(), &with(b"GET /in HTTP/1.1")].concat(),
            Either(BAD, vec!["GET /in 0"]),
        ),
        case(group, "absolute form", with(b"GET http://edge.test/in HTTP/1.1"), one("GET /in 0")),
        case(
            group,
            "absolute form without path",
            with(b"GET http://edge.test HTTP/1.1"),
            Either(BAD, vec!["GET / 0"]),
        ),
        case(
            group,
            "absolute form, another scheme",
            with(b"GET ftp://edge.test/in HTTP/1.1"),
            Either(BAD, vec!["GET /in 0"]),
        ),
        case(group, "byte above 127", with(b"GET /in\xff HTTP/1.1"), Either(BAD, vec!["GET /in\u{ff} 0"])),
        case(group, "fragment", with(b"GET /in#a HTTP/1.1"), Either(BAD, vec!["GET /in 0"])),
        case(group, "backslash", with(b"GET /in\\a HTTP/1.1"), Either(BAD, vec!["GET /in\\a 0"])),
        case(group, "HTTP/1.0", with(b"GET /in HTTP/1.0"), one("GET /in 0")),
        case(group, "HTTP/1.2", with(b"GET /in HTTP/1.2"), Either(VERSION, vec!["GET /in 0"])),
        case(group, "HTTP/2.0", with(b"GET /in HTTP/2.0"), Refused(VERSION)),
        case(group, "HTTP/3", with(b"GET /in HTTP/3"), Refused(VERSION)),
        case(group, "HTTP/0.9 by name", with(b"GET /in HTTP/0.9"), Refused(VERSION)),
        case(
            group,
            "CONNECT",
            b"CONNECT edge.test:80 HTTP/1.1\r\nHost: edge.test:80\r\n\r\n",
            Refused(&[400, 405, 501]),
        ),
        case(
            group,
            "CONNECT with a hidden request",
            format!("CONNECT edge.test:80 HTTP/1.1\r\nHost: edge.test:80\r\n\r\n{HIDDEN}"),
            Refused(&[400, 405, 501]),
        ),
    ];
    let refused: [(&str, &[u8]); 44] = [
        ("HTTP/1.10", b"GET /in HTTP/1.10"),
        ("HTTP/1.32", b"GET /in HTTP/1.32"),
        ("HTTP/01.1", b"GET /in HTTP/01.1"),
        ("HTTP/1.01", b"GET /in HTTP/1.01"),
        ("HTTP/1", b"GET /in HTTP/1"),
        ("HTTP/1.", b"GET /in HTTP/1."),
        ("HTTP/.1", b"GET /in HTTP/.1"),
        ("HTTP/11", b"GET /in HTTP/11"),
        ("HTTP/-1.1", b"GET /in HTTP/-1.1"),
        ("HTTP/1.-1", b"GET /in HTTP/1.-1"),
        ("HTTP/4294967297.1", b"GET /in HTTP/4294967297.1"),
        ("HTTP/1,1", b"GET /in HTTP/1,1"),
        ("HTTP 1.1", b"GET /in HTTP 1.1"),
        ("HTTP/ 1.1", b"GET /in HTTP/ 1.1"),
        ("http/1.1", b"GET /in http/1.1"),
        ("Http/1.1", b"GET /in Http/1.1"),
        ("HTTPS/1.1", b"GET /in HTTPS/1.1"),
        ("HTTP/1.1x", b"GET /in HTTP/1.1x"),
        ("HTTP/1.1 and a space", b"GET /in HTTP/1.1 "),
        ("HTTP/1.1 and a tab", b"GET /in HTTP/1.1\t"),
        ("HTTP/1.1 and NUL", b"GET /in HTTP/1.1\0"),
        ("a word too many", b"GET /in /smuggled HTTP/1.1"),
        ("two versions", b"GET /in HTTP/1.1 HTTP/1.1"),
        ("hidden behind the version", b"GET /in HTTP/1.1 GET /smuggled HTTP/1.1"),
        ("two spaces after the method", b"GET  /in HTTP/1.1"),
        ("two spaces after the target", b"GET /in  HTTP/1.1"),
        ("tab after the method", b"GET\t/in HTTP/1.1"),
        ("tab after the target", b"GET /in\tHTTP/1.1"),
        ("vertical tab after the method", b"GET\x0b/in HTTP/1.1"),
        ("form feed after the target", b"GET /in\x0cHTTP/1.1"),
        ("CR after the target", b"GET /in\rHTTP/1.1"),
        ("LF after the target", b"GET /in\nHTTP/1.1"),
        ("LF after the method", b"GET\n/in HTTP/1.1"),
        ("space first", b" GET /in HTTP/1.1"),
        ("tab first", b"\tGET /in HTTP/1.1"),
        ("NUL first", b"\0GET /in HTTP/1.1"),
        ("no method", b" /in HTTP/1.1"),
        ("only a method", b"GET"),
        ("colon in the method", b"GET: /in HTTP/1.1"),
        ("at sign in the method", b"G@T /in HTTP/1.1"),
        ("NUL in the method", b"G\0T /in HTTP/1.1"),
        ("byte above 127 in the method", b"G\xc9T /in HTTP/1.1"),
        ("NUL in the target", b"GET /in\0 HTTP/1.1"),
        ("target is a word", b"GET in HTTP/1.1"),
    ];
    cases.extend(refused.map(|(name, line)| case(group, name, with(line), Refused(VERSION))));
    let targets: [(&str, &[u8]); 7] = [
        ("no target", b"GET HTTP/1.1"),
        ("no target, two spaces", b"GET  HTTP/1.1"),
        ("asterisk of a GET", b"GET * HTTP/1.1"),
        ("only a query", b"GET ?a=b HTTP/1.1"),
        ("absolute form without a host", b"GET http:///in HTTP/1.1"),
        ("authority of a GET", b"GET edge.test:80 HTTP/1.1"),
        ("CR in the target", b"GET /in\r/a HTTP/1.1"),
    ];
    cases.extend(targets.map(|(name, line)| case(group, name, with(line), Refused(BAD))));
    let whole: [(&str, &[u8]); 9] = [
        ("HTTP/0.9 and fields", b"GET /in\r\nHost: edge.test\r\n\r\n"),
        ("LF ends the line", b"GET /in HTTP/1.1\nHost: edge.test\r\n\r\n"),
        ("CR ends the line", b"GET /in HTTP/1.1\rHost: edge.test\r\n\r\n"),
        ("CR CRLF ends the line", b"GET /in HTTP/1.1\r\r\nHost: edge.test\r\n\r\n"),
        ("LF everywhere", b"GET /in HTTP/1.1\nHost: edge.test\n\n"),
        ("LF ends the head", b"GET /in HTTP/1.1\r\nHost: edge.test\r\n\n"),
        ("CR ends the head", b"GET /in HTTP/1.1\r\nHost: edge.test\r\n\rX\r\n\r\n"),
        ("CR first", b"\rGET /in HTTP/1.1\r\nHost: edge.test\r\n\r\n"),
        ("TLS hello", b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03\r\n\r\n"),
    ];
    cases.extend(whole.map(|(name, bytes)| case(group, name, bytes, Refused(VERSION))));
    // The head may go on, so this need not be refused at once.
    cases.push(case(group, "HTTP/0.9", b"GET /in\r\n", Never(&[400, 408, 505])));
    // The preface of HTTP/2 is one only where a connection begins.
    let later = "GET /in HTTP/1.1\r\nHost: edge.test\r\n\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    cases.push(case(group, "preface of HTTP/2 later", later, ThenRefused(vec!["GET /in 0"], VERSION)));
    cases.push(case(group, "PRI in HTTP/1.1", with(b"PRI * HTTP/1.1"), Refused(VERSION)));
    cases
}

/// Which host a request is for.
pub fn hosts() -> Vec<Case> {
    let group = "hosts";
    let with = |lines: &[u8]| [b"GET /in HTTP/1.1\r\n", lines, b"\r\n"].concat();
    let one = || Arrives(vec!["GET /in 0"]);
    let mut cases = vec![
        case(group, "with a port", with(b"Host: edge.test:8080\r\n"), one()),
        case(group, "upper case", with(b"HOST: EDGE.TEST\r\n"), one()),
        case(group, "final dot", with(b"Host: edge.test.\r\n"), one()),
        case(group, "IPv4", with(b"Host: 127.0.0.1\r\n"), one()),
        case(group, "IPv6", with(b"Host: [::1]:80\r\n"), one()),
        case(group, "empty port", with(b"Host: edge.test:\r\n"), Either(BAD, vec!["GET /in 0"])),
        case(group, "empty", with(b"Host:\r\n"), Either(BAD, vec!["GET /in 0"])),
        case(group, "underscore", with(b"Host: a_b.test\r\n"), Either(BAD, vec!["GET /in 0"])),
        case(group, "none in HTTP/1.0", b"GET /in HTTP/1.0\r\n\r\n", Arrives(vec!["GET /in 0"])),
        case(
            group,
            "absolute form, Host differs",
            b"GET http://edge.test/in HTTP/1.1\r\nHost: evil.test\r\n\r\n",
            Either(BAD, vec!["GET /in 0"]),
        ),
        case(group, "absolute form, no Host", b"GET http://edge.test/in HTTP/1.1\r\n\r\n", Refused(BAD)),
        case(
            group,
            "absolute form, two Hosts",
            b"GET http://edge.test/in HTTP/1.1\r\nHost: edge.test\r\nHost: evil.test\r\n\r\n",
            Refused(BAD),
        ),
        case(
            group,
            "absolute form with a user",
            b"GET http://edge.test@evil.test/in HTTP/1.1\r\nHost: edge.test\r\n\r\n",
            Refused(BAD),
        ),
    ];
    let refused: [(&str, &[u8]); 26] = [
        ("none", b""),
        ("twice the same", b"Host: edge.test\r\nHost: edge.test\r\n"),
        ("twice", b"Host: edge.test\r\nHost: evil.test\r\n"),
        ("twice, other case", b"Host: edge.test\r\nhOsT: evil.test\r\n"),
        ("twice, second empty", b"Host: edge.test\r\nHost:\r\n"),
        ("twice, first empty", b"Host:\r\nHost: edge.test\r\n"),
        ("list", b"Host: edge.test, evil.test\r\n"),
        ("two words", b"Host: edge.test evil.test\r\n"),
        ("path", b"Host: edge.test/a\r\n"),
        ("scheme", b"Host: http://edge.test\r\n"),
        ("user", b"Host: a@edge.test\r\n"),
        ("query", b"Host: edge.test?a\r\n"),
        ("fragment", b"Host: edge.test#a\r\n"),
        ("backslash", b"Host: edge.test\\a\r\n"),
        ("port is a word", b"Host: edge.test:port\r\n"),
        ("port too large", b"Host: edge.test:99999999\r\n"),
        ("negative port", b"Host: edge.test:-1\r\n"),
        ("two ports", b"Host: edge.test:80:81\r\n"),
        ("open bracket", b"Host: [::1\r\n"),
        ("behind the bracket", b"Host: [::1]evil.test\r\n"),
        ("angle brackets", b"Host: <evil>\r\n"),
        ("quotes", b"Host: \"edge.test\"\r\n"),
        ("NUL", b"Host: edge.test\0.evil.test\r\n"),
        ("tab inside", b"Host: edge.test\tevil.test\r\n"),
        ("folded", b"Host: edge.test\r\n evil.test\r\n"),
        ("space before the colon", b"Host : edge.test\r\n"),
    ];
    cases.extend(refused.map(|(name, lines)| case(group, name, with(lines), Refused(BAD))));
    cases
}

/// Several requests on one connection, and fields that would move the border between them.
pub fn sequences() -> Vec<Case> {
    let group = "sequences";
    let two = "GET /one HTTP/1.1\r\nHost: edge.test\r\n\r\nGET /two HTTP/1.1\r\nHost: edge.test\r\n\r\n";
    let length = format!("Content-Length: {}\r\n", HIDDEN.len());
    let hidden = |lines: &str| post(format!("{lines}{length}"), HIDDEN);
    let kept = || Arrives(vec!["POST /in 62"]);
    let maybe = || Either(&[400, 417], vec!["POST /in 62"]);
    let in_chunks = |lines: &str| {
        post(
            format!("{lines}Transfer-Encoding: chunked\r\n"),
            format!("{:x}\r\n{HIDDEN}\r\n0\r\n\r\n", HIDDEN.len()),
        )
    };
    let get_hidden = format!("GET /in HTTP/1.1\r\nHost: edge.test\r\n{length}\r\n{HIDDEN}");
    let get_chunked =
        "GET /in HTTP/1.1\r\nHost: edge.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    vec![
        case(group, "two", two, Arrives(vec!["GET /one 0", "GET /two 0"])),
        case(
            group,
            "an empty line between",
            two.replacen("\r\n\r\n", "\r\n\r\n\r\n", 1),
            Either(BAD, vec!["GET /one 0", "GET /two 0"]),
        ),
        case(
            group,
            "a body, then another",
            [post("Content-Length: 5\r\n", "hello"), get("")].concat(),
            Arrives(vec!["POST /in 5", "GET /in 0"]),
        ),
        case(
            group,
            "chunks, then another",
            [chunked("5\r\nhello\r\n0\r\n\r\n"), get("")].concat(),
            Arrives(vec!["POST /in 5", "GET /in 0"]),
        ),
        case(
            group,
            "no body, then another",
            [post("", ""), get("")].concat(),
            Arrives(vec!["POST /in 0", "GET /in 0"]),
        ),
        case(
            group,
            "a good one, then a bad one",
            [get(""), get("X : y\r\n")].concat(),
            ThenRefused(vec!["GET /in 0"], BAD),
        ),
        case(group, "a request as a body", hidden(""), kept()),
        case(group, "a request as the body of a GET", get_hidden, Arrives(vec!["GET /in 62"])),
        case(group, "a chunked GET", get_chunked, Arrives(vec!["GET /in 5"])),
        case(
            group,
            "Connection names the length",
            hidden("Connection: Content-Length\r\n"),
            Either(BAD, vec!["POST /in 62"]),
        ),
        case(
            group,
            "Connection names the length, and more",
            hidden("Connection: keep-alive, content-length\r\n"),
            Either(BAD, vec!["POST /in 62"]),
        ),
        case(
            group,
            "Connection names the coding",
            in_chunks("Connection: Transfer-Encoding\r\n"),
            Either(BAD, vec!["POST /in 62"]),
        ),
        case(
            group,
            "Connection names the host",
            hidden("Connection: Host\r\n"),
            Either(BAD, vec!["POST /in 62"]),
        ),
        case(
            group,
            "Connection is not a list",
            hidden("Connection: @\"\\,;\r\n"),
            Either(BAD, vec!["POST /in 62"]),
        ),
        case(group, "Keep-Alive with a length", hidden("Keep-Alive: timeout=0, max=0\r\n"), kept()),
        case(group, "Proxy-Connection", hidden("Proxy-Connection: close\r\n"), kept()),
        case(
            group,
            "h2c upgrade",
            hidden(
                "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
            ),
            Either(BAD, vec!["POST /in 62"]),
        ),
        case(group, "obfuscated Expect", hidden("Expect: y 100-continue\r\n"), maybe()),
        case(group, "Expect of two", hidden("Expect: 100-continue, 100-continue\r\n"), maybe()),
        case(group, "Expect twice", hidden("Expect: 100-continue\r\nExpect: 100-continue\r\n"), maybe()),
        case(group, "Expect of something else", hidden("Expect: smuggle\r\n"), maybe()),
        case(group, "Expect with a parameter", hidden("Expect: 100-continue;a=b\r\n"), maybe()),
        case(group, "TE names chunked", hidden("TE: chunked, trailers\r\n"), kept()),
        case(group, "Trailer names the length", in_chunks("Trailer: Content-Length\r\n"), kept()),
        case(group, "a method to override", hidden("X-HTTP-Method-Override: GET\r\n"), kept()),
        case(
            group,
            "HTTP/1.0 without a length",
            format!("POST /in HTTP/1.0\r\nHost: edge.test\r\n\r\n{HIDDEN}"),
            EitherAndEnds(BAD, vec!["POST /in 0"]),
        ),
        case(
            group,
            "HTTP/1.0 that stays",
            "GET /one HTTP/1.0\r\nHost: edge.test\r\nConnection: keep-alive\r\n\r\nGET /two HTTP/1.0\r\nHost: edge.test\r\nConnection: keep-alive\r\n\r\n",
            Arrives(vec!["GET /one 0", "GET /two 0"]),
        ),
        case(
            group,
            "after close nothing is read",
            [get("Connection: close\r\n"), HIDDEN.into()].concat(),
            EitherAndEnds(&[], vec!["GET /in 0"]),
        ),
    ]
}

/// What is too large.
pub fn sizes() -> Vec<Case> {
    let group = "sizes";
    let many: String = (0..2_000).map(|number| format!("X-{number}: y\r\n")).collect();
    vec![
        case(
            group,
            "long target",
            format!("GET /{} HTTP/1.1\r\nHost: edge.test\r\n\r\n", "a".repeat(200_000)),
            Refused(LARGE),
        ),
        case(
            group,
            "long method",
            format!("{} / HTTP/1.1\r\nHost: edge.test\r\n\r\n", "A".repeat(200_000)),
            Refused(&[400, 405, 414, 431, 501]),
        ),
        case(group, "long value", get(format!("X: {}\r\n", "a".repeat(200_000))), Refused(LARGE)),
        case(group, "long name", get(format!("{}: x\r\n", "a".repeat(200_000))), Refused(LARGE)),
        case(group, "many fields", get(many), Refused(LARGE)),
        case(
            group,
            "long host",
            format!("GET /in HTTP/1.1\r\nHost: {}\r\n\r\n", "a".repeat(70_000)),
            Refused(LARGE),
        ),
        case(
            group,
            "empty lines without end",
            format!("{}GET /in HTTP/1.1\r\nHost: edge.test\r\n\r\n", "\r\n".repeat(100_000)),
            Refused(LARGE),
        ),
        case(
            group,
            "long extension",
            chunked(format!("5;{}\r\nhello\r\n0\r\n\r\n", "a".repeat(300_000))),
            Refused(LARGE),
        ),
        case(
            group,
            "many extensions",
            chunked(format!("{}0\r\n\r\n", format!("1;{}\r\nx\r\n", "a".repeat(4_000)).repeat(100))),
            Refused(LARGE),
        ),
        case(
            group,
            "long chunk size",
            chunked(format!("{}5\r\nhello\r\n0\r\n\r\n", "0".repeat(300_000))),
            Refused(LARGE),
        ),
        case(
            group,
            "long trailer",
            chunked(format!("5\r\nhello\r\n0\r\nX: {}\r\n\r\n", "a".repeat(300_000))),
            Refused(LARGE),
        ),
        case(
            group,
            "many trailers",
            chunked(format!("5\r\nhello\r\n0\r\n{}\r\n", "X: y\r\n".repeat(50_000))),
            Refused(LARGE),
        ),
    ]
}
