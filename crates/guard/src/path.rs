//! Paths that servers read differently.
//!
//! Routes are matched by the path as it is on the wire, and that is also what is forwarded: nothing is decoded, merged
//! or resolved on the way. The service behind may do all of that. Where two routes have different guards, a path that
//! the edge reads as one and the service as the other walks around a guard: `/x/../admin`, `/%61dmin`, `//admin`,
//! `/admin%2Fusers`, `/admin;x=1`.
//!
//! What others do: nginx matches locations by a decoded, resolved and merged path (and so has its own set of surprises,
//! because it forwards the original unless told otherwise), refuses malformed escapes, NUL and `..` above the root.
//! haproxy changes nothing unless told (`normalize-uri`). Envoy by default neither normalises nor merges and leaves `%2F`
//! alone; its advice for edges is to normalise, merge, and refuse or redirect `%2F`. Traefik 3.6.4 refused encoded
//! reserved characters in every path (CVE-2025-66490), which broke GitLab (`group%2Fproject`), Matrix (`%23room`) and
//! Nextcloud, and took it back three versions later. Tomcat and Jetty cut `;…` off each segment, other Java servers off
//! the path, and nginx, Envoy and haproxy know nothing of that.
//!
//! So two rules:
//!
//! * Refused whatever the routes are, because no client of today sends it (browsers and curl resolve `..` themselves, and
//!   nginx or Go's server would refuse the rest): `..` as a segment, in any spelling and also before `;`; a raw
//!   backslash, blank or control character; NUL; `%` without two hexadecimal digits; escapes within escapes within
//!   escapes.
//! * Everything else that servers read differently is fine as long as it makes no difference: the path is also looked up
//!   as the most lenient servers would read it ([`Readings`]), and only when that finds *another route* the request is
//!   refused. `//`, `%2F`, `%5C`, `;` and `.` stay usable in ids and data.
//!
//! Why these readings are enough: apart from `..`, which is refused, every step of reading leaves alone what is plain
//! already. So once a server's reading has come to begin with a plain prefix, reading on can't leave it, and the last
//! reading of all, which is looked up, still begins with it. Only the end of parameters moves while one reads on, so
//! there is a reading for each place it can be in. A test tries all that on servers of every kind.
//!
//! Not covered, because only the service can know: names without regard to case, and Windows' blindness for dots and
//! blanks at the end of a segment.

use std::fmt::Write as _;

const DOTS: &str = "the path has `..` as a segment, which servers resolve differently";
const BACKSLASH: &str = "the path has a backslash; encode it as %5C";
const CONTROL: &str = "the path has a blank or control character; encode it";
const NUL: &str = "the path has an encoded NUL";
const ESCAPE: &str = "the path has a `%` without two hexadecimal digits; encode it as %25";
const NESTED: &str = "the path is percent-encoded more than three times over";
const ROOT: &str = "the path does not begin with `/`";
const AMBIGUOUS: &str = "the path leads to different routes depending on how it is decoded; write it without encoded \
                         letters, empty segments, `;` or encoded slashes in what selects the route";

/// So often is a path decoded. Some servers do it twice.
const DEEPEST: u8 = 3;

/// How lenient servers read a path that can be read in more than one way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Readings {
    whole: String,
    cut: Option<usize>,
    more: Vec<String>,
}

impl Readings {
    /// Decoded, slashes of all kinds merged, `.` and the parameters of segments left out. What is not visible ASCII is
    /// percent-encoded in upper case.
    ///
    /// A route whose pattern is not its own reading (it has `%2F` or `;`, say) is found by nobody in this form: give it
    /// this one as an alias.
    pub fn whole(&self) -> &str {
        &self.whole
    }

    /// All readings: the whole one; the same up to the first `;` or encoded `?` or `#`, for servers for which the path
    /// ends there; and those for which parameters do not end at an encoded slash.
    pub fn each(&self) -> impl Iterator<Item = &str> {
        let cut = self.cut.map(|at| &self.whole[..at]);
        [self.whole.as_str()].into_iter().chain(cut).chain(self.more.iter().map(String::as_str))
    }
}

/// Why a path is refused (400) whatever the routes are.
#[inline]
pub fn path_problem(path: &str) -> Option<&'static str> {
    if plain(path) { None } else { read(path).err() }
}

/// The other readings of a path that has some. Nothing for a path that is read alike by everybody, which is found out
/// without allocation, and for one that has a [`path_problem`].
#[inline]
pub fn readings(path: &str) -> Option<Readings> {
    if plain(path) { None } else { read(path).ok() }
}

/// Looks a path up, as it is and as others might read it. `same` tells whether two findings are one route, or two that
/// are guarded alike and lead to the same service. An error is the reason for a 400.
#[inline]
pub fn find_unambiguous<T>(
    path: &str,
    mut find: impl FnMut(&str) -> T,
    same: impl Fn(&T, &T) -> bool,
) -> Result<T, &'static str> {
    if plain(path) {
        return Ok(find(path));
    }
    let readings = read(path)?;
    let found = find(path);
    let agreed = readings.each().all(|reading| same(&found, &find(reading)));
    if agreed { Ok(found) } else { Err(AMBIGUOUS) }
}

/// Whether everybody reads the path alike. Says no too often rather than too rarely.
fn plain(path: &str) -> bool {
    let bytes = path.as_bytes();
    let Some((b'/', after)) = bytes.split_first() else { return false };
    // Two runs without a way out in between, which the compiler turns into a few instructions for 16 bytes each.
    let odd = bytes
        .iter()
        .fold(false, |odd, byte| odd | matches!(byte, b'%' | b';' | b'\\' | b'?' | b'#' | 0..=b' ' | 0x7f..));
    let suspicious = bytes.iter().zip(after).fold(false, |suspicious, (byte, next)| {
        suspicious | ((*byte == b'/') & ((*next == b'/') | (*next == b'.')))
    });
    !odd && (!suspicious || !odd_segments(path))
}

