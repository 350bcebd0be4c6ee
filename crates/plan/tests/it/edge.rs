//! Changes of how requests are treated: each is told in words, and none of them starts an instance.

use crate::shop::{artifact, edit, plan_from, service, shop, steps};
use fairway_model::{
    Change, EdgeSpec, Listener, Millis, Release, RouteSpec, ServiceChange, TlsSpec, TrafficSpec,
    traffic::{
        AccessLog, Acme, AcmeChallenge, AcmeStorage, BasicAuth, Certificate, CertificateSource, Compression,
        Cors, Guard, Hold, Hsts, Limits, ListenerTls, Maintenance, Outliers, Probe, RateKey, RateLimit,
        Retries, Sticky, TlsVersion, Upstream, UpstreamTls,
    },
};
use fairway_plan::describe;
use std::num::NonZeroU16;

/// The shop with something else about its gateway.
fn bff(change: impl FnOnce(&mut fairway_model::ServiceSpec)) -> Release {
    let mut release = shop();
    change(release.services.get_mut("bff").unwrap());
    release
}

fn guarded(guard: Guard) -> Release {
    bff(|bff| bff.routes[0].guard = guard)
}

fn treated(change: impl FnOnce(&mut TrafficSpec)) -> Release {
    bff(|bff| change(&mut bff.traffic))
}

fn with_edge(change: impl FnOnce(&mut EdgeSpec)) -> Release {
    let mut release = shop();
    change(&mut release.edge);
    release
}

/// All changes from one release to another; nothing starts, whatever they are.
fn changes(from: &Release, to: &Release) -> Vec<Change> {
    let plan = plan_from(from, to);
    assert_eq!(steps(&plan), ["switch", "bake"]);
    let services = plan.services.into_values().flat_map(|change| match change {
        ServiceChange::Update { changes } => changes,
        other => panic!("{other:?}"),
    });
    services.chain(plan.environment_changes).collect()
}

/// What the shop gets is one change, and what it loses is the same one backwards.
fn check(changed: &Release, what: &str, words: &str) {
    let change = |from: Option<&str>, to: Option<&str>| Change {
        what: what.to_owned(),
        from: from.map(str::to_owned),
        to: to.map(str::to_owned),
    };
    assert_eq!(changes(&shop(), changed), [change(None, Some(words))]);
    assert_eq!(changes(changed, &shop()), [change(Some(words), None)]);
}

fn list(items: &[&str]) -> Vec<String> {
    items.iter().map(|&item| item.to_owned()).collect()
}

#[test]
fn every_part_of_a_guard() {
    let usual = Guard::default;
    let network = || vec!["10.0.0.0/8".parse().unwrap(), "192.0.2.7".parse().unwrap()];
    check(&guarded(Guard { allow: network(), ..usual() }), "guard / allow", "10.0.0.0/8, 192.0.2.7/32");
    let rate = |burst, key| RateLimit { requests: 20, per_ms: 2_000, burst, key };
    let limited = |rate| guarded(Guard { rate_limit: Some(rate), ..usual() });
    check(&limited(rate(None, RateKey::Address)), "guard / rate_limit", "20 in 2s for each address");
    check(
        &limited(rate(Some(40), RateKey::Header("X-Api-Key".to_owned()))),
        "guard / rate_limit",
        "20 in 2s for each value of X-Api-Key, 40 at once",
    );
    let maintenance = |except| Maintenance { message: "Back at noon".to_owned(), retry_after_s: 300, except };
    let closed = |maintenance| guarded(Guard { maintenance: Some(maintenance), ..usual() });
    check(&closed(maintenance(Vec::new())), "guard / maintenance", "\"Back at noon\", again in 5m");
    check(
        &closed(maintenance(network())),
        "guard / maintenance",
        "\"Back at noon\", again in 5m, except 10.0.0.0/8, 192.0.2.7/32",
    );
    let cors = Cors { origins: list(&["https://a.test", "https://b.test"]), ..Cors::default() };
    check(
        &guarded(Guard { cors: Some(cors.clone()), ..usual() }),
        "guard / cors",
        "https://a.test, https://b.test",
    );
    let cors = Cors {
        methods: list(&["GET"]),
        headers: list(&["X-One"]),
        expose: list(&["X-Two"]),
        credentials: true,
        max_age_s: 600,
        ..cors
    };
    check(
        &guarded(Guard { cors: Some(cors), ..usual() }),
        "guard / cors",
        "https://a.test, https://b.test; methods GET; headers X-One; exposing X-Two; with credentials; remembered for 10m",
    );
    let compression = Compression { min_bytes: 2_048, types: list(&["text/", "application/json"]) };
    check(
        &guarded(Guard { compression: Some(compression), ..usual() }),
        "guard / compression",
        "from 2Ki on: text/, application/json",
    );
    check(&guarded(Guard { hsts: Some(Hsts::default()), ..usual() }), "guard / hsts", "8760h");
    let hsts = Hsts { max_age_s: 1, include_subdomains: true, preload: true };
    check(&guarded(Guard { hsts: Some(hsts), ..usual() }), "guard / hsts", "1s, with subdomains, preload");
    check(&guarded(Guard { redirect_https: true, ..usual() }), "guard / redirect_https", "on");
    check(&guarded(Guard { security_headers: true, ..usual() }), "guard / security_headers", "on");
    check(&guarded(Guard { body_bytes: Some(10 << 20), ..usual() }), "guard / body", "10Mi");
}

