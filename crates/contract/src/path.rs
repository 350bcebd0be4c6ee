use std::cmp::Ordering;
use std::fmt;

use percent_encoding::percent_decode_str;
use serde::{Serialize, Serializer};

/// A path with named holes, such as `/orders/{orderId}/items`.
///
/// Two templates are equal when their text is; [`PathTemplate::shape`] is what they have in common
/// when only the names of the holes differ.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PathTemplate {
    text: String,
    segments: Vec<Segment>,
}

/// What stands between two slashes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Segment {
    /// Exactly this text, percent-decoded.
    Literal(String),
    /// Text with holes in it: `{year}-{month}`, `{file}.json`.
    Mixed(Vec<Piece>),
    /// One hole: `{id}`.
    Parameter(String),
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Piece {
    Text(String),
    Hole(String),
}

/// Why a text is not a path template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// It does not begin with a slash.
    #[error("a path starts with `/`")]
    NoSlash,
    /// It carries a query or a fragment.
    #[error("a path has no `{0}`; queries are parameters with `in: query`")]
    QueryOrFragment(char),
    /// A brace without its partner, or one inside another.
    #[error("the braces do not pair up")]
    Braces,
    /// `{}`.
    #[error("a parameter has no name: `{{}}`")]
    Nameless,
    /// The same name twice.
    #[error("the parameter `{0}` stands twice")]
    Repeated(String),
    /// `{a}{b}`: nobody could say where one ends.
    #[error("two parameters touch each other, so nobody can say where `{0}` ends")]
    Touching(String),
}

impl PathTemplate {
    /// Reads a template.
    ///
    /// # Errors
    /// [`TemplateError`] says what is wrong with it.
    pub fn parse(text: &str) -> Result<PathTemplate, TemplateError> {
        let rest = text.strip_prefix('/').ok_or(TemplateError::NoSlash)?;
        if let Some(sign) = text.chars().find(|c| matches!(c, '?' | '#')) {
            return Err(TemplateError::QueryOrFragment(sign));
        }
        let segments = rest.split('/').map(segment).collect::<Result<Vec<_>, _>>()?;
        let template = PathTemplate { text: text.to_owned(), segments };
        let names = template.parameters();
        for (index, name) in names.iter().enumerate() {
            if names[..index].contains(name) {
                return Err(TemplateError::Repeated((*name).to_owned()));
            }
        }
        Ok(template)
    }

    /// The template as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The names of the holes, from left to right.
    pub fn parameters(&self) -> Vec<&str> {
        let mut names = Vec::new();
        for segment in &self.segments {
            match segment {
                Segment::Literal(_) => {}
                Segment::Parameter(name) => names.push(name.as_str()),
                Segment::Mixed(pieces) => names.extend(pieces.iter().filter_map(|piece| match piece {
                    Piece::Hole(name) => Some(name.as_str()),
                    Piece::Text(_) => None,
                })),
            }
        }
        names
    }

    /// The template without the names: `/orders/{}/items`. Equal shapes match the same paths.
    pub fn shape(&self) -> String {
        let mut out = String::new();
        for segment in &self.segments {
            out.push('/');
            match segment {
                // A literal cannot look like a hole: braces in it would have been one.
                Segment::Literal(text) => out.push_str(text),
                Segment::Parameter(_) => out.push_str("{}"),
                Segment::Mixed(pieces) => {
                    for piece in pieces {
                        out.push_str(if let Piece::Text(text) = piece { text } else { "{}" });
                    }
                }
            }
        }
        out
    }

    /// This template below a base path: `/v1` and `/orders` give `/v1/orders`.
    #[must_use]
    pub fn below(&self, base: &str) -> PathTemplate {
        let base = base.trim_end_matches('/');
        if base.is_empty() {
            return self.clone();
        }
        let mut segments: Vec<Segment> =
            base.trim_start_matches('/').split('/').map(|s| Segment::Literal(decode(s))).collect();
        segments.extend(self.segments.iter().cloned());
        let slash = if base.starts_with('/') { "" } else { "/" };
        PathTemplate { text: format!("{slash}{base}{}", self.text), segments }
    }

    /// The template with nothing but the kinds of its segments; equal for all that can be ambiguous.
    pub(crate) fn outline(&self) -> String {
        let kinds = self.segments.iter().map(|segment| match segment {
            Segment::Literal(text) => format!("/{text}"),
            Segment::Mixed(_) => "/{*}".to_owned(),
            Segment::Parameter(_) => "/{}".to_owned(),
        });
        kinds.collect()
    }

    pub(crate) fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Orders templates so that of two which match one path the more specific comes first:
    /// from the left, fixed text before text with holes before a hole. Otherwise alphabetical.
    pub fn specificity(&self, other: &PathTemplate) -> Ordering {
        for (a, b) in self.segments.iter().zip(&other.segments) {
            let order = match (a, b) {
                (Segment::Literal(a), Segment::Literal(b)) => a.cmp(b),
                (Segment::Mixed(a), Segment::Mixed(b)) => mixed_order(a, b),
                (a, b) => rank(a).cmp(&rank(b)),
            };
            if order != Ordering::Equal {
                return order;
            }
        }
        self.segments.len().cmp(&other.segments.len()).then_with(|| self.text.cmp(&other.text))
    }

