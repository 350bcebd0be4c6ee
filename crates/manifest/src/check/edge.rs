//! Guards and traffic: what they say can be obeyed, and nobody is locked out or let in by accident.

use super::Check;
use crate::{
    Environment, Expose, Probe, Problem, Service,
    edge::{Guard, Maintenance, Password, Switch},
    interpolate,
    resolve::edge::routes,
};
use fairway_model::{Millis, traffic::GuardProblem};

pub(super) fn check(check: &mut Check<'_>) {
    let closed = check.parsed.manifest.environments.values().any(closes);
    for (name, service) in check.services() {
        let at = ["services", name.as_str()];
        for (below, route) in routes(service.expose.as_ref()) {
            let mut place = at.to_vec();
            place.extend(below.iter().map(String::as_str));
            if let Some(written) = &route.guard {
                guard(check, &[&place, &["guard"][..]].concat(), written);
            }
            if route.exempt && !closed {
                let message =
                    "`exempt` has no effect: no environment has a `guard` that closes it".to_owned();
                check.warn_at_key(&[&place, &["exempt"][..]].concat(), "no-effect", message, None);
            }
        }
        traffic(check, name.as_str(), service);
    }
    for (name, environment) in check.environments() {
        if let Some(written) = &environment.guard {
            let place = ["environments", name, "guard"];
            guard(check, &place, written);
            nobody(check, name, written);
            if check.concerns(name) {
                without_effect(check, name, environment, written);
            }
        }
        if environment.trusted.as_ref().is_some_and(|trusted| trusted.everybody()) && check.concerns(name) {
            let message = format!("in `{name}`, every client is believed about who it is");
            let help = "name the proxies in front of the edge only; others could pass `allow` and rate limits by a header";
            check.warn_at_key(
                &["environments", name, "trusted"],
                "trusts-everybody",
                message,
                Some(help.to_owned()),
            );
        }
    }
}

/// The environment's guard keeps somebody out.
fn closes(environment: &Environment) -> bool {
    environment.guard.as_ref().is_some_and(|guard| {
        guard.allow.is_some() || guard.basic_auth.is_some() || guard.maintenance.is_some()
    })
}

/// One guard by itself.
fn guard(check: &mut Check<'_>, place: &[&str], guard: &Guard) {
    // Whether a hash is one is told by its format, and by the release where a variable stands for it.
    let users = guard.basic_auth.iter().flat_map(|auth| auth.users.keys());
    let users = users.map(|name| (name.clone(), "0".repeat(64))).collect();
    for problem in guard.spec(&users).check() {
        let Words { path, message, help } = words(&problem, guard);
        let path: Vec<&str> = place.iter().copied().chain(path.iter().map(String::as_str)).collect();
        check.error(&path, "bad-guard", message, help);
    }
    for (name, password) in guard.basic_auth.iter().flat_map(|auth| &auth.users) {
        if let Password::Plain { password } = password
            && interpolate::is_literal(password)
        {
            let path = [place, &["basic_auth", "users", name, "password"]].concat();
            let message = format!(
                "the password of `{name}` stands in the file, for everybody who can read the repository"
            );
            let span = check.parsed.places.value(&path);
            let problem = Problem::warning(&check.parsed.file, span, "secret-in-file", message);
            check
                .problems
                .push(problem.help("write `${PASSWORD}`, which is read from the process environment"));
        }
    }
    for (key, empty) in [
        ("allow", guard.allow.as_ref().is_some_and(|networks| networks.everybody())),
        (
            "maintenance",
            matches!(&guard.maintenance, Some(Maintenance::Full(full)) if full.except.as_ref().is_some_and(|networks| networks.everybody())),
        ),
    ] {
        if empty {
            let message = format!("`{key}` lets everybody in: one of its networks is every address");
            check.warn_at_key(&[place, &[key]].concat(), "no-effect", message, None);
        }
    }
}

/// A problem of a guard, where and how its author wrote it.
struct Words {
    path: Vec<String>,
    message: String,
    help: Option<String>,
}

/// The text of a problem begins with the place of the value, in the words of the model.
fn words(problem: &GuardProblem, guard: &Guard) -> Words {
    let text = problem.to_string();
    let (place, text) = text.split_once(": ").unwrap_or(("", &text));
    let key = |part: &str| match part {
        "per_ms" => "per".to_owned(),
        "max_age_s" => "max_age".to_owned(),
        "include_subdomains" => "subdomains".to_owned(),
        part => part.to_owned(),
    };
    let mut path: Vec<String> = place.split('.').filter(|part| !part.is_empty()).map(key).collect();
    let (message, help) = match problem {
        GuardProblem::RatePeriod => ("`per` is no time at all", Some("write for example `1s`")),
        GuardProblem::Preload => (
            "the lists of browsers take a host only with `subdomains: true` and a `max_age` of at least a year",
            Some("write both, with `8760h` or more, or remove `preload`"),
        ),
        _ => text.split_once("; ").map_or((text, None), |(message, help)| (message, Some(help))),
    };
    let item = match (problem, &guard.cors, &guard.compression) {
        (GuardProblem::Origin { origin, .. }, Some(cors), _) => position(&cors.origins, origin),
        (GuardProblem::Method(method), Some(cors), _) => position(&cors.methods, method),
        (GuardProblem::Header { list: "headers", name, .. }, Some(cors), _) => position(&cors.headers, name),
        (GuardProblem::Header { name, .. }, Some(cors), _) => position(&cors.expose, name),
        (GuardProblem::Type(kind), _, Some(Switch::Settings(compression))) => {
            compression.types.as_ref().and_then(|types| position(types, kind))
        }
        _ => None,
    };
    path.extend(item);
    if matches!(problem, GuardProblem::OriginStarWithCredentials) {
        path.push("credentials".to_owned());
    }
    Words { path, message: message.to_owned(), help: help.map(str::to_owned) }
}

