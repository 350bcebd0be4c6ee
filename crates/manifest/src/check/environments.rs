//! Environments: they do not get into each other's way, and what they say has a meaning.

use super::Check;
use crate::{Environment, Target, suggest};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
};

pub(super) fn check(check: &mut Check<'_>) {
    ports(check);
    order(check);
    for (name, environment) in check.environments() {
        data(check, name, environment);
        placeholders(check, name, environment);
        collector(check, name, environment);
        if check.concerns(name) {
            without_effect(check, name, environment);
        }
    }
}

/// Two environments on this machine cannot have one address.
fn ports(check: &mut Check<'_>) {
    let mut taken: Vec<(&str, &[&str], SocketAddr)> = Vec::new();
    for (name, environment) in check.environments() {
        let tls = environment.tls.as_ref().map(|tls| tls.listen);
        let wanted: [(&[&str], _); 2] = [(&["listen"], environment.listen), (&["tls", "listen"], tls)];
        for (key, address) in wanted {
            let Some(address) = address.filter(|address| address.port() != 0) else { continue };
            // Other machines have addresses of their own, and what comes and goes keeps none.
            let shared = environment.target == Target::Local && !environment.ephemeral;
            let clashing = taken
                .iter()
                .find(|(other, _, theirs)| (*other == name || shared) && clash(*theirs, address))
                .copied();
            if let Some((other, theirs, _)) = clashing {
                let message = format!("`{name}` listens on {address}, which belongs to `{other}`");
                let line = check.line(&[&["environments", other], theirs].concat());
                let help = Some(format!("see {line}; take another port, or 0 for any free one"));
                check.error(&[&["environments", name], key].concat(), "port-clash", message, help);
            }
            taken.push((name, key, address));
        }
        if environment.target != Target::Local || environment.ephemeral {
            taken.retain(|(other, ..)| *other != name);
        }
    }
}

/// One port on the same address, or on every address.
fn clash(one: SocketAddr, other: SocketAddr) -> bool {
    one.port() == other.port()
        && (one.ip() == other.ip() || one.ip().is_unspecified() || other.ip().is_unspecified())
}

/// `after` names environments, and never in a circle.
fn order(check: &mut Check<'_>) {
    let environments = &check.parsed.manifest.environments;
    let mut covered: BTreeSet<&str> = BTreeSet::new();
    for (name, environment) in check.environments() {
        let Some(after) = &environment.after else { continue };
        let path = ["environments", name, "after"];
        if after != name && !environments.contains_key(after) {
            let message = format!("`{name}` comes after `{after}`, which is not an environment");
            let others = environments.keys().filter(|other| *other != name).map(String::as_str);
            check.error(&path, "unknown-environment", message, suggest::did_you_mean(after, others));
        }
        let way = way_back(environments, name);
        if let Some(way) = way.filter(|way| !way.iter().any(|step| covered.contains(step))) {
            let shown: Vec<String> = way.iter().chain(way.first()).map(|step| format!("`{step}`")).collect();
            let message =
                format!("the environments come after each other in a circle: {}", shown.join(" → "));
            check.error(&path, "after-cycle", message, Some("one of them must come first".to_owned()));
            covered.extend(way);
        }
    }
}

/// The way from an environment along `after` back to itself.
fn way_back<'e>(environments: &'e BTreeMap<String, Environment>, start: &'e str) -> Option<Vec<&'e str>> {
    let mut way = vec![start];
    loop {
        let next = environments.get(*way.last()?)?.after.as_deref()?;
        if next == start {
            return Some(way);
        }
        if way.contains(&next) {
            return None;
        }
        way.push(next);
    }
}

