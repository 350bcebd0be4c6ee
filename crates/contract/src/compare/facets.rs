use std::cmp::Ordering;
use std::collections::BTreeSet;

use super::schema::{Task, Walk};
use super::{Comparison, Direction, Places, Rule, Verdict};
use crate::schema::{Bound, Limit, Schema};

/// What a keyword's change does to the set of values that fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Narrowed,
    Widened,
    /// Neither contains the other, or nobody can say.
    Other,
}

/// The rules for a family of keywords: narrowed, widened, other; first for requests, then for responses.
type Family = [[Rule; 3]; 2];

const ENUM: Family = [
    [Rule::RequestEnumNarrowed, Rule::RequestEnumWidened, Rule::UnexplainedChange],
    [Rule::ResponseEnumNarrowed, Rule::ResponseEnumWidened, Rule::UnexplainedChange],
];
const FORMAT: Family = [
    [Rule::RequestFormatNarrowed, Rule::RequestFormatWidened, Rule::RequestFormatChanged],
    [Rule::ResponseFormatNarrowed, Rule::ResponseFormatWidened, Rule::ResponseFormatChanged],
];
const LIMIT: Family = [
    [Rule::RequestLimitTightened, Rule::RequestLimitLoosened, Rule::RequestLimitChanged],
    [Rule::ResponseLimitTightened, Rule::ResponseLimitLoosened, Rule::ResponseLimitChanged],
];
const PATTERN: Family = [
    [Rule::RequestPatternAdded, Rule::RequestPatternRemoved, Rule::RequestPatternChanged],
    [Rule::ResponsePatternAdded, Rule::ResponsePatternRemoved, Rule::ResponsePatternChanged],
];

/// Formats that say which values there are. `int64` and `double` are what everybody uses anyway, so that
/// writing them down seldom narrows anything.
const MEANINGFUL: [&str; 17] = [
    "int32",
    "float",
    "date",
    "date-time",
    "time",
    "duration",
    "uuid",
    "email",
    "uri",
    "uri-reference",
    "hostname",
    "ipv4",
    "ipv6",
    "byte",
    "binary",
    "regex",
    "json-pointer",
];

/// Formats of which the first is contained in the second.
const WITHIN: [(&str, &str); 3] = [("int32", "int64"), ("float", "double"), ("uri", "uri-reference")];

impl Change {
    fn verdict(self, direction: Direction) -> Verdict {
        match (direction, self) {
            (Direction::Request, Change::Narrowed) | (Direction::Response, Change::Widened) => {
                Verdict::Breaking
            }
            (Direction::Request, Change::Widened) | (Direction::Response, Change::Narrowed) => {
                Verdict::Compatible
            }
            (_, Change::Other) => Verdict::Unknown,
        }
    }

    fn rule(self, direction: Direction, family: &Family) -> Rule {
        let rules = &family[usize::from(direction == Direction::Response)];
        match self {
            Change::Narrowed => rules[0],
            Change::Widened => rules[1],
            Change::Other => rules[2],
        }
    }
}

