//! What a release does, and what it says when it fails.

use crate::support::{Service, World, assignment, environment, get, name, plan, release, until, variable};
use fairway_model::{
    Assignment, ConfigValue, Digest, EventKind, Failure, FailureKind, Generation, Millis, Phase, Redacted,
    RouteSpec, SecretVersion, TimeoutSpec, TlsSpec, TrafficSpec,
    traffic::{Certificate, CertificateSource, Guard, ListenerTls, Maintenance, Options},
};
use fairway_target::{Silent, Target as _};
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

fn good(world: &World, version: &str) -> Service {
    world.service(&[("VERSION", version), ("BEHAVIOUR", "good")])
}

fn behaving(world: &World, version: &str, behaviour: &str) -> Service {
    world.service(&[("VERSION", version), ("BEHAVIOUR", behaviour)])
}

async fn failure_of_prepare(world: &World, assignment: &Assignment) -> Failure {
    world.host.prepare(assignment, &Silent).await.unwrap_err().failure().unwrap().clone()
}

#[tokio::test]
async fn a_service_gets_exactly_its_environment() {
    let world = World::new("").await;
    let secret = SecretVersion(Digest::of(b"version 1"));
    let wish = good(&world, "v1").needs("api", "API_URL").with(|service| {
        service.spec.config.insert(variable("TOKEN"), ConfigValue::Secret(secret));
    });
    let services = [("web", wish), ("api", good(&world, "v1"))];
    let first = world.assign(None, &services).await;
    let failure = failure_of_prepare(&world, &first).await;
    assert_eq!(failure.kind, FailureKind::Missing, "{failure:?}");
    assert!(failure.message.contains("TOKEN of web"), "{failure}");
    world.host.put_secret(&environment(), secret, &Redacted::new("hunter2")).await.unwrap();
    let mut again = first;
    again.plan.generation = Generation(2);
    world.apply(&again).await;
    let (_, body) = world.ask("web", "/env").await.unwrap();
    let variables: BTreeMap<String, String> = serde_json::from_str(&body).unwrap();
    let names: Vec<&str> = variables
        .keys()
        .map(String::as_str)
        .filter(|name| !["TZ", "PWD", "OLDPWD", "SHLVL", "_"].contains(name))
        .collect();
    assert_eq!(
        names,
        [
            "ADDRESS",
            "API_URL",
            "BEHAVIOUR",
            "FAIRWAY_ENVIRONMENT",
            "FAIRWAY_INSTANCE",
            "FAIRWAY_SERVICE",
            "FAIRWAY_SPEC",
            "HOME",
            "LANG",
            "PATH",
            "TOKEN",
            "VERSION"
        ]
    );
    assert_eq!(variables["TOKEN"], "hunter2");
    let api = world.address("api").await.unwrap();
    assert_eq!(variables["API_URL"], format!("http://{api}"));
    assert_eq!(variables["FAIRWAY_ENVIRONMENT"], "test/pr-7");
    for entry in std::fs::read_dir(world.home().join("journal")).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        assert!(!text.contains("hunter2"), "the journal names versions and never values");
    }
}

