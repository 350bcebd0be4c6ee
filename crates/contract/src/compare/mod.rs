//! What changed between two versions of a contract, and whom it hurts.
//!
//! The question is asked from the side of somebody who kept to the old contract. What they send must still be
//! accepted, so a request may only widen; what they receive must still be understood, so a response may only narrow.
//! Schemas are compared by what they accept ([`Class`]), so moving, inlining or renaming one is no change.
//! A difference that cannot be judged is [`Verdict::Unknown`], never compatible by guess; and if two operations
//! differ without any rule having spoken, that too is said ([`Rule::UnexplainedChange`]).

mod body;
mod facets;
mod finding;
mod operation;
mod parameters;
mod properties;
mod rule;
mod schema;
mod security;
mod shadow;
mod variants;

pub use finding::{Affected, Finding, Summary, Verdict};
pub use rule::Rule;

use finding::Ledger;

use crate::digest::signature;
use crate::operation::Operation;
use crate::schema::{Class, SchemaId, classes};
use crate::{Contract, OperationKey, Place};

/// Every difference between two versions, the breaking ones first.
///
/// Empty for two versions with the same digest, apart from renamed path parameters. The order and the words
/// are the same for the same input.
pub fn compare(old: &Contract, new: &Contract) -> Vec<Finding> {
    let mut both = classes(&[old.schemas(), new.schemas()]);
    let new_classes = both.pop().expect("two lists of classes for two contracts");
    let old_classes = both.pop().expect("two lists of classes for two contracts");
    let mut comparison = Comparison {
        old: Side { contract: old, classes: old_classes },
        new: Side { contract: new, classes: new_classes },
        ledger: Ledger::default(),
        operation: None,
        explained: false,
    };
    comparison.contracts();
    comparison.ledger.finish()
}

/// One of the two versions.
struct Side<'a> {
    contract: &'a Contract,
    classes: Vec<Class>,
}

impl<'a> Side<'a> {
    fn class(&self, id: SchemaId) -> Class {
        self.classes[id.0 as usize]
    }

    fn schema(&self, id: SchemaId) -> &'a crate::schema::Schema {
        self.contract.schemas().get(id)
    }

    fn signature(&self, operation: &Operation) -> String {
        signature(operation, &self.classes)
    }

    fn is(&self, id: SchemaId, known: SchemaId) -> bool {
        self.class(id) == self.class(known)
    }
}

struct Comparison<'a> {
    old: Side<'a>,
    new: Side<'a>,
    ledger: Ledger,
    /// The operation that is being compared.
    operation: Option<OperationKey>,
    /// A difference was seen that has no effect where it stands, such as `readOnly` in a response.
    explained: bool,
}

/// Which way a value travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Direction {
    Request,
    Response,
}

/// The places of something in the two versions.
#[derive(Debug, Clone, Default)]
struct Places {
    old: Option<Place>,
    new: Option<Place>,
}

impl Places {
    fn both(old: &Place, new: &Place) -> Places {
        Places { old: Some(old.clone()), new: Some(new.clone()) }
    }

    fn gone(old: &Place) -> Places {
        Places { old: Some(old.clone()), new: None }
    }

    fn fresh(new: &Place) -> Places {
        Places { old: None, new: Some(new.clone()) }
    }
}

impl Comparison<'_> {
    fn contracts(&mut self) {
        let (old, new) = (self.old.contract, self.new.contract);
        if old.version() != new.version() {
            let message = format!("the version changed from {} to {}", old.version(), new.version());
            let places = Places::both(&old.parts().version_place, &new.parts().version_place);
            self.say(Verdict::Compatible, Rule::ContractVersionChanged, message, "", places);
        }
        self.operations();
        self.webhooks();
        // Digests that differ without a word having been said would make silence a lie.
        if self.ledger.count == 0 && !self.explained && old.digest() != new.digest() {
            let message = "the contracts differ in a way that no rule describes".to_owned();
            let places = Places::both(&old.parts().entry, &new.parts().entry);
            self.say(Verdict::Unknown, Rule::UnexplainedChange, message, "", places);
        }
    }

    fn say(&mut self, verdict: Verdict, rule: Rule, message: String, spot: &str, places: Places) {
        debug_assert!(
            rule.verdicts().contains(&verdict) || verdict == Verdict::Unknown,
            "{rule} does not lead to {verdict}"
        );
        let affected =
            self.operation.clone().map(|operation| Affected { operation, spot: spot.trim().to_owned() });
        self.ledger.add(verdict, rule, message, affected, places.old, places.new);
    }

    fn webhooks(&mut self) {
        let (old, new) = (&self.old.contract.parts().webhooks, &self.new.contract.parts().webhooks);
        let lines = |side: &Side<'_>, operations: Option<&Vec<Operation>>| {
            let mut lines: Vec<String> =
                operations.into_iter().flatten().map(|o| side.signature(o)).collect();
            lines.sort();
            lines
        };
        let names: std::collections::BTreeSet<&String> = old.keys().chain(new.keys()).collect();
        for name in names {
            let (was, is) = (old.get(name), new.get(name));
            if lines(&self.old, was) == lines(&self.new, is) && was.is_some() == is.is_some() {
                continue;
            }
            let place = |operations: Option<&Vec<Operation>>| Some(operations?.first()?.place.clone());
            let message = match (was, is) {
                (None, _) => format!("the webhook `{name}` is new"),
                (_, None) => format!("the webhook `{name}` is gone"),
                _ => format!("the webhook `{name}` is different"),
            };
            let places = Places { old: place(was), new: place(is) };
            self.say(Verdict::Unknown, Rule::WebhookChanged, message, "", places);
        }
    }
}
