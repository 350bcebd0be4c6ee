//! TLS towards instances: whom the edge takes them for.
//!
//! Roots are read with every change of tables, and files of them when they change (`reread`). As long as they say the same,
//! connections and sessions stay of use; other roots make new connections.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use fairway_forward::{Protocol, Tls};
use fairway_model::traffic::{Treatment, Upstream, UpstreamTls};
use fairway_route::Service;
use fairway_tls::{Roots, RootsError};
use tokio_rustls::rustls::pki_types::ServerName;

/// The services of a table by name.
type Services = BTreeMap<String, Service>;

/// What was read: the system's roots, and those in files.
pub(crate) type Found = BTreeMap<Option<PathBuf>, Result<Roots, RootsError>>;

/// Which roots these services want.
pub(crate) fn wanted(services: &Services) -> BTreeSet<Option<PathBuf>> {
    let terms = services.values().filter_map(|service| Terms::of(&service.treatment));
    terms.map(|terms| terms.tls.roots).collect()
}

/// Reads roots, which takes a moment.
pub(crate) fn read(wanted: BTreeSet<Option<PathBuf>>) -> Found {
    wanted.into_iter().map(|file| (file.clone(), Roots::read(file.as_deref()))).collect()
}

/// What a service says of its instances, if they speak TLS.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Terms {
    upstream: Upstream,
    tls: UpstreamTls,
}

impl Terms {
    fn of(treatment: &Treatment) -> Option<Self> {
        let Treatment { upstream, upstream_tls, .. } = treatment;
        upstream.is_tls().then(|| Self { upstream: *upstream, tls: upstream_tls.clone() })
    }

    fn with(&self, roots: &Roots) -> Tls {
        // What is no name was found when the table was checked, and its service has no instances.
        let name = ServerName::try_from(self.tls.server_name.clone())
            .unwrap_or(ServerName::IpAddress(IpAddr::V4(Ipv4Addr::UNSPECIFIED).into()));
        Tls::new(roots.client_config(), name, protocol(self.upstream))
    }
}

/// The version of HTTP, in TLS or not.
pub(crate) fn protocol(upstream: Upstream) -> Protocol {
    match upstream {
        Upstream::Http1 | Upstream::Https => Protocol::Http1,
        Upstream::H2c | Upstream::H2 => Protocol::Http2,
    }
}

/// How instances are spoken to in TLS, for everything that services of any environment say.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Trust(BTreeMap<Terms, (Roots, Tls)>);

/// What could not be read, by service.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Doubts {
    /// Nobody can be recognised.
    pub(crate) blind: Vec<String>,
    /// The roots from before are trusted on.
    pub(crate) outdated: Vec<String>,
}

impl Doubts {
    pub(crate) fn into_lines(self) -> Vec<String> {
        self.blind.into_iter().chain(self.outdated).collect()
    }
}

impl Trust {
    /// Trusts what was found for these services.
    pub(crate) fn renew(&mut self, services: &Services, found: &Found) -> Doubts {
        let mut doubts = Doubts::default();
        for (name, service) in services {
            let Some(terms) = Terms::of(&service.treatment) else { continue };
            let Some(roots) = found.get(&terms.tls.roots) else { continue };
            match roots {
                Ok(roots) if self.0.get(&terms).is_some_and(|(before, _)| before == roots) => {}
                Ok(roots) => _ = self.0.insert(terms.clone(), (roots.clone(), terms.with(roots))),
                Err(error) if self.0.contains_key(&terms) => {
                    doubts
                        .outdated
                        .push(format!("services.{name}: {error}; those from before are trusted on"));
                }
                Err(error) => doubts.blind.push(format!("services.{name}: {error}")),
            }
        }
        doubts
    }

    /// How the instances of a service are spoken to, if that is in TLS. Without roots nobody is trusted.
    pub(crate) fn of(&self, treatment: &Treatment) -> Option<Tls> {
        let terms = Terms::of(treatment)?;
        Some(self.0.get(&terms).map_or_else(|| terms.with(&Roots::default()), |(_, tls)| tls.clone()))
    }

    /// Forgets what none of these services says.
    pub(crate) fn keep<'a>(&mut self, services: impl Iterator<Item = &'a Service>) {
        let said: BTreeSet<Terms> = services.filter_map(|service| Terms::of(&service.treatment)).collect();
        self.0.retain(|terms, _| said.contains(terms));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn services(upstream: Upstream, roots: &str) -> Services {
        let upstream_tls = UpstreamTls { roots: Some(roots.into()), ..UpstreamTls::default() };
        let treatment = Treatment { upstream, upstream_tls, ..Treatment::default() };
        [("web".to_owned(), Service { treatment, ..Service::default() })].into()
    }

    fn root() -> String {
        let key = rcgen::KeyPair::generate().unwrap();
        rcgen::CertificateParams::new([]).unwrap().self_signed(&key).unwrap().pem()
    }

    #[test]
    fn roots_that_say_the_same_change_nothing() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("roots.pem");
        let services = services(Upstream::Https, path.to_str().unwrap());
        let treatment = &services["web"].treatment;
        let mut trust = Trust::default();
        let renew = |trust: &mut Trust| {
            let doubts = trust.renew(&services, &read(wanted(&services)));
            (doubts, trust.of(treatment).unwrap())
        };

        let (blind, nobody) = renew(&mut trust);
        assert_eq!((blind.blind.len(), blind.outdated.len()), (1, 0));
        std::fs::write(&path, root()).unwrap();
        let (known, first) = renew(&mut trust);
        assert_eq!(known, Doubts::default());
        assert_ne!(first, nobody);
        assert_eq!(renew(&mut trust).1, first);

        std::fs::write(&path, root()).unwrap();
        let (_, second) = renew(&mut trust);
        assert_ne!(second, first);
        std::fs::write(&path, "gone").unwrap();
        let (outdated, kept) = renew(&mut trust);
        assert_eq!((outdated.blind.len(), outdated.outdated.len()), (0, 1), "{outdated:?}");
        assert_eq!(kept, second);

        trust.keep([].into_iter());
        assert_eq!(renew(&mut trust).0.blind.len(), 1);
    }

    #[test]
    fn plain_text_trusts_nobody() {
        for upstream in [Upstream::Http1, Upstream::H2c] {
            let services = services(upstream, "/missing.pem");
            assert!(wanted(&services).is_empty());
            assert_eq!(Trust::default().of(&services["web"].treatment), None);
        }
    }
}
