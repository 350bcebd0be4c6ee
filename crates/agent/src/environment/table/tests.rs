use super::*;
use crate::environment::journal::{InstanceRecord, instance_id};
use fairway_model::{
    Artifact, ArtifactDigest, ArtifactKind, Digest, EnvironmentName, Generation, Listener, Millis, Probes,
    ProcessSpec, RELEASE_FORMAT, Resources, ServiceSpec, SystemName, VariableName,
    traffic::{
        AccessLog, Certificate, CertificateSource, Limits, ListenerTls, Options, TlsVersion, Treatment,
        Upstream,
    },
};

fn name(text: &str) -> ServiceName {
    ServiceName::new(text).unwrap()
}

fn spec(program: Program) -> ServiceSpec {
    ServiceSpec { program, contract: None, routes: Vec::new(), replicas: 1, traffic: TrafficSpec::default() }
}

fn process() -> ProcessSpec {
    let artifact = Artifact {
        digest: ArtifactDigest(Digest::of(b"web")),
        kind: ArtifactKind::File { name: "web".to_owned() },
        size: 1,
    };
    ProcessSpec {
        artifact,
        command: vec!["web".to_owned()],
        config: BTreeMap::new(),
        listen: Some(VariableName::new("ADDRESS").unwrap()),
        needs: BTreeMap::new(),
        database: None,
        probes: Probes { ready: None, live: None, tls: None, start_deadline: Millis(1) },
        limits: fairway_model::Limits::default(),
        stop_grace: Millis(1),
    }
}

fn route(host: Option<&str>, guard: Guard) -> RouteSpec {
    RouteSpec { host: host.map(str::to_owned), path: "/".to_owned(), guard }
}

/// A program with two routes, a stub with one, a worker, and a journal in which they have their ports.
fn world() -> (Journal, Release) {
    let strict = Guard { security_headers: true, ..Guard::default() };
    let mut web = spec(Program::Process(Box::new(process())));
    web.routes = vec![route(None, Guard::default()), route(Some("a.test"), strict)];
    let mut stub = spec(Program::Stub);
    stub.routes = vec![route(Some("b.test"), Guard { body_bytes: Some(1), ..Guard::default() })];
    let worker = spec(Program::Process(Box::new(ProcessSpec { listen: None, ..process() })));
    let environment = EnvironmentName::new("dev").unwrap();
    let mut journal = Journal::new(environment.clone(), Millis(1));
    journal.ports = [(name("web"), 7001), (name("stub"), 7002), (name("worker"), 7003)].into();
    let release = Release {
        format: RELEASE_FORMAT,
        system: SystemName::new("tests").unwrap(),
        environment,
        listener: Some(Listener { address: "127.0.0.1:8080".parse().unwrap() }),
        edge: EdgeSpec::default(),
        services: [(name("web"), web), (name("stub"), stub), (name("worker"), worker)].into(),
        resources: Resources::default(),
        bake: Millis(0),
        drain: Millis(0),
    };
    let digest = release.services["web"].spec_digest().unwrap();
    journal.instances.insert(
        instance_id(&name("web"), digest, 0),
        InstanceRecord {
            service: name("web"),
            spec: digest,
            process: process(),
            generation: Generation(3),
            port: Some(9001),
            identity: None,
            started: 0,
            restarts: 0,
        },
    );
    (journal, release)
}

fn table(journal: &Journal, release: &Release) -> Table {
    let fitness = journal.instances.keys().map(|id| (id.clone(), Fitness::Ready)).collect();
    let table = after_switch(journal, release, &fitness);
    assert_eq!(table.check(), [], "{table:#?}");
    table
}

fn routes(table: &Table) -> Vec<(&str, Option<&str>, &str, &Guard)> {
    let mut routes: Vec<_> = table
        .routes
        .iter()
        .map(|it| (it.listener.as_str(), it.host.as_deref(), it.service.as_str(), &it.guard))
        .collect();
    routes.sort();
    routes
}

fn tls(address: &str) -> TlsSpec {
    TlsSpec {
        address: address.parse().unwrap(),
        settings: ListenerTls { minimum: TlsVersion::V1_3 },
        certificates: vec![Certificate {
            names: vec!["a.test".to_owned()],
            source: CertificateSource::Local,
        }],
    }
}