fn position(list: &[String], item: &str) -> Option<String> {
    list.iter().position(|other| other == item).map(|index| index.to_string())
}

/// Two lists of clients may have nobody in common.
fn nobody(check: &mut Check<'_>, environment: &str, guard: &Guard) {
    let Some(here) = &guard.allow else { return };
    for (name, service) in check.services() {
        for (below, route) in routes(service.expose.as_ref()) {
            let own = route.guard.as_ref().and_then(|guard| guard.allow.as_ref());
            if route.exempt || own.is_none_or(|own| !own.both(here).0.is_empty()) {
                continue;
            }
            let mut place = vec!["services", name.as_str()];
            place.extend(below.iter().map(String::as_str));
            place.extend(["guard", "allow"]);
            let message = format!(
                "in `{environment}` nobody can reach `{}` of `{name}`: its `allow` and that of the environment have no \
                 address in common",
                route.path
            );
            let help = format!(
                "the other one is in {}; widen one of them, or write `exempt: true` on the route",
                check.line(&["environments", environment, "guard", "allow"])
            );
            check.error(&place, "nobody-allowed", message, Some(help));
        }
    }
}

/// What is written for the environment itself and cannot work there must not look as if it did.
fn without_effect(check: &mut Check<'_>, name: &str, environment: &Environment, guard: &Guard) {
    let place = ["environments", name, "guard"];
    if environment.listen.is_none() && environment.tls.is_none() {
        let message = format!("`guard` has no effect: `{name}` listens nowhere");
        check.warn_at_key(&place, "no-effect", message, None);
        return;
    }
    let hsts = guard.hsts.as_ref().and_then(Switch::settings).is_some();
    for (key, written) in [("redirect_https", guard.redirect_https == Some(true)), ("hsts", hsts)] {
        if written && !environment.has_https() {
            let message = format!("`{key}` has no effect: nothing in `{name}` speaks TLS");
            let help = "write `tls`, or `trusted` for a proxy that does it in front of the edge".to_owned();
            check.warn_at_key(&[&place, &[key][..]].concat(), "no-effect", message, Some(help));
        }
    }
    let exposed =
        |service: &Service| service.expose.as_ref().is_some_and(|it: &Expose| !it.routes().is_empty());
    if !check.parsed.manifest.services.values().any(exposed) {
        let message = "`guard` has no effect: no service is exposed".to_owned();
        check.warn_at_key(&place, "no-effect", message, None);
    }
}

fn traffic(check: &mut Check<'_>, name: &str, service: &Service) {
    let Some(traffic) = &service.traffic else { return };
    let place = ["services", name, "traffic"];
    if service.listen.is_none() && !service.stub {
        let message = format!("`traffic` has no effect: `{name}` listens nowhere");
        check.warn_at_key(&place, "no-effect", message, None);
        return;
    }
    if traffic.tls.is_some() && !traffic.protocol.is_tls() {
        let message = format!("the instances of `{name}` are not spoken to in TLS");
        let help =
            Some("write `protocol: https`, or `protocol: h2` for HTTP/2, or leave `tls` out".to_owned());
        check.error_at_key(&[&place[..], &["tls"]].concat(), "no-tls", message, help);
    }
    if let Some(probe) = traffic.probe.as_ref().and_then(Switch::settings) {
        let at = |key: &[&'static str]| [&place[..], &["probe"], key].concat();
        if probe.path.is_none() && service.ready.as_ref().and_then(Probe::path).is_none() && !service.stub {
            let message = format!("the edge has nothing to ask `{name}`: `ready` has no path");
            let help = Some("write `probe: { path: /path }`".to_owned());
            check.error_at_key(&at(&[]), "no-probe-path", message, help);
        }
        for (key, value) in [("interval", probe.interval), ("timeout", probe.timeout)] {
            if value.0 == Millis(0) {
                check.error(&at(&[key]), "bad-value", format!("the {key} of a probe cannot be zero"), None);
            }
        }
    }
    let outliers = traffic.outliers;
    if outliers.eject.0 == Millis(0) && (outliers.failures > 0 || outliers.server_errors > 0) {
        let message = "an instance that is taken out for no time is not taken out".to_owned();
        let help = Some("write a duration, or `failures: 0` to take none out".to_owned());
        check.error(&[&place[..], &["outliers", "eject"]].concat(), "bad-value", message, help);
    }
}