fn odd_segments(path: &str) -> bool {
    let segments = path.strip_prefix('/').unwrap_or(path);
    // Nothing after the last slash is no segment.
    segments.strip_suffix('/').unwrap_or(segments).split('/').any(|it| matches!(it, "" | "." | ".."))
}

fn read(path: &str) -> Result<Readings, &'static str> {
    if path == "*" {
        return Ok(Readings { whole: path.to_owned(), cut: None, more: Vec::new() });
    }
    if !path.starts_with('/') {
        return Err(ROOT);
    }
    if path.contains('\\') {
        return Err(BACKSLASH);
    }
    if path.bytes().any(|byte| byte <= b' ' || byte == 0x7f) {
        return Err(CONTROL);
    }
    let characters = decode(path)?;
    let mut first = fold(&characters, |_| true)?;
    if first.encoded_end {
        // Which slashes a server sees while it looks for the end of parameters depends on how often it has decoded by
        // then, and on what it thinks of backslashes.
        for (depth, backslash) in (0..=DEEPEST).flat_map(|depth| [(depth, true), (depth, false)]) {
            let ends = |it: Character| it.depth <= depth && (it.byte == b'/' || backslash);
            let whole = fold(&characters, ends)?.readings.whole;
            if whole != first.readings.whole && !first.readings.more.contains(&whole) {
                first.readings.more.push(whole);
            }
        }
    }
    Ok(first.readings)
}

/// A byte of a path, and how often the path had to be decoded to see it.
#[derive(Clone, Copy)]
struct Character {
    byte: u8,
    depth: u8,
}

/// Decodes until nothing is encoded any more.
fn decode(path: &str) -> Result<Vec<Character>, &'static str> {
    let mut characters: Vec<Character> = path.bytes().map(|byte| Character { byte, depth: 0 }).collect();
    for depth in 1..=DEEPEST {
        let mut next = Vec::with_capacity(characters.len());
        let mut rest = characters.as_slice();
        while let Some((first, after)) = rest.split_first() {
            rest = after;
            if first.byte == b'%' {
                if let Some(byte) = escape(after) {
                    next.push(Character { byte, depth });
                    rest = &after[2..];
                    continue;
                }
                // Further in, a `%` may be a decoded one and mean itself.
                if depth == 1 {
                    return Err(ESCAPE);
                }
            }
            next.push(*first);
        }
        if next.len() == characters.len() {
            return Ok(characters);
        }
        characters = next;
    }
    let mut escapes = (0..characters.len()).filter(|at| characters[*at].byte == b'%');
    let still = escapes.any(|at| escape(&characters[at + 1..]).is_some());
    if still { Err(NESTED) } else { Ok(characters) }
}

fn escape(after: &[Character]) -> Option<u8> {
    let digit = |it: Character| char::from(it.byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some(digit(*after.first()?)? << 4 | digit(*after.get(1)?)?)
}

struct Folded {
    readings: Readings,
    /// Whether parameters ended at a slash that was encoded.
    encoded_end: bool,
}

/// The reading of a decoded path for which parameters end where `ends` says, which is asked about slashes and
/// backslashes.
fn fold(characters: &[Character], ends: impl Fn(Character) -> bool) -> Result<Folded, &'static str> {
    let mut whole = String::with_capacity(characters.len());
    let (mut cut, mut encoded_end) = (None, false);
    // Where the last segment begins, and whether its parameters have begun.
    let (mut segment, mut parameters) = (0, false);
    let mut rest = characters;
    while let Some((first, after)) = rest.split_first() {
        let mut it = *first;
        rest = after;
        // Some old servers take UTF-8 that is longer than it need be: C0 AE for a dot, C0 AF for a slash.
        if matches!(it.byte, 0xc0 | 0xc1)
            && let Some((Character { byte: byte @ 0x80..=0xbf, depth }, after)) = rest.split_first()
        {
            it = Character { byte: (it.byte & 1) << 6 | (byte & 0x3f), depth: it.depth.max(*depth) };
            rest = after;
        }
        match it.byte {
            0 => return Err(NUL),
            b'/' | b'\\' if !parameters || ends(it) => {
                end_segment(&mut whole, segment)?;
                if !whole.ends_with('/') {
                    whole.push('/');
                }
                encoded_end |= parameters && it.depth > 0;
                (segment, parameters) = (whole.len(), false);
            }
            b';' | b'?' | b'#' if !parameters => {
                end_segment(&mut whole, segment)?;
                parameters = true;
                cut.get_or_insert(whole.len());
            }
            _ if parameters => {}
            b'%' => whole.push_str("%25"),
            b'!'..=b'~' => whole.push(char::from(it.byte)),
            byte => {
                let _ = write!(whole, "%{byte:02X}");
            }
        }
    }
    end_segment(&mut whole, segment)?;
    Ok(Folded { readings: Readings { whole, cut, more: Vec::new() }, encoded_end })
}

/// Refuses `..` and takes out `.`.
fn end_segment(whole: &mut String, segment: usize) -> Result<(), &'static str> {
    match &whole[segment..] {
        ".." => Err(DOTS),
        "." => {
            whole.truncate(segment);
            Ok(())
        }
        _ => Ok(()),
    }
}
