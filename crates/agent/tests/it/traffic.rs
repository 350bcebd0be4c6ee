//! What the edge serves and what went through, passed on by the agent.

use crate::support::*;
use fairway_model::{
    Digest, EdgeSpec, FailureKind, Generation, RouteSpec, SecretVersion, TlsSpec,
    traffic::{
        Acme, AcmeChallenge, AcmeStorage, BasicAuth, Certificate, CertificateSource, Guard, ListenerTls,
        RateLimit,
    },
};
use fairway_protocol::rates::rates;
use fairway_store::{Access, Key};
use fairway_target::{Silent, Target as _};

fn guarded() -> Guard {
    let users = [("ada".to_owned(), "5e88".repeat(16))].into();
    Guard {
        basic_auth: Some(BasicAuth { realm: "closed".into(), users }),
        rate_limit: Some(RateLimit { requests: 500, per_ms: 1_000, burst: None, key: Default::default() }),
        ..Guard::default()
    }
}

#[tokio::test]
async fn routes_instances_and_counters_are_passed_on_and_password_hashes_are_not() {
    let world = World::new("").await;
    let service = world.service(&[("VERSION", "one")]).with(|service| {
        service.replicas = 2;
        service.routes.push(RouteSpec { host: None, path: "/".into(), guard: guarded() });
    });
    let mut release = release(&[("web", service.clone())]);
    release.listener = Some(fairway_model::Listener { address: "127.0.0.1:0".parse().unwrap() });
    world.host.deliver(&service.source).await.unwrap();
    world.apply(&plan(None, release)).await;

    let before = world.host.traffic(&environment()).await.unwrap().unwrap();
    for _ in 0..6 {
        assert_eq!(world.version("web").await.as_deref(), Some("one"));
    }
    let after = world.host.traffic(&environment()).await.unwrap().unwrap();
    let endpoints = world.host.endpoints(&environment()).await.unwrap();

    assert_eq!((after.environment.as_str(), after.generation), (environment().as_str(), 1));
    assert_eq!(Some(after.edge.pid), world.host.info().await.unwrap().edge_pid);
    let public = after.listeners["public"];
    assert_eq!((Some(public.address), public.tls, public.bound), (endpoints.public, false, true));
    let route = after.routes.iter().find(|route| route.listener == "public").unwrap();
    assert_eq!((route.path.as_str(), route.service.as_str()), ("/", "web"));
    assert_eq!(route.guard.rate_limit, guarded().rate_limit);
    assert!(!serde_json::to_string(&after).unwrap().contains("5e88"), "a hash left the host");
    assert_eq!(after.problems, [""; 0]);

    let instances = &after.stats.services["web"].instances;
    assert_eq!(instances.len(), 2);
    assert!(instances.values().all(|instance| instance.release == 1 && instance.standing.is_fit()));
    let between = rates(&before.stats, &after.stats, 1.0);
    let [row] = between.rows.as_slice() else { panic!("{between:?}") };
    assert_eq!((row.service.as_str(), row.release, row.instances), ("web", Some(1), 2));
    assert!(row.flow.requests >= 6 && row.flow.failed == 0, "{between:?}");
}

/// The way to the store comes as a secret: the release names it, the agent has it before anything is started, and the
/// edge finds it.
#[tokio::test]
async fn an_edge_shares_certificates_through_the_store_that_a_secret_leads_to() {
    let world = World::new("").await;
    let access = Access {
        store: world.path("store").to_str().unwrap().to_owned(),
        environment: environment(),
        key: Key::new([7; 32]),
    };
    let version = SecretVersion(Digest::of(b"the way to the store"));
    let acme = Acme {
        // Nobody is there: an order that fails is shared, too.
        directory: "https://127.0.0.1:1/directory".to_owned(),
        roots: None,
        contact: None,
        challenge: AcmeChallenge::TlsAlpn01,
        storage: AcmeStorage::Store { access: version },
        account: None,
    };
    let service = world.service(&[("VERSION", "one")]);
    world.host.deliver(&service.source).await.unwrap();
    let mut release = release(&[("web", service)]);
    let certificate =
        Certificate { names: vec!["shop.test".to_owned()], source: CertificateSource::Acme(acme) };
    let tls = TlsSpec {
        address: "127.0.0.1:0".parse().unwrap(),
        settings: ListenerTls::default(),
        certificates: vec![certificate],
    };
    release.edge = EdgeSpec { tls: Some(tls), ..EdgeSpec::default() };

    let mut assignment = plan(None, release);
    let refused = world.host.prepare(&assignment, &Silent).await.unwrap_err();
    let failure = refused.failure().unwrap();
    assert_eq!(failure.kind, FailureKind::Missing, "{failure:?}");
    world.host.put_secret(&environment(), version, &access.to_secret()).await.unwrap();
    assignment.plan.generation = Generation(2);
    world.apply(&assignment).await;
    until("the edge has shared that its order failed", || async {
        let traffic = world.host.traffic(&environment()).await.unwrap().unwrap();
        let certificates = traffic.certificates.unwrap();
        let [certificate] = certificates.as_slice() else { panic!("{certificates:?}") };
        assert_eq!(certificate.store_reached, Some(true), "{certificate:?}");
        certificate.problem.as_ref().is_some_and(|problem| problem.contains("tried again at"))
    })
    .await;
    let shared = world.path("store/shared").join(environment().as_segment());
    assert!(std::fs::read_dir(shared).unwrap().count() == 1);
}

#[tokio::test]
async fn an_edge_that_was_killed_is_another_one_and_what_is_down_serves_nothing() {
    let world = World::new("").await;
    let web = world.service(&[("VERSION", "one")]);
    world.apply(&world.assign(None, &[("web", web)]).await).await;
    let first = world.host.traffic(&environment()).await.unwrap().unwrap();
    kill(first.edge.pid);
    until("another edge serves", || async {
        let looked = world.host.traffic(&environment()).await;
        matches!(looked, Ok(Some(traffic)) if traffic.edge.pid != first.edge.pid && traffic.routes == first.routes)
    })
    .await;

    let nobody = fairway_model::EnvironmentName::new("nobody").unwrap();
    let error = world.host.traffic(&nobody).await.unwrap_err();
    assert!(error.to_string().contains("environment nobody is not known on this host"), "{error}");
    world.host.destroy(&environment(), false).await.unwrap();
    assert_eq!(world.host.traffic(&environment()).await.unwrap(), None);
}
