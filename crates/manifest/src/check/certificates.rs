//! TLS: there is a certificate for every name, and each can be had. Files are on the host that the environment runs
//! on, so nobody looks for them here.

use super::Check;
use crate::{
    Environment, Target,
    edge::{Acme, AcmeChallenge, Certificate, EdgeChallenge, Tls},
    interpolate,
    resolve::edge::routes,
};
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn check(check: &mut Check<'_>) {
    for (name, environment) in check.environments() {
        let Some(tls) = &environment.tls else { continue };
        let certificates = tls.certificates(environment.target == Target::Local);
        if certificates.is_empty() {
            let message = format!("the TLS of `{name}` has no certificate");
            let help =
                "write `certificates: [{ acme: { contact: ops@example.com } }]`, or `files` of the host";
            check.error_at_key(
                &["environments", name, "tls"],
                "no-certificate",
                message,
                Some(help.to_owned()),
            );
        }
        names(check, name, environment, tls, &certificates);
        for (index, certificate) in certificates.iter().enumerate() {
            source(check, name, index, certificate);
        }
    }
}

/// Every name has one certificate, and at most one certificate is for the rest.
fn names(
    check: &mut Check<'_>,
    environment: &str,
    written: &Environment,
    tls: &Tls,
    certificates: &[Certificate],
) {
    let mut claimed: BTreeMap<&str, usize> = BTreeMap::new();
    for (index, certificate) in certificates.iter().enumerate() {
        for (number, name) in certificate.names().iter().enumerate() {
            if let Some(first) = claimed.insert(name, index).filter(|first| *first != index) {
                let path = at(environment, index, &["names", &number.to_string()]);
                let message = format!("`{name}` is in two certificates");
                let help =
                    format!("the other one is in {}; keep one of them", line(check, environment, first));
                error(check, &path, "certificate-names", message, Some(help));
            }
        }
    }
    let mut rest = certificates.iter().enumerate().filter(|(_, certificate)| certificate.takes_hosts());
    let Some((first, of_hosts)) = rest.next() else { return };
    for (index, _) in rest {
        let message = "two certificates are for the hosts of the routes".to_owned();
        let help = format!(
            "the other one is in {}; write the `names` of one of them",
            line(check, environment, first)
        );
        error(check, &at(environment, index, &[]), "certificate-names", message, Some(help));
    }
    let hosts = hosts(check, written);
    let hosts: BTreeSet<&str> =
        hosts.iter().map(String::as_str).filter(|host| !claimed.contains_key(host)).collect();
    let Some(acme) = of_hosts.acme() else { return };
    let place = match tls.certificates {
        Some(_) => at(environment, first, &[]),
        None => vec!["environments".to_owned(), environment.to_owned(), "tls".to_owned()],
    };
    if hosts.is_empty() {
        let message =
            format!("the certificate is for no name: no route of `{environment}` has a host that is left");
        let help = "write its `names`, or a `host` under `expose`".to_owned();
        error(check, &place, "certificate-names", message, Some(help));
    }
    if let Some(wild) = hosts.iter().find(|host| host.starts_with("*."))
        && !matches!(acme.challenge, AcmeChallenge::Dns { .. })
    {
        wildcard(check, &place, wild);
    }
}

/// The hosts of the routes in this environment, as they are written.
fn hosts(check: &Check<'_>, environment: &Environment) -> BTreeSet<String> {
    let services = check.parsed.manifest.services.values();
    let written = services.flat_map(|service| routes(service.expose.as_ref()));
    let hosts = written.filter_map(|(_, route)| route.host.clone());
    // Without a domain this is any host, as it is where the route is made.
    hosts.filter(|host| host != "{environment.domain}" || environment.domain.is_some()).collect()
}

fn source(check: &mut Check<'_>, environment: &str, index: usize, certificate: &Certificate) {
    match certificate {
        Certificate::Files(_) => {}
        Certificate::Local(local) => {
            if !local.local {
                let message = "a certificate that is not `local` comes from elsewhere".to_owned();
                let help = Some("write `files` or `acme` in its place".to_owned());
                error(check, &at(environment, index, &["local"]), "bad-value", message, help);
            }
        }
        Certificate::Acme(written) => {
            account(check, environment, index, &written.acme);
            challenge(check, environment, index, certificate, &written.acme.challenge);
        }
    }
}

/// A key is for nobody who reads the repository.
fn account(check: &mut Check<'_>, environment: &str, index: usize, acme: &Acme) {
    if let Some(account) = &acme.account
        && interpolate::is_literal(&account.key)
    {
        let path = at(environment, index, &["acme", "account", "key"]);
        let message =
            format!("the key `{}` stands in the file, for everybody who can read the repository", account.id);
        let help = "write `${NAME}`, and set the variable with the prefix of the environment".to_owned();
        error(check, &path, "secret-in-file", message, Some(help));
    }
}

fn challenge(
    check: &mut Check<'_>,
    environment: &str,
    index: usize,
    certificate: &Certificate,
    written: &AcmeChallenge,
) {
    match written {
        AcmeChallenge::Dns { dns_01 } => {
            let program = dns_01.first().map_or("", String::as_str);
            if program.trim().is_empty() || program.contains('/') && !program.starts_with('/') {
                let path = at(environment, index, &["acme", "challenge", "dns-01", "0"]);
                let message = format!("`{program}` is not a program that can be found on a host");
                let help = "write its absolute path there, or a name that is looked up in `PATH`".to_owned();
                error(check, &path, "missing-program", message, Some(help));
            }
        }
        AcmeChallenge::Edge(challenge) => {
            let plain = check.parsed.manifest.environments[environment].listen.is_some();
            if *challenge == EdgeChallenge::Http01 && !plain {
                let message =
                    format!("the server asks by plain HTTP, and `{environment}` does not listen for it");
                let help = "write `listen: 0.0.0.0:80`, or `challenge: tls-alpn-01`".to_owned();
                error(check, &at(environment, index, &["acme"]), "no-listener", message, Some(help));
            }
            let wild = certificate.names().iter().enumerate().find(|(_, name)| name.starts_with("*."));
            if let Some((number, name)) = wild {
                wildcard(check, &at(environment, index, &["names", &number.to_string()]), name);
            }
        }
    }
}

fn wildcard(check: &mut Check<'_>, place: &[String], name: &str) {
    let message = format!("`{name}` can be shown to be ours by a DNS record only");
    let help = "write `challenge: { dns-01: [PROGRAM] }`".to_owned();
    error(check, place, "certificate-names", message, Some(help));
}

fn at(environment: &str, index: usize, below: &[&str]) -> Vec<String> {
    let index = index.to_string();
    let path = ["environments", environment, "tls", "certificates", &index];
    path.iter().chain(below).map(|part| (*part).to_owned()).collect()
}

fn line(check: &Check<'_>, environment: &str, index: usize) -> String {
    let path = at(environment, index, &[]);
    check.line(&path.iter().map(String::as_str).collect::<Vec<_>>())
}

fn error(check: &mut Check<'_>, path: &[String], rule: &str, message: String, help: Option<String>) {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    check.error(&path, rule, message, help);
}