#[tokio::test]
async fn a_failure_says_what_helps() {
    let world = World::new("").await;
    let first = world.assign(None, &[("web", good(&world, "v1"))]).await;
    world.apply(&first).await;
    let before = world.pid("web").await;

    let shy = behaving(&world, "v2", "never-ready").with(|shy| shy.spec.probes.start_deadline = Millis(600));
    let second = world.assign(Some(&first), &[("web", shy)]).await;
    let failure = failure_of_prepare(&world, &second).await;
    assert_eq!((failure.kind, failure.service), (FailureKind::Start, Some(name("web"))));
    let probe = failure.probe.unwrap();
    assert_eq!((probe.status, probe.body.as_str()), (Some(503), "the pool is empty"));
    assert!(failure.message.contains("was not ready within 600ms"), "{}", failure.message);
    assert!(failure.log.iter().any(|line| line.contains("version v2 starts")), "{:?}", failure.log);

    let mut third = world.assign(Some(&first), &[("web", behaving(&world, "v3", "exits-at-start"))]).await;
    third.plan.generation = Generation(3);
    let failure = failure_of_prepare(&world, &third).await;
    assert!(failure.message.contains("exited with code 7 before it was ready"), "{}", failure.message);
    assert!(failure.log.iter().any(|line| line.contains("LUCK is missing")), "{:?}", failure.log);

    let absent = good(&world, "v4").with(|service| service.spec.command = vec!["not-there".into()]);
    let mut fourth = world.assign(Some(&first), &[("web", absent)]).await;
    fourth.plan.generation = Generation(4);
    let failure = failure_of_prepare(&world, &fourth).await;
    assert_eq!(failure.kind, FailureKind::Start);
    assert!(failure.message.contains("not-there"), "{}", failure.message);

    let loner = good(&world, "v5").needs("nobody", "URL");
    let mut fifth = world.assign(Some(&first), &[("web", loner)]).await;
    fifth.plan.generation = Generation(5);
    let failure = failure_of_prepare(&world, &fifth).await;
    assert_eq!(failure.kind, FailureKind::Invalid);
    assert!(failure.message.contains("needs nobody"), "{}", failure.message);

    until("only v1 runs", || async { world.instances().await.len() == 1 }).await;
    assert_eq!(world.pid("web").await, before, "what serves was not touched");
    assert_eq!(world.version("web").await.as_deref(), Some("v1"));
}

#[tokio::test]
async fn a_new_gateway_may_need_a_new_service_to_become_ready() {
    let world = World::new("").await;
    let gateway = behaving(&world, "v1", "needs").needs("zeta", "NEED");
    // `gateway` sorts first, so a start in the order of names would never end.
    let services = [("gateway", gateway), ("zeta", good(&world, "v1"))];
    let first = world.assign(None, &services).await;
    world.host.prepare(&first, &Silent).await.unwrap();
    assert_eq!(world.host.observe(&environment()).await.unwrap().serving, None, "nothing has switched");
    world.apply(&first).await;
    assert_eq!(world.version("gateway").await.as_deref(), Some("v1"));
}

#[tokio::test]
async fn early_routes_go_away_with_their_release() {
    let world = World::new("").await;
    let first = world.assign(None, &[("web", good(&world, "v1"))]).await;
    world.apply(&first).await;
    let second =
        world.assign(Some(&first), &[("web", good(&world, "v1")), ("api", good(&world, "v1"))]).await;
    world.host.prepare(&second, &Silent).await.unwrap();
    let routes = world.host.observe(&environment()).await.unwrap().routes;
    assert!(routes.known().unwrap().services.contains_key(&name("api")), "{routes:?}");
    world.host.abort(&environment(), second.generation()).await.unwrap();
    let routes = world.host.observe(&environment()).await.unwrap().routes;
    assert!(!routes.known().unwrap().services.contains_key(&name("api")), "{routes:?}");
    assert_eq!(world.version("web").await.as_deref(), Some("v1"));
}