#[test]
fn passwords_are_told_apart_and_not_shown() {
    let (one, other) = ("a".repeat(64), "b".repeat(64));
    let auth = |users: &[(&str, &str)]| {
        let users = users.iter().map(|(name, hash)| ((*name).to_owned(), (*hash).to_owned())).collect();
        let basic_auth = Some(BasicAuth { realm: "Shop".to_owned(), users });
        guarded(Guard { basic_auth, ..Guard::default() })
    };
    let first = auth(&[("ann", &one), ("bob", &one)]);
    check(&first, "guard / basic_auth", "\"Shop\" for ann, bob");
    let shown = changes(&first, &auth(&[("ann", &one), ("bob", &other), ("eve", &other)]));
    let expect = Change {
        what: "guard / basic_auth".to_owned(),
        from: Some("\"Shop\" for ann, bob".to_owned()),
        to: Some("\"Shop\" for ann, bob with a new password, eve".to_owned()),
    };
    assert_eq!(shown, [expect]);
    assert!(!format!("{shown:?}").contains(&one[..12]) && !format!("{shown:?}").contains(&other[..12]));
}

#[test]
fn every_part_of_traffic() {
    for (upstream, word) in [(Upstream::H2c, "h2c"), (Upstream::Https, "https"), (Upstream::H2, "h2")] {
        check(&treated(|it| it.treatment.upstream = upstream), "traffic.protocol", word);
    }
    let tls = |roots: Option<&str>| {
        let roots = roots.map(Into::into);
        treated(|it| it.treatment.upstream_tls = UpstreamTls { server_name: "web.test".to_owned(), roots })
    };
    check(&tls(None), "traffic.tls", "web.test");
    check(&tls(Some("/etc/ca.pem")), "traffic.tls", "web.test, by the roots in /etc/ca.pem");
    check(&treated(|it| it.timeouts.connect = Some(Millis(500))), "traffic.timeouts.connect", "500ms");
    check(&treated(|it| it.timeouts.header = Some(Millis(90_000))), "traffic.timeouts.header", "1m30s");
    check(&treated(|it| it.timeouts.idle = Some(Millis(0))), "traffic.timeouts.idle", "no limit");
    check(
        &treated(|it| it.timeouts.upgrade_idle = Some(Millis(60_000))),
        "traffic.timeouts.upgrade_idle",
        "1m",
    );
    let probe = |host: Option<&str>| Probe {
        path: "/well".to_owned(),
        host: host.map(str::to_owned),
        interval_ms: 2_000,
        timeout_ms: 1_000,
        rise: 2,
        fall: 3,
    };
    check(
        &treated(|it| it.treatment.probe = Some(probe(None))),
        "traffic.probe",
        "/well every 2s, timeout 1s, rise 2, fall 3",
    );
    check(
        &treated(|it| it.treatment.probe = Some(probe(Some("shop.test")))),
        "traffic.probe",
        "/well of shop.test every 2s, timeout 1s, rise 2, fall 3",
    );
    let outliers = Outliers { consecutive_5xx: 9, ..Outliers::default() };
    check(
        &treated(|it| it.treatment.outliers = outliers),
        "traffic.outliers",
        "out for 5s after 5 failures or 9 server errors in a row, at most 50 % at once",
    );
    check(
        &treated(|it| it.treatment.retries = Retries { patience_ms: 0, budget_percent: 5 }),
        "traffic.retries",
        "for 0ms, at most 5 % of all requests",
    );
    let limits = |exchanges| Limits { exchanges, queue: 10, queue_ms: 1_000 };
    check(
        &treated(|it| it.treatment.limits = limits(100)),
        "traffic.limits",
        "100 at once for each instance, 10 wait for at most 1s",
    );
    check(
        &treated(|it| it.treatment.limits = limits(0)),
        "traffic.limits",
        "any number at once for each instance, 10 wait for at most 1s",
    );
    check(&treated(|it| it.treatment.slow_start_ms = 10_000), "traffic.slow_start", "10s");
    let sticky = |max_age_s| Sticky { cookie: "web".to_owned(), max_age_s };
    check(&treated(|it| it.treatment.sticky = Some(sticky(0))), "traffic.sticky", "by the cookie web");
    check(
        &treated(|it| it.treatment.sticky = Some(sticky(3_600))),
        "traffic.sticky",
        "by the cookie web for 1h",
    );
    check(
        &treated(|it| it.treatment.hold = Some(Hold::default())),
        "traffic.hold",
        "1000 wait for at most 30s",
    );
}

