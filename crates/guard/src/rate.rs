//! How often each client may ask.
//!
//! The rule is GCRA: a client has a *theoretical arrival time*, the moment at which everything it has asked for so far is
//! paid off at the agreed rate. A request pushes it one interval further, and is refused while it is more than the
//! burst ahead. One number for a client says everything, and a client whose number is in the past has its full burst:
//! forgetting it changes nothing.
//!
//! # Memory
//!
//! The numbers are kept in a table of fixed size: [`KEYS`] places of 16 bytes (2 MiB of address space for each limited
//! route, of which only what is used becomes resident), in sets of [`WAYS`]. A client has one set, chosen by a keyed
//! hash, so nobody can choose whom to share it with. A new client takes a free place of its set, or that of a client
//! that is paid off. *Nobody who still owes is ever forgotten*, so an attacker can't wash off a debt, own or foreign, by
//! coming from many addresses.
//!
//! While all places of a set owe, a newcomer to it is counted with its neighbourhood (IPv4 /16, IPv6 /32; for header
//! keys that of its address) in one more table, [`NEIGHBOURHOODS`] numbers. Refusing all newcomers instead would let the
//! owner of one IPv6 /32, which has four billion /64, close a route for everybody; letting them pass would let it
//! switch off the limit. This way it gets one more client's share, and so does each neighbourhood that it is not in.
//!
//! A key made of a header is as good as the header: whoever may invent values gets a full burst with each. Use it
//! where something before the edge, or the service at once, refuses values that it did not give out.

use std::fmt;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use fairway_model::traffic::{RateKey, RateLimit};
use http::{HeaderMap, HeaderName};
use siphasher::sip128::{Hasher128 as _, SipHasher13};
use std::hash::Hasher as _;

/// How many clients have a number of their own.
const KEYS: usize = 1 << 17;
const WAYS: usize = 16;
const SHARDS: usize = 64;
/// Sets of each shard.
const SETS: usize = KEYS / WAYS / SHARDS;
/// How many neighbourhoods have one. Those with the same hash share it.
const NEIGHBOURHOODS: usize = 4_096;
const NS_PER_MS: u64 = 1_000_000;

/// What is known about the clients of one limit. For any number of threads.
pub(crate) struct RateLimiter {
    rule: Rule,
    key: Option<HeaderName>,
    hasher: SipHasher13,
    shards: Box<[Mutex<Box<[Place]>>]>,
    neighbourhoods: Box<[AtomicU64]>,
}

/// Fingerprint of a client (0: free) and its theoretical arrival time in nanoseconds. An array and not a struct,
/// because a vector of arrays of zeros is memory that the kernel need not find before it is used.
type Place = [u64; 2];

impl fmt::Debug for RateLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimiter")
            .field("rule", &self.rule)
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

impl RateLimiter {
    /// The limit was checked.
    pub(crate) fn new(limit: &RateLimit, seed: u64) -> Self {
        let RateLimit { requests, per_ms, burst, key } = limit;
        let key = match key {
            RateKey::Address => None,
            RateKey::Header(name) => Some(HeaderName::try_from(name).expect("other names were refused")),
        };
        let shard = || Mutex::new(vec![[0; 2]; SETS * WAYS].into());
        Self {
            rule: Rule::new(*requests, *per_ms, burst.unwrap_or(*requests)),
            key,
            hasher: SipHasher13::new_with_keys(seed, !seed.rotate_left(32)),
            shards: std::iter::repeat_with(shard).take(SHARDS).collect(),
            neighbourhoods: std::iter::repeat_with(AtomicU64::default).take(NEIGHBOURHOODS).collect(),
        }
    }

    /// Counts a request, or says in how many milliseconds one would be counted.
    pub(crate) fn take(&self, client: IpAddr, headers: &HeaderMap, now_ms: u64) -> Result<(), u64> {
        let now = now_ms.saturating_mul(NS_PER_MS);
        let value = self.key.as_ref().and_then(|name| headers.get(name));
        let (set, fingerprint) = match value {
            Some(value) => self.hash(0, value.as_bytes()),
            None => self.of_address(client, 32, 64),
        };
        let set = usize::try_from(set).unwrap_or(0) % (SHARDS * SETS);
        let verdict = {
            let mut shard = self.shards[set / SETS].lock().unwrap_or_else(PoisonError::into_inner);
            let from = set % SETS * WAYS;
            self.rule.in_set(&mut shard[from..from + WAYS], fingerprint.max(1), now)
        };
        verdict.unwrap_or_else(|| self.with_neighbours(client, now)).map_err(|wait| wait.div_ceil(NS_PER_MS))
    }

    fn with_neighbours(&self, client: IpAddr, now: u64) -> Result<(), u64> {
        let (hash, _) = self.of_address(client, 16, 32);
        let arrival = &self.neighbourhoods[usize::try_from(hash).unwrap_or(0) % NEIGHBOURHOODS];
        let mut verdict = Ok(());
        // Relaxed: the number says all there is to say, nothing else is published with it.
        let _ = arrival.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |arrival| {
            let next = self.rule.next(arrival, now);
            verdict = next.map(|_| ());
            next.ok()
        });
        verdict
    }

    /// The first bits of an address.
    fn of_address(&self, client: IpAddr, v4_bits: u32, v6_bits: u32) -> (u64, u64) {
        match client.to_canonical() {
            IpAddr::V4(address) => self.hash(4, &(address.to_bits() >> (32 - v4_bits)).to_be_bytes()),
            IpAddr::V6(address) => self.hash(6, &(address.to_bits() >> (128 - v6_bits)).to_be_bytes()),
        }
    }

    fn hash(&self, kind: u8, bytes: &[u8]) -> (u64, u64) {
        let mut hasher = self.hasher;
        hasher.write_u8(kind);
        hasher.write(bytes);
        let hash = hasher.finish128();
        (hash.h1, hash.h2)
    }
}

/// The arithmetic of one limit, in nanoseconds.
#[derive(Clone, Copy, Debug)]
struct Rule {
    interval: u64,
    /// How far ahead of now an arrival time may be for one more request.
    ahead: u64,
}

impl Rule {
    fn new(requests: u32, per_ms: u64, burst: u32) -> Self {
        let interval = per_ms.saturating_mul(NS_PER_MS) / u64::from(requests.max(1));
        let interval = interval.max(1);
        Self { interval, ahead: interval.saturating_mul(u64::from(burst.saturating_sub(1))) }
    }

    /// The arrival time after one more request, or how long that has to wait.
    fn next(self, arrival: u64, now: u64) -> Result<u64, u64> {
        // It can't be further ahead than a burst, unless the clock has stepped back.
        let most = now.saturating_add(self.ahead).saturating_add(self.interval);
        let arrival = arrival.clamp(now, most);
        match (arrival - now).checked_sub(self.ahead) {
            None | Some(0) => Ok(arrival.saturating_add(self.interval)),
            Some(wait) => Err(wait),
        }
    }

    /// Counts a request of the client with this fingerprint. Nothing when its set is full of others who owe.
    fn in_set(self, set: &mut [Place], fingerprint: u64, now: u64) -> Option<Result<(), u64>> {
        let known = set.iter().position(|place| place[0] == fingerprint);
        let place = match known {
            Some(place) => &mut set[place],
            None => {
                let free = set.iter_mut().find(|place| place[1] <= now)?;
                *free = [fingerprint, now];
                free
            }
        };
        Some(self.next(place[1], now).map(|next| place[1] = next))
    }
}
