//! Text to [`Node`]. JSON is read by the same reader: it is YAML with more punctuation.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Tag};

use crate::node::{Entry, Node, Value};
use crate::number::Number;
use crate::{Place, Problem, ProblemKind};

/// Deeper nesting than any contract has; keeps every walk over a document off the end of the stack.
const DEEPEST: usize = 128;
/// What aliases may unfold a document to.
const LARGEST: usize = 2_000_000;

/// Reads one document. Faults that leave a usable tree (a repeated key) are reported beside it.
pub(crate) fn read(file: &Arc<str>, text: &str, problems: &mut Vec<Problem>) -> Option<Arc<Node>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let paired = pair_surrogates(text);
    let text = paired.as_deref().unwrap_or(text);
    let mut builder = Builder { file, problems, open: Vec::new(), anchors: HashMap::new(), root: None };
    match builder.run(text) {
        Ok(()) => {}
        Err(problem) => {
            builder.problems.push(problem);
            return None;
        }
    }
    let root = builder.root.take();
    if root.is_none() {
        let place = Place::new(file.clone(), 1, 1);
        problems.push(Problem {
            place,
            kind: ProblemKind::Syntax,
            message: "the file holds no document".to_owned(),
            hint: Some("an OpenAPI document starts with `openapi: 3.0.3` or `openapi: 3.1.0`".to_owned()),
        });
    }
    root
}

/// JSON writes a character beyond the first plane as two escapes, `\ud83d\ude00`; YAML knows only `\U0001f600`.
fn pair_surrogates(text: &str) -> Option<String> {
    if !text.trim_start().starts_with('{') || !text.contains("\\u") {
        return None;
    }
    let unit = |text: &str| u16::from_str_radix(text.strip_prefix("\\u")?.get(..4)?, 16).ok();
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        out.push_str(before);
        let pair = unit(escape).zip(escape.get(6..).and_then(unit));
        let paired = pair.and_then(|(high, low)| char::decode_utf16([high, low]).next()?.ok());
        match paired {
            Some(char) if u32::from(char) > 0xffff => {
                out.push_str(&format!("\\U{:08x}", u32::from(char)));
                rest = &escape[12..];
            }
            _ => {
                // The escape and what it escapes, so that `\\u` is not taken for one.
                let len = escape.chars().take(2).map(char::len_utf8).sum();
                out.push_str(&escape[..len]);
                rest = &escape[len..];
            }
        }
    }
    out.push_str(rest);
    Some(out)
}

/// A collection that has been opened and not yet closed.
enum Open {
    List { place: Place, anchor: usize, items: Vec<Arc<Node>> },
    Map { place: Place, anchor: usize, entries: BTreeMap<String, Entry>, key: Option<(String, Place)> },
}

struct Builder<'a> {
    file: &'a Arc<str>,
    problems: &'a mut Vec<Problem>,
    open: Vec<Open>,
    anchors: HashMap<usize, Arc<Node>>,
    root: Option<Arc<Node>>,
}