#[tokio::test]
async fn a_release_under_load_loses_nothing() {
    let world = World::new("").await;
    let mut last = world.assign(None, &[("web", good(&world, "v0"))]).await;
    world.apply(&last).await;
    let address = world.address("web").await.unwrap();
    let (stop, sent, failed) =
        (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let load: Vec<_> = (0..4)
        .map(|_| {
            let (stop, sent, failed) = (Arc::clone(&stop), Arc::clone(&sent), Arc::clone(&failed));
            tokio::spawn(async move {
                while !stop.load(Ordering::SeqCst) {
                    sent.fetch_add(1, Ordering::SeqCst);
                    if !matches!(get(address, "/").await, Ok((200, _))) {
                        failed.fetch_add(1, Ordering::SeqCst);
                    }
                }
            })
        })
        .collect();
    for version in ["v1", "v2", "v3"] {
        let next = world.assign(Some(&last), &[("web", good(&world, version))]).await;
        let status = world.apply(&next).await;
        assert!(status.evidence.requests_served > 0, "{:?}", status.evidence);
        assert_eq!(status.evidence.requests_failed, 0, "{:?}", status.evidence);
        assert_eq!(status.evidence.cut_off, 0);
        assert!(status.evidence.switch_micros.is_some());
        assert_eq!(status.evidence.starts.len(), 1);
        assert!(
            ["preparing", "prepared", "baking", "retiring"]
                .iter()
                .all(|phase| status.evidence.phases.contains_key(*phase))
        );
        last = next;
    }
    stop.store(true, Ordering::SeqCst);
    for task in load {
        task.await.unwrap();
    }
    assert!(sent.load(Ordering::SeqCst) > 50);
    assert_eq!(failed.load(Ordering::SeqCst), 0, "of {} requests", sent.load(Ordering::SeqCst));
}

#[tokio::test]
async fn a_slow_request_ends_well_on_the_old_instance() {
    let world = World::new("").await;
    let first = world.assign(None, &[("web", good(&world, "v1"))]).await;
    world.apply(&first).await;
    let address = world.address("web").await.unwrap();
    let second = plan(Some(&first), {
        let mut release = release(&[("web", good(&world, "v2"))]);
        release.bake = Millis(0);
        release
    });
    world.host.deliver(&good(&world, "v2").source).await.unwrap();
    world.host.prepare(&second, &Silent).await.unwrap();
    let slow = tokio::spawn(get(address, "/slow"));
    until("it is on its way", || async {
        world.instances().await.iter().any(|instance| instance.in_flight > 0)
    })
    .await;
    let (env, generation) = (environment(), second.generation());
    world.host.switch(&env, generation, &Silent).await.unwrap();
    world.host.bake(&env, generation, &Silent).await.unwrap();
    let status = world.host.retire(&env, generation, &Silent).await.unwrap();
    assert_eq!(slow.await.unwrap().unwrap(), (200, "slow".to_owned()));
    assert_eq!(status.evidence.cut_off, 0);
    assert_eq!(world.instances().await.len(), 1);
}

#[tokio::test]
async fn what_never_ends_is_cut_off_at_the_drain_deadline() {
    let world = World::new("").await;
    let first = world.assign(None, &[("web", good(&world, "v1"))]).await;
    world.apply(&first).await;
    let address = world.address("web").await.unwrap();
    let second = plan(Some(&first), {
        let mut release = release(&[("web", good(&world, "v2"))]);
        (release.bake, release.drain) = (Millis(0), Millis(100));
        release
    });
    world.host.deliver(&good(&world, "v2").source).await.unwrap();
    world.host.prepare(&second, &Silent).await.unwrap();
    let stuck = tokio::spawn(get(address, "/hang"));
    until("it is on its way", || async {
        world.instances().await.iter().any(|instance| instance.in_flight > 0)
    })
    .await;
    let (env, generation) = (environment(), second.generation());
    world.host.switch(&env, generation, &Silent).await.unwrap();
    world.host.bake(&env, generation, &Silent).await.unwrap();
    let status = world.host.retire(&env, generation, &Silent).await.unwrap();
    assert_eq!(status.evidence.cut_off, 1, "{:?}", status.evidence);
    assert!(!matches!(stuck.await.unwrap(), Ok((200, _))));
}

/// A release that goes wrong after its switch goes back to the instances that were kept warm.
async fn goes_back(behaviour: &str, provoke: usize, expect: &str) {
    let world = World::new("").await;
    let first = world.assign(None, &[("web", good(&world, "v1"))]).await;
    world.apply(&first).await;
    let before = world.pid("web").await;
    let second = plan(Some(&first), {
        let mut release = release(&[("web", behaving(&world, "v2", behaviour))]);
        release.bake = Millis::from_secs(60);
        release
    });
    world.host.deliver(&behaving(&world, "v2", behaviour).source).await.unwrap();
    world.host.prepare(&second, &Silent).await.unwrap();
    world.host.switch(&environment(), second.generation(), &Silent).await.unwrap();
    for _ in 0..provoke {
        world.ask("web", "/").await;
    }
    let error = world.host.bake(&environment(), second.generation(), &Silent).await.unwrap_err();
    let failure = error.failure().unwrap();
    assert_eq!(failure.kind, FailureKind::Bake, "{failure:?}");
    assert!(failure.message.contains(expect), "{}", failure.message);
    assert!(failure.unchanged.contains("back at release 1"), "{}", failure.unchanged);
    assert_eq!(failure.service, Some(name("web")));
    assert!(failure.log.iter().any(|line| line.contains("version v2")), "{:?}", failure.log);
    assert_eq!(world.version("web").await.as_deref(), Some("v1"));
    until("the bad one is gone", || async { world.instances().await.len() == 1 }).await;
    assert_eq!(world.pid("web").await, before, "the old instance had been kept");
}

#[tokio::test]
async fn an_unready_instance_goes_back() {
    goes_back("unready-after-traffic", 1, "is not ready any more").await;
}

#[tokio::test]
async fn errors_go_back() {
    goes_back("errors-after-traffic", 12, "requests to web-").await;
}

/// Few enough for each instance to pass for well, and many more than before: the comparison with the old instances finds
/// them.
#[tokio::test]
async fn more_errors_than_before_go_back() {
    let world = World::new("").await;
    let first = world.assign(None, &[("web", good(&world, "v1"))]).await;
    world.apply(&first).await;
    let before = world.pid("web").await;
    for _ in 0..150 {
        assert_eq!(world.ask("web", "/").await.unwrap().0, 200);
    }
    let worse = behaving(&world, "v2", "some-errors");
    let second = plan(Some(&first), {
        let mut release = release(&[("web", worse.clone())]);
        release.bake = Millis::from_secs(600);
        release
    });
    world.host.deliver(&worse.source).await.unwrap();
    world.host.prepare(&second, &Silent).await.unwrap();
    world.host.switch(&environment(), second.generation(), &Silent).await.unwrap();
    // Whichever of the two answers: it goes back while this goes on.
    for _ in 0..250 {
        world.ask("web", "/").await.unwrap();
    }
    let error = world.host.bake(&environment(), second.generation(), &Silent).await.unwrap_err();
    let failure = error.failure().unwrap();
    assert_eq!(failure.kind, FailureKind::Bake, "{failure:?}");
    assert_eq!(failure.service, Some(name("web")));
    let words = "requests to the new release failed or were answered 5xx";
    assert!(failure.message.starts_with("web does worse than before the switch: "), "{}", failure.message);
    assert!(failure.message.contains(words) && failure.message.contains("0.0 %"), "{}", failure.message);
    assert_eq!(world.version("web").await.as_deref(), Some("v1"));
    until("the bad one is gone", || async { world.instances().await.len() == 1 }).await;
    assert_eq!(world.pid("web").await, before, "the old instance had been kept");
}

/// The same release with the comparison off.
#[tokio::test]
async fn without_a_gate_some_errors_are_borne() {
    let world = World::new("").await;
    let first = world.assign(None, &[("web", good(&world, "v1"))]).await;
    world.apply(&first).await;
    for _ in 0..150 {
        world.ask("web", "/").await.unwrap();
    }
    let worse =
        behaving(&world, "v2", "some-errors").with(|service| service.traffic.treatment.gate.requests = 0);
    let second = plan(Some(&first), release(&[("web", worse.clone())]));
    world.host.deliver(&worse.source).await.unwrap();
    world.host.prepare(&second, &Silent).await.unwrap();
    world.host.switch(&environment(), second.generation(), &Silent).await.unwrap();
    for _ in 0..250 {
        world.ask("web", "/").await.unwrap();
    }
    world.host.bake(&environment(), second.generation(), &Silent).await.unwrap();
}

#[tokio::test]
async fn an_instance_that_ends_goes_back() {
    goes_back("dies-after-traffic", 1, "exited with code 9").await;
}

#[tokio::test]
async fn an_instance_that_is_not_alive_goes_back() {
    let world = World::new("").await;
    let first = world.assign(None, &[("web", good(&world, "v1"))]).await;
    world.apply(&first).await;
    let dead = behaving(&world, "v2", "never-live").with(|service| {
        service.spec.probes.live = service.spec.probes.ready.clone().map(|mut probe| {
            probe.path = "/live".into();
            probe
        });
    });
    let second = plan(Some(&first), {
        let mut release = release(&[("web", dead.clone())]);
        release.bake = Millis::from_secs(60);
        release
    });
    world.host.deliver(&dead.source).await.unwrap();
    world.host.prepare(&second, &Silent).await.unwrap();
    world.host.switch(&environment(), second.generation(), &Silent).await.unwrap();
    let error = world.host.bake(&environment(), second.generation(), &Silent).await.unwrap_err();
    assert_eq!(error.failure().unwrap().kind, FailureKind::Bake);
    assert_eq!(world.version("web").await.as_deref(), Some("v1"));
}

#[tokio::test]
async fn databases_are_made_migrated_and_seeded() {
    if fairway_postgres::locate(None, None).is_err() {
        println!("skipped: needs PostgreSQL");
        return;
    }
    let world = World::new("one_shot=900").await;
    let mark = world.path("mark");
    let wish = |version: &str, migrate: &str| {
        let path = mark.display().to_string();
        world
            .service(&[("VERSION", version), ("BEHAVIOUR", "good"), ("MARK", &path)])
            .database(&["service", migrate], Some(&["service", "seed"]))
    };
    let first = world.assign(None, &[("web", wish("v1", "migrate"))]).await;
    world.apply(&first).await;
    let status = world.host.release(&environment(), Generation(1)).await.unwrap().unwrap();
    let verbs: Vec<&str> = status
        .events
        .iter()
        .filter_map(|event| match &event.kind {
            EventKind::StepDone { step, .. } => Some(step.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(verbs, ["database server", "database", "migrate", "seed", "start", "switch"]);
    let marks = std::fs::read_to_string(&mark).unwrap();
    assert!(marks.starts_with("migrate postgres://") && marks.contains("\nseed postgres://"), "{marks}");
    let (_, body) = world.ask("web", "/env").await.unwrap();
    let variables: BTreeMap<String, String> = serde_json::from_str(&body).unwrap();
    assert!(marks.contains(&variables["DATABASE_URL"]), "the service and its migration share one login");
    let databases = world.host.observe(&environment()).await.unwrap().databases;
    assert!(databases.known().unwrap().contains(&name("web")));

    let second = world.assign(Some(&first), &[("web", wish("v2", "migrate-badly"))]).await;
    let failure = failure_of_prepare(&world, &second).await;
    assert_eq!(failure.kind, FailureKind::Migration);
    assert!(failure.message.contains("migrate of web exited with code 3"), "{}", failure.message);
    assert_eq!(failure.log, ["column \"price\" does not exist"]);

    let mut third = world.assign(Some(&first), &[("web", wish("v3", "migrate-slowly"))]).await;
    third.plan.generation = Generation(3);
    let failure = failure_of_prepare(&world, &third).await;
    assert!(failure.message.contains("was stopped after 900ms"), "{}", failure.message);
    assert_eq!(world.version("web").await.as_deref(), Some("v1"));
    let password = variables["DATABASE_URL"].split([':', '@']).nth(2).unwrap().to_owned();
    for file in ["agent.log", "journal/test~pr-7.json"] {
        let text = std::fs::read_to_string(world.home().join(file)).unwrap();
        assert!(!text.contains(&password), "{file} shows a password");
    }
}

#[tokio::test]
async fn the_public_listener_has_hosts_and_paths_and_keeps_its_port() {
    let world = World::new("").await;
    let route = |host: Option<&str>, path: &str| RouteSpec {
        host: host.map(str::to_owned),
        path: path.to_owned(),
        guard: Default::default(),
    };
    let web = good(&world, "web").with(|service| service.routes.push(route(None, "/")));
    let api = good(&world, "api").with(|service| service.routes.push(route(None, "/pid")));
    let mut release = release(&[("web", web.clone()), ("api", api.clone())]);
    release.listener = Some(fairway_model::Listener { address: "127.0.0.1:0".parse().unwrap() });
    for service in [&web, &api] {
        world.host.deliver(&service.source).await.unwrap();
    }
    let first = plan(None, release.clone());
    world.apply(&first).await;
    let public = world.host.endpoints(&environment()).await.unwrap().public.unwrap();
    assert_eq!(get(public, "/").await.unwrap(), (200, "web".to_owned()));
    assert_eq!(get(public, "/pid").await.unwrap(), (200, world.pid("api").await.to_string()));
    release.drain = Millis(1);
    world.apply(&plan(Some(&first), release)).await;
    assert_eq!(world.host.endpoints(&environment()).await.unwrap().public, Some(public));
}

#[tokio::test]
async fn a_release_of_nothing_but_guards_and_traffic_starts_nothing() {
    let world = World::new("").await;
    let route = |guard| RouteSpec { host: None, path: "/".to_owned(), guard };
    let release_of = |guard: &Guard, traffic: &TrafficSpec, options: &Options| {
        let web = good(&world, "web").with(|service| {
            service.routes.push(route(guard.clone()));
            service.traffic = traffic.clone();
        });
        let mut release = release(&[("web", web.clone())]);
        release.listener = Some(fairway_model::Listener { address: "127.0.0.1:0".parse().unwrap() });
        release.edge.options = options.clone();
        (release, web)
    };
    let (usual, web) = release_of(&Guard::default(), &TrafficSpec::default(), &Options::default());
    world.host.deliver(&web.source).await.unwrap();
    let first = plan(None, usual.clone());
    world.apply(&first).await;
    let (pid, digest) = (world.pid("web").await, usual.services["web"].spec_digest());

    let guard = Guard { body_bytes: Some(1 << 20), ..Guard::default() };
    let timeouts = TimeoutSpec { header: Some(Millis(9_000)), ..TimeoutSpec::default() };
    let traffic = TrafficSpec { timeouts, ..TrafficSpec::default() };
    let options = Options { goodbye_spread_ms: 500, ..Options::default() };
    let (guarded, _) = release_of(&guard, &traffic, &options);
    assert_eq!(guarded.services["web"].spec_digest(), digest);
    let second = plan(Some(&first), guarded);
    world.apply(&second).await;
    assert_eq!(world.pid("web").await, pid);
    let table = || {
        let text = std::fs::read(world.home().join("edge/tables/test%2Fpr-7.json")).unwrap();
        serde_json::from_slice::<serde_json::Value>(&text).unwrap()
    };
    let public = |table: &serde_json::Value| {
        let routes = table["routes"].as_array().unwrap().clone();
        routes.into_iter().find(|route| route["listener"] == "public").unwrap()
    };
    let served = table();
    assert_eq!(public(&served)["guard"], serde_json::json!({ "body_bytes": 1 << 20 }));
    assert_eq!(served["services"]["web"]["timeouts"]["header_ms"], 9_000);
    assert_eq!(served["options"]["goodbye_spread_ms"], 500);

    // The way back starts nothing either, and takes all of it away.
    world.apply(&plan(Some(&second), usual)).await;
    assert_eq!(world.pid("web").await, pid);
    let served = table();
    assert_eq!(
        (&public(&served)["guard"], &served["options"]),
        (&serde_json::Value::Null, &serde_json::Value::Null)
    );
    assert_eq!(served["services"]["web"]["timeouts"]["header_ms"], 60_000);
}

#[tokio::test]
async fn guards_and_tls_reach_the_edge() {
    let world = World::new("").await;
    let maintenance =
        Maintenance { message: "Back at noon".to_owned(), retry_after_s: 60, except: Vec::new() };
    let closed = Guard { maintenance: Some(maintenance), ..Guard::default() };
    let route = |path: &str, guard| RouteSpec { host: None, path: path.to_owned(), guard };
    let web = good(&world, "web").with(|service| {
        service.routes.extend([route("/", Guard::default()), route("/pid", closed.clone())]);
    });
    let mut release = release(&[("web", web.clone())]);
    let any: std::net::SocketAddr = "127.0.0.1:0".parse().unwrap();
    release.listener = Some(fairway_model::Listener { address: any });
    let certificate = Certificate { names: vec!["localhost".to_owned()], source: CertificateSource::Local };
    release.edge.tls =
        Some(TlsSpec { address: any, settings: ListenerTls::default(), certificates: vec![certificate] });
    world.host.deliver(&web.source).await.unwrap();
    let first = plan(None, release.clone());
    world.apply(&first).await;
    let public = world.host.endpoints(&environment()).await.unwrap().public.unwrap();
    assert_eq!(get(public, "/").await.unwrap(), (200, "web".to_owned()));
    let (status, body) = get(public, "/pid").await.unwrap();
    assert!(status == 503 && body.contains("Back at noon"), "{status} {body}");
    // Services are not kept from each other by what is closed for the public.
    assert_eq!(world.ask("web", "/pid").await.unwrap().0, 200);

    let doors = || async { world.host.traffic(&environment()).await.unwrap().unwrap().listeners };
    let tls = doors().await["public-tls"];
    assert!(tls.tls && tls.bound && tls.address.port() != 0 && tls.address != public, "{tls:?}");
    release.drain = Millis(1);
    world.apply(&plan(Some(&first), release)).await;
    assert_eq!(doors().await["public-tls"].address, tls.address);
}

#[tokio::test]
async fn a_taken_port_fails_before_anything_moves() {
    let world = World::new("").await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let web = good(&world, "v1");
    world.host.deliver(&web.source).await.unwrap();
    let mut wanted = release(&[("web", web)]);
    wanted.listener = Some(fairway_model::Listener { address: taken.local_addr().unwrap() });
    let first = plan(None, wanted);
    world.host.prepare(&first, &Silent).await.unwrap();
    let error = world.host.switch(&environment(), first.generation(), &Silent).await.unwrap_err();
    let failure = error.failure().unwrap();
    assert_eq!(failure.kind, FailureKind::Edge, "{failure:?}");
    let status = world.host.release(&environment(), first.generation()).await.unwrap().unwrap();
    assert_eq!(status.phase, Phase::Failed);
    until("nothing runs", || async { world.instances().await.is_empty() }).await;
}

#[tokio::test]
async fn a_release_of_another_environment_or_content_is_refused() {
    let world = World::new("").await;
    let mut wrong = assignment(None, &[("web", good(&world, "v1"))]);
    wrong.release.bake = Millis(7);
    assert_eq!(failure_of_prepare(&world, &wrong).await.kind, FailureKind::Invalid);
    let mut wrong = assignment(None, &[("web", good(&world, "v1"))]);
    wrong.release.format = 99;
    assert_eq!(failure_of_prepare(&world, &wrong).await.kind, FailureKind::Invalid);
    let nothing = world.host.observe(&environment()).await.unwrap();
    assert_eq!((nothing.generation, nothing.serving), (Generation(0), None));
}

#[tokio::test]
async fn a_baked_release_retires_by_itself_in_the_end() {
    let world = World::new("baked=400").await;
    let first = world.assign(None, &[("web", good(&world, "v1"))]).await;
    world.apply(&first).await;
    let second = world.assign(Some(&first), &[("web", good(&world, "v2"))]).await;
    world.host.prepare(&second, &Silent).await.unwrap();
    world.host.switch(&environment(), second.generation(), &Silent).await.unwrap();
    until("it is applied", || async {
        let status = world.host.release(&environment(), second.generation()).await.unwrap().unwrap();
        status.phase == Phase::Applied
    })
    .await;
    assert_eq!(world.instances().await.len(), 1);
}

#[tokio::test]
async fn the_switch_is_quick() {
    let world = World::new("").await;
    let names: Vec<String> = (0..6).map(|index| format!("s{index}")).collect();
    let services: Vec<_> = names.iter().map(|name| (name.as_str(), good(&world, "v1"))).collect();
    let first = world.assign(None, &services).await;
    let status = world.apply(&first).await;
    let took = Duration::from_micros(status.evidence.switch_micros.unwrap());
    println!("switch of six services: {took:?}");
    assert!(took < Duration::from_secs(2), "{took:?} even on a machine that is busy with other tests");
}
