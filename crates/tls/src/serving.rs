//! What a handshake looks at: an immutable map from names to certificates behind an atomic pointer.
//!
//! A name is looked up as it is, then as `*.` and what follows its first label. A client that asks for a name that is
//! not there gets none: a certificate for another name would be refused by every client that checks, it would
//! tell scanners which names live here, and the message that people then see ("wrong name") points at the certificate
//! instead of at the missing entry. A client that asks for no name at all (an address typed into a browser, a health
//! checker) gets one that names an address if there is one, else the first.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{SignatureAlgorithm, SignatureScheme};

use crate::acme::Challenges;
use crate::names;
use crate::pair::Pair;

/// The protocol that an ACME server speaks to see a challenge answered (RFC 8737).
pub(crate) const ACME_TLS: &[u8] = b"acme-tls/1";

/// What can be served for some names.
#[derive(Debug, Clone)]
pub(crate) struct Offer {
    /// Whose it is.
    pub(crate) id: String,
    /// For which names, all normalised.
    pub(crate) names: Vec<String>,
    /// With what.
    pub(crate) pair: Pair,
    /// How good it is, less is better: two environments may both have a certificate for a name.
    pub(crate) rank: Rank,
}

/// How good a certificate is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rank {
    /// In force.
    Good,
    /// Not yet, or no longer.
    OutOfDate,
    /// Self-signed, until the real one is there.
    StandIn,
}

/// Certificates by name.
#[derive(Debug, Default)]
pub(crate) struct Index {
    exact: HashMap<String, Choice>,
    /// By what follows `*.`.
    wild: HashMap<String, Choice>,
    nameless: Option<Choice>,
}

/// Certificates for one name: one for each kind of key, the best first.
type Choice = Box<[Arc<CertifiedKey>]>;

impl Index {
    /// Puts offers, the most important first, into a map. The second value has the names that each offer serves.
    pub(crate) fn new(offers: &[Offer]) -> (Self, BTreeMap<String, BTreeSet<String>>) {
        let mut by_name: BTreeMap<&str, Vec<&Offer>> = BTreeMap::new();
        for offer in offers {
            for name in &offer.names {
                by_name.entry(name).or_default().push(offer);
            }
        }
        let mut index = Self::default();
        let mut serving: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (name, mut candidates) in by_name {
            // A stable sort: among equals the first stays first.
            candidates.sort_by_key(|offer| offer.rank);
            let best = candidates.first().map(|offer| offer.rank);
            let mut kinds: Vec<SignatureAlgorithm> = Vec::new();
            let mut choice = Vec::new();
            for offer in candidates {
                let kind = offer.pair.key.key.algorithm();
                // A stand-in is no alternative to a real certificate, not even for a client that likes its key better.
                if Some(offer.rank) == best && !kinds.contains(&kind) {
                    kinds.push(kind);
                    choice.push(offer.pair.key.clone());
                    serving.entry(offer.id.clone()).or_default().insert(name.to_owned());
                }
            }
            let choice = choice.into_boxed_slice();
            match name.strip_prefix("*.") {
                Some(parent) => index.wild.insert(parent.to_owned(), choice),
                None => index.exact.insert(name.to_owned(), choice),
            };
        }
        let with_address = offers.iter().find(|offer| offer.names.iter().any(|n| names::is_address(n)));
        index.nameless = with_address
            .or_else(|| offers.iter().min_by_key(|offer| offer.rank))
            .map(|offer| Box::from([offer.pair.key.clone()]));
        (index, serving)
    }

    /// The certificates for a name that a client asked for.
    pub(crate) fn find(&self, name: Option<&str>) -> Option<&Choice> {
        let Some(name) = name else { return self.nameless.as_ref() };
        self.exact.get(name).or_else(|| {
            let (_, parent) = name.split_once('.')?;
            self.wild.get(parent)
        })
    }
}

/// Chooses the certificate of each handshake.
#[derive(Debug)]
pub(crate) struct Resolver {
    pub(crate) index: ArcSwap<Index>,
    pub(crate) challenges: Arc<Challenges>,
}