impl Builder<'_> {
    fn run(&mut self, text: &str) -> Result<(), Problem> {
        let mut parser = Parser::new_from_str(text);
        while let Some(event) = parser.next_event() {
            let (event, span) = event.map_err(|error| {
                let place = self.place(*error.marker());
                fault(place, ProblemKind::Syntax, format!("not valid YAML or JSON: {}", error.info()), None)
            })?;
            self.event(event, self.place(span.start))?;
        }
        Ok(())
    }

    fn event(&mut self, event: Event<'_>, place: Place) -> Result<(), Problem> {
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
            Event::DocumentStart(_) if self.root.is_some() => Err(fault(
                place,
                ProblemKind::Syntax,
                "a second document starts here".to_owned(),
                Some("a contract is one document; put the other in its own file"),
            )),
            Event::DocumentStart(_) => Ok(()),
            Event::Alias(anchor) => {
                let Some(node) = self.anchors.get(&anchor).cloned() else {
                    return Err(fault(
                        place,
                        ProblemKind::Syntax,
                        "an alias inside its own anchor never ends".to_owned(),
                        Some("use `$ref` for recursive schemas"),
                    ));
                };
                self.add(place, 0, node)
            }
            Event::Scalar(text, style, anchor, tag) => {
                let value = scalar(&text, style, tag.as_deref(), &place)?;
                if let Some(Open::Map { key: key @ None, .. }) = self.open.last_mut() {
                    // Keys keep their spelling: `200:` is the status "200", `on:` is "on".
                    if anchor != 0 {
                        let node = Node::new(place.clone(), Value::Text(text.clone().into_owned()));
                        self.anchors.insert(anchor, Arc::new(node));
                    }
                    *key = Some((text.into_owned(), place));
                    return Ok(());
                }
                self.add(place.clone(), anchor, Arc::new(Node::new(place, value)))
            }
            Event::SequenceStart(anchor, tag) => {
                self.start(&place, tag.as_deref())?;
                self.open.push(Open::List { place, anchor, items: Vec::new() });
                Ok(())
            }
            Event::MappingStart(anchor, tag) => {
                self.start(&place, tag.as_deref())?;
                self.open.push(Open::Map { place, anchor, entries: BTreeMap::new(), key: None });
                Ok(())
            }
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(Open::List { place, anchor, items }) => {
                    self.add(place.clone(), anchor, Arc::new(Node::new(place, Value::List(items))))
                }
                Some(Open::Map { place, anchor, entries, .. }) => {
                    let entries = merge_keys(entries)?;
                    self.add(place.clone(), anchor, Arc::new(Node::new(place, Value::Map(entries))))
                }
                None => Ok(()),
            },
        }
    }

    /// A list or mapping begins: it may not be a key, nor stand too deep, nor carry a private tag.
    fn start(&self, place: &Place, tag: Option<&Tag>) -> Result<(), Problem> {
        if let Some(Open::Map { key: None, .. }) = self.open.last() {
            return Err(fault(
                place.clone(),
                ProblemKind::Syntax,
                "a list or mapping is used as a key".to_owned(),
                Some("keys are plain texts; a path template such as `/a/{b}` needs no brackets around it"),
            ));
        }
        if self.open.len() >= DEEPEST {
            return Err(too_large(place.clone()));
        }
        match tag {
            Some(tag) if !tag.is_yaml_core_schema() => Err(unknown_tag(place.clone(), tag)),
            _ => Ok(()),
        }
    }

    /// Puts a finished node into the collection that is open, or makes it the document.
    fn add(&mut self, place: Place, anchor: usize, node: Arc<Node>) -> Result<(), Problem> {
        if node.size > LARGEST || node.depth > DEEPEST {
            return Err(too_large(place));
        }
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        match self.open.last_mut() {
            None => self.root = Some(node),
            Some(Open::List { items, .. }) => items.push(node),
            Some(Open::Map { entries, key, .. }) => match key.take() {
                None => {
                    let Some(text) = node.text() else {
                        return Err(fault(
                            place,
                            ProblemKind::Syntax,
                            format!("{} is used as a key through an alias", node.describe()),
                            None,
                        ));
                    };
                    *key = Some((text.to_owned(), place));
                }
                Some((key, at)) => {
                    if let Some(first) = entries.get(&key) {
                        self.problems.push(fault(
                            at,
                            ProblemKind::Duplicate,
                            format!("the key `{key}` is already written at {}", first.place),
                            Some("keep one of the two"),
                        ));
                    } else {
                        entries.insert(key, Entry { place: at, node });
                    }
                }
            },
        }
        Ok(())
    }

    fn place(&self, marker: Marker) -> Place {
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Place::new(self.file.clone(), number(marker.line().max(1)), number(marker.col() + 1))
    }
}

/// Applies `<<: *other`: what the other mapping has and this one lacks.
fn merge_keys(mut entries: BTreeMap<String, Entry>) -> Result<BTreeMap<String, Entry>, Problem> {
    let Some(merge) = entries.remove("<<") else { return Ok(entries) };
    let sources = match &merge.node.value {
        Value::List(items) => items.clone(),
        _ => vec![merge.node.clone()],
    };
    for source in sources {
        let Some(more) = source.map() else {
            return Err(fault(
                merge.place,
                ProblemKind::WrongShape,
                format!("`<<` merges mappings, and this is {}", source.describe()),
                None,
            ));
        };
        for (key, entry) in more {
            entries.entry(key.clone()).or_insert_with(|| entry.clone());
        }
    }
    Ok(entries)
}

/// The value of a scalar by the YAML 1.2 core schema.
fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>, place: &Place) -> Result<Value, Problem> {
    if let Some(tag) = tag {
        if !tag.is_yaml_core_schema() {
            return Err(unknown_tag(place.clone(), tag));
        }
        if tag.suffix == "str" {
            return Ok(Value::Text(text.to_owned()));
        }
    } else if style != ScalarStyle::Plain {
        return Ok(Value::Text(text.to_owned()));
    }
    Ok(match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ => match Number::parse(text) {
            Some(number) => Value::Number(number, text.to_owned()),
            None => Value::Text(text.to_owned()),
        },
    })
}

fn fault(place: Place, kind: ProblemKind, message: String, hint: Option<&str>) -> Problem {
    Problem { place, kind, message, hint: hint.map(str::to_owned) }
}

fn too_large(place: Place) -> Problem {
    fault(
        place,
        ProblemKind::TooLarge,
        format!("the document nests deeper than {DEEPEST} or unfolds to more than {LARGEST} values here"),
        Some("use `$ref` instead of aliases within aliases"),
    )
}

fn unknown_tag(place: Place, tag: &Tag) -> Problem {
    fault(
        place,
        ProblemKind::Syntax,
        format!("the tag `{tag}` means nothing in a contract"),
        Some("to include another file write `$ref: ./file.yaml`"),
    )
}
