//! What edges know together about one set of names, and what follows from it: pure.
//!
//! A record is one document. Its newest version says which certificate there is, whose turn it is to order the next
//! one, what the server may come for meanwhile, and what failed. An edge takes its turn by writing the version that
//! says so; a turn whose time is over belongs to an edge that died, and the next one takes it. Clocks decide only when
//! that may happen. Who writes decides the storage.

use serde::{Deserialize, Serialize};

use super::stored::{FORMAT, Failures, Issued};

/// What edges know together about one set of names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    format: u32,
    /// The certificate that was issued last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) issued: Option<Issued>,
    /// Who orders the next one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) turn: Option<Turn>,
    /// What failed since it last worked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) failures: Option<Failures>,
}

/// An edge's right to order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Turn {
    /// Which edge.
    pub(crate) edge: String,
    /// Until when, in seconds since 1970, unless it is renewed.
    pub(crate) until: u64,
    /// What the server may come for, to whichever edge the name leads it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) answers: Vec<Answer>,
}

/// The answer to a challenge of the kind http-01 or tls-alpn-01.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Answer {
    /// Which name is proven.
    pub(crate) name: String,
    /// What the server asks with.
    pub(crate) token: String,
    /// The key authorization (RFC 8555, 8.1).
    pub(crate) authorization: String,
}

/// What an edge itself knows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ours<'a> {
    /// Which edge it is.
    pub(crate) edge: &'a str,
    /// The last second of what it serves; none while a stand-in serves.
    pub(crate) not_after: Option<u64>,
    /// When the last attempt failed that it knows of.
    pub(crate) failed: u64,
    /// Whether it would ask for a certificate now.
    pub(crate) due: bool,
}

/// What an edge does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Serve what was issued.
    Adopt,
    /// Stand back as after a failure of its own.
    Learn,
    /// Nothing is due.
    Rest,
    /// Somebody else is at it.
    Wait,
    /// Take the turn, and order.
    Order,
}

/// What follows from what edges know together. `not_after` is the last second of what was issued, if it can be served.
pub(crate) fn next(record: &Record, not_after: Option<u64>, ours: Ours<'_>, now: u64) -> Step {
    if not_after.is_some_and(|theirs| ours.not_after.is_none_or(|ours| theirs > ours)) {
        return Step::Adopt;
    }
    // Servers count failures for each name, not for each edge.
    if record.failures.as_ref().is_some_and(|failures| failures.last > ours.failed) {
        return Step::Learn;
    }
    match &record.turn {
        _ if !ours.due => Step::Rest,
        Some(turn) if turn.edge != ours.edge && turn.until >= now => Step::Wait,
        _ => Step::Order,
    }
}

impl Default for Record {
    fn default() -> Self {
        Self { format: FORMAT, issued: None, turn: None, failures: None }
    }
}

impl Record {
    /// The edge takes its turn.
    pub(crate) fn taken(&self, edge: &str, until: u64) -> Self {
        let turn = Turn { edge: edge.to_owned(), until, answers: Vec::new() };
        Self { turn: Some(turn), ..self.clone() }
    }

    /// It goes on.
    pub(crate) fn renewed(&self, until: u64) -> Self {
        let turn = self.turn.clone().map(|turn| Turn { until, ..turn });
        Self { turn, ..self.clone() }
    }

    /// It has told the server to come.
    pub(crate) fn answering(&self, answers: Vec<Answer>) -> Self {
        let turn = self.turn.clone().map(|turn| Turn { answers, ..turn });
        Self { turn, ..self.clone() }
    }

    /// The edge has a certificate. Nothing else is known to be wrong, and another edge's turn stays its own.
    pub(crate) fn with_certificate(&self, edge: &str, issued: Issued) -> Self {
        let turn = self.turn.clone().filter(|turn| turn.edge != edge);
        Self { format: FORMAT, issued: Some(issued), turn, failures: None }
    }

    /// The edge has none, and its turn is over.
    pub(crate) fn with_failure(&self, failures: Failures) -> Self {
        Self { turn: None, failures: Some(failures), ..self.clone() }
    }

    /// The turn is over, and nobody is to blame.
    pub(crate) fn given_back(&self) -> Self {
        Self { turn: None, ..self.clone() }
    }

    /// Whether it is this edge's turn.
    pub(crate) fn is_turn_of(&self, edge: &str) -> bool {
        self.turn.as_ref().is_some_and(|turn| turn.edge == edge)
    }

