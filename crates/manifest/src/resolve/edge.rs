//! What a release says about the edge: guards with their users, and TLS with its names.

use super::Lowering;
use crate::{
    EDGE_SECRETS, Expose, Parsed, Problem, Route,
    edge::{
        AcmeStorage, BasicAuth, Certificate, CertificateSecrets, ExternalAccount, Guard, Otlp, Password,
        Switch,
    },
    layers,
};
use fairway_model::{
    EdgeSpec, EnvironmentName, Redacted, ServiceName, ServiceSpec, TlsSpec,
    traffic::{self, Network, Options},
};
use std::collections::{BTreeMap, BTreeSet};

/// What a developer calls this machine, where no route has a host.
const THIS_MACHINE: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// Passwords are checked on every request by a fast hash, so they must not be words.
const SHORTEST_PASSWORD: usize = 16;

/// The place of the guard of each route of a service.
pub(crate) fn routes(expose: Option<&Expose>) -> Vec<(Vec<String>, &Route)> {
    let many = matches!(expose, Some(Expose::Many(_)));
    let routes = expose.map(Expose::routes).unwrap_or_default().iter().enumerate();
    let place = |index: usize| {
        let mut place = vec!["expose".to_owned()];
        place.extend(many.then(|| index.to_string()));
        place
    };
    routes.map(|(index, route)| (place(index), route)).collect()
}

/// Everything that is wrong with the passwords of one environment: they are looked for before anything is built.
pub(super) fn passwords(
    parsed: &Parsed,
    environment: &EnvironmentName,
    process_environment: &BTreeMap<String, String>,
    problems: &mut Vec<Problem>,
) {
    let reader = Passwords { parsed, environment, process_environment };
    let base = environment.base();
    let written = parsed.manifest.environments.get(base);
    if let Some(auth) =
        written.and_then(|written| written.guard.as_ref()).and_then(|guard| guard.basic_auth.as_ref())
    {
        reader.hashes(auth, &["environments", base, "guard"], problems);
    }
    for (name, service) in &parsed.manifest.services {
        for (place, route) in routes(service.expose.as_ref()) {
            if let Some(auth) = route.guard.as_ref().and_then(|guard| guard.basic_auth.as_ref()) {
                let mut path = vec!["services", name.as_str()];
                path.extend(place.iter().map(String::as_str));
                path.push("guard");
                reader.hashes(auth, &path, problems);
            }
        }
    }
}

struct Passwords<'a> {
    parsed: &'a Parsed,
    environment: &'a EnvironmentName,
    process_environment: &'a BTreeMap<String, String>,
}

impl Passwords<'_> {
    /// The hash of each user's password. `place` is that of the guard.
    fn hashes(
        &self,
        auth: &BasicAuth,
        place: &[&str],
        problems: &mut Vec<Problem>,
    ) -> BTreeMap<String, String> {
        let file = &self.parsed.file;
        let mut hashes = BTreeMap::new();
        for (name, password) in &auth.users {
            let mut path = place.to_vec();
            path.extend(["basic_auth", "users", name.as_str()]);
            if let Password::Plain { .. } = password {
                path.push("password");
            }
            let span = self.parsed.places.value(&path);
            let filled = match layers::fill(password.text(), self.environment, self.process_environment) {
                Ok(filled) => filled.text,
                Err(unset) => {
                    problems.extend(
                        unset.iter().map(|unset| layers::unset_problem(file, span, self.environment, unset)),
                    );
                    continue;
                }
            };
            let wrong = match password {
                Password::Plain { .. } if filled.chars().count() < SHORTEST_PASSWORD => Some((
                    format!("the password of `{name}` has fewer than {SHORTEST_PASSWORD} characters"),
                    "take a random one, for example of `openssl rand -hex 16`: whoever finds its hash can try words",
                )),
                Password::Hash(_) if filled.len() != 64 || !filled.bytes().all(|b| b.is_ascii_hexdigit()) => {
                    Some((
                        format!("what stands for the password of `{name}` is not a hash"),
                        "the variable must hold the 64 digits of the SHA-256 of `name:password`; for the password \
                         itself write `{ password: \"${NAME}\" }`",
                    ))
                }
                Password::Plain { .. } | Password::Hash(_) => None,
            };
            if let Some((message, help)) = wrong {
                problems.push(Problem::error(file, span, "weak-password", message).help(help));
            }
            hashes.insert(name.clone(), password.hash(name, &filled));
        }
        hashes
    }
}