#[test]
fn every_part_of_the_environment() {
    check(
        &with_edge(|edge| edge.options.access_log = Some(AccessLog { one_in: 1 })),
        "access_log",
        "every exchange",
    );
    check(
        &with_edge(|edge| edge.options.access_log = Some(AccessLog { one_in: 10 })),
        "access_log",
        "one in 10",
    );
    let told = |changed: &Release| {
        let shown = changes(&shop(), changed).into_iter();
        let shown =
            shown.map(|Change { what, from, to }| [Some(what), from, to].map(Option::unwrap_or_default));
        shown.map(|parts| parts.join(" | ")).collect::<Vec<_>>()
    };
    assert_eq!(
        told(&with_edge(|edge| edge.options.trusted.push("10.0.0.0/8".parse().unwrap()))),
        ["trusted | 127.0.0.0/8, ::1/128 | 127.0.0.0/8, ::1/128, 10.0.0.0/8"]
    );
    assert_eq!(
        told(&with_edge(|edge| edge.options.trusted.clear())),
        ["trusted | 127.0.0.0/8, ::1/128 | nobody"]
    );
    assert_eq!(
        told(&with_edge(|edge| edge.options.goodbye_spread_ms = 500)),
        ["goodbye_spread | 2s | 500ms"]
    );
    assert_eq!(
        told(&with_edge(|edge| edge.options.https_port = NonZeroU16::new(443))),
        ["https_port |  | 443"]
    );
    let acme = |challenge| Acme {
        directory: "https://acme.test/directory".to_owned(),
        roots: Some("/roots.pem".into()),
        contact: Some("ops@shop.test".to_owned()),
        challenge,
        storage: AcmeStorage::Local,
        account: None,
    };
    let certificate = |names: &[&str], source| Certificate { names: list(names), source };
    let tls = |minimum, certificates| {
        let address = "0.0.0.0:443".parse().unwrap();
        with_edge(|edge| {
            edge.tls = Some(TlsSpec { address, settings: ListenerTls { minimum }, certificates })
        })
    };
    let files = CertificateSource::Files { chain: "/c.pem".into(), key: "/k.pem".into() };
    let all = [
        certificate(&["a.test", "b.test"], CertificateSource::Local),
        certificate(&["c.test"], CertificateSource::Acme(acme(AcmeChallenge::Http01))),
        certificate(&["d.test"], CertificateSource::Acme(acme(AcmeChallenge::TlsAlpn01))),
        certificate(
            &["*.e.test"],
            CertificateSource::Acme(acme(AcmeChallenge::Dns01 { hook: list(&["/hook", "a b"]) })),
        ),
        certificate(&[], files.clone()),
        certificate(&["a.test", "b.test"], files),
    ];
    let with = "ACME of https://acme.test/directory by";
    let to = "contact ops@shop.test, roots /roots.pem";
    assert_eq!(
        told(&tls(TlsVersion::V1_3, all.to_vec())),
        [
            "tls.listen |  | 0.0.0.0:443".to_owned(),
            "tls.minimum |  | 1.3".to_owned(),
            format!("certificate *.e.test |  | {with} dns-01 by /hook \"a b\", {to}"),
            "certificate /c.pem |  | files /c.pem, /k.pem".to_owned(),
            "certificate a.test, b.test |  | the edge's own authority; files /c.pem, /k.pem".to_owned(),
            format!("certificate c.test |  | {with} http-01, {to}"),
            format!("certificate d.test |  | {with} tls-alpn-01, {to}"),
        ]
    );
    let before = tls(TlsVersion::V1_2, vec![all[0].clone()]);
    let after = tls(TlsVersion::V1_3, vec![all[0].clone()]);
    let shown = changes(&before, &after);
    assert_eq!((shown.len(), shown[0].what.as_str()), (1, "tls.minimum"));
}