    /// What another edge's server may ask this one for.
    pub(crate) fn answers_for(&self, edge: &str, now: u64) -> &[Answer] {
        match &self.turn {
            Some(turn) if turn.edge != edge && turn.until >= now => &turn.answers,
            _ => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: u64 = 1_000_000;
    const TURN: u64 = 60;

    fn ours(not_after: Option<u64>, failed: u64, due: bool) -> Ours<'static> {
        Ours { edge: "a", not_after, failed, due }
    }

    fn failed(last: u64) -> Failures {
        Failures::new(1, last, None, "no".to_owned())
    }

    #[test]
    fn what_follows() {
        let empty = Record::default();
        let others = empty.taken("b", NOW);
        for (what, record, not_after, ours, expect) in [
            ("nobody has one", &empty, None, ours(None, 0, true), Step::Order),
            ("another is at it", &others, None, ours(None, 0, true), Step::Wait),
            ("another died at it", &empty.taken("b", NOW - 1), None, ours(None, 0, true), Step::Order),
            ("this edge died at it", &empty.taken("a", NOW), None, ours(None, 0, true), Step::Order),
            ("another has it", &empty, Some(NOW + 9), ours(None, 0, true), Step::Adopt),
            ("another has a newer one", &empty, Some(NOW + 9), ours(Some(NOW + 8), 0, true), Step::Adopt),
            ("also before it is due", &empty, Some(NOW + 9), ours(Some(NOW + 8), 0, false), Step::Adopt),
            ("this one is the newest", &empty, Some(NOW + 9), ours(Some(NOW + 9), 0, true), Step::Order),
            ("and not due", &empty, Some(NOW + 9), ours(Some(NOW + 9), 0, false), Step::Rest),
            ("another renews it", &others, Some(NOW + 9), ours(Some(NOW + 9), 0, true), Step::Wait),
            ("another failed", &empty.with_failure(failed(7)), None, ours(None, 0, true), Step::Learn),
            ("that is known", &empty.with_failure(failed(7)), None, ours(None, 7, true), Step::Order),
            ("and waited for", &empty.with_failure(failed(7)), None, ours(None, 7, false), Step::Rest),
        ] {
            assert_eq!(next(record, not_after, ours, NOW), expect, "{what}");
        }
    }

    #[test]
    fn answers_are_others_and_end_with_their_turn() {
        let answer = Answer { name: "a.test".into(), token: "t".into(), authorization: "t.k".into() };
        let record = Record::default().taken("b", NOW).answering(vec![answer.clone()]);
        assert_eq!(record.answers_for("a", NOW), [answer]);
        assert_eq!(record.answers_for("b", NOW), []);
        assert_eq!(record.answers_for("a", NOW + 1), []);
        assert_eq!(record.renewed(NOW + 1).answers_for("a", NOW + 1).len(), 1);
        assert_eq!(record.given_back().answers_for("a", NOW), []);
    }

    /// An edge at some point of its life: what it read last, and whether it is about to order.
    #[derive(Debug, Clone, Default)]
    struct Player {
        base: Option<(u64, Record)>,
        ordering: bool,
    }

    proptest! {
        /// Edges read, take turns, renew them, finish or die in any order, all writing by create-if-absent: two that
        /// live never order at the same time, as long as turns are renewed in time.
        #[test]
        fn one_orders_at_a_time(steps in proptest::collection::vec((0_usize..3, 0_u8..5, 0_u64..40), 1..60)) {
            const EDGES: [&str; 3] = ["a", "b", "c"];
            let mut versions = vec![Record::default()];
            let mut players = vec![Player::default(); 3];
            let mut now = NOW;
            for (who, what, passed) in steps {
                // Turns of the living are renewed before their time is over.
                now += passed;
                for (player, edge) in players.iter().zip(EDGES) {
                    if player.ordering {
                        let newest = versions.last().unwrap().clone();
                        prop_assert!(newest.is_turn_of(edge), "{edge} was overtaken while it lived");
                        versions.push(newest.renewed(now + TURN));
                    }
                }
                let (edge, player) = (EDGES[who], &mut players[who]);
                match what {
                    0 => player.base = Some((versions.len() as u64, versions.last().unwrap().clone())),
                    1 if !player.ordering => {
                        if let Some((number, record)) = player.base.take() {
                            let ours = Ours { edge, not_after: None, failed: u64::MAX, due: true };
                            if next(&record, None, ours, now) == Step::Order && number == versions.len() as u64 {
                                versions.push(record.taken(edge, now + TURN));
                                player.ordering = true;
                            }
                        }
                    }
                    2 if player.ordering => {
                        versions.push(versions.last().unwrap().with_failure(failed(now)));
                        player.ordering = false;
                    }
                    // It dies, and is started again under another name in truth; its turn runs out.
                    3 => *player = Player::default(),
                    _ => {}
                }
                prop_assert!(players.iter().filter(|player| player.ordering).count() <= 1);
            }
        }
    }
}
