//! Cases about the length of a body.

use super::{
    Arrives, BAD, CODING, Case, Either, EitherAndEnds, HIDDEN, Never, Refused, Unfinished, case, chunked,
    get, post,
};

/// `Content-Length` in all disguises. The body is five bytes, and where a disguise may be read as less or none, what
/// remains would be a request.
pub fn lengths() -> Vec<Case> {
    let group = "lengths";
    let mut cases = vec![
        case(group, "plain", post("Content-Length: 5\r\n", "hello"), Arrives(vec!["POST /in 5"])),
        case(
            group,
            "spaces around",
            post("Content-Length: \t 5 \t\r\n", "hello"),
            Arrives(vec!["POST /in 5"]),
        ),
        case(group, "no space", post("content-length:5\r\n", "hello"), Arrives(vec!["POST /in 5"])),
        case(
            group,
            "of a GET",
            get("Content-Length: 5\r\n").into_iter().chain(*b"hello").collect::<Vec<_>>(),
            Arrives(vec!["GET /in 5"]),
        ),
        case(group, "leading zero", post("Content-Length: 05\r\n", "hello"), Either(BAD, vec!["POST /in 5"])),
        case(group, "octal", post("Content-Length: 010\r\n", "helloworld"), Either(BAD, vec!["POST /in 10"])),
        case(
            group,
            "many leading zeros",
            post("Content-Length: 000000000000000000000000000005\r\n", "hello"),
            Either(BAD, vec!["POST /in 5"]),
        ),
        case(
            group,
            "twice the same",
            post("Content-Length: 5\r\nContent-Length: 5\r\n", "hello"),
            Either(BAD, vec!["POST /in 5"]),
        ),
        case(
            group,
            "list of the same",
            post("Content-Length: 5, 5\r\n", "hello"),
            Either(BAD, vec!["POST /in 5"]),
        ),
        case(group, "more than arrives", post("Content-Length: 50\r\n", "hello"), Unfinished),
    ];
    let refused = [
        ("twice, first shorter", "Content-Length: 0\r\nContent-Length: 62\r\n"),
        ("twice, first longer", "Content-Length: 62\r\nContent-Length: 0\r\n"),
        ("twice, case differs", "Content-Length: 0\r\ncontent-length: 62\r\n"),
        ("three times", "Content-Length: 62\r\nContent-Length: 62\r\nContent-Length: 0\r\n"),
        ("empty, then a number", "Content-Length: \r\nContent-Length: 62\r\n"),
        ("a number, then empty", "Content-Length: 62\r\nContent-Length: \r\n"),
        ("list of different ones", "Content-Length: 0, 62\r\n"),
        ("list of different ones, reversed", "Content-Length: 62, 0\r\n"),
        ("list with nothing first", "Content-Length: ,62\r\n"),
        ("list with nothing last", "Content-Length: 62,\r\n"),
        ("empty", "Content-Length:\r\n"),
        ("only a space", "Content-Length: \r\n"),
        ("plus", "Content-Length: +62\r\n"),
        ("minus", "Content-Length: -62\r\n"),
        ("minus zero", "Content-Length: -0\r\n"),
        ("hexadecimal", "Content-Length: 0x3e\r\n"),
        ("hexadecimal digits", "Content-Length: 3E\r\n"),
        ("binary prefix", "Content-Length: 0b1\r\n"),
        ("octal prefix", "Content-Length: 0o76\r\n"),
        ("underscore", "Content-Length: 6_2\r\n"),
        ("space between digits", "Content-Length: 6 2\r\n"),
        ("tab between digits", "Content-Length: 6\t2\r\n"),
        ("digits and letters", "Content-Length: 62abc\r\n"),
        ("letters", "Content-Length: abc\r\n"),
        ("fraction", "Content-Length: 62.0\r\n"),
        ("exponent", "Content-Length: 6e1\r\n"),
        ("semicolon", "Content-Length: 62;a=b\r\n"),
        ("quoted", "Content-Length: \"62\"\r\n"),
        ("parentheses", "Content-Length: (62)\r\n"),
        ("equals", "Content-Length: =62\r\n"),
        ("2^64", "Content-Length: 18446744073709551616\r\n"),
        ("2^64 + 62", "Content-Length: 18446744073709551678\r\n"),
        ("2^128", "Content-Length: 340282366920938463463374607431768211456\r\n"),
        ("forty nines", "Content-Length: 9999999999999999999999999999999999999999\r\n"),
    ];
    cases.extend(refused.map(|(name, line)| case(group, name, post(line, HIDDEN), Refused(BAD))));
    let bytes: [(&str, &[u8]); 10] = [
        ("vertical tab before", b"Content-Length:\x0b62\r\n"),
        ("form feed before", b"Content-Length:\x0c62\r\n"),
        ("vertical tab after", b"Content-Length: 62\x0b\r\n"),
        ("NUL after", b"Content-Length: 62\0\r\n"),
        ("NUL before", b"Content-Length: \x0062\r\n"),
        ("no-break space before", b"Content-Length: \xa062\r\n"),
        ("next line after", b"Content-Length: 62\x85\r\n"),
        ("Arabic digits", b"Content-Length: \xd9\xa6\xd9\xa2\r\n"),
        ("full-width digits", b"Content-Length: \xef\xbc\x96\xef\xbc\x92\r\n"),
        ("DEL after", b"Content-Length: 62\x7f\r\n"),
    ];
    cases.extend(bytes.map(|(name, line)| case(group, name, post(line, HIDDEN), Refused(BAD))));
    // Almost all there is: refused at once, or never complete.
    cases.push(case(
        group,
        "2^63",
        post("Content-Length: 9223372036854775808\r\n", "hello"),
        Never(&[400, 413]),
    ));
    cases
}

