//! YAML as a tree with places. Unlike a value tree it keeps every key, also doubled ones, and scalars as they were
//! written; what a scalar means is decided by what is expected of it.

use crate::{Problem, Problems, Span};
use saphyr_parser::{Event, Parser, ScalarStyle};
use std::{collections::HashMap, rc::Rc};

/// Aliases are copies, and copies of copies grow without bound: a tree with more nodes than this is refused.
const MAX_NODES: usize = 200_000;
/// Deeper nesting than any sensible file has; protects the stack.
const MAX_DEPTH: usize = 64;

/// One document.
#[derive(Debug)]
pub(crate) struct Document {
    /// `None` when the file has no content.
    pub(crate) root: Option<Node>,
}

/// A node with its place.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) span: Span,
    pub(crate) kind: Kind,
}

#[derive(Debug, Clone)]
pub(crate) enum Kind {
    Scalar(Scalar),
    Sequence(Rc<[Node]>),
    Mapping(Rc<[(Node, Node)]>),
}

/// A scalar as it was written, without quotes and with escapes replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scalar {
    pub(crate) text: String,
    /// Quoted and block scalars are text, whatever they look like.
    pub(crate) quoted: bool,
}

/// What a scalar is in the core schema of YAML 1.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    Null,
    Bool(bool),
    Integer,
    Float,
    Text,
}

impl Scalar {
    pub(crate) fn meaning(&self) -> Meaning {
        if self.quoted {
            return Meaning::Text;
        }
        match self.text.as_str() {
            "" | "~" | "null" | "Null" | "NULL" => Meaning::Null,
            "true" | "True" | "TRUE" => Meaning::Bool(true),
            "false" | "False" | "FALSE" => Meaning::Bool(false),
            text => number(text),
        }
    }
}

fn number(text: &str) -> Meaning {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if let Some(hex) = text.strip_prefix("0x") {
        return if !hex.is_empty() && hex.bytes().all(|b| b.is_ascii_hexdigit()) {
            Meaning::Integer
        } else {
            Meaning::Text
        };
    }
    if let Some(octal) = text.strip_prefix("0o") {
        return if !octal.is_empty() && octal.bytes().all(|b| (b'0'..b'8').contains(&b)) {
            Meaning::Integer
        } else {
            Meaning::Text
        };
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits(unsigned) {
        return Meaning::Integer;
    }
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return Meaning::Float;
    }
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let exponent_fits =
        exponent.is_none_or(|exponent| digits(exponent.strip_prefix(['-', '+']).unwrap_or(exponent)));
    let mantissa_fits = match mantissa.split_once('.') {
        Some(("", fraction)) => digits(fraction),
        Some((whole, fraction)) => digits(whole) && (fraction.is_empty() || digits(fraction)),
        None => digits(mantissa) && exponent.is_some(),
    };
    if exponent_fits && mantissa_fits { Meaning::Float } else { Meaning::Text }
}

/// What is being built, from the outside in.
enum Open {
    Sequence { anchor: usize, start: Span, items: Vec<Node> },
    Mapping { anchor: usize, start: Span, entries: Vec<(Node, Node)>, key: Option<Node> },
}

/// Reads one document.
///
/// # Errors
/// A syntax error (YAML cannot go on after one), tags, a second document, or a tree that is too large.
pub(crate) fn parse(file: &str, text: &str) -> Result<Document, Problems> {
    let lines: Vec<usize> = text.lines().map(|line| line.chars().count()).collect();
    let mut builder = Builder {
        file,
        lines,
        anchors: HashMap::new(),
        open: Vec::new(),
        root: None,
        documents: 0,
        nodes: 0,
    };
    // A byte order mark at the begin is allowed by YAML and means nothing in UTF-8.
    for event in Parser::new_from_str(text.strip_prefix('\u{feff}').unwrap_or(text)) {
        match event {
            Ok((event, span)) => builder.on(event, span).map_err(|problem| Problems::one(*problem))?,
            Err(error) => {
                let span = builder.point(error.marker());
                let problem =
                    Problem::error(file, span, "yaml-syntax", format!("this is not YAML: {}", error.info()));
                return Err(Problems::one(problem.maybe_help(syntax_help(text, span, error.info()))));
            }
        }
    }
    Ok(Document { root: builder.root })
}

