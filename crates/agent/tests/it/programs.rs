//! Kinds of programs and services: archives, workers, stubs, replicas.

use crate::support::{Service, World, environment, executable, name, plan, release, until};
use fairway_model::{ArtifactDigest, ArtifactKind, Digest, InstanceState, Program, ServedBy, ServiceSpec};
use fairway_target::{Silent, Target as _};

fn good(world: &World, version: &str) -> Service {
    world.service(&[("VERSION", version), ("BEHAVIOUR", "good")])
}

#[tokio::test]
async fn a_program_from_an_archive_finds_what_came_with_it() {
    let world = World::new("").await;
    let mut archive = tar::Builder::new(Vec::new());
    let script = format!(
        "#!/bin/sh\nexport VERSION=\"$(cat data/version.txt)\"\nexec \"{}\"\n",
        executable().display()
    );
    for (path, content, mode) in
        [("bin/serve", script.as_str(), 0o755), ("data/version.txt", "packed", 0o644)]
    {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(mode);
        header.set_cksum();
        archive.append_data(&mut header, path, content.as_bytes()).unwrap();
    }
    let bytes = archive.into_inner().unwrap();
    let digest = ArtifactDigest(Digest::of(&bytes));
    let packed = good(&world, "not this").with(|service| {
        service.source.digest = digest;
        service.source.path = world.path("archive.tar");
        service.spec.artifact.digest = digest;
        service.spec.artifact.kind = ArtifactKind::Archive;
        service.spec.command = vec!["bin/serve".into()];
    });
    std::fs::write(&packed.source.path, &bytes).unwrap();
    // A program that is not in the archive is looked up in PATH and begins in the archive all the same.
    let shell = packed.clone().with(|service| {
        service.spec.command = ["sh", "-c", "exec ./bin/serve"].map(str::to_owned).into();
    });
    let first = world.assign(None, &[("packed", packed), ("shell", shell)]).await;
    world.apply(&first).await;
    assert_eq!(world.version("packed").await.as_deref(), Some("packed"));
    assert_eq!(world.version("shell").await.as_deref(), Some("packed"));
}

#[tokio::test]
async fn a_worker_serves_nothing_and_is_looked_after() {
    let world = World::new("").await;
    let worker = good(&world, "v1").with(|service| {
        service.spec.command = vec!["service".into(), "worker".into()];
        service.spec.listen = None;
        service.spec.probes.ready = None;
    });
    let hasty = worker.clone().with(|service| service.spec.command[1] = "migrate-badly".into());
    let first = world.assign(None, &[("jobs", worker)]).await;
    world.apply(&first).await;
    let instances = world.instances().await;
    assert_eq!(
        (instances.len(), &instances[0].state, instances[0].address),
        (1, &InstanceState::Ready, None)
    );
    assert_eq!(world.address("jobs").await, None);
    let second = world.assign(Some(&first), &[("jobs", hasty)]).await;
    let error = world.host.prepare(&second, &Silent).await.unwrap_err();
    assert!(error.to_string().contains("exited with code 3 before it was ready"), "{error}");
}

#[tokio::test]
async fn a_stub_answers_by_itself_and_becomes_a_program() {
    let world = World::new("").await;
    let web = good(&world, "v1").needs("ai", "AI_URL");
    world.host.deliver(&web.source).await.unwrap();
    let mut wanted = release(&[("web", web.clone())]);
    let stub = ServiceSpec {
        program: Program::Stub,
        contract: None,
        routes: Vec::new(),
        replicas: 1,
        traffic: Default::default(),
    };
    wanted.services.insert(name("ai"), stub);
    let first = plan(None, wanted);
    world.apply(&first).await;
    assert_eq!(world.ask("ai", "/v1/complete").await.unwrap().0, 501);
    let routes = world.host.observe(&environment()).await.unwrap().routes;
    assert_eq!(routes.known().unwrap().services[&name("ai")], ServedBy::Stub);
    let stub_address = world.address("ai").await;
    let before = world.pid("web").await;
    let second = world.assign(Some(&first), &[("web", web), ("ai", good(&world, "real"))]).await;
    world.apply(&second).await;
    assert_eq!(world.version("ai").await.as_deref(), Some("real"));
    assert_eq!(world.address("ai").await, stub_address, "whoever needs it need not be told");
    assert_eq!(world.pid("web").await, before);
}

#[tokio::test]
async fn replicas_grow_and_shrink_without_touching_the_others() {
    let world = World::new("").await;
    let web = |replicas: u32| good(&world, "v1").with(|web| web.replicas = replicas);
    let mut last = world.assign(None, &[("web", web(1))]).await;
    world.apply(&last).await;
    let first = world.pid("web").await;
    for replicas in [3, 1, 2] {
        let next = world.assign(Some(&last), &[("web", web(replicas))]).await;
        world.apply(&next).await;
        let instances = world.instances().await;
        assert_eq!(instances.len(), replicas as usize);
        assert_eq!(instances[0].pid, Some(first));
        last = next;
    }
}

#[tokio::test]
async fn a_running_instance_that_is_not_alive_is_started_again() {
    let world = World::new("").await;
    let mortal = world.service(&[("VERSION", "v1"), ("BEHAVIOUR", "hangs-up-once")]).with(|service| {
        service.spec.probes.live = service.spec.probes.ready.clone().map(|mut probe| {
            probe.path = "/live".into();
            probe
        });
    });
    let first = world.assign(None, &[("web", mortal)]).await;
    world.apply(&first).await;
    let before = world.pid("web").await;
    world.ask("web", "/strike").await;
    until("another process is ready", || async {
        let instances = world.instances().await;
        instances[0].pid.is_some_and(|pid| pid != before) && instances[0].state == InstanceState::Ready
    })
    .await;
    assert_eq!(world.instances().await[0].restarts, 1);
    assert_eq!(world.version("web").await.as_deref(), Some("v1"));
}
