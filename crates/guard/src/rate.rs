//! How often each client may ask.
//!
//! The rule is GCRA: a client has a *theoretical arrival time*, the moment at which everything it has asked for so far is
//! paid off at the agreed rate. A request pushes it one interval further, and is refused while it is more than the
//! burst ahead. One number for a client says everything, and a client whose number is in the past has its full burst:
//! forgetting it changes nothing.
//!
//! # Memory
//!
//! The numbers are kept in a table of limited size: [`KEYS`] places of 16 bytes, in sets of [`WAYS`]. It is 12 KiB for a
//! route that nobody asks for, grows by 4 KiB for each of its [`SHARDS`] when that is first used, and ends at 2 MiB. A
//! client has one set, chosen by a keyed
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
use std::sync::{Mutex, OnceLock, PoisonError};

use fairway_model::traffic::{RateKey, RateLimit};
use http::{HeaderMap, HeaderName};
use siphasher::sip128::{Hasher128 as _, SipHasher13};
use std::hash::Hasher as _;

/// How many clients have a number of their own.
const KEYS: usize = 1 << 17;
const WAYS: usize = 16;
/// Each has a lock of its own, and memory when it is first used.
const SHARDS: usize = 512;
/// Sets of each shard.
const SETS: usize = KEYS / WAYS / SHARDS;
/// How many neighbourhoods have one. Those with the same hash share it.
const NEIGHBOURHOODS: usize = 4_096;
const NS_PER_MS: u64 = 1_000_000;
/// So far may the clocks of two threads be apart, or one clock step back, before an arrival time counts as nonsense.
const SKEW: u64 = 60_000 * NS_PER_MS;

/// What is known about the clients of one limit. For any number of threads.
pub(crate) struct RateLimiter {
    rule: Rule,
    key: Option<HeaderName>,
    hasher: SipHasher13,
    shards: Box<[Mutex<Box<[Place]>>]>,
    neighbourhoods: OnceLock<Box<[AtomicU64]>>,
}