#[test]
fn a_release_without_a_word_about_it_is_treated_as_usual() {
    let (journal, mut release) = world();
    release.services.get_mut("web").unwrap().routes.pop();
    release.services.get_mut("stub").unwrap().routes.clear();
    let table = table(&journal, &release);
    assert_eq!((&table.options, table.tls.len(), table.certificates.len()), (&Options::default(), 0, 0));
    assert_eq!(table.services["web"].treatment, Treatment::default());
    assert_eq!(table.services["web"].timeouts, Timeouts::default());
    assert!(table.routes.iter().all(|route| route.guard == Guard::default()));
}

#[test]
fn guards_stand_on_public_routes_and_not_between_services() {
    let (journal, release) = world();
    let table = table(&journal, &release);
    let usual = Guard::default();
    let strict = Guard { security_headers: true, ..Guard::default() };
    let small = Guard { body_bytes: Some(1), ..Guard::default() };
    assert_eq!(
        routes(&table),
        [
            ("internal:stub", None, "stub", &usual),
            ("internal:web", None, "web", &usual),
            ("public", None, "web", &usual),
            ("public", Some("a.test"), "web", &strict),
            ("public", Some("b.test"), "stub", &small),
        ]
    );
}

#[test]
fn a_listener_with_tls_has_the_routes_and_guards_of_the_plain_one() {
    let (journal, mut release) = world();
    release.edge.tls = Some(tls("127.0.0.1:8443"));
    let both = table(&journal, &release);
    let of = |table: &Table, listener: &str| -> Vec<Route> {
        let routes = table.routes.iter().filter(|route| route.listener == listener).cloned();
        routes.map(|route| Route { listener: String::new(), ..route }).collect()
    };
    assert_eq!(of(&both, PUBLIC).len(), 3);
    assert_eq!(of(&both, PUBLIC), of(&both, PUBLIC_TLS));
    let spec = release.edge.tls.as_ref().unwrap();
    assert_eq!(both.tls, [(PUBLIC_TLS.to_owned(), spec.settings)].into());
    assert_eq!(both.certificates, spec.certificates);
    assert_eq!(both.listeners[PUBLIC_TLS], spec.address);

    // It may also be the only one.
    release.listener = None;
    let only = table(&journal, &release);
    assert_eq!((of(&only, PUBLIC).len(), of(&only, PUBLIC_TLS).len()), (0, 3));
    assert!(!only.listeners.contains_key(PUBLIC));
}

#[test]
fn any_free_port_is_the_one_that_was_chosen() {
    let (mut journal, mut release) = world();
    release.listener = Some(Listener { address: "127.0.0.1:0".parse().unwrap() });
    release.edge.tls = Some(tls("127.0.0.1:0"));
    // Before one was chosen, there is none to listen on.
    assert_eq!((public(&journal, &release), public_tls(&journal, &release)), (None, None));
    assert_eq!(table(&journal, &release).listeners.len(), 2);
    (journal.public_port, journal.tls_port) = (Some(7004), Some(7005));
    let table = table(&journal, &release);
    assert_eq!((table.listeners[PUBLIC].port(), table.listeners[PUBLIC_TLS].port()), (7004, 7005));
    assert_eq!(journal.edge_ports().collect::<Vec<_>>(), [7002, 7001, 7003, 7004, 7005]);
}

#[test]
fn a_service_is_treated_as_its_release_says() {
    let (journal, mut release) = world();
    let treatment = Treatment {
        upstream: Upstream::H2c,
        limits: Limits { exchanges: 7, ..Limits::default() },
        ..Treatment::default()
    };
    let timeouts =
        TimeoutSpec { header: Some(Millis(9_000)), idle: Some(Millis(0)), ..TimeoutSpec::default() };
    release.services.get_mut("web").unwrap().traffic = TrafficSpec { timeouts, treatment: treatment.clone() };
    release.edge.options = Options { access_log: Some(AccessLog { one_in: 10 }), ..Options::default() };
    let table = table(&journal, &release);
    let web = &table.services["web"];
    assert_eq!(web.treatment, treatment);
    assert_eq!(web.timeouts, Timeouts { header_ms: 9_000, idle_ms: 0, ..Timeouts::default() });
    assert_eq!(web.instances.len(), 1);
    assert_eq!(table.services["stub"].treatment, Treatment::default());
    assert_eq!(table.options, release.edge.options);
}