fn syntax_help(text: &str, span: Span, info: &str) -> Option<String> {
    let line = text.lines().nth(span.line.checked_sub(1)?)?;
    if line.trim_start_matches(' ').starts_with('\t') || info.contains("tab") {
        return Some("YAML is indented with spaces; replace the tab".to_owned());
    }
    if line.contains('{') && line.contains("}") && line.trim_start().contains(": {") {
        return Some("a value that begins with `{` is a mapping; put it in quotes if it is text".to_owned());
    }
    if info.contains("mapping values are not allowed") {
        return Some(
            "a value that contains `: ` needs quotes; otherwise look at the indentation of this line"
                .to_owned(),
        );
    }
    None
}

struct Builder<'a> {
    file: &'a str,
    /// Length of each line in characters, so that a span can be cut at the end of its first line.
    lines: Vec<usize>,
    anchors: HashMap<usize, (Node, usize)>,
    open: Vec<Open>,
    root: Option<Node>,
    documents: usize,
    nodes: usize,
}

/// Reading goes on, or ends with this problem.
type Step = Result<(), Box<Problem>>;

impl Builder<'_> {
    fn on(&mut self, event: Event<'_>, place: saphyr_parser::Span) -> Step {
        let span = self.span(place);
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    let problem = self.problem(span, "several-documents", "a second document begins here");
                    return Err(Box::new(problem.help("write one document in each file")));
                }
                Ok(())
            }
            Event::Alias(anchor) => {
                let Some((node, size)) = self.anchors.get(&anchor).cloned() else {
                    let problem =
                        self.problem(span, "yaml-alias", "this alias points into a node that contains it");
                    return Err(Box::new(problem.help("write the value out")));
                };
                self.count(size, span)?;
                self.add(Node { span, kind: node.kind }, 0, size)
            }
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_tag(tag.as_deref(), span)?;
                self.count(1, span)?;
                let quoted = style != ScalarStyle::Plain;
                let length =
                    if quoted { span.length } else { text.chars().count().max(1).min(span.length.max(1)) };
                let span = Span { length, ..span };
                self.add(
                    Node { span, kind: Kind::Scalar(Scalar { text: text.into_owned(), quoted }) },
                    anchor,
                    1,
                )
            }
            Event::SequenceStart(anchor, tag) => {
                self.refuse_tag(tag.as_deref(), span)?;
                self.open(Open::Sequence { anchor, start: span, items: Vec::new() }, span)
            }
            Event::MappingStart(anchor, tag) => {
                self.refuse_tag(tag.as_deref(), span)?;
                self.open(Open::Mapping { anchor, start: span, entries: Vec::new(), key: None }, span)
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(),
        }
    }

    fn open(&mut self, open: Open, span: Span) -> Step {
        self.count(1, span)?;
        if self.open.len() >= MAX_DEPTH {
            return Err(Box::new(self.problem(
                span,
                "yaml-depth",
                &format!("this is nested deeper than {MAX_DEPTH} levels"),
            )));
        }
        self.open.push(open);
        Ok(())
    }

    fn close(&mut self) -> Step {
        let (anchor, node) = match self.open.pop() {
            Some(Open::Sequence { anchor, start, items }) => {
                (anchor, Node { span: start, kind: Kind::Sequence(items.into()) })
            }
            Some(Open::Mapping { anchor, start, entries, key: _ }) => {
                // A block mapping has no mark of its own: it is where its first key is.
                let span = entries
                    .first()
                    .map_or(start, |(key, _)| if start.length == 0 { key.span } else { start });
                (anchor, Node { span, kind: Kind::Mapping(entries.into()) })
            }
            None => return Ok(()),
        };
        let size = if anchor == 0 { 0 } else { size(&node) };
        self.add(node, anchor, size)
    }

    fn add(&mut self, node: Node, anchor: usize, size: usize) -> Step {
        if anchor != 0 {
            self.anchors.insert(anchor, (node.clone(), size));
        }
        match self.open.last_mut() {
            None => {
                // An empty document is one empty scalar.
                let empty =
                    matches!(&node.kind, Kind::Scalar(scalar) if !scalar.quoted && scalar.text.is_empty());
                self.root = (!empty).then_some(node);
            }
            Some(Open::Sequence { items, .. }) => items.push(node),
            Some(Open::Mapping { entries, key, .. }) => match key.take() {
                None => *key = Some(node),
                Some(key) => entries.push((key, node)),
            },
        }
        Ok(())
    }

    fn count(&mut self, nodes: usize, span: Span) -> Step {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > MAX_NODES {
            let problem = self.problem(
                span,
                "yaml-size",
                &format!("the document has more than {MAX_NODES} nodes here"),
            );
            return Err(Box::new(problem.help("aliases are copies; copies of copies grow quickly")));
        }
        Ok(())
    }

    fn refuse_tag(&self, tag: Option<&saphyr_parser::Tag>, span: Span) -> Step {
        match tag {
            Some(tag) => {
                let problem =
                    self.problem(span, "yaml-tag", &format!("tags such as `{tag}` mean nothing here"));
                Err(Box::new(problem.help("leave the tag out; put text that looks like a number in quotes")))
            }
            None => Ok(()),
        }
    }

    fn problem(&self, span: Span, rule: &str, message: &str) -> Problem {
        Problem::error(self.file, span, rule, message)
    }

    /// The part of a span that lies on its first line.
    fn span(&self, span: saphyr_parser::Span) -> Span {
        if span.start.line() > self.lines.len() {
            return self.point(&span.start);
        }
        let (line, column) = (span.start.line(), span.start.col() + 1);
        let end_of_line = self.lines.get(line.saturating_sub(1)).copied().unwrap_or_default();
        let length = if span.end.line() == line {
            span.end.col().saturating_sub(span.start.col())
        } else {
            end_of_line.saturating_sub(span.start.col())
        };
        Span { line, column, length }
    }

    fn point(&self, marker: &saphyr_parser::Marker) -> Span {
        // The scanner reports the end of the text as a line that does not exist.
        let line = marker.line().clamp(1, self.lines.len().max(1));
        let width = self.lines.get(line - 1).copied().unwrap_or_default();
        let column = if line == marker.line() { (marker.col() + 1).min(width + 1) } else { width + 1 };
        Span { line, column, length: 1 }
    }
}

