//! The name of a service's database and login.

use sha2::{Digest, Sha256};

/// PostgreSQL cuts identifiers after this many bytes.
const LONGEST: usize = 63;
/// Hex digits of the hash in a name that does not speak for itself.
const HASH: usize = 12;

/// The name of the database, and of the login, of `service` in `environment`: always the same, at most 63 bytes, only
/// lower-case letters, digits and underscores, starting with a letter.
///
/// `dev` and `identity` make `dev_identity`. Where the two cannot be read back from the name, because they contain
/// anything but lower-case letters and digits or are too long, a hash of both follows: `test_pr_42_identity_4f1d…`.
#[must_use]
pub fn database_name(environment: &str, service: &str) -> String {
    let plain =
        |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let joined = format!("{environment}_{service}");
    // `pg_` is reserved for the server's own roles.
    let starts_well =
        |name: &str| name.starts_with(|c: char| c.is_ascii_lowercase()) && !name.starts_with("pg_");
    if plain(environment) && plain(service) && starts_well(&joined) && joined.len() <= LONGEST {
        return joined;
    }
    let mut hash = Sha256::new();
    hash.update((environment.len() as u64).to_be_bytes());
    hash.update(environment);
    hash.update(service);
    let hash = &hex::encode(hash.finalize())[..HASH];

    let mut readable: String = joined
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' })
        .take(LONGEST - HASH - 1)
        .collect();
    if !starts_well(&readable) {
        readable.insert_str(0, "e_");
        readable.truncate(LONGEST - HASH - 1);
    }
    format!("{readable}_{hash}")
}

/// What is written on a database and its login, so that they are known again.
pub(crate) fn marker(environment: &str, service: &str) -> String {
    format!("fairway: {environment} {service}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn plain_names_speak_for_themselves() {
        assert_eq!(database_name("dev", "identity"), "dev_identity");
        assert_eq!(database_name("a", &"b".repeat(61)).len(), 63);
    }

    #[test]
    fn other_names_carry_a_hash() {
        for (environment, service, start) in [
            ("test/pr-42", "identity", "test_pr_42_identity_"),
            ("dev", "gateway-bff", "dev_gateway_bff_"),
            ("pg", "x", "e_pg_x_"),
            ("1", "x", "e_1_x_"),
            ("", "", "e___"),
            ("Dev", "identity", "dev_identity_"),
            ("x\"; DROP DATABASE postgres; --", "é", "x___drop_database_postgres_______"),
        ] {
            let name = database_name(environment, service);
            assert!(name.starts_with(start) && name.len() == start.len() + HASH, "{name}");
        }
        assert_eq!(database_name("dev", &"b".repeat(100)).len(), 63);
    }

    proptest! {
        #[test]
        fn names_are_safe_and_differ(a in "[a-c_/-]{0,40}", b in "[a-c_/-]{0,40}", c in "\\PC{0,80}", d in "[a-c_/-]{0,4}") {
            let pairs = [(&a, &b), (&b, &a), (&a, &d), (&c, &b), (&d, &c)];
            for (environment, service) in pairs {
                let name = database_name(environment, service);
                prop_assert!(name.len() <= LONGEST && !name.starts_with("pg_"), "{}", name);
                prop_assert!(name.starts_with(|c: char| c.is_ascii_lowercase()), "{}", name);
                prop_assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'), "{}", name);
                for (other_environment, other_service) in pairs {
                    let same = (environment, service) == (other_environment, other_service);
                    prop_assert_eq!(name == database_name(other_environment, other_service), same);
                }
            }
        }
    }
}
