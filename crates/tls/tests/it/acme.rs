//! Certificates from a real ACME server on loopback.

mod accounts;
mod challenges;
mod failures;
mod kept;
mod suggestions;

use std::path::Path;

use fairway_model::traffic::{AcmeChallenge, Certificate, CertificateSource};
use fairway_protocol::edge::CertificateStatus;

use crate::support::Site;
use crate::support::pebble::Pebble;

pub(crate) const DAYS_90: u64 = 90 * 24 * 60 * 60;

pub(crate) fn acme(pebble: &Pebble, challenge: AcmeChallenge, names: &[&str]) -> Certificate {
    Certificate {
        names: names.iter().map(|n| (*n).to_owned()).collect(),
        source: CertificateSource::Acme(pebble.acme(challenge)),
    }
}

pub(crate) fn issued(status: &[CertificateStatus]) -> bool {
    status.iter().all(|s| !s.stand_in && s.problem.is_none() && s.serving)
}

pub(crate) fn failed(status: &[CertificateStatus]) -> bool {
    status.iter().all(|s| s.problem.as_ref().is_some_and(|p| p.contains("tried again at")))
}

/// A program that publishes records where the test's name server looks.
pub(crate) fn hook(site: &Site, records: &Path, script: &str) -> AcmeChallenge {
    let path = site.path("hook.sh");
    std::fs::write(&path, script).unwrap();
    AcmeChallenge::Dns01 {
        hook: ["sh", path.to_str().unwrap(), records.to_str().unwrap()].map(str::to_owned).to_vec(),
    }
}

pub(crate) const PUBLISH: &str = r#"
set -eu
case "$2" in
  present) echo "$4" >> "$1/$3"; echo "present $3" >> "$1/calls" ;;
  cleanup) grep -v -x -e "$4" "$1/$3" > "$1/$3.new" || true; mv "$1/$3.new" "$1/$3"; echo "cleanup $3" >> "$1/calls" ;;
  *) exit 9 ;;
esac
"#;

/// How many orders the server has seen.
pub(crate) fn attempts(pebble: &Pebble) -> usize {
    pebble.log().matches("Added order").count()
}