fn size(node: &Node) -> usize {
    match &node.kind {
        Kind::Scalar(_) => 1,
        Kind::Sequence(items) => 1 + items.iter().map(size).sum::<usize>(),
        Kind::Mapping(entries) => {
            1 + entries.iter().map(|(key, value)| size(key) + size(value)).sum::<usize>()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_mean_what_the_core_schema_says() {
        for (text, meaning) in [
            ("", Meaning::Null),
            ("~", Meaning::Null),
            ("true", Meaning::Bool(true)),
            ("yes", Meaning::Text),
            ("12", Meaning::Integer),
            ("-0x1", Meaning::Text),
            ("0x1F", Meaning::Integer),
            ("0.5", Meaning::Float),
            (".5", Meaning::Float),
            ("1e3", Meaning::Float),
            ("1.2.3", Meaning::Text),
            ("512Mi", Meaning::Text),
            (".inf", Meaning::Float),
            ("e3", Meaning::Text),
        ] {
            let scalar = Scalar { text: text.to_owned(), quoted: false };
            assert_eq!(scalar.meaning(), meaning, "{text}");
        }
        assert_eq!(Scalar { text: "12".to_owned(), quoted: true }.meaning(), Meaning::Text);
    }

    #[test]
    fn copies_of_copies_are_refused() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..8 {
            let below = level - 1;
            let items = vec![format!("*a{below}"); 10].join(", ");
            text.push_str(&format!("a{level}: &a{level} [{items}]\n"));
        }
        assert_eq!(parse("f", &text).unwrap_err().as_slice()[0].rule, "yaml-size");
    }

    #[test]
    fn deep_nesting_is_refused() {
        // The scanner has a limit of its own for brackets.
        assert!(parse("f", &"[".repeat(100_000)).is_err());
        let text: String = (0..100).map(|depth| format!("{:depth$}a:\n", "")).collect();
        assert_eq!(parse("f", &text).unwrap_err().as_slice()[0].rule, "yaml-depth");
    }
}
