use std::cmp::Ordering;

use super::{Comparison, Places, Rule, Verdict};
use crate::operation::{Operation, ParameterIn};
use crate::path::Segment;
use crate::schema::{Schema, Types};

impl Comparison<'_> {
    /// Says so when a new operation takes requests that another answered before.
    pub(super) fn shadowed(&mut self, is: &Operation) {
        let (old, new) = (self.old.contract.operations(), self.new.contract.operations());
        for was in old {
            let stays = || new.iter().any(|o| o.method == was.method && o.path.shape() == was.path.shape());
            if was.method == is.method
                && is.path.specificity(&was.path) == Ordering::Less
                && is.path.may_meet(&was.path)
                && stays()
                && !self.excluded(is, was)
            {
                let message = format!("{} takes requests that {} answered before", is.key(), was.key());
                let places = Places::both(&was.place, &is.place);
                self.say(Verdict::Unknown, Rule::OperationShadowed, message, "", places);
            }
        }
    }

    /// Whether the texts in the new path can never have been values of the old one's holes.
    fn excluded(&self, is: &Operation, was: &Operation) -> bool {
        is.path.segments().iter().zip(was.path.segments()).any(|pair| match pair {
            (Segment::Literal(text), Segment::Parameter(name)) => was
                .parameters
                .iter()
                .find(|p| p.location == ParameterIn::Path && p.name == *name)
                .is_some_and(|p| refuses(self.old.schema(p.schema), text)),
            _ => false,
        })
    }
}

/// Whether a schema certainly does not take this text from a path.
fn refuses(schema: &Schema, text: &str) -> bool {
    let facets = &schema.facets;
    if !facets.types.has(Types::STRING) {
        let number = crate::number::Number::parse(text).is_some();
        let boolean = text == "true" || text == "false";
        let scalar = Types::NUMBER.or(Types::BOOLEAN);
        return facets.types.without(scalar).is_empty() && !number && !boolean;
    }
    let listed = |values: &std::collections::BTreeSet<String>| {
        values.contains(&crate::node::quote(text)) || values.contains(text)
    };
    if facets.values.as_ref().is_some_and(|values| !listed(values)) {
        return true;
    }
    facets.types == Types::STRING
        && facets.formats.iter().any(|format| match format.as_str() {
            "uuid" => !is_uuid(text),
            // Both begin with a year.
            "date" | "date-time" => !text.starts_with(|c: char| c.is_ascii_digit()),
            _ => false,
        })
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(i, b)| match i {
            8 | 13 | 18 | 23 => b == b'-',
            _ => b.is_ascii_hexdigit(),
        })
}