/// How a field line that looks like `Transfer-Encoding: chunked` is to be read.
#[derive(Clone, Copy)]
enum Coding {
    /// As that.
    Chunked,
    /// As that, or refused.
    Murky,
    /// Not at all: it is refused.
    Bad,
    /// As some other field, which says nothing about the body; or refused.
    Other,
}

const CODINGS: &[(&str, &[u8], Coding)] = &[
    ("plain", b"Transfer-Encoding: chunked\r\n", Coding::Chunked),
    ("lower case", b"transfer-encoding: chunked\r\n", Coding::Chunked),
    ("alternating case", b"tRaNsFeR-eNcOdInG: ChUnKeD\r\n", Coding::Chunked),
    ("upper case value", b"Transfer-Encoding: CHUNKED\r\n", Coding::Chunked),
    ("no space", b"Transfer-Encoding:chunked\r\n", Coding::Chunked),
    ("tab", b"Transfer-Encoding:\tchunked\r\n", Coding::Chunked),
    ("tabs and spaces", b"Transfer-Encoding: \t \tchunked\t \r\n", Coding::Chunked),
    ("comma first", b"Transfer-Encoding: ,chunked\r\n", Coding::Bad),
    ("comma last", b"Transfer-Encoding: chunked,\r\n", Coding::Murky),
    ("commas", b"Transfer-Encoding: , ,chunked, ,\r\n", Coding::Murky),
    ("an empty line of it first", b"Transfer-Encoding: \r\nTransfer-Encoding: chunked\r\n", Coding::Murky),
    ("an empty line of it last", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: \r\n", Coding::Murky),
    ("space before the colon", b"Transfer-Encoding : chunked\r\n", Coding::Bad),
    ("tab before the colon", b"Transfer-Encoding\t: chunked\r\n", Coding::Bad),
    ("vertical tab before the colon", b"Transfer-Encoding\x0b: chunked\r\n", Coding::Bad),
    ("NUL before the colon", b"Transfer-Encoding\0: chunked\r\n", Coding::Bad),
    ("CR before the colon", b"Transfer-Encoding\r: chunked\r\n", Coding::Bad),
    ("LF before the colon", b"Transfer-Encoding\n: chunked\r\n", Coding::Bad),
    ("CRLF before the colon", b"Transfer-Encoding\r\n: chunked\r\n", Coding::Bad),
    ("no-break space before the colon", b"Transfer-Encoding\xa0: chunked\r\n", Coding::Bad),
    ("next line before the colon", b"Transfer-Encoding\x85: chunked\r\n", Coding::Bad),
    ("two colons", b"Transfer-Encoding:: chunked\r\n", Coding::Bad),
    ("no colon", b"Transfer-Encoding chunked\r\n", Coding::Bad),
    ("equals for a colon", b"Transfer-Encoding= chunked\r\n", Coding::Bad),
    ("space first", b" Transfer-Encoding: chunked\r\n", Coding::Bad),
    ("tab first", b"\tTransfer-Encoding: chunked\r\n", Coding::Bad),
    ("CR first", b"\rTransfer-Encoding: chunked\r\n", Coding::Bad),
    ("vertical tab first", b"\x0bTransfer-Encoding: chunked\r\n", Coding::Bad),
    ("byte order mark first", b"\xef\xbb\xbfTransfer-Encoding: chunked\r\n", Coding::Bad),
    ("folded", b"Transfer-Encoding:\r\n chunked\r\n", Coding::Bad),
    ("folded with a tab", b"Transfer-Encoding:\r\n\tchunked\r\n", Coding::Bad),
    ("folded in the value", b"Transfer-Encoding: chun\r\n ked\r\n", Coding::Bad),
    ("folded onto another field", b"X: y\r\n Transfer-Encoding: chunked\r\n", Coding::Bad),
    ("LF and fold", b"Transfer-Encoding:\n chunked\r\n", Coding::Bad),
    ("behind LF", b"X: y\nTransfer-Encoding: chunked\r\n", Coding::Bad),
    ("behind CR", b"X: y\rTransfer-Encoding: chunked\r\n", Coding::Bad),
    ("behind CR CRLF", b"X: y\r\r\nTransfer-Encoding: chunked\r\n", Coding::Bad),
    ("behind NUL", b"X: y\0Transfer-Encoding: chunked\r\n", Coding::Bad),
    ("behind a line of CR", b"X: y\r\n\r\rTransfer-Encoding: chunked\r\n", Coding::Bad),
    ("ends with LF", b"Transfer-Encoding: chunked\n", Coding::Bad),
    ("ends with CR", b"Transfer-Encoding: chunked\rX: y\r\n", Coding::Bad),
    ("ends with CR CRLF", b"Transfer-Encoding: chunked\r\r\n", Coding::Bad),
    ("value ends with NUL", b"Transfer-Encoding: chunked\0\r\n", Coding::Bad),
    ("value ends with a vertical tab", b"Transfer-Encoding: chunked\x0b\r\n", Coding::Bad),
    ("value ends with a form feed", b"Transfer-Encoding: chunked\x0c\r\n", Coding::Bad),
    ("value ends with DEL", b"Transfer-Encoding: chunked\x7f\r\n", Coding::Bad),
    ("value ends with a no-break space", b"Transfer-Encoding: chunked\xa0\r\n", Coding::Bad),
    ("value begins with a vertical tab", b"Transfer-Encoding: \x0bchunked\r\n", Coding::Bad),
    ("value begins with a form feed", b"Transfer-Encoding: \x0cchunked\r\n", Coding::Bad),
    ("value begins with a no-break space", b"Transfer-Encoding: \xa0chunked\r\n", Coding::Bad),
    ("value begins with NUL", b"Transfer-Encoding: \0chunked\r\n", Coding::Bad),
    ("NUL in the value", b"Transfer-Encoding: chu\0nked\r\n", Coding::Bad),
    ("backspace in the value", b"Transfer-Encoding: cx\x08hunked\r\n", Coding::Bad),
    ("letters first", b"Transfer-Encoding: xchunked\r\n", Coding::Bad),
    ("letters last", b"Transfer-Encoding: chunkedx\r\n", Coding::Bad),
    ("suffix", b"Transfer-Encoding: chunked-false\r\n", Coding::Bad),
    ("shortened", b"Transfer-Encoding: chunk\r\n", Coding::Bad),
    ("K of Kelvin", b"Transfer-Encoding: chun\xe2\x84\xaaed\r\n", Coding::Bad),
    ("quoted", b"Transfer-Encoding: \"chunked\"\r\n", Coding::Bad),
    ("apostrophes", b"Transfer-Encoding: 'chunked'\r\n", Coding::Bad),
    ("escaped", b"Transfer-Encoding: %63hunked\r\n", Coding::Bad),
    ("MIME encoded", b"Transfer-Encoding: =?iso-8859-1?B?Y2h1bmtlZA==?=\r\n", Coding::Bad),
    ("parameter", b"Transfer-Encoding: chunked;q=1\r\n", Coding::Bad),
    ("parameter with a space", b"Transfer-Encoding: chunked; foo=bar\r\n", Coding::Bad),
    ("semicolon", b"Transfer-Encoding: chunked;\r\n", Coding::Bad),
    ("two words", b"Transfer-Encoding: chunked x\r\n", Coding::Bad),
    ("identity", b"Transfer-Encoding: identity\r\n", Coding::Bad),
    ("unknown", b"Transfer-Encoding: cow\r\n", Coding::Bad),
    ("gzip only", b"Transfer-Encoding: gzip\r\n", Coding::Bad),
    ("gzip, then chunked", b"Transfer-Encoding: gzip, chunked\r\n", Coding::Bad),
    ("chunked, then gzip", b"Transfer-Encoding: chunked, gzip\r\n", Coding::Bad),
    ("identity, then chunked", b"Transfer-Encoding: identity, chunked\r\n", Coding::Bad),
    ("chunked, then identity", b"Transfer-Encoding: chunked, identity\r\n", Coding::Bad),
    ("chunked twice", b"Transfer-Encoding: chunked, chunked\r\n", Coding::Bad),
    ("two lines of it", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", Coding::Bad),
    (
        "two lines, identity first",
        b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n",
        Coding::Bad,
    ),
    (
        "two lines, identity last",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        Coding::Bad,
    ),
    ("two lines, unknown first", b"Transfer-Encoding: cow\r\nTransfer-Encoding: chunked\r\n", Coding::Bad),
    ("two lines, unknown last", b"Transfer-Encoding: chunked\r\nTransfer-encoding: cow\r\n", Coding::Bad),
    ("empty", b"Transfer-Encoding:\r\n", Coding::Bad),
    ("only a comma", b"Transfer-Encoding: ,\r\n", Coding::Bad),
    ("space in the name", b"Transfer Encoding: chunked\r\n", Coding::Bad),
    ("NUL in the name", b"Transfer\0-Encoding: chunked\r\n", Coding::Bad),
    ("soft hyphen", b"Transfer\xc2\xadEncoding: chunked\r\n", Coding::Bad),
    ("quoted name", b"\"Transfer-Encoding\": chunked\r\n", Coding::Bad),
    ("underscore", b"Transfer_Encoding: chunked\r\n", Coding::Other),
    ("dot", b"Transfer.Encoding: chunked\r\n", Coding::Other),
    ("two hyphens", b"Transfer--Encoding: chunked\r\n", Coding::Other),
    ("no hyphen", b"TransferEncoding: chunked\r\n", Coding::Other),
    ("prefix", b"X-Transfer-Encoding: chunked\r\n", Coding::Other),
    ("as the value of another", b"X: Transfer-Encoding: chunked\r\n", Coding::Other),
    ("accepted, not used", b"TE: chunked\r\n", Coding::Other),
];

/// `Transfer-Encoding` in all disguises: alone, with a length that covers a hidden request (CL.TE), and with a length
/// that ends before one (TE.CL).
pub fn codings() -> Vec<Case> {
    let group = "codings";
    let mut cases = Vec::new();
    for (name, line, coding) in CODINGS {
        let alone = post(line, "5\r\nhello\r\n0\r\n\r\n");
        let body = format!("0\r\n\r\n{HIDDEN}");
        let over = post([format!("Content-Length: {}\r\n", body.len()).as_bytes(), line].concat(), &body);
        let after = post([line, format!("Content-Length: {}\r\n", body.len()).as_bytes()].concat(), &body);
        let chunk = format!("{:x}\r\n{HIDDEN}\r\n0\r\n\r\n", HIDDEN.len());
        let under = post([b"Content-Length: 4\r\n", *line].concat(), chunk);
        match coding {
            Coding::Chunked => {
                cases.push(case(group, format!("alone: {name}"), alone, Arrives(vec!["POST /in 5"])));
                let empty = || EitherAndEnds(BAD, vec!["POST /in 0"]);
                cases.push(case(group, format!("CL.TE: {name}"), over, empty()));
                cases.push(case(group, format!("CL.TE, length last: {name}"), after, empty()));
                cases.push(case(
                    group,
                    format!("TE.CL: {name}"),
                    under,
                    EitherAndEnds(BAD, vec!["POST /in 62"]),
                ));
            }
            Coding::Murky => {
                cases.push(case(group, format!("alone: {name}"), alone, Either(CODING, vec!["POST /in 5"])));
                let empty = || EitherAndEnds(CODING, vec!["POST /in 0"]);
                cases.push(case(group, format!("CL.TE: {name}"), over, empty()));
                cases.push(case(
                    group,
                    format!("TE.CL: {name}"),
                    under,
                    EitherAndEnds(CODING, vec!["POST /in 62"]),
                ));
            }
            Coding::Bad => {
                cases.push(case(group, format!("alone: {name}"), alone, Refused(CODING)));
                cases.push(case(group, format!("CL.TE: {name}"), over, Refused(CODING)));
                cases.push(case(group, format!("TE.CL: {name}"), under, Refused(CODING)));
            }
            Coding::Other => {
                cases.push(case(group, format!("CL.TE: {name}"), over, Either(BAD, vec!["POST /in 67"])));
            }
        }
    }
    // RFC 9112, 6.1: faulty framing in a message of HTTP/1.0.
    let old = |lines: &str, body: &str| format!("POST /in HTTP/1.0\r\nHost: edge.test\r\n{lines}\r\n{body}");
    let old_alone = old("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n");
    cases.push(case(group, "HTTP/1.0", old_alone, EitherAndEnds(BAD, vec!["POST /in 5"])));
    let body = format!("0\r\n\r\n{HIDDEN}");
    let lines =
        format!("Connection: keep-alive\r\nContent-Length: {}\r\nTransfer-Encoding: chunked\r\n", body.len());
    cases.push(case(group, "CL.TE: HTTP/1.0", old(&lines, &body), EitherAndEnds(BAD, vec!["POST /in 0"])));
    let lines = "Transfer-Encoding: chunked\r\nContent-Length: what\r\n";
    cases.push(case(group, "bad length beside it", post(lines, &body), Refused(BAD)));
    cases
}

/// Chunked bodies.
pub fn chunks() -> Vec<Case> {
    let group = "chunks";
    let five = || Arrives(vec!["POST /in 5"]);
    let murky = || Either(BAD, vec!["POST /in 5"]);
    let mut cases = vec![
        case(group, "two chunks", chunked("2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"), five()),
        case(group, "upper case size", chunked("A\r\nhelloworld\r\n0\r\n\r\n"), Arrives(vec!["POST /in 10"])),
        case(group, "lower case size", chunked("a\r\nhelloworld\r\n0\r\n\r\n"), Arrives(vec!["POST /in 10"])),
        case(group, "leading zeros", chunked("0005\r\nhello\r\n000\r\n\r\n"), murky()),
        case(
            group,
            "hundred leading zeros",
            chunked(format!("{}5\r\nhello\r\n0\r\n\r\n", "0".repeat(100))),
            murky(),
        ),
        case(group, "extension", chunked("5;a=b\r\nhello\r\n0;c\r\n\r\n"), five()),
        case(group, "quoted extension", chunked("5;a=\"b;c\"\r\nhello\r\n0\r\n\r\n"), five()),
        case(group, "spaces around an extension", chunked("5 ; a = b\r\nhello\r\n0\r\n\r\n"), murky()),
        case(group, "extension without a name", chunked("5;\r\nhello\r\n0\r\n\r\n"), murky()),
        case(group, "space after the size", chunked("5 \r\nhello\r\n0\r\n\r\n"), murky()),
        case(group, "tab after the size", chunked("5\t\r\nhello\r\n0\r\n\r\n"), murky()),
        case(group, "quoted extension with an open quote", chunked("5;a=\"b\r\nhello\r\n0\r\n\r\n"), murky()),
        case(group, "trailer", chunked("5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n"), five()),
        case(
            group,
            "trailer Content-Length",
            chunked("5\r\nhello\r\n0\r\nContent-Length: 9\r\n\r\n"),
            murky(),
        ),
        case(
            group,
            "trailer Transfer-Encoding",
            chunked("5\r\nhello\r\n0\r\nTransfer-Encoding: x\r\n\r\n"),
            murky(),
        ),
        case(group, "trailer Host", chunked("5\r\nhello\r\n0\r\nHost: evil.test\r\n\r\n"), murky()),
        case(group, "trailer Connection", chunked("5\r\nhello\r\n0\r\nConnection: close\r\n\r\n"), murky()),
        case(group, "no last chunk", chunked("5\r\nhello\r\n"), Unfinished),
        case(group, "no end of the trailers", chunked("5\r\nhello\r\n0\r\n"), Unfinished),
        case(group, "large size", chunked("7fffffff\r\nhello"), Never(&[400, 413])),
        case(
            group,
            "2^64 - 1",
            chunked(format!("FFFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n{HIDDEN}")),
            Never(&[400, 413]),
        ),
    ];
    // Each would let some reader find the hidden request and another one not.
    let refused: [(&str, String); 31] = [
        ("LF after the size", format!("5\nhello\r\n0\r\n\r\n{HIDDEN}")),
        ("LF after the last size", format!("5\r\nhello\r\n0\n\r\n{HIDDEN}")),
        ("LF after the data", format!("5\r\nhello\n0\r\n\r\n{HIDDEN}")),
        ("CR after the data", format!("5\r\nhello\r0\r\n\r\n{HIDDEN}")),
        ("CR CR after the data", format!("5\r\nhello\r\r0\r\n\r\n{HIDDEN}")),
        ("two bytes after the data", format!("5\r\nhelloXX0\r\n\r\n{HIDDEN}")),
        ("more data than the size", format!("5\r\nhello!\r\n0\r\n\r\n{HIDDEN}")),
        ("nothing after the data", format!("5\r\nhello0\r\n\r\n{HIDDEN}")),
        ("CR in the size line", format!("5\rX\nhello\r\n0\r\n\r\n{HIDDEN}")),
        ("CR CR before an extension", format!("5\r\r;a\r\nhello\r\n0\r\n\r\n{HIDDEN}")),
        ("CR in an extension", format!("5;a\rb\r\nhello\r\n0\r\n\r\n{HIDDEN}")),
        ("LF in an extension", format!("5;a\nhello\r\n0\r\n\r\n{HIDDEN}")),
        ("LF right after the semicolon", format!("5;\nhello\r\n0\r\n\r\n{HIDDEN}")),
        ("LF in a quoted extension", format!("5;a=\"\n\"\r\nhello\r\n0\r\n\r\n{HIDDEN}")),
        ("CRLF in a quoted extension", format!("0;a=\"\r\n\r\n{HIDDEN}\"\r\n\r\n")),
        ("NUL in an extension", format!("5;a\0b\r\nhello\r\n0\r\n\r\n{HIDDEN}")),
        ("size with 0x", format!("0x5\r\nhello\r\n0\r\n\r\n{HIDDEN}")),
        ("size with plus", format!("+5\r\nhello\r\n0\r\n\r\n{HIDDEN}")),
        ("size with minus", format!("-5\r\nhello\r\n0\r\n\r\n{HIDDEN}")),
        ("size with underscore", format!("0_5\r\nhello\r\n0\r\n\r\n{HIDDEN}")),
        ("space before the size", format!(" 5\r\nhello\r\n0\r\n\r\n{HIDDEN}")),
        ("tab before the size", format!("\t5\r\nhello\r\n0\r\n\r\n{HIDDEN}")),
        ("vertical tab after the size", format!("5\x0b\r\nhello\r\n0\r\n\r\n{HIDDEN}")),
        ("size is not a number", format!("Z\r\nhello\r\n0\r\n\r\n{HIDDEN}")),
        ("size, then letters", format!("5these\r\nhello\r\n0\r\n\r\n{HIDDEN}")),
        ("size, then a word", format!("5 x\r\nhello\r\n0\r\n\r\n{HIDDEN}")),
        ("no size", format!("\r\nhello\r\n0\r\n\r\n{HIDDEN}")),
        ("no size at the end", format!("5\r\nhello\r\n\r\n\r\n{HIDDEN}")),
        ("only an extension", format!(";a=b\r\nhello\r\n0\r\n\r\n{HIDDEN}")),
        ("2^64 + 5", format!("10000000000000005\r\nhello\r\n0\r\n\r\n{HIDDEN}")),
        ("2^128 + 5", format!("100000000000000000000000000000005\r\nhello\r\n0\r\n\r\n{HIDDEN}")),
    ];
    cases.extend(refused.map(|(name, body)| case(group, name, chunked(body), Refused(&[400, 413]))));
    let trailers = [
        ("trailer without a colon", "X\r\n\r\n"),
        ("trailer with a space before the colon", "X : y\r\n\r\n"),
        ("trailer with a space first", " X: y\r\n\r\n"),
        ("trailer folded", "X: y\r\n z\r\n\r\n"),
        ("trailer with LF", "X: y\nZ: 1\r\n\r\n"),
        ("trailer with NUL", "X: a\0b\r\n\r\n"),
        ("trailer with CR", "X: a\rb\r\n\r\n"),
        ("trailer without a name", ": x\r\n\r\n"),
        ("LF ends the trailers", "\n"),
        ("LF ends a trailer and all of them", "X: y\n\n"),
        ("a request line as trailer", "GET /smuggled HTTP/1.1\r\nHost: edge.test\r\n\r\n"),
    ];
    for (name, rest) in trailers {
        let body = format!("5\r\nhello\r\n0\r\n{rest}{HIDDEN}");
        cases.push(case(group, name, chunked(body), Refused(BAD)));
    }
    cases
}