fn data(check: &mut Check<'_>, name: &str, environment: &Environment) {
    let Some(data) = &environment.data else { return };
    let path = ["environments", name, "data", "from"];
    let environments = &check.parsed.manifest.environments;
    if data.from == name {
        let help = Some("name the environment that the data comes from".to_owned());
        check.error(&path, "unknown-environment", format!("`{name}` cannot take its data from itself"), help);
    } else if !environments.contains_key(&data.from) {
        let message = format!("`{name}` takes its data from `{}`, which is not an environment", data.from);
        let others = environments.keys().filter(|other| *other != name).map(String::as_str);
        check.error(&path, "unknown-environment", message, suggest::did_you_mean(&data.from, others));
    }
}

/// Spans go to a collector that takes plain HTTP.
fn collector(check: &mut Check<'_>, name: &str, environment: &Environment) {
    let Some(otlp) = environment.otlp.as_ref().filter(|otlp| !otlp.is_reachable()) else { return };
    let message = format!("`{}` is no collector that spans can be sent to", otlp.endpoint);
    let help = Some("write a URL of plain HTTP such as `http://127.0.0.1:4318`".to_owned());
    check.error(&["environments", name, "otlp", "endpoint"], "collector", message, help);
}

/// `{number}` is the number of a pull request.
fn placeholders(check: &mut Check<'_>, name: &str, environment: &Environment) {
    let domain = environment.domain.as_deref().unwrap_or_default();
    let help = Some("add `per: pull-request`, or write the domain out".to_owned());
    if environment.per.is_none() && domain.contains("{number}") {
        let message = format!("`{{number}}` stands for nothing in `{name}`, which exists once");
        check.error(&["environments", name, "domain"], "placeholder", message, help);
    }
}

/// What is understood and not used must not look as if it were.
fn without_effect(check: &mut Check<'_>, name: &str, environment: &Environment) {
    let Environment {
        target,
        listen: _,
        tls: _,
        guard: _,
        trusted: _,
        access_log: _,
        otlp: _,
        goodbye_spread: _,
        https_port,
        domain,
        ephemeral,
        per,
        after,
        approval,
        replicas: _,
        bake: _,
        drain: _,
        data,
    } = environment;
    let unused = [
        (
            "https_port",
            https_port.is_some() && !environment.has_https(),
            "`https_port` has no effect: nothing speaks TLS here",
            "write `tls`, or `trusted` for a proxy that does it in front of the edge",
        ),
        (
            "ephemeral",
            *ephemeral,
            "`ephemeral` only leaves the address to other environments so far",
            "nothing is removed by itself",
        ),
        (
            "per",
            per.is_some(),
            "`per` makes nothing by itself yet",
            "an instance such as `test/pr-42` appears when it is named",
        ),
        (
            "after",
            after.is_some(),
            "`after` has no effect yet",
            "nothing stops a release that has not been in the other environment",
        ),
        (
            "approval",
            approval.is_some(),
            "`approval` has no effect yet",
            "nothing stops a release that nobody has approved",
        ),
        (
            "data",
            data.is_some(),
            "`data` has no effect yet",
            "a new environment begins with empty databases and their seeds",
        ),
        (
            "domain",
            domain.is_some() && !uses_domain(check),
            "`domain` has no effect: no route uses it",
            "write `host: \"{environment.domain}\"` under `expose`",
        ),
    ];
    for (key, _, message, help) in unused.into_iter().filter(|(_, written, ..)| *written) {
        let path = ["environments", name, key];
        check.warn_at_key(&path, "no-effect", message.to_owned(), Some(help.to_owned()));
    }
    if *target != Target::Local {
        let message = format!("`{name}` cannot be applied yet: only `local` environments run today");
        let help = Some("`fairway check` reads the rest of it all the same".to_owned());
        check.warn_at_key(&["environments", name, "target"], "no-effect", message, help);
    }
}

fn uses_domain(check: &Check<'_>) -> bool {
    let mut exposed = check.parsed.manifest.services.values().filter_map(|service| service.expose.as_ref());
    exposed.any(|expose| {
        let mut hosts = expose.routes().iter().filter_map(|route| route.host.as_ref());
        hosts.any(|host| host.contains("{environment.domain}"))
    })
}
