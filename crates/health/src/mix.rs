//! Numbers that look like chance and are none. They must stay what they are: clients keep their instance over restarts
//! and upgrades of the edge because every version of it computes the same.

/// Spreads close numbers far apart (the finaliser of SplitMix64).
pub(crate) fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// A number for some bytes, the same in every process and version: for [`Ask::sticky`](crate::Ask::sticky) from the
/// value of a cookie. Not for secrets: whoever knows the bytes can compute it and find others with the same number.
#[must_use]
pub fn hash(bytes: &[u8]) -> u64 {
    let fnv = bytes.iter().fold(0xCBF2_9CE4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01B3)
    });
    mix(fnv)
}

/// A number below `end`, which must not be 0, each equally often.
pub(crate) fn below(number: u64, end: u64) -> u64 {
    let product = u128::from(number) * u128::from(end);
    u64::try_from(product >> 64).expect("a product divided by one of its factors' ranges is in the other's")
}

/// How well an instance suits a client: of all instances the one with the highest score takes it (rendezvous hashing).
/// An instance that joins or leaves changes no score but its own, so only its own clients move. Over many clients each
/// instance wins as often as its share of the weights says.
#[expect(clippy::cast_precision_loss, reason = "53 bits are all that a double holds")]
pub(crate) fn score(client: u64, instance: u64, weight: u32) -> f64 {
    let chance = mix(client ^ instance) >> 11;
    let open = (chance as f64 + 0.5) / (1_u64 << 53) as f64;
    f64::from(weight) / -open.ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Another value here moves every sticky client to another instance when the edge is upgraded.
    #[test]
    fn every_version_computes_the_same() {
        assert_eq!(mix(0), 0xE220_A839_7B1D_CDAF);
        assert_eq!(hash(b""), 14_087_677_454_934_409_008);
        assert_eq!(hash(b"web-7-0"), hash(b"web-7-0"));
        assert_ne!(hash(b"web-7-0"), hash(b"web-7-1"));
    }

    #[test]
    fn below_stays_below() {
        for end in [1, 2, 3, 1_000, u64::MAX] {
            assert_eq!(below(0, end), 0);
            assert_eq!(below(u64::MAX, end), end - 1);
        }
    }

    #[test]
    fn scores_are_numbers_above_nothing() {
        for client in 0..1_000 {
            let score = score(client, 0, 1);
            assert!(score.is_finite() && score > 0.0, "{client}: {score}");
        }
    }
}