    /// Whether some path matches both templates and neither is more specific than the other.
    pub fn ambiguous_with(&self, other: &PathTemplate) -> bool {
        // The first segment of different rank would decide which of the two wins.
        self.may_meet(other) && self.segments.iter().zip(&other.segments).all(|(a, b)| rank(a) == rank(b))
    }

    /// Whether some path may match both templates. Errs on the side of yes for segments with several holes.
    pub(crate) fn may_meet(&self, other: &PathTemplate) -> bool {
        self.segments.len() == other.segments.len()
            && self.segments.iter().zip(&other.segments).all(|pair| match pair {
                (Segment::Literal(a), Segment::Literal(b)) => a == b,
                (Segment::Literal(text), Segment::Mixed(pieces))
                | (Segment::Mixed(pieces), Segment::Literal(text)) => match_mixed(pieces, text).is_some(),
                (Segment::Literal(text), Segment::Parameter(_))
                | (Segment::Parameter(_), Segment::Literal(text)) => !text.is_empty(),
                (Segment::Mixed(a), Segment::Mixed(b)) => may_overlap(a, b),
                (Segment::Parameter(_), _) | (_, Segment::Parameter(_)) => true,
            })
    }
}

impl fmt::Display for PathTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl Serialize for PathTemplate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

/// `%2F` and its like as the characters they stand for.
pub(crate) fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

fn segment(text: &str) -> Result<Segment, TemplateError> {
    let mut pieces: Vec<Piece> = Vec::new();
    let mut rest = text;
    while let Some(brace) = rest.find(['{', '}']) {
        let (before, after) = rest.split_at(brace);
        if !before.is_empty() {
            pieces.push(Piece::Text(decode(before)));
        }
        let inside = after.strip_prefix('{').ok_or(TemplateError::Braces)?;
        let (name, after) = inside.split_once('}').ok_or(TemplateError::Braces)?;
        if name.contains('{') {
            return Err(TemplateError::Braces);
        }
        if name.trim().is_empty() {
            return Err(TemplateError::Nameless);
        }
        if let Some(Piece::Hole(before)) = pieces.last() {
            return Err(TemplateError::Touching(before.clone()));
        }
        pieces.push(Piece::Hole(name.to_owned()));
        rest = after;
    }
    if pieces.is_empty() {
        return Ok(Segment::Literal(decode(rest)));
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(decode(rest)));
    }
    Ok(match pieces.as_slice() {
        [Piece::Hole(name)] => Segment::Parameter(name.clone()),
        _ => Segment::Mixed(pieces),
    })
}

fn rank(segment: &Segment) -> u8 {
    match segment {
        Segment::Literal(_) => 0,
        Segment::Mixed(_) => 1,
        Segment::Parameter(_) => 2,
    }
}

/// More fixed text first; among equals, alphabetical by what is fixed.
pub(crate) fn mixed_order(a: &[Piece], b: &[Piece]) -> Ordering {
    let fixed = |pieces: &[Piece]| -> (usize, Vec<Option<String>>) {
        let texts: Vec<Option<String>> = pieces
            .iter()
            .map(|piece| match piece {
                Piece::Text(text) => Some(text.clone()),
                Piece::Hole(_) => None,
            })
            .collect();
        (texts.iter().flatten().map(String::len).sum(), texts)
    };
    let ((a_len, a), (b_len, b)) = (fixed(a), fixed(b));
    b_len.cmp(&a_len).then_with(|| a.cmp(&b))
}

/// The values of the holes when `text` fits; each hole takes as little as it can, and at least one character.
///
/// Texts and holes take turns, so the first place where a text can stand is always as good as a later one, and nothing
/// needs to be tried twice whatever a caller sends.
pub(crate) fn match_mixed(pieces: &[Piece], text: &str) -> Option<Vec<(String, String)>> {
    let mut rest = text;
    let mut values = Vec::new();
    let mut pieces = pieces;
    if let [Piece::Text(fixed), after @ ..] = pieces {
        rest = rest.strip_prefix(fixed.as_str())?;
        pieces = after;
    }
    while let [Piece::Hole(name), after @ ..] = pieces {
        let first = rest.chars().next()?.len_utf8();
        let (value, left) = match after {
            [Piece::Text(last)] => (rest.strip_suffix(last.as_str())?, ""),
            [Piece::Text(fixed), ..] => {
                let end = first + rest[first..].find(fixed.as_str())?;
                (&rest[..end], &rest[end + fixed.len()..])
            }
            _ => (rest, ""),
        };
        if value.is_empty() {
            return None;
        }
        values.push((name.clone(), value.to_owned()));
        rest = left;
        pieces = after.get(1..).unwrap_or_default();
    }
    rest.is_empty().then_some(values)
}

