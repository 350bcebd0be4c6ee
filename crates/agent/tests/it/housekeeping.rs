//! Everything about a host that is not a release.

use crate::support::{Service, World, alive, environment, executable, file_has, kill, name, until};
use fairway_host::{Host, HostError, Instances, LogQuery};
use fairway_model::{Failure, FailureKind, Generation, InstanceState, Millis, Phase};
use fairway_target::{Target as _, TargetError};
use std::{collections::BTreeSet, time::Duration};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

fn good(world: &World, version: &str) -> Service {
    world.service(&[("VERSION", version), ("BEHAVIOUR", "good")])
}

#[tokio::test]
async fn a_home_has_one_agent() {
    let world = World::new("").await;
    let pid = world.host.info().await.unwrap().pid;
    let second = tokio::process::Command::new(executable())
        .args(["agent", "--home"])
        .arg(world.home())
        .output()
        .await
        .unwrap();
    let said = String::from_utf8(second.stderr).unwrap();
    assert!(said.contains(&format!("another agent (process {pid}) owns")), "{said}");
    // Two callers that find none at the same time end up with the same one.
    world.kill_agent().await;
    let (one, two) =
        tokio::join!(Host::local(world.home(), executable()), Host::local(world.home(), executable()));
    let (one, two) = (one.unwrap().info().await.unwrap().pid, two.unwrap().info().await.unwrap().pid);
    assert_eq!(one, two);
}

#[tokio::test]
async fn a_caller_starts_the_agent_again() {
    let world = World::new("").await;
    let first = world.assign(None, &[("web", good(&world, "v1"))]).await;
    world.apply(&first).await;
    world.kill_agent().await;
    assert_eq!(world.instances().await.len(), 1, "asking was enough");
}

#[tokio::test]
async fn an_agent_that_cannot_start_says_why() {
    let world = World::new("").await;
    let home = world.path("other");
    std::fs::create_dir(&home).unwrap();
    std::fs::write(home.join("journal"), "in the way").unwrap();
    match Host::local(&home, executable()).await {
        Err(HostError::NotStarted { log, .. }) => {
            assert!(log.iter().any(|line| line.contains("cannot be used")), "{log:?}");
        }
        other => panic!("{other:?}"),
    }
    match Host::local(world.path("third"), world.path("no-program")).await {
        Err(HostError::NotStarted { reason, .. }) => assert!(reason.contains("no-program"), "{reason}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_long_home_gets_short_names_for_its_sockets() {
    let world = World::new("").await;
    let home = world.path(&"long".repeat(30));
    let host = Host::local(&home, executable()).await.unwrap();
    let web = good(&world, "v1");
    host.deliver(&web.source).await.unwrap();
    let first = crate::support::assignment(None, &[("web", web)]);
    let (env, generation, silent) = (environment(), first.generation(), &fairway_target::Silent);
    host.prepare(&first, silent).await.unwrap();
    host.switch(&env, generation, silent).await.unwrap();
    let address = host.endpoints(&env).await.unwrap().services[&name("web")];
    assert_eq!(crate::support::get(address, "/").await.unwrap(), (200, "v1".to_owned()));
    host.shutdown(Instances::Stop).await.unwrap();
    assert!(Host::running(&home).await.unwrap().is_none());
}

#[tokio::test]
async fn an_agent_of_another_time_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let listener = tokio::net::UnixListener::bind(directory.path().join("agent.sock")).unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).await;
            let body = r#"{"api":99,"version":"9.9","pid":1,"edge_pid":null,"uptime_seconds":1,"home":"/x","notes":[]}"#;
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    let error = Host::running(directory.path()).await.unwrap_err();
    assert!(matches!(error, HostError::Version { theirs: 99, .. }), "{error}");
    assert!(error.to_string().contains("version 9.9"), "{error}");
}

