use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::Types;
use crate::number::Number;

/// The sizes that JSON Schema can limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Limit {
    MinLength,
    MaxLength,
    MinItems,
    MaxItems,
    MinProperties,
    MaxProperties,
}

impl Limit {
    pub(crate) const ALL: [Limit; 6] = [
        Limit::MinLength,
        Limit::MaxLength,
        Limit::MinItems,
        Limit::MaxItems,
        Limit::MinProperties,
        Limit::MaxProperties,
    ];

    pub(crate) fn key(self) -> &'static str {
        match self {
            Limit::MinLength => "minLength",
            Limit::MaxLength => "maxLength",
            Limit::MinItems => "minItems",
            Limit::MaxItems => "maxItems",
            Limit::MinProperties => "minProperties",
            Limit::MaxProperties => "maxProperties",
        }
    }

    pub(crate) fn is_minimum(self) -> bool {
        matches!(self, Limit::MinLength | Limit::MinItems | Limit::MinProperties)
    }
}

/// An end of a range of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bound {
    pub(crate) value: Number,
    pub(crate) exclusive: bool,
}

impl Bound {
    /// The narrower of two lower bounds.
    pub(crate) fn highest(self, other: Bound) -> Bound {
        match self.value.cmp(&other.value) {
            std::cmp::Ordering::Less => other,
            std::cmp::Ordering::Greater => self,
            std::cmp::Ordering::Equal => {
                Bound { value: self.value, exclusive: self.exclusive || other.exclusive }
            }
        }
    }

    /// The narrower of two upper bounds.
    pub(crate) fn lowest(self, other: Bound) -> Bound {
        match self.value.cmp(&other.value) {
            std::cmp::Ordering::Less => self,
            std::cmp::Ordering::Greater => other,
            std::cmp::Ordering::Equal => {
                Bound { value: self.value, exclusive: self.exclusive || other.exclusive }
            }
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.value, if self.exclusive { " (exclusive)" } else { "" })
    }
}

/// What a schema says about a value itself, leaving aside the schemas of its parts.
///
/// `null` is kept apart from the types and the values, because 3.0 and 3.1 write it differently.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Facets {
    pub(crate) types: Types,
    /// All have to hold; more than one only through `allOf`.
    pub(crate) formats: BTreeSet<String>,
    /// The permitted values as canonical JSON, without `null`.
    pub(crate) values: Option<BTreeSet<String>>,
    pub(crate) lower: Option<Bound>,
    pub(crate) upper: Option<Bound>,
    pub(crate) limits: BTreeMap<Limit, u64>,
    pub(crate) patterns: BTreeSet<String>,
    pub(crate) multiples: BTreeSet<Number>,
    pub(crate) unique_items: bool,
    /// Keywords that are compared only for equality, as canonical JSON.
    pub(crate) other: BTreeMap<String, String>,
    /// Canonical JSON.
    pub(crate) default: Option<String>,
    pub(crate) read_only: bool,
    pub(crate) write_only: bool,
    pub(crate) deprecated: bool,
}

impl Facets {
    /// Says nothing: every value fits.
    pub(crate) fn any() -> Facets {
        Facets {
            types: Types::ANY,
            formats: BTreeSet::new(),
            values: None,
            lower: None,
            upper: None,
            limits: BTreeMap::new(),
            patterns: BTreeSet::new(),
            multiples: BTreeSet::new(),
            unique_items: false,
            other: BTreeMap::new(),
            default: None,
            read_only: false,
            write_only: false,
            deprecated: false,
        }
    }

    /// Adds the demands of another schema: a value has to satisfy both.
    pub(crate) fn merge(&mut self, other: &Facets) {
        let Facets {
            types,
            formats,
            values,
            lower,
            upper,
            limits,
            patterns,
            multiples,
            unique_items,
            other: keywords,
            default,
            read_only,
            write_only,
            deprecated,
        } = other;
        self.types = self.types.and(*types);
        self.formats.extend(formats.iter().cloned());
        self.values = match (self.values.take(), values) {
            (Some(a), Some(b)) => Some(a.intersection(b).cloned().collect()),
            (a, b) => a.or_else(|| b.clone()),
        };
        self.lower = match (self.lower, *lower) {
            (Some(a), Some(b)) => Some(a.highest(b)),
            (a, b) => a.or(b),
        };
        self.upper = match (self.upper, *upper) {
            (Some(a), Some(b)) => Some(a.lowest(b)),
            (a, b) => a.or(b),
        };
        for (limit, size) in limits {
            let kept = self.limits.entry(*limit).or_insert(*size);
            *kept = if limit.is_minimum() { (*kept).max(*size) } else { (*kept).min(*size) };
        }
        self.patterns.extend(patterns.iter().cloned());
        self.multiples.extend(multiples.iter().copied());
        self.unique_items |= unique_items;
        for (key, content) in keywords {
            self.other
                .entry(key.clone())
                .and_modify(|kept| {
                    if kept != content {
                        *kept = format!("{kept} and {content}");
                    }
                })
                .or_insert_with(|| content.clone());
        }
        if self.default.is_none() {
            self.default.clone_from(default);
        }
        self.read_only |= read_only;
        self.write_only |= write_only;
        self.deprecated |= deprecated;
    }

    /// Brings equal meanings into one form: values imply their types, and a minimum of none is none.
    pub(crate) fn settle(&mut self) {
        if let Some(values) = &self.values {
            let implied = values.iter().fold(Types::NONE, |types, value| types.or(type_of(value)));
            let types = self.types.and(implied);
            // `type: string` with `enum: [1, 2]` is contradictory and common; the type is believed.
            if !types.is_empty() {
                self.types = types;
            }
        }
        self.limits.retain(|limit, size| !(limit.is_minimum() && *size == 0));
    }

    /// A text that is equal exactly when the facets are.
    pub(crate) fn signature(&self) -> String {
        let Facets {
            types,
            formats,
            values,
            lower,
            upper,
            limits,
            patterns,
            multiples,
            unique_items,
            other,
            default,
            read_only,
            write_only,
            deprecated,
        } = self;
        format!(
            "{types:?}|{formats:?}|{values:?}|{}|{}|{limits:?}|{patterns:?}|{}|{unique_items}|{other:?}|{default:?}|\
             {read_only}|{write_only}|{deprecated}",
            lower.map(|b| b.to_string()).unwrap_or_default(),
            upper.map(|b| b.to_string()).unwrap_or_default(),
            multiples.iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
        )
    }
}

/// The type of a value in canonical JSON.
fn type_of(value: &str) -> Types {
    match value.as_bytes().first() {
        Some(b'"') => Types::STRING,
        Some(b'[') => Types::ARRAY,
        Some(b'{') => Types::OBJECT,
        Some(b't' | b'f') => Types::BOOLEAN,
        Some(b'n') => Types::NULL,
        Some(_) if value.contains(['.', 'e']) => Types::NUMBER,
        _ => Types::INTEGER,
    }
}
