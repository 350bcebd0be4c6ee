//! What differs in how the edge treats requests: guards of routes, the traffic of a service, and what holds for a
//! whole environment. The words are those of the manifest, the values those that people would write there.

use super::{Differences, bytes, duration, route};
use fairway_model::{
    Change, ConfigValue, EdgeSpec, Millis, RouteSpec, TimeoutSpec, TlsSpec, TrafficSpec,
    traffic::{
        AccessLog, Acme, AcmeChallenge, AcmeStorage, BasicAuth, Certificate, CertificateSource, Compression,
        Cors, ExternalAccount, GateLimits, Guard, Hold, Hsts, Limits, ListenerTls, Maintenance, Network,
        Options, Otlp, Outliers, Probe, RateKey, RateLimit, Retries, Sticky, TlsVersion, Treatment, Upstream,
        UpstreamTls,
    },
};
use std::{collections::BTreeMap, fmt::Display};

const GUARD: &str = "guard ";
const TRAFFIC: &str = "traffic.";

/// The change is about the edge, so it is no reason to start an instance.
pub(crate) fn is_of_the_edge(change: &Change) -> bool {
    change.what.starts_with(GUARD) || change.what.starts_with(TRAFFIC)
}

/// A line for each key that differs in the guard of a route. The guards of a route that goes need no words.
pub(super) fn guards(differences: &mut Differences, from: Option<&[RouteSpec]>, to: &[RouteSpec]) {
    let from: BTreeMap<String, &Guard> =
        from.unwrap_or_default().iter().map(|from| (route(from), &from.guard)).collect();
    for spec in to {
        let name = route(spec);
        let unguarded = Guard::default();
        let before = from.get(&name).copied().unwrap_or(&unguarded);
        let (before, after) = (guard_words(before, None), guard_words(&spec.guard, Some(before)));
        for ((key, from), (_, to)) in before.into_iter().zip(after) {
            differences.text(format!("{GUARD}{name} {key}"), from, to);
        }
    }
}

/// Every key of a guard with its value in words, always in the same order.
fn guard_words(guard: &Guard, before: Option<&Guard>) -> Vec<(&'static str, Option<String>)> {
    let Guard {
        allow,
        basic_auth,
        rate_limit,
        maintenance,
        cors,
        compression,
        hsts,
        redirect_https,
        security_headers,
        body_bytes,
    } = guard;
    let on = |on: bool| on.then(|| "on".to_owned());
    vec![
        ("allow", networks(allow)),
        (
            "basic_auth",
            basic_auth
                .as_ref()
                .map(|auth| passwords(auth, before.and_then(|before| before.basic_auth.as_ref()))),
        ),
        ("rate_limit", rate_limit.as_ref().map(rate)),
        ("maintenance", maintenance.as_ref().map(closed)),
        ("cors", cors.as_ref().map(origins)),
        ("compression", compression.as_ref().map(compressed)),
        ("hsts", hsts.as_ref().map(strict)),
        ("redirect_https", on(*redirect_https)),
        ("security_headers", on(*security_headers)),
        ("body", body_bytes.map(bytes)),
    ]
}