#[test]
fn a_release_of_nothing_but_guards_starts_nothing_and_says_what_changes() {
    let mut desired = shop();
    let bff = desired.services.get_mut("bff").unwrap();
    bff.routes[0].guard = Guard {
        rate_limit: Some(RateLimit { requests: 20, per_ms: 1_000, burst: None, key: RateKey::Address }),
        security_headers: true,
        ..Guard::default()
    };
    bff.traffic.timeouts.header = Some(Millis(90_000));
    desired.listener = Some(Listener { address: "0.0.0.0:80".parse().unwrap() });
    desired.edge.options.access_log = Some(AccessLog { one_in: 10 });
    let plan = plan_from(&shop(), &desired);
    insta::assert_snapshot!(describe(&plan, &desired));
    assert!(plan_from(&desired, &desired).is_empty());
}

#[test]
fn a_guard_is_no_reason_to_start() {
    let mut desired = shop();
    desired.services.get_mut("bff").unwrap().routes[0].guard.security_headers = true;
    desired.services.get_mut("bff").unwrap().traffic.treatment.upstream = Upstream::H2c;
    edit(&mut desired, "bff").artifact = artifact("2");
    let plan = plan_from(&shop(), &desired);
    let start = plan.steps.iter().find(|step| step.kind.verb() == "start").unwrap();
    assert!(start.reason.starts_with("artifact changed"), "{}", start.reason);
    assert!(!start.reason.contains("guard") && !start.reason.contains("traffic"), "{}", start.reason);
}

#[test]
fn guards_of_routes_that_come_and_go() {
    let api = |guard| RouteSpec { host: Some("shop.test".to_owned()), path: "/api".to_owned(), guard };
    let strict = Guard { security_headers: true, ..Guard::default() };
    let with = |guard| bff(|bff| bff.routes.push(api(guard)));
    let whats = |from: &Release, to: &Release| {
        changes(from, to).into_iter().map(|change| change.what).collect::<Vec<_>>()
    };
    assert_eq!(whats(&shop(), &with(Guard::default())), ["routes"]);
    assert_eq!(whats(&shop(), &with(strict.clone())), ["routes", "guard shop.test/api security_headers"]);
    // What protected a route that goes protects nothing any more; the routes say that it goes.
    assert_eq!(whats(&with(strict.clone()), &shop()), ["routes"]);
    assert_eq!(whats(&with(Guard::default()), &with(strict)), ["guard shop.test/api security_headers"]);
    // A new service tells all of it.
    let mut before = shop();
    before.services.remove("bff");
    let plan = plan_from(&before, &guarded(Guard { redirect_https: true, ..Guard::default() }));
    let ServiceChange::Add { changes } = &plan.services[&service("bff")] else { panic!("{plan:#?}") };
    assert!(changes.iter().any(|change| change.what == "guard / redirect_https"), "{changes:#?}");
}