impl Comparison<'_> {
    /// Compares what two schemas say about the value itself, types apart.
    pub(super) fn facets(&mut self, walk: &Walk, task: &Task, old: &Schema, new: &Schema) {
        self.values(walk, task, old, new);
        self.formats(walk, task, old, new);
        self.patterns(walk, task, old, new);
        self.limits(walk, task, old, new);
    }

    #[expect(clippy::too_many_arguments, reason = "one call per keyword; a struct would only rename them")]
    fn change(
        &mut self,
        walk: &Walk,
        task: &Task,
        family: &Family,
        change: Change,
        verdict: Option<Verdict>,
        message: String,
        places: Places,
    ) {
        let verdict = verdict.unwrap_or_else(|| change.verdict(walk.direction));
        self.tell(walk, task, verdict, change.rule(walk.direction, family), message, places);
    }

    fn values(&mut self, walk: &Walk, task: &Task, old: &Schema, new: &Schema) {
        let label = &task.label;
        let key = |schema: &Schema| {
            Some(schema.keyword(if schema.at.contains_key("const") { "const" } else { "enum" }))
        };
        let places = Places { old: key(old), new: key(new) };
        let list = |values: &BTreeSet<String>| values.iter().cloned().collect::<Vec<_>>().join(", ");
        let (narrowed, widened) = match (&old.facets.values, &new.facets.values) {
            (None, None) => (None, None),
            (None, Some(is)) => (Some(format!("{label} is now limited to {}", list(is))), None),
            (Some(was), None) => (None, Some(format!("{label} is no longer limited to {}", list(was)))),
            (Some(was), Some(is)) => {
                let say = |values: BTreeSet<String>, how: &str| {
                    (!values.is_empty()).then(|| format!("{label} {how} {}", list(&values)))
                };
                (
                    say(was.difference(is).cloned().collect(), "no longer has the values"),
                    say(is.difference(was).cloned().collect(), "has the new values"),
                )
            }
        };
        if let Some(message) = narrowed {
            self.change(walk, task, &ENUM, Change::Narrowed, None, message, places.clone());
        }
        if let Some(message) = widened {
            self.change(walk, task, &ENUM, Change::Widened, None, message, places);
        }
    }

    fn formats(&mut self, walk: &Walk, task: &Task, old: &Schema, new: &Schema) {
        let (was, is) = (&old.facets.formats, &new.facets.formats);
        if was == is {
            return;
        }
        // Only how an input field is drawn.
        let effective = |formats: &BTreeSet<String>| -> BTreeSet<String> {
            formats.iter().filter(|f| *f != "password").cloned().collect()
        };
        let (old_formats, new_formats) = (effective(was), effective(is));
        if old_formats == new_formats {
            self.explained = true;
            return;
        }
        let single = |formats: &BTreeSet<String>| match formats.len() {
            1 => formats.first().cloned(),
            _ => None,
        };
        let within = |a: &Option<String>, b: &Option<String>| match (a, b) {
            (Some(a), Some(b)) => WITHIN.contains(&(a.as_str(), b.as_str())),
            _ => false,
        };
        let (one, other) = (single(&old_formats), single(&new_formats));
        let change = if old_formats.is_subset(&new_formats) || within(&other, &one) {
            Change::Narrowed
        } else if new_formats.is_subset(&old_formats) || within(&one, &other) {
            Change::Widened
        } else {
            Change::Other
        };
        let known = |format: &String| MEANINGFUL.contains(&format.as_str());
        let decided = within(&one, &other)
            || within(&other, &one)
            || old_formats.symmetric_difference(&new_formats).all(known);
        let verdict = match (decided, change) {
            (false, _) => Verdict::Unknown,
            (true, Change::Other) => Verdict::Breaking,
            (true, change) => change.verdict(walk.direction),
        };
        let name = |formats: &BTreeSet<String>| match formats.is_empty() {
            true => "none".to_owned(),
            false => formats.iter().cloned().collect::<Vec<_>>().join(" and "),
        };
        let message = format!(
            "the format of {} changed from {} to {}",
            task.label,
            name(&old_formats),
            name(&new_formats)
        );
        let places = Places { old: Some(old.keyword("format")), new: Some(new.keyword("format")) };
        self.change(walk, task, &FORMAT, change, Some(verdict), message, places);
    }

    fn patterns(&mut self, walk: &Walk, task: &Task, old: &Schema, new: &Schema) {
        let (was, is) = (&old.facets.patterns, &new.facets.patterns);
        if was == is {
            return;
        }
        let change = if was.is_subset(is) {
            Change::Narrowed
        } else if is.is_subset(was) {
            Change::Widened
        } else {
            Change::Other
        };
        let name = |patterns: &BTreeSet<String>| match patterns.is_empty() {
            true => "none".to_owned(),
            false => patterns.iter().map(|p| format!("`{p}`")).collect::<Vec<_>>().join(" and "),
        };
        let message = format!("the pattern of {} changed from {} to {}", task.label, name(was), name(is));
        let places = Places { old: Some(old.keyword("pattern")), new: Some(new.keyword("pattern")) };
        self.change(walk, task, &PATTERN, change, None, message, places);
    }

    fn limits(&mut self, walk: &Walk, task: &Task, old: &Schema, new: &Schema) {
        for limit in Limit::ALL {
            let (was, is) = (old.facets.limits.get(&limit), new.facets.limits.get(&limit));
            let higher_is_narrower = limit.is_minimum();
            let change = order(was, is, higher_is_narrower, Ord::cmp);
            self.limit(walk, task, limit.key(), change, (was, is), old, new);
        }
        let ends = [
            ("minimum", "exclusiveMinimum", old.facets.lower, new.facets.lower, true),
            ("maximum", "exclusiveMaximum", old.facets.upper, new.facets.upper, false),
        ];
        for (key, exclusive, was, is, is_lower) in ends {
            let compare = |a: &Bound, b: &Bound| {
                let tie = a.exclusive.cmp(&b.exclusive);
                a.value.cmp(&b.value).then(if is_lower { tie } else { tie.reverse() })
            };
            let change = order(was.as_ref(), is.as_ref(), is_lower, compare);
            let key = if old.at.contains_key(key) || new.at.contains_key(key) { key } else { exclusive };
            self.limit(walk, task, key, change, (was.as_ref(), is.as_ref()), old, new);
        }
        self.multiples(walk, task, old, new);
        let change = match (old.facets.unique_items, new.facets.unique_items) {
            (false, true) => Some(Change::Narrowed),
            (true, false) => Some(Change::Widened),
            _ => None,
        };
        let pair = (Some(&old.facets.unique_items), Some(&new.facets.unique_items));
        self.limit(walk, task, "uniqueItems", change, pair, old, new);
    }

    fn multiples(&mut self, walk: &Walk, task: &Task, old: &Schema, new: &Schema) {
        let (was, is) = (&old.facets.multiples, &new.facets.multiples);
        if was == is {
            return;
        }
        let each_of = |a: &BTreeSet<crate::number::Number>, b: &BTreeSet<crate::number::Number>| {
            b.iter().all(|b| a.iter().any(|a| a == b || a.is_multiple_of(*b) == Some(true)))
        };
        let change = if each_of(is, was) {
            Change::Narrowed
        } else if each_of(was, is) {
            Change::Widened
        } else {
            Change::Other
        };
        let name = |set: &BTreeSet<crate::number::Number>| {
            set.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ")
        };
        let (was, is) = (name(was), name(is));
        let pair = ((!was.is_empty()).then_some(&was), (!is.is_empty()).then_some(&is));
        self.limit(walk, task, "multipleOf", Some(change), pair, old, new);
    }

    #[expect(clippy::too_many_arguments, reason = "one call per keyword; a struct would only rename them")]
    fn limit<T: std::fmt::Display>(
        &mut self,
        walk: &Walk,
        task: &Task,
        key: &'static str,
        change: Option<Change>,
        (was, is): (Option<&T>, Option<&T>),
        old: &Schema,
        new: &Schema,
    ) {
        let Some(change) = change else { return };
        let name = |value: Option<&T>| value.map_or("none".to_owned(), ToString::to_string);
        let message = format!("`{key}` of {} changed from {} to {}", task.label, name(was), name(is));
        let places = Places { old: Some(old.keyword(key)), new: Some(new.keyword(key)) };
        self.change(walk, task, &LIMIT, change, None, message, places);
    }
}

/// What a moved limit does; no limit at all is the widest.
fn order<T>(
    was: Option<&T>,
    is: Option<&T>,
    higher_is_narrower: bool,
    compare: impl Fn(&T, &T) -> Ordering,
) -> Option<Change> {
    match (was, is) {
        (None, None) => None,
        (None, Some(_)) => Some(Change::Narrowed),
        (Some(_), None) => Some(Change::Widened),
        (Some(was), Some(is)) => match compare(is, was) {
            Ordering::Equal => None,
            Ordering::Greater if higher_is_narrower => Some(Change::Narrowed),
            Ordering::Less if !higher_is_narrower => Some(Change::Narrowed),
            _ => Some(Change::Widened),
        },
    }
}