/// Fingerprint of a client (0: free) and its theoretical arrival time in nanoseconds.
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
        Self {
            rule: Rule::new(*requests, *per_ms, burst.unwrap_or(*requests)),
            key,
            hasher: SipHasher13::new_with_keys(seed, !seed.rotate_left(32)),
            shards: std::iter::repeat_with(Mutex::default).take(SHARDS).collect(),
            neighbourhoods: OnceLock::new(),
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
            if shard.is_empty() {
                *shard = [[0; 2]; SETS * WAYS].into();
            }
            let from = set % SETS * WAYS;
            self.rule.in_set(&mut shard[from..from + WAYS], fingerprint.max(1), now)
        };
        verdict.unwrap_or_else(|| self.with_neighbours(client, now)).map_err(|wait| wait.div_ceil(NS_PER_MS))
    }

    fn with_neighbours(&self, client: IpAddr, now: u64) -> Result<(), u64> {
        let (hash, _) = self.of_address(client, 16, 32);
        let room = || std::iter::repeat_with(AtomicU64::default).take(NEIGHBOURHOODS).collect();
        let arrival =
            &self.neighbourhoods.get_or_init(room)[usize::try_from(hash).unwrap_or(0) % NEIGHBOURHOODS];
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
        // From before the clock stepped back, it says nothing any more.
        let arrival = if arrival > self.furthest(now) { now } else { arrival.max(now) };
        match (arrival - now).checked_sub(self.ahead) {
            None | Some(0) => Ok(arrival.saturating_add(self.interval)),
            Some(wait) => Err(wait),
        }
    }

    /// How far ahead an arrival time can be.
    fn furthest(self, now: u64) -> u64 {
        now.saturating_add(self.ahead).saturating_add(self.interval).saturating_add(SKEW)
    }

    /// Counts a request of the client with this fingerprint. Nothing when its set is full of others who owe.
    fn in_set(self, set: &mut [Place], fingerprint: u64, now: u64) -> Option<Result<(), u64>> {
        let known = set.iter().position(|place| place[0] == fingerprint);
        let place = match known {
            Some(place) => &mut set[place],
            None => {
                let owed = now.saturating_add(1)..=self.furthest(now);
                let free = set.iter_mut().find(|place| !owed.contains(&place[1]))?;
                *free = [fingerprint, now];
                free
            }
        };
        Some(self.next(place[1], now).map(|next| place[1] = next))
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use proptest::prelude::*;

    use super::*;

    fn limiter(requests: u32, per_ms: u64, burst: Option<u32>) -> RateLimiter {
        RateLimiter::new(&RateLimit { requests, per_ms, burst, key: RateKey::Address }, 42)
    }

    fn v4(number: u32) -> IpAddr {
        Ipv4Addr::from_bits(number).into()
    }

    /// The n-th /64 of a /32.
    fn v6(network: u32, number: u32) -> IpAddr {
        Ipv6Addr::from_bits(u128::from(network) << 96 | u128::from(number) << 64 | 1).into()
    }

    fn take(limiter: &RateLimiter, client: IpAddr, now_ms: u64) -> Result<(), u64> {
        limiter.take(client, &HeaderMap::new(), now_ms)
    }

    #[test]
    fn a_burst_and_then_the_rate() {
        let check = |requests, per_ms, burst, asks: &[(u64, Result<(), u64>)]| {
            let limiter = limiter(requests, per_ms, burst);
            for (now_ms, expect) in asks {
                assert_eq!(take(&limiter, v4(1), *now_ms), *expect, "{requests}/{per_ms} at {now_ms}");
            }
        };
        check(
            2,
            1_000,
            None,
            &[(0, Ok(())), (0, Ok(())), (0, Err(500)), (499, Err(1)), (500, Ok(())), (500, Err(500))],
        );
        check(
            1,
            1_000,
            Some(3),
            &[(5, Ok(())), (5, Ok(())), (5, Ok(())), (5, Err(1_000)), (1_005, Ok(())), (1_005, Err(1_000))],
        );
        check(
            10,
            1_000,
            Some(1),
            &[(0, Ok(())), (0, Err(100)), (99, Err(1)), (100, Ok(())), (10_000, Ok(())), (10_000, Err(100))],
        );
        // Less than a millisecond each.
        check(
            2_000,
            1_000,
            Some(2),
            &[(7, Ok(())), (7, Ok(())), (7, Err(1)), (8, Ok(())), (8, Ok(())), (8, Err(1))],
        );
        // A clock that steps back forgives.
        check(1, 1_000, None, &[(9_000_000, Ok(())), (0, Ok(())), (0, Err(1_000)), (1_000, Ok(()))]);
        // Threads whose clocks are apart a little do not.
        check(1, 1_000, None, &[(9_000, Ok(())), (8_990, Err(1_010)), (9_000, Err(1_000)), (10_000, Ok(()))]);
        check(1, 1_000, None, &[(u64::MAX, Ok(())), (u64::MAX, Ok(()))]);
    }

    #[test]
    fn a_flood_of_addresses_washes_off_no_debt() {
        let limiter = limiter(1, 3_600_000, None);
        let debtor = v4(0xc000_0201);
        assert_eq!(take(&limiter, debtor, 0), Ok(()));
        for number in 0..300_000 {
            let _ = take(&limiter, v6(0x2001_0db8, number), 1);
        }
        assert!(take(&limiter, debtor, 2).is_err());
    }

    #[test]
    fn a_flood_from_one_network_gets_the_table_and_one_share_more() {
        let limiter = limiter(1, 3_600_000, None);
        let flood = (0..300_000).filter(|number| take(&limiter, v6(0x2001_0db8, *number), 0).is_ok()).count();
        assert!((KEYS * 9 / 10..=KEYS + 1).contains(&flood), "{flood}");
        // Others still have theirs, and no more than theirs if they share a place with neighbours only.
        let newcomers = (0..1_000).filter(|number| take(&limiter, v4(number << 16), 1).is_ok()).count();
        assert!(newcomers > 750, "{newcomers}");
    }

    #[test]
    fn places_of_those_who_are_paid_off_are_given_on() {
        let limiter = limiter(1, 1_000, None);
        for round in 0..5u32 {
            let now_ms = u64::from(round) * 1_001;
            for number in 0..20_000 {
                let client = v6(round, number);
                assert_eq!(take(&limiter, client, now_ms), Ok(()), "round {round} client {number}");
                assert!(take(&limiter, client, now_ms).is_err(), "round {round} client {number}");
            }
        }
    }

    #[test]
    fn places_from_before_the_clock_stepped_back_are_given_on() {
        let limiter = limiter(1, 1_000, None);
        for number in 0..2 * u32::try_from(KEYS).unwrap() {
            let _ = take(&limiter, v6(1, number), 9_000_000_000);
        }
        for number in 0..10_000 {
            assert_eq!(take(&limiter, v6(2, number), 0), Ok(()), "{number}");
        }
    }

    #[test]
    fn threads_share_one_burst() {
        let limiter = limiter(100, 1_000, None);
        let client = v4(7);
        let taken = || (0..1_000).filter(|_| take(&limiter, client, 5).is_ok()).count();
        let total: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(taken)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(total, 100);
        // The same beyond the table.
        let alone = || (0..1_000).filter(|_| limiter.with_neighbours(client, 5).is_ok()).count();
        let total: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(alone)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(total, 100);
    }

    proptest! {
        #[test]
        fn never_more_than_a_burst_and_the_rate_in_any_window(
            requests in 1..50u32, per_ms in 1..5_000u64, burst in 1..20u32,
            steps in prop::collection::vec(0..400u64, 1..200),
        ) {
            let rule = Rule::new(requests, per_ms, burst);
            let (mut now, mut arrival, mut admitted) = (0, 0, Vec::new());
            for step in steps {
                now += step * NS_PER_MS / 10;
                match rule.next(arrival, now) {
                    Ok(next) => {
                        arrival = next;
                        admitted.push(now);
                    }
                    Err(wait) => {
                        prop_assert!(wait > 0);
                        prop_assert!(rule.next(arrival, now + wait).is_ok(), "waiting as told is enough");
                        prop_assert!(rule.next(arrival, now + wait - 1).is_err(), "and no longer than needed");
                    }
                }
            }
            for (from, begin) in admitted.iter().enumerate() {
                for (to, end) in admitted.iter().enumerate().skip(from) {
                    let most = u64::from(burst) + (end - begin) / rule.interval;
                    prop_assert!((to - from + 1) as u64 <= most);
                }
            }
        }

        #[test]
        fn who_keeps_to_the_rate_is_never_refused(
            requests in 1..50u32, per_ms in 1..5_000u64, burst in 1..20u32,
            waits in prop::collection::vec(0..1_000u64, 1..100),
        ) {
            let rule = Rule::new(requests, per_ms, burst);
            let (mut now, mut arrival) = (0, 0);
            for wait in waits {
                arrival = rule.next(arrival, now).unwrap();
                now += rule.interval + wait;
            }
        }
    }
}