fn joined<T: Display>(items: &[T]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn networks(networks: &[Network]) -> Option<String> {
    (!networks.is_empty()).then(|| joined(networks))
}

/// The hashes are not shown: they are of no use to a reader, and of some to whoever wants to guess.
fn passwords(auth: &BasicAuth, before: Option<&BasicAuth>) -> String {
    let BasicAuth { realm, users } = auth;
    let each = users.iter().map(|(name, hash)| {
        let other = before.and_then(|before| before.users.get(name)).is_some_and(|before| before != hash);
        if other { format!("{name} with a new password") } else { name.clone() }
    });
    format!("{realm:?} for {}", each.collect::<Vec<_>>().join(", "))
}

fn rate(limit: &RateLimit) -> String {
    let RateLimit { requests, per_ms, burst, key } = limit;
    let burst = burst.map_or_else(String::new, |burst| format!(", {burst} at once"));
    let key = match key {
        RateKey::Address => "address".to_owned(),
        RateKey::Header(name) => format!("value of {name}"),
    };
    format!("{requests} in {} for each {key}{burst}", millis(*per_ms))
}

fn closed(maintenance: &Maintenance) -> String {
    let Maintenance { message, retry_after_s, except } = maintenance;
    let except = networks(except).map_or_else(String::new, |except| format!(", except {except}"));
    format!("{message:?}, again in {}{except}", seconds(*retry_after_s))
}

fn origins(cors: &Cors) -> String {
    let Cors { origins, methods, headers, expose, credentials, max_age_s } = cors;
    let mut words = joined(origins);
    for (what, list) in [("methods", methods), ("headers", headers), ("exposing", expose)] {
        if !list.is_empty() {
            words.push_str(&format!("; {what} {}", joined(list)));
        }
    }
    if *credentials {
        words.push_str("; with credentials");
    }
    if *max_age_s > 0 {
        words.push_str(&format!("; remembered for {}", seconds(*max_age_s)));
    }
    words
}

fn compressed(compression: &Compression) -> String {
    let Compression { min_bytes, types } = compression;
    format!("from {} on: {}", bytes(*min_bytes), joined(types))
}

fn strict(hsts: &Hsts) -> String {
    let Hsts { max_age_s, include_subdomains, preload } = hsts;
    let subdomains = if *include_subdomains { ", with subdomains" } else { "" };
    let preload = if *preload { ", preload" } else { "" };
    format!("{}{subdomains}{preload}", seconds(*max_age_s))
}

/// A line for each part of a service's traffic that differs.
pub(super) fn traffic(differences: &mut Differences, from: Option<&TrafficSpec>, to: &TrafficSpec) {
    let usual = TrafficSpec::default();
    let (before, after) = (traffic_words(from.unwrap_or(&usual)), traffic_words(to));
    for ((key, from), (_, to)) in before.into_iter().zip(after) {
        differences.text(format!("{TRAFFIC}{key}"), from, to);
    }
}

/// Every part with its value in words, always in the same order. What is as usual has none.
fn traffic_words(traffic: &TrafficSpec) -> Vec<(&'static str, Option<String>)> {
    let TrafficSpec { timeouts, treatment } = traffic;
    let TimeoutSpec { connect, header, idle, upgrade_idle } = timeouts;
    let Treatment {
        upstream,
        upstream_tls,
        probe,
        outliers,
        retries,
        limits,
        slow_start_ms,
        sticky,
        hold,
        gate,
    } = treatment;
    let upstream = match upstream {
        Upstream::Http1 => None,
        Upstream::H2c => Some("h2c".to_owned()),
        Upstream::Https => Some("https".to_owned()),
        Upstream::H2 => Some("h2".to_owned()),
    };
    vec![
        ("protocol", upstream),
        ("tls", unusual(upstream_tls, recognised)),
        ("timeouts.connect", connect.map(timeout)),
        ("timeouts.header", header.map(timeout)),
        ("timeouts.idle", idle.map(timeout)),
        ("timeouts.upgrade_idle", upgrade_idle.map(timeout)),
        ("probe", probe.as_ref().map(asked)),
        ("outliers", unusual(outliers, outlying)),
        ("retries", unusual(retries, again)),
        ("limits", unusual(limits, limited)),
        ("slow_start", (*slow_start_ms > 0).then(|| millis(*slow_start_ms))),
        ("sticky", sticky.as_ref().map(stuck)),
        ("hold", hold.as_ref().map(held)),
        ("gate", unusual(gate, gated)),
    ]
}

fn unusual<T: Default + PartialEq>(value: &T, words: impl Fn(&T) -> String) -> Option<String> {
    (*value != T::default()).then(|| words(value))
}

/// Whom instances must be.
pub(super) fn recognised(tls: &UpstreamTls) -> String {
    let UpstreamTls { server_name, roots } = tls;
    match roots {
        Some(roots) => format!("{server_name}, by the roots in {}", roots.display()),
        None => server_name.clone(),
    }
}

fn asked(probe: &Probe) -> String {
    let Probe { path, host, interval_ms, timeout_ms, rise, fall } = probe;
    let host = host.as_ref().map_or_else(String::new, |host| format!(" of {host}"));
    let (interval, timeout) = (millis(*interval_ms), millis(*timeout_ms));
    format!("{path}{host} every {interval}, timeout {timeout}, rise {rise}, fall {fall}")
}

fn outlying(outliers: &Outliers) -> String {
    let Outliers { consecutive_failures, consecutive_5xx, eject_ms, most_ejected_percent } = outliers;
    format!(
        "out for {} after {consecutive_failures} failures or {consecutive_5xx} server errors in a row, at most \
         {most_ejected_percent} % at once",
        millis(*eject_ms)
    )
}

fn again(retries: &Retries) -> String {
    let Retries { patience_ms, budget_percent } = retries;
    format!("for {}, at most {budget_percent} % of all requests", millis(*patience_ms))
}

fn limited(limits: &Limits) -> String {
    let Limits { exchanges, queue, queue_ms } = limits;
    let exchanges = if *exchanges == 0 { "any number".to_owned() } else { exchanges.to_string() };
    format!("{exchanges} at once for each instance, {queue} wait for at most {}", millis(*queue_ms))
}

fn stuck(sticky: &Sticky) -> String {
    let Sticky { cookie, max_age_s } = sticky;
    match max_age_s {
        0 => format!("by the cookie {cookie}"),
        age => format!("by the cookie {cookie} for {}", seconds(*age)),
    }
}

fn held(hold: &Hold) -> String {
    let Hold { queue, most_ms } = hold;
    format!("{queue} wait for at most {}", millis(*most_ms))
}

fn gated(gate: &GateLimits) -> String {
    let GateLimits { requests, more_errors_permille, p99_percent, p99_floor_ms } = gate;
    if *requests == 0 {
        return "off".to_owned();
    }
    format!(
        "after {requests} requests, {more_errors_permille} more of 1000 may fail, p99 up to {p99_percent} % and never \
         below {}",
        millis(u64::from(*p99_floor_ms))
    )
}

/// What holds for the whole environment.
pub(super) fn environment(differences: &mut Differences, from: Option<&EdgeSpec>, to: &EdgeSpec) {
    let usual = EdgeSpec::default();
    let from = from.unwrap_or(&usual);
    let EdgeSpec { tls, options } = to;
    let Options { trusted, access_log, otlp, goodbye_spread_ms, https_port } = options;
    tls_words(differences, from.tls.as_ref(), tls.as_ref());
    differences.value("trusted", Some(&from.options.trusted), Some(trusted), |trusted| {
        networks(trusted).unwrap_or_else(|| "nobody".to_owned())
    });
    let log = |log: &AccessLog| {
        let AccessLog { one_in } = log;
        if *one_in == 1 { "every exchange".to_owned() } else { format!("one in {one_in}") }
    };
    differences.value("access_log", from.options.access_log.as_ref(), access_log.as_ref(), log);
    let spans = |otlp: &Otlp| {
        let Otlp { endpoint, one_in } = otlp;
        format!("{endpoint}, one trace in {one_in}")
    };
    differences.value("otlp", from.options.otlp.as_ref(), otlp.as_ref(), spans);
    let spread = (Some(&from.options.goodbye_spread_ms), Some(goodbye_spread_ms));
    differences.value("goodbye_spread", spread.0, spread.1, |spread| millis(*spread));
    let port = (from.options.https_port.as_ref(), https_port.as_ref());
    differences.value("https_port", port.0, port.1, ToString::to_string);
}

fn tls_words(differences: &mut Differences, from: Option<&TlsSpec>, to: Option<&TlsSpec>) {
    if let Some(spec) = to.or(from) {
        // Taken apart for the compiler: each name below is compared.
        let TlsSpec { address: _, settings: _, certificates: _ } = spec;
    }
    let address = |tls: &TlsSpec| tls.address.to_string();
    differences.text("tls.listen", from.map(address), to.map(address));
    let minimum = |tls: &TlsSpec| {
        let ListenerTls { minimum } = tls.settings;
        match minimum {
            TlsVersion::V1_2 => "1.2".to_owned(),
            TlsVersion::V1_3 => "1.3".to_owned(),
        }
    };
    differences.text("tls.minimum", from.map(minimum), to.map(minimum));
    let shown = |tls: Option<&TlsSpec>| -> BTreeMap<String, String> {
        let mut all: BTreeMap<String, String> = BTreeMap::new();
        for (names, source) in tls.into_iter().flat_map(|tls| &tls.certificates).map(certificate) {
            // Several for the same names are told together.
            let told = all.entry(names).or_default();
            *told = if told.is_empty() { source } else { format!("{told}; {source}") };
        }
        all
    };
    let (from, to) = (shown(from), shown(to));
    differences.map("certificate", Some(&from), Some(&to), Clone::clone);
}

/// Whose certificate, and where it comes from.
fn certificate(certificate: &Certificate) -> (String, String) {
    let Certificate { names, source } = certificate;
    let (names, own) = (joined(names), names.is_empty());
    match source {
        CertificateSource::Files { chain, key } => {
            let names = if own { chain.display().to_string() } else { names };
            (names, format!("files {}, {}", chain.display(), key.display()))
        }
        CertificateSource::Local => (names, "the edge's own authority".to_owned()),
        CertificateSource::Acme(Acme { directory, roots, contact, challenge, storage, account }) => {
            let challenge = match challenge {
                AcmeChallenge::Http01 => "http-01".to_owned(),
                AcmeChallenge::TlsAlpn01 => "tls-alpn-01".to_owned(),
                AcmeChallenge::Dns01 { hook } => format!("dns-01 by {}", super::words(hook)),
            };
            let contact = contact.as_ref().map_or_else(String::new, |contact| format!(", contact {contact}"));
            let roots =
                roots.as_ref().map_or_else(String::new, |roots| format!(", roots {}", roots.display()));
            let storage = match storage {
                AcmeStorage::Local => String::new(),
                AcmeStorage::Store { access } => {
                    format!(", kept in the store ({})", ConfigValue::Secret(*access))
                }
            };
            let account = account.as_ref().map_or_else(String::new, |ExternalAccount { id, key }| {
                format!(", account {id} ({})", ConfigValue::Secret(*key))
            });
            (names, format!("ACME of {directory} by {challenge}{contact}{roots}{storage}{account}"))
        }
    }
}

fn millis(millis: u64) -> String {
    duration(Millis(millis))
}

fn seconds(seconds: u64) -> String {
    duration(Millis(seconds.saturating_mul(1_000)))
}

/// Zero takes the limit away.
fn timeout(millis: Millis) -> String {
    if millis.0 == 0 { "no limit".to_owned() } else { duration(millis) }
}