impl Lowering<'_> {
    /// The guard of a route in this environment. `place` is that of the route.
    pub(super) fn guard(&mut self, route: &Route, place: &[&str]) -> traffic::Guard {
        let none = Guard::default();
        let own = route.guard.as_ref().unwrap_or(&none);
        let mut guard = own.within(self.written.guard.as_ref().unwrap_or(&none), route.exempt);
        if !self.written.has_https() {
            // Nothing would answer where clients are sent.
            guard.redirect_https = None;
        }
        let users = match &guard.basic_auth {
            None => BTreeMap::new(),
            Some(auth) => {
                let place = match own.basic_auth {
                    Some(_) => [place, &["guard"]].concat(),
                    None => vec!["environments", self.environment.base(), "guard"],
                };
                let (parsed, environment) = (self.parsed, self.environment);
                let process_environment = &self.inputs.process_environment;
                let reader = Passwords { parsed, environment, process_environment };
                reader.hashes(auth, &place, &mut self.problems)
            }
        };
        guard.spec(&users)
    }

    /// What holds for the whole environment.
    pub(super) fn edge(
        &mut self,
        domain: Option<&str>,
        services: &BTreeMap<ServiceName, ServiceSpec>,
    ) -> EdgeSpec {
        let written = self.written;
        let options = Options {
            trusted: match &written.trusted {
                Some(networks) => trusted(&networks.0),
                None => Options::default().trusted,
            },
            access_log: written.access_log.as_ref().and_then(Switch::spec),
            otlp: written.otlp.as_ref().map(Otlp::spec),
            goodbye_spread_ms: written.goodbye_spread.0.0,
            https_port: written.https_port,
        };
        EdgeSpec { tls: self.tls(domain, services), options }
    }

    /// The secrets that a certificate takes. `place` is that of what it says about ACME.
    fn certificate_secrets(&mut self, certificate: &Certificate, place: &[&str]) -> CertificateSecrets {
        let Some(acme) = certificate.acme() else { return CertificateSecrets::default() };
        let (edge, [store, account_key]) = EDGE_SECRETS;
        let access = match acme.storage {
            AcmeStorage::Local => None,
            AcmeStorage::Store => Some(self.keep((edge, store), self.inputs.store_access.clone())),
        };
        let key = acme.account.as_ref().and_then(|account| self.account_key(account, place));
        CertificateSecrets { access, account: key.map(|key| self.keep((edge, account_key), key)) }
    }

    fn account_key(&mut self, account: &ExternalAccount, place: &[&str]) -> Option<Redacted> {
        let place = [place, &["account", "key"]].concat();
        let (file, span) = (&self.parsed.file, self.parsed.places.value(&place));
        match layers::fill(&account.key, self.environment, &self.inputs.process_environment) {
            Ok(filled) if is_account_key(&filled.text) => Some(Redacted::new(filled.text)),
            Ok(_) => {
                let message = format!("what stands for the key `{}` is not base64url", account.id);
                let help = "take it as the authority shows it: letters, digits, `-` and `_`";
                self.problems.push(Problem::error(file, span, "bad-value", message).help(help));
                None
            }
            Err(unset) => {
                let problem = |unset| layers::unset_problem(file, span, self.environment, unset);
                self.problems.extend(unset.iter().map(problem));
                None
            }
        }
    }

    fn tls(
        &mut self,
        domain: Option<&str>,
        services: &BTreeMap<ServiceName, ServiceSpec>,
    ) -> Option<TlsSpec> {
        let tls = self.written.tls.as_ref()?;
        let base = self.environment.base().to_owned();
        let written = tls.certificates(self.written.target == crate::Target::Local);
        let mut names: Vec<Vec<String>> = Vec::new();
        for (index, certificate) in written.iter().enumerate() {
            let certificate_place =
                ["environments", &base, "tls", "certificates", &index.to_string()].map(str::to_owned);
            let mut own = Vec::new();
            for (number, name) in certificate.names().iter().enumerate() {
                let number = number.to_string();
                let mut place: Vec<&str> = certificate_place.iter().map(String::as_str).collect();
                place.extend(["names", &number]);
                own.extend(self.placeholders(name, &place, domain));
            }
            names.push(own);
        }
        let named: BTreeSet<&String> = names.iter().flatten().collect();
        let hosts: BTreeSet<&String> = services
            .values()
            .flat_map(|spec| &spec.routes)
            .filter_map(|route| route.host.as_ref())
            .filter(|host| !named.contains(host))
            .collect();
        let mut hosts: Vec<String> = hosts.into_iter().cloned().collect();
        let mut certificates = Vec::new();
        for (index, (certificate, mut names)) in written.iter().zip(names).enumerate() {
            if certificate.takes_hosts() {
                names = std::mem::take(&mut hosts);
                if names.is_empty() && certificate.acme().is_none() {
                    names.extend(THIS_MACHINE.map(str::to_owned));
                }
                if names.is_empty() {
                    let index = index.to_string();
                    let message = format!("in `{}`, the certificate is for no name", self.environment);
                    self.error(
                        &["environments", &base, "tls", "certificates", &index],
                        "certificate-names",
                        message,
                    );
                }
            }
            let index = index.to_string();
            let place = ["environments", &base, "tls", "certificates", &index, "acme"];
            let secrets = self.certificate_secrets(certificate, &place);
            certificates.push(certificate.spec(names, secrets));
        }
        Some(TlsSpec { address: tls.listen, settings: tls.settings(), certificates })
    }
}

/// The key of an external account; base64url, as authorities show it, with or without padding.
fn is_account_key(text: &str) -> bool {
    let digits = text.trim_end_matches('=');
    !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// Those that were written and this machine, where services call each other.
fn trusted(networks: &[Network]) -> Vec<Network> {
    let mut trusted = Network::LOOPBACK.to_vec();
    trusted.extend(networks.iter().filter(|network| !Network::LOOPBACK.contains(network)));
    trusted
}
