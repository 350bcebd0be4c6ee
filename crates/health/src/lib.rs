//! Which instance may take the next request, decided from probes, outcomes and the time of day as an argument.
//!
//! # Who is who
//!
//! * [`Condition`]: what is known about one instance. It lives as long as the edge knows the instance, over all route
//!   tables, and is shared by all threads.
//! * [`Roster`]: the instances of one service in one route table, with their weights, and the [`Rules`] they are held
//!   to. It never changes; [`Roster::pick`] chooses.
//! * [`Outcome`]: how an exchange went, told to [`Roster::report`]. [`Change`] is what followed from it, for the log.
//! * [`Trial`]: the right to ask an instance that was taken out whether it is well again.
//! * [`Budget`]: how many requests may be repeated; [`Attempt`]: which ones; [`redial`]: when one that nobody accepted
//!   dials again.
//! * [`Gate`]: whether a new release does as well as the old one, from the [`Counts`] of both.
//!
//! # The life of an instance
//!
//! ```text
//!              failures or errors in a row                time is up, a request takes the trial
//!   ┌────────┐ ───────────────────────────▶ ┌─────────┐ ──────────────────────────────────────▶ ┌───────┐
//!   │   in   │                              │ ejected │ ◀────────── it failed (twice as long) ── │ trial │
//!   └────────┘ ◀──┐                         └─────────┘ ◀────────── nobody knows (given up) ──── └───────┘
//!                 └──────────────────────────── it was answered (slow start) ──────────────────────┘
//! ```
//!
//! Beside this, probes say up or down, each after so many in a row. An instance is **fit** when it is in and up.
//!
//! An instance that nobody has heard of yet is taken at its word: whoever listed it in a table has seen it ready, and a
//! restarted edge must serve before its first probe. Probes and traffic correct that.
//!
//! # What is promised
//!
//! * An instance of weight 0 is never chosen, whatever happens to the others.
//! * An instance with a weight is never denied to everybody: when all of them are out, or more than
//!   [`Outliers::most_ejected_percent`](fairway_model::traffic::Outliers::most_ejected_percent), all of them are asked
//!   as if nothing was known (panic). A service with a single instance is therefore never closed by its own edge. An
//!   answer in a panic brings an instance back at once; a failure there is no news.
//! * Outside of a panic, of each ejected instance at most one trial is on its way at any moment, unless one has not been
//!   heard of for [`TRIAL_PATIENCE_MS`].
//! * [`Roster::pick`] takes no lock and allocates nothing. While all is well it reads at most three words of one instance
//!   and writes none; reporting a good answer reads one and writes none either.
//!
//! What threads may do to each other is proven in `meetings.rs`, in all orders; the rest in `tests/`.
//!
//! # In use
//!
//! ```
//! use std::sync::Arc;
//!
//! use fairway_health::{Ask, Condition, Member, Outcome, Pick, Roster, Rules};
//! use fairway_model::traffic::Treatment;
//!
//! let known = Arc::new(Condition::new()); // kept for as long as the instance is known
//! let member = Member { id: "web-7-0", weight: 1, condition: Arc::clone(&known) };
//! let roster = Roster::new([member], Rules::from(&Treatment::default()));
//!
//! let ask = Ask { number: 0, now: 1_000, sticky: None, tried: &[] };
//! let Pick::Instance(choice) = roster.pick(&ask, |_index| Ok(())) else { unreachable!() };
//! // … the exchange …
//! let change = roster.report(choice.index, Outcome::Answered { status: 200 }, choice.trial, 1_020);
//! assert_eq!(change, None);
//! ```
//!
//! # Time
//!
//! Times are milliseconds since any moment that all callers agree on, such as the start of the edge. They should not run
//! backwards by more than the threads' difference in reading the clock; nothing breaks if they do.

mod budget;
mod circuit;
mod condition;
mod counts;
mod gate;
mod mix;
mod order;
mod outcome;
mod pace;
mod pick;
mod probes;
mod retry;
mod roster;
mod rules;
mod sync;

#[cfg(test)]
mod meetings;

pub use budget::Budget;
pub use circuit::TRIAL_PATIENCE_MS;
pub use condition::{Condition, Trial};
pub use counts::Counts;
pub use fairway_protocol::edge::Standing;
pub use gate::{Gate, Verdict};
pub use mix::hash;
pub use outcome::{Change, Outcome, Reason};
pub use pace::{redial, spread};
pub use pick::{Ask, Choice, Pick, Refusal};
pub use probes::is_well;
pub use retry::{Attempt, Sent};
pub use roster::{Member, Overview, Roster};
pub use rules::{ProbeRules, Rules};
