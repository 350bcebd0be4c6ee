//! What happens when something is killed.

use crate::support::{Service, World, alive, environment, executable, kill, plan, release, until};
use fairway_host::Host;
use fairway_model::{InstanceState, Millis, Phase};
use fairway_target::{Silent, Target as _};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

fn good(world: &World, version: &str) -> Service {
    world.service(&[("VERSION", version), ("BEHAVIOUR", "good")])
}

#[tokio::test]
async fn everything_outlives_the_agent() {
    let world = World::new("").await;
    let first = world.assign(None, &[("web", good(&world, "v1")), ("api", good(&world, "v1"))]).await;
    world.apply(&first).await;
    let (web, api) = (world.pid("web").await, world.pid("api").await);
    let edge = world.host.info().await.unwrap().edge_pid.unwrap();
    let address = world.address("web").await.unwrap();
    world.kill_agent().await;
    assert_eq!(crate::support::get(address, "/").await.unwrap(), (200, "v1".to_owned()));
    // One of them ends while nobody looks.
    kill(api);
    until("it is gone", || async move { !alive(api) }).await;
    Host::local(world.home(), executable()).await.unwrap();
    assert_eq!(world.pid("web").await, web, "the same process, taken over");
    assert_eq!(world.host.info().await.unwrap().edge_pid, Some(edge));
    until("the other one was started again", || async {
        world.version("api").await.as_deref() == Some("v1")
    })
    .await;
    let restarts = world.instances().await.iter().map(|instance| instance.restarts).max();
    assert_eq!(restarts, Some(1));
}

#[tokio::test]
async fn an_instance_that_dies_is_started_again_on_its_port() {
    let world = World::new("").await;
    let first = world.assign(None, &[("web", good(&world, "v1").with(|web| web.replicas = 2))]).await;
    world.apply(&first).await;
    let before = world.instances().await;
    kill(before[0].pid.unwrap());
    until("it is ready again", || async {
        let now = world.instances().await;
        now.len() == 2
            && now.iter().all(|instance| instance.state == InstanceState::Ready)
            && now[0].pid != before[0].pid
    })
    .await;
    let after = world.instances().await;
    assert_eq!(after[0].address, before[0].address);
    assert_eq!((after[0].restarts, after[1].restarts), (1, 0));
    assert_eq!(after[1].pid, before[1].pid);
    for _ in 0..10 {
        assert_eq!(world.version("web").await.as_deref(), Some("v1"));
    }
}

#[tokio::test]
async fn an_edge_that_dies_comes_back_with_its_routes() {
    let world = World::new("").await;
    let first = world.assign(None, &[("web", good(&world, "v1"))]).await;
    world.apply(&first).await;
    let edge = world.host.info().await.unwrap().edge_pid.unwrap();
    kill(edge);
    until("it serves again", || async { world.version("web").await.as_deref() == Some("v1") }).await;
    assert_ne!(world.host.info().await.unwrap().edge_pid, Some(edge));
    let second = world.assign(Some(&first), &[("web", good(&world, "v2"))]).await;
    world.apply(&second).await;
    assert_eq!(world.version("web").await.as_deref(), Some("v2"));
}

#[tokio::test]
async fn an_edge_that_dies_in_a_release_does_not_matter() {
    let world = World::new("").await;
    let mut last = world.assign(None, &[("web", good(&world, "v0"))]).await;
    world.apply(&last).await;
    for (version, when) in [("v1", "prepared"), ("v2", "switched"), ("v3", "baked")] {
        let next = world.assign(Some(&last), &[("web", good(&world, version))]).await;
        let (env, generation) = (environment(), next.generation());
        let strike = async |now: &str| {
            if now == when {
                kill(world.host.info().await.unwrap().edge_pid.unwrap());
            }
        };
        world.host.prepare(&next, &Silent).await.unwrap();
        strike("prepared").await;
        world.host.switch(&env, generation, &Silent).await.unwrap();
        strike("switched").await;
        world.host.bake(&env, generation, &Silent).await.unwrap();
        strike("baked").await;
        let status = world.host.retire(&env, generation, &Silent).await.unwrap();
        assert_eq!(status.phase, Phase::Applied);
        until("it serves", || async { world.version("web").await.as_deref() == Some(version) }).await;
        last = next;
    }
}