/// Whether some text fits both. Errs on the side of yes: only the ends are looked at.
fn may_overlap(a: &[Piece], b: &[Piece]) -> bool {
    let text = |piece: Option<&Piece>| match piece {
        Some(Piece::Text(text)) => text.clone(),
        _ => String::new(),
    };
    let (a_start, b_start) = (text(a.first()), text(b.first()));
    let (a_end, b_end) = (text(a.last()), text(b.last()));
    (a_start.starts_with(&b_start) || b_start.starts_with(&a_start))
        && (a_end.ends_with(&b_end) || b_end.ends_with(&a_end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(text: &str) -> PathTemplate {
        PathTemplate::parse(text).expect(text)
    }

    #[test]
    fn templates_are_read() {
        let check = |text: &str, shape: &str, names: &[&str]| {
            assert_eq!(template(text).shape(), shape);
            assert_eq!(template(text).parameters(), names);
        };
        check("/", "/", &[]);
        check("/orders", "/orders", &[]);
        check("/orders/", "/orders/", &[]);
        check("/orders/{id}", "/orders/{}", &["id"]);
        check("/r/{y}-{m}.json", "/r/{}-{}.json", &["y", "m"]);
        check("/caf%C3%A9", "/café", &[]);
    }

    #[test]
    fn faulty_templates_say_why() {
        let check = |text: &str, expect: TemplateError| {
            assert_eq!(PathTemplate::parse(text), Err(expect), "{text}");
        };
        check("orders", TemplateError::NoSlash);
        check("", TemplateError::NoSlash);
        check("/a?b=c", TemplateError::QueryOrFragment('?'));
        check("/a/{b", TemplateError::Braces);
        check("/a/b}", TemplateError::Braces);
        check("/a/{b{c}}", TemplateError::Braces);
        check("/a/{b/c}", TemplateError::Braces);
        check("/a/{}", TemplateError::Nameless);
        check("/a/{b}/{b}", TemplateError::Repeated("b".to_owned()));
        check("/a/{b}{c}", TemplateError::Touching("b".to_owned()));
    }

    #[test]
    fn the_more_specific_comes_first() {
        let mut list: Vec<_> = ["/a/{x}", "/a/{x}.json", "/a/b", "/a/{x}/c", "/a/long-{x}", "/{z}", "/"]
            .into_iter()
            .map(template)
            .collect();
        list.sort_by(PathTemplate::specificity);
        let order: Vec<_> = list.iter().map(PathTemplate::as_str).collect();
        assert_eq!(order, ["/", "/a/b", "/a/{x}.json", "/a/long-{x}", "/a/{x}", "/a/{x}/c", "/{z}"]);
    }

    #[test]
    fn ambiguity() {
        let check = |a: &str, b: &str, expect: bool| {
            assert_eq!(template(a).ambiguous_with(&template(b)), expect, "{a} {b}");
            assert_eq!(template(b).ambiguous_with(&template(a)), expect, "{b} {a}");
        };
        check("/a/{x}", "/a/{y}", true);
        check("/a/b", "/a/b", true);
        check("/a/b", "/a/{x}", false);
        check("/a/b", "/a/c", false);
        check("/a/{x}", "/a/{x}/c", false);
        check("/a/{x}/c", "/a/b/{y}", false);
        check("/a/{x}.json", "/a/{x}", false);
        check("/a/{x}.json", "/a/{x}.xml", false);
        check("/a/{x}.json", "/a/r-{x}", true);
        check("/a/", "/a/{x}", false);
    }

    #[test]
    fn a_base_path_goes_in_front() {
        let check = |base: &str, expect: &str| {
            let below = template("/orders/{id}").below(base);
            assert_eq!(below.as_str(), expect);
            assert_eq!(below, template(expect));
        };
        check("", "/orders/{id}");
        check("/", "/orders/{id}");
        check("/v1", "/v1/orders/{id}");
        check("/v1/", "/v1/orders/{id}");
        check("v1/x", "/v1/x/orders/{id}");
    }

    #[test]
    fn mixed_segments_match() {
        let check = |pattern: &str, text: &str, expect: Option<&[&str]>| {
            let template = template(&format!("/{pattern}"));
            let Segment::Mixed(pieces) = &template.segments()[0] else { panic!("{pattern} is not mixed") };
            let values = match_mixed(pieces, text).map(|v| v.into_iter().map(|(_, v)| v).collect::<Vec<_>>());
            assert_eq!(
                values,
                expect.map(|e| e.iter().map(|s| (*s).to_owned()).collect()),
                "{pattern} {text}"
            );
        };
        check("{a}.json", "x.json", Some(&["x"]));
        check("{a}.json", "x.json.json", Some(&["x.json"]));
        check("{a}.json", ".json", None);
        check("{a}.json", "x.xml", None);
        check("{a}-{b}", "1-2-3", Some(&["1", "2-3"]));
        check("{a}-{b}", "--1", Some(&["-", "1"]));
        check("{a}-{b}x", "1-2x", Some(&["1", "2"]));
        check("{a}-{b}x", "1-x", None);
        check("a{b}a", "aa", None);
        check("a{b}a", "aaa", Some(&["a"]));
        check("{a}-{b}-{c}-{d}-{e}x", &"-".repeat(100_000), None);
        check("v{a}", "v", None);
        check("v{a}", "vé", Some(&["é"]));
    }
}
