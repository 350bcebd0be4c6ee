//! How instances are asked that speak TLS: the roots are read again from time to time, as those who rotate them write
//! the file beside the running instances.

use fairway_model::traffic::UpstreamTls;
use fairway_supervisor::probe::{Secure, Tls};
use fairway_tls::Roots;
use rustls::pki_types::ServerName;
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// How long roots are trusted without another look: less than it takes for a failing liveness probe to end an instance.
const TRUSTED_FOR: Duration = Duration::from_secs(5);
/// How long it is believed that there are none.
const MISSED_FOR: Duration = Duration::from_secs(1);

/// Asks instances that must be these.
pub(crate) fn secure(tls: &UpstreamTls) -> Secure {
    let trust = Trust { tls: tls.clone(), known: Mutex::default() };
    Arc::new(move || trust.at(Instant::now()))
}

/// Whom an instance must be, and what was read of it last.
struct Trust {
    tls: UpstreamTls,
    known: Mutex<Option<(Instant, Result<Tls, String>)>>,
}

impl Trust {
    fn at(&self, now: Instant) -> Result<Tls, String> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((since, tls)) = &*known
            && now.saturating_duration_since(*since) < if tls.is_ok() { TRUSTED_FOR } else { MISSED_FOR }
        {
            return tls.clone();
        }
        let tls = read(&self.tls);
        *known = Some((now, tls.clone()));
        tls
    }
}

fn read(tls: &UpstreamTls) -> Result<Tls, String> {
    let UpstreamTls { server_name, roots } = tls;
    let name = ServerName::try_from(server_name.clone())
        .map_err(|_| format!("`{server_name}` is neither a host name nor an address"))?;
    let roots = Roots::read(roots.as_deref()).map_err(|error| error.to_string())?;
    Ok(Tls::new(roots.client_config(), name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_are_looked_for_again() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("roots.pem");
        let tls = UpstreamTls { roots: Some(path.clone()), ..UpstreamTls::default() };
        let trust = Trust { tls, known: Mutex::default() };
        let begun = Instant::now();
        assert!(trust.at(begun).unwrap_err().contains("could not be read"));
        let key = rcgen::KeyPair::generate().unwrap();
        let root = rcgen::CertificateParams::new([]).unwrap().self_signed(&key).unwrap();
        std::fs::write(&path, root.pem()).unwrap();
        assert!(trust.at(begun).is_err());
        assert!(trust.at(begun + MISSED_FOR).is_ok());
        std::fs::remove_file(&path).unwrap();
        assert!(trust.at(begun + MISSED_FOR).is_ok());
        assert!(trust.at(begun + MISSED_FOR + TRUSTED_FOR).is_err());
    }
}