#[tokio::test]
async fn an_agent_killed_while_it_drains_goes_on_draining() {
    let world = World::new("").await;
    let first = world.assign(None, &[("web", good(&world, "v1"))]).await;
    world.apply(&first).await;
    let address = world.address("web").await.unwrap();
    let old = world.pid("web").await;
    let mut wanted = release(&[("web", good(&world, "v2"))]);
    wanted.bake = Millis(0);
    world.host.deliver(&good(&world, "v2").source).await.unwrap();
    let second = plan(Some(&first), wanted);
    let (env, generation) = (environment(), second.generation());
    world.host.prepare(&second, &Silent).await.unwrap();
    let slow = tokio::spawn(crate::support::get(address, "/slow"));
    until("it is on its way", || async {
        world.instances().await.iter().any(|instance| instance.in_flight > 0)
    })
    .await;
    world.host.switch(&env, generation, &Silent).await.unwrap();
    world.host.bake(&env, generation, &Silent).await.unwrap();
    let host = Host::local(world.home(), executable()).await.unwrap();
    let retired = tokio::spawn(async move { host.retire(&environment(), generation, &Silent).await });
    until("it retires", || async {
        world.host.observe(&env).await.unwrap().activity == Some((generation, Phase::Retiring))
    })
    .await;
    world.restart_agent().await;
    assert_eq!(slow.await.unwrap().unwrap(), (200, "slow".to_owned()));
    assert_eq!(retired.await.unwrap().unwrap().phase, Phase::Applied, "the caller noticed nothing");
    assert!(!alive(old));
}

#[tokio::test]
async fn an_agent_killed_in_a_migration_runs_it_again() {
    if fairway_postgres::locate(None, None).is_err() {
        println!("skipped: needs PostgreSQL");
        return;
    }
    let world = World::new("").await;
    let mark = world.path("mark");
    let path = mark.display().to_string();
    let wish = world
        .service(&[("VERSION", "v1"), ("BEHAVIOUR", "good"), ("MARK", &path)])
        .database(&["service", "migrate-once-slowly"], None);
    let first = world.assign(None, &[("web", wish)]).await;
    let host = Host::local(world.home(), executable()).await.unwrap();
    let (prepared, ()) = tokio::join!(host.prepare(&first, &Silent), async {
        until("the migration runs", || async { mark.is_file() }).await;
        world.restart_agent().await;
    });
    assert_eq!(prepared.unwrap().phase, Phase::Prepared);
    assert_eq!(std::fs::read_to_string(&mark).unwrap(), "began\nbegan\nended\n");
}

#[tokio::test]
async fn a_database_server_that_dies_comes_back() {
    if fairway_postgres::locate(None, None).is_err() {
        println!("skipped: needs PostgreSQL");
        return;
    }
    let world = World::new("").await;
    let wish = |version: &str| good(&world, version).database(&["service", "migrate"], None);
    let first = world.assign(None, &[("web", wish("v1"))]).await;
    world.apply(&first).await;
    let data = world.home().join("postgres/data");
    let server = fairway_postgres::Cluster::running(&data).unwrap();
    kill(server.pid);
    until("another server runs", || async {
        fairway_postgres::Cluster::running(&data).is_some_and(|now| now.pid != server.pid)
    })
    .await;
    // And when nobody looked.
    let server = fairway_postgres::Cluster::running(&data).unwrap();
    world.kill_agent().await;
    kill(server.pid);
    Host::local(world.home(), executable()).await.unwrap();
    until("another server runs", || async {
        fairway_postgres::Cluster::running(&data).is_some_and(|now| now.pid != server.pid)
    })
    .await;
    let second = world.assign(Some(&first), &[("web", wish("v2"))]).await;
    world.apply(&second).await;
    assert_eq!(world.version("web").await.as_deref(), Some("v2"));
}

#[tokio::test]
async fn an_agent_killed_at_any_moment_ends_in_the_same_world() {
    let world = World::new("").await;
    let mut last = world.assign(None, &[("api", good(&world, "v1")), ("web", good(&world, "v0"))]).await;
    world.apply(&last).await;
    let api = world.pid("api").await;
    let address = world.address("web").await.unwrap();
    let (stop, round_now) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let load = {
        let (stop, round_now) = (Arc::clone(&stop), Arc::clone(&round_now));
        tokio::spawn(async move {
            let mut failed = Vec::new();
            while !stop.load(Ordering::SeqCst) {
                match crate::support::get(address, "/").await {
                    Ok((200, _)) => {}
                    other => failed.push(format!("round {}: {other:?}", round_now.load(Ordering::SeqCst))),
                }
            }
            failed
        })
    };
    for round in 0..12_u64 {
        round_now.store(round, Ordering::SeqCst);
        let version = format!("v{}", round + 1);
        let next =
            world.assign(Some(&last), &[("api", good(&world, "v1")), ("web", good(&world, &version))]).await;
        let pid = world.host.info().await.unwrap().pid;
        let (applied, ()) = tokio::join!(world.apply(&next), async {
            // Another moment of the release in each round; the times are no condition for anything.
            tokio::time::sleep(Duration::from_millis(round * 12)).await;
            kill(pid);
        });
        assert_eq!(applied.phase, Phase::Applied, "round {round}");
        assert_eq!(world.version("web").await, Some(version), "round {round}");
        assert_eq!(world.instances().await.len(), 2, "round {round}: {:?}", world.instances().await);
        assert_eq!(world.pid("api").await, api, "round {round}: what was not touched runs on");
        last = next;
    }
    stop.store(true, Ordering::SeqCst);
    assert_eq!(load.await.unwrap(), Vec::<String>::new(), "requests failed");
}