impl Resolver {
    /// Whether there is a certificate for what the client asks.
    pub(crate) fn knows(&self, hello: &ClientHello<'_>) -> bool {
        if asks_for_challenge(hello) {
            return hello.server_name().is_some_and(|name| self.challenges.tls_alpn(name).is_some());
        }
        // Without a name and without any certificate there is nothing either, but no name to blame.
        hello.server_name().is_none() || self.index.load().find(hello.server_name()).is_some()
    }
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        if asks_for_challenge(&hello) {
            return self.challenges.tls_alpn(hello.server_name()?);
        }
        let index = self.index.load();
        let choice = index.find(hello.server_name())?;
        Some(pick(choice, hello.signature_schemes())?.clone())
    }
}

/// An ACME server offers this protocol and no other; a browser that offered it among others would not mean it.
pub(crate) fn asks_for_challenge(hello: &ClientHello<'_>) -> bool {
    let Some(mut protocols) = hello.alpn() else { return false };
    protocols.next() == Some(ACME_TLS) && protocols.next().is_none()
}

/// The first certificate whose key the client can check; if there is none, the first, so that the client gets to say
/// so.
fn pick<'a>(choice: &'a Choice, schemes: &[SignatureScheme]) -> Option<&'a Arc<CertifiedKey>> {
    if let [only] = &**choice {
        return Some(only);
    }
    choice.iter().find(|c| c.key.choose_scheme(schemes).is_some()).or_else(|| choice.first())
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;

    use super::*;
    use crate::local;

    /// Pairs to tell apart; making them takes longer than a thousand lookups.
    static PAIRS: LazyLock<Vec<Pair>> =
        LazyLock::new(|| (0..6).map(|_| local::stand_in(&["x.test".to_owned()]).unwrap()).collect());

    fn offer() -> impl Strategy<Value = (Vec<String>, Rank)> {
        let name =
            proptest::sample::select(vec!["a.b", "*.b", "c.b", "*.a.b", "d.a.b", "b", "*.c", "10.0.0.1"]);
        let rank = proptest::sample::select(vec![Rank::Good, Rank::OutOfDate, Rank::StandIn]);
        (proptest::collection::btree_set(name, 1..4), rank)
            .prop_map(|(names, rank)| (names.into_iter().map(str::to_owned).collect(), rank))
    }

    /// What the module says, word by word.
    fn slowly<'a>(offers: &'a [Offer], asked: Option<&str>) -> Option<&'a Offer> {
        let best = |name: &str| {
            let candidates = offers.iter().filter(|offer| offer.names.iter().any(|n| n == name));
            candidates.reduce(|best, next| if next.rank < best.rank { next } else { best })
        };
        match asked {
            Some(name) => best(name).or_else(|| best(&names::wildcard_of(name)?)),
            None => offers.iter().find(|offer| offer.names.iter().any(|n| n == "10.0.0.1")).or_else(|| {
                offers.iter().reduce(|best, next| if next.rank < best.rank { next } else { best })
            }),
        }
    }

    proptest! {
        #[test]
        fn the_map_finds_what_the_rules_say(wanted in proptest::collection::vec(offer(), 0..6)) {
            let offers: Vec<Offer> = wanted
                .into_iter()
                .enumerate()
                .map(|(number, (names, rank))| Offer {
                    id: number.to_string(),
                    names,
                    pair: PAIRS[number].clone(),
                    rank,
                })
                .collect();
            let (index, serving) = Index::new(&offers);
            let asked = ["a.b", "x.b", "c.b", "d.a.b", "x.a.b", "x.x.a.b", "b", "c", "x.c", "x"];
            for name in asked.into_iter().map(Some).chain([None]) {
                let found = index.find(name).map(|choice| &choice[0]);
                let expect = slowly(&offers, name);
                prop_assert_eq!(
                    found.map(Arc::as_ptr), expect.map(|offer| Arc::as_ptr(&offer.pair.key)), "{:?}", name
                );
            }
            // Who is said to serve a name does.
            for offer in &offers {
                for name in &offer.names {
                    let said = serving.get(&offer.id).is_some_and(|names| names.contains(name));
                    let does = slowly(&offers, Some(name)).is_some_and(|best| best.id == offer.id);
                    prop_assert_eq!(said, does, "{} {}", offer.id, name);
                }
            }
        }
    }
}
