//! What a service's migrations mean for a plan: which have not run, and what they do to older code.

use crate::text::some;
use fairway_model::{DatabaseSpec, Digest, Migration, MigrationEffect, Reversibility};
use std::collections::BTreeSet;

/// An effect in one word.
pub(crate) fn effect_word(effect: MigrationEffect) -> &'static str {
    match effect {
        MigrationEffect::Additive => "additive",
        MigrationEffect::Unknown => "unknown",
        MigrationEffect::Destructive => "destructive",
    }
}

/// Is the database there?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    /// Seen, or recorded and not looked at.
    There,
    /// Seen that it is missing.
    New,
    /// Neither seen nor recorded.
    Unsure,
}

/// What running a service's migrations would mean.
pub(crate) struct Outlook<'a> {
    /// Those that have not run as far as anyone knows; `None` when the manifest does not list them.
    pub(crate) pending: Option<Vec<&'a Migration>>,
    /// Which have run is known: from the recorded release, or because the database is new.
    pub(crate) certain: bool,
    /// Migrations that ran under the same name with another text.
    pub(crate) edited: Vec<&'a str>,
}

impl<'a> Outlook<'a> {
    pub(crate) fn new(
        recorded: Option<&DatabaseSpec>,
        desired: &'a DatabaseSpec,
        migrated: Option<&BTreeSet<Digest>>,
        presence: Presence,
    ) -> Self {
        let ran = recorded.and_then(|database| database.migrations.as_deref());
        let fresh = presence == Presence::New;
        let known = |digest: &Digest| {
            !fresh
                && (migrated.is_some_and(|migrated| migrated.contains(digest))
                    || ran.is_some_and(|ran| ran.iter().any(|other| other.digest == *digest)))
        };
        let pending = desired.migrations.as_ref().map(|migrations| {
            migrations.iter().filter(|migration| !known(&migration.digest)).collect::<Vec<_>>()
        });
        let edited = pending.iter().flatten().filter(|migration| {
            !fresh && ran.is_some_and(|ran| ran.iter().any(|other| other.name == migration.name))
        });
        let edited = edited.map(|migration| migration.name.as_str()).collect();
        Self { edited, pending, certain: fresh || ran.is_some() || migrated.is_some() }
    }

    /// There is, or may be, something to run.
    pub(crate) fn wants_run(&self) -> bool {
        self.pending.as_ref().is_none_or(|pending| !pending.is_empty())
    }

    /// The pending ones with this effect, by name.
    pub(crate) fn with(&self, effect: MigrationEffect) -> Vec<&'a str> {
        let pending = self.pending.iter().flatten();
        pending
            .filter(|migration| migration.effect == effect)
            .map(|migration| migration.name.as_str())
            .collect()
    }

    /// Whether running them can be taken back. On a new database there is no older code to break.
    pub(crate) fn reversibility(&self, presence: Presence) -> Reversibility {
        if presence == Presence::New {
            return Reversibility::Reversible;
        }
        if self.pending.is_none() {
            return Reversibility::Unknown {
                why: "the manifest does not say where the migrations are, so nobody can tell what they do"
                    .to_owned(),
            };
        }
        let destructive = self.with(MigrationEffect::Destructive);
        if !destructive.is_empty() {
            let what = some(&destructive, 3);
            return if self.certain {
                Reversibility::OneWay { why: format!("{what} removes or narrows what older code uses") }
            } else {
                Reversibility::Unknown {
                    why: format!("{what} is destructive, and nobody knows whether it ran before"),
                }
            };
        }
        let unknown = self.with(MigrationEffect::Unknown);
        if unknown.is_empty() {
            Reversibility::Reversible
        } else {
            Reversibility::Unknown {
                why: format!("nobody could tell what {} does to older code", some(&unknown, 3)),
            }
        }
    }

    /// Why the command runs.
    pub(crate) fn reason(&self, presence: Presence) -> String {
        match &self.pending {
            _ if presence == Presence::New => "the database is new".to_owned(),
            None => "the service starts anew, and its migrations are not listed".to_owned(),
            Some(pending) => {
                let names: Vec<&str> = pending.iter().map(|migration| migration.name.as_str()).collect();
                let remark = match pending.iter().map(|migration| migration.effect).max() {
                    Some(MigrationEffect::Additive) => {
                        ": additive, older code keeps working; the schema stays"
                    }
                    Some(MigrationEffect::Unknown) | None => ": what it does to older code is not known",
                    Some(MigrationEffect::Destructive) => ": destructive",
                };
                format!("{}{remark}", some(&names, 3))
            }
        }
    }
}

/// Migrations that ran and that the desired release does not know: their effect stays in the schema.
pub(crate) fn left_behind<'a>(
    recorded: &'a DatabaseSpec,
    desired: Option<&DatabaseSpec>,
) -> Vec<&'a Migration> {
    let kept: BTreeSet<Digest> = desired
        .and_then(|database| database.migrations.as_ref())
        .into_iter()
        .flatten()
        .map(|migration| migration.digest)
        .collect();
    // A release that stops listing its migrations does not say that they are gone.
    if desired.is_some_and(|database| database.migrations.is_none()) {
        return Vec::new();
    }
    recorded.migrations.iter().flatten().filter(|migration| !kept.contains(&migration.digest)).collect()
}