#[tokio::test]
async fn nobody_there_is_unreachable() {
    let directory = tempfile::tempdir().unwrap();
    let host = Host::connect(directory.path().join("agent.sock")).with_patience(Duration::from_millis(100));
    let error = host.observe(&environment()).await.unwrap_err();
    assert!(matches!(error, TargetError::Unreachable { .. }), "{error}");
}

/// One request as it is, to the agent's socket.
async fn raw(world: &World, request: &str) -> (u16, Failure) {
    let mut stream = tokio::net::UnixStream::connect(world.home().join("agent.sock")).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), serde_json::from_str(body).unwrap())
}

#[tokio::test]
async fn bad_requests_are_answered_with_failures() {
    let world = World::new("").await;
    let request = |line: &str, body: &str| {
        format!(
            "{line} HTTP/1.1\r\nhost: agent\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    for (line, body, status) in [
        ("GET /v1/nothing", "", 404),
        ("GET /v1/environments/dev/endpoints", "", 404),
        ("GET /v1/environments/dev/releases/3", "", 404),
        ("GET /v1/environments/Not%20A%20Name", "", 400),
        ("GET /v1/environments/dev/releases/three", "", 400),
        ("GET /v1/environments/dev/releases/3?afterwards=1", "", 404),
        ("POST /v1/environments/dev/releases/1/prepare", "{", 400),
        ("POST /v1/environments/dev/releases/1/prepare", "{\"plan\": 7}", 400),
        ("PUT /v1/environments/dev/secrets/1", "{\"value\": \"x\"}", 400),
        ("PUT /v1/artifacts/sha256:00", "", 400),
        ("POST /v1/shutdown?instances=maybe", "", 400),
    ] {
        let (found, failure) = raw(&world, &request(line, body)).await;
        assert_eq!(found, status, "{line}: {failure:?}");
        assert!(!failure.message.is_empty() && !failure.next.is_empty(), "{line}: {failure:?}");
    }
    let wrong = format!("PUT /v1/artifacts/sha256:{}", "0".repeat(64));
    let (status, failure) = raw(&world, &request(&wrong, "bytes")).await;
    assert_eq!((status, failure.kind), (422, FailureKind::Invalid));
}

#[tokio::test]
async fn logs_come_with_their_end_and_what_follows() {
    let world = World::new("").await;
    let first = world.assign(None, &[("web", good(&world, "v1")), ("api", good(&world, "v1"))]).await;
    world.apply(&first).await;
    let query = |service: Option<&str>, follow| LogQuery { service: service.map(name), tail: 10, follow };
    let mut all = world.host.logs(&environment(), &query(None, false)).await.unwrap();
    let mut services = BTreeSet::new();
    while let Some(line) = all.next().await.unwrap() {
        assert_eq!(line.line, "version v1 starts as good");
        services.insert(line.service);
    }
    assert_eq!(services, BTreeSet::from([name("api"), name("web")]));
    let mut follow = world.host.logs(&environment(), &query(Some("web"), true)).await.unwrap();
    assert_eq!(follow.next().await.unwrap().unwrap().line, "version v1 starts as good");
    let second =
        world.assign(Some(&first), &[("web", good(&world, "v2")), ("api", good(&world, "v1"))]).await;
    world.apply(&second).await;
    let mut lines = BTreeSet::new();
    while lines.len() < 2 {
        let line =
            tokio::time::timeout(crate::support::PATIENCE, follow.next()).await.unwrap().unwrap().unwrap();
        assert_eq!(line.service, name("web"));
        lines.insert(line.line);
    }
    assert_eq!(lines, ["asked to stop", "version v2 starts as good"].map(str::to_owned).into());
}

#[tokio::test]
async fn what_a_revert_needs_stays_and_the_rest_goes() {
    let world = World::new("arrivals=0").await;
    let mut last = world.assign(None, &[("web", good(&world, "v0"))]).await;
    world.apply(&last).await;
    let mut artifacts = vec![good(&world, "v0").source.digest];
    for version in 1..8 {
        let version = format!("v{version}");
        let next = world.assign(Some(&last), &[("web", good(&world, &version))]).await;
        world.apply(&next).await;
        artifacts.push(good(&world, &version).source.digest);
        last = next;
    }
    let kept: BTreeSet<_> = artifacts[3..].iter().copied().collect();
    until("old artifacts are gone", || async {
        world.host.observe(&environment()).await.unwrap().artifacts.known() == Some(&kept)
    })
    .await;
    let logs = std::fs::read_dir(world.home().join("logs/test~pr-7/web")).unwrap().count();
    assert_eq!(logs, 5);
    let work = std::fs::read_dir(world.home().join("work/test~pr-7")).unwrap().count();
    assert_eq!(work, 1);
}

#[tokio::test]
async fn a_crash_loop_is_shown_and_ended() {
    let world = World::new("").await;
    let first = world.assign(None, &[("web", good(&world, "v1"))]).await;
    world.apply(&first).await;
    until("it is given up", || async {
        let instance = world.instances().await.remove(0);
        if let Some(pid) = instance.pid.filter(|pid| alive(*pid)) {
            kill(pid);
        }
        matches!(instance.state, InstanceState::CrashLoop { .. })
    })
    .await;
    // A release with the same service starts it afresh.
    let second = world
        .assign(Some(&first), &[("web", good(&world, "v1").with(|web| web.spec.stop_grace = Millis(900)))])
        .await;
    world.apply(&second).await;
    assert_eq!(world.version("web").await.as_deref(), Some("v1"));
}

#[tokio::test]
async fn shutting_down_stops_everything_or_nothing() {
    let world = World::new("").await;
    let first = world.assign(None, &[("web", good(&world, "v1"))]).await;
    world.apply(&first).await;
    let (web, edge) = (world.pid("web").await, world.host.info().await.unwrap().edge_pid.unwrap());
    world.host.shutdown(Instances::Keep).await.unwrap();
    assert!(alive(web) && alive(edge));
    assert_eq!(world.pid("web").await, web);
    world.host.shutdown(Instances::Stop).await.unwrap();
    assert!(!alive(web) && !alive(edge));
    assert!(file_has(
        &world.home().join("logs/test~pr-7/web").join(format!("{}.log", instance(&first))),
        "asked to stop"
    ));
    // The environment is still what it was; an agent that is started brings it back.
    until("it is back", || async { world.version("web").await.as_deref() == Some("v1") }).await;
}

fn instance(assignment: &fairway_model::Assignment) -> String {
    let spec = assignment.release.services[&name("web")].spec_digest().unwrap();
    format!("web-{}-0", spec.short())
}

#[tokio::test]
async fn a_journal_of_format_1_still_loads() {
    let world = World::new("").await;
    world.host.shutdown(Instances::Stop).await.unwrap();
    let journal = world.home().join("journal/test~pr-7.json");
    std::fs::write(&journal, include_str!("../samples/journal-1.json")).unwrap();
    let observed = world.host.observe(&environment()).await.unwrap();
    assert_eq!(observed.generation, Generation(1));
    assert_eq!(observed.serving.unwrap().0, Generation(1));
    assert_eq!(observed.databases.known().unwrap(), &BTreeSet::from([name("web")]));
    let status = world.host.release(&environment(), Generation(1)).await.unwrap().unwrap();
    assert_eq!((status.phase, status.events.is_empty()), (Phase::Applied, false));

    // One of a later format stops the agent before it touches anything.
    world.host.shutdown(Instances::Stop).await.unwrap();
    let mut later: serde_json::Value = serde_json::from_slice(&std::fs::read(&journal).unwrap()).unwrap();
    later["format"] = 2.into();
    let later = later.to_string();
    std::fs::write(&journal, &later).unwrap();
    match Host::local(world.home(), executable()).await {
        Err(HostError::NotStarted { log, .. }) => {
            assert!(log.iter().any(|line| line.contains("format is 2")), "{log:?}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(std::fs::read_to_string(&journal).unwrap(), later);
    std::fs::remove_file(&journal).unwrap();
}
