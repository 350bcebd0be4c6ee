//! kill -9 at a bad moment: of the command line, the agent, the edge, PostgreSQL.

#[path = "common/mod.rs"]
mod common;

use common::{ENV, Underway, eventually, started, version};
use fairway_stories::{Load, Target, World};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

fn kill_process(pid: u64) -> anyhow::Result<()> {
    kill(Pid::from_raw(i32::try_from(pid)?), Signal::SIGKILL)?;
    Ok(())
}

async fn host(world: &World) -> anyhow::Result<serde_json::Value> {
    Ok(world.status().await?["host"].clone())
}

/// Everything that a user can see is as if nothing had happened, and a plan of it is empty.
async fn settled(world: &World, expected: &str) -> anyhow::Result<()> {
    assert_eq!(version(world).await?, expected);
    for path in ["/health", "/ready", "/bff/bootstrap", "/catalog/products"] {
        let (status, body) = world.get(path).await?;
        assert_eq!(status, 200, "{path}: {body}");
    }
    world.run(&["plan", ENV, "--detailed-exitcode"]).await?.expect(0)?;
    for (service, instances) in world.instances().await? {
        assert_eq!(instances.len(), 1, "{service}: {instances:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn traffic_flows_while_the_agent_is_dead_and_the_next_one_takes_over() -> anyhow::Result<()> {
    let Some(world) = started().await? else { return Ok(()) };
    let before = world.instances().await?;
    let agent = host(&world).await?["pid"].as_u64().expect("the agent has a pid");
    let load = Load::start(&Target::usual(world.address()));
    load.flow(200).await?;
    kill_process(agent)?;
    load.flow(500).await?;
    // Any command starts a new agent.
    let next = host(&world).await?["pid"].as_u64().expect("the agent has a pid");
    assert_ne!(agent, next);
    assert_eq!(world.instances().await?, before, "the instances were found again, not started again");
    world.configure(&[("gateway-bff", "SERVICE_VERSION", "two")])?;
    world.run(&["apply", ENV, "--yes"]).await?.expect(0)?;
    let tally = load.stop().await;
    assert_eq!(tally.failed, 0, "{tally:?}");
    settled(&world, "two").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_edge_comes_back_with_its_last_good_table() -> anyhow::Result<()> {
    let Some(world) = started().await? else { return Ok(()) };
    let edge = host(&world).await?["edge_pid"].as_u64().expect("the edge has a pid");
    kill_process(edge)?;
    eventually("the edge serves again", async || {
        Ok(world.get("/health").await.ok().filter(|(status, _)| *status == 200))
    })
    .await?;
    settled(&world, "one").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_postgres_comes_back() -> anyhow::Result<()> {
    let Some(world) = started().await? else { return Ok(()) };
    let pid = host(&world).await?["postgres_pid"].as_u64().expect("PostgreSQL has a pid");
    kill_process(pid)?;
    eventually("the catalogue answers again", async || {
        let pid_now = host(&world).await?["postgres_pid"].as_u64();
        let answer = world.get("/catalog/products").await.ok().filter(|(status, _)| *status == 200);
        Ok(answer.filter(|_| pid_now.is_some_and(|now| now != pid)))
    })
    .await?;
    settled(&world, "one").await
}

/// The command line dies in the phase; afterwards the same change is applied again by somebody else.
/// Nobody is told that a service has one process only, and that it is being started again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_program_is_waited_for() -> anyhow::Result<()> {
    let Some(world) = started().await? else { return Ok(()) };
    // However slow the machine is.
    let patient = "run: [gateway-bff, serve]\n    traffic: { retries: { patience: 60s } }";
    world.edit("fairway.yaml", "run: [gateway-bff, serve]", patient)?;
    world.run(&["apply", ENV, "--yes"]).await?.expect(0)?;
    let pid = async || {
        let status = world.status().await?;
        let instances = status["observed"]["instances"]["known"].as_array().cloned().unwrap_or_default();
        let gateway = instances.iter().find(|it| it["service"] == "gateway-bff");
        Ok::<_, anyhow::Error>(gateway.and_then(|it| it["pid"].as_u64()))
    };
    let first = pid().await?.expect("the gateway runs");
    kill_process(first)?;
    let (status, body) = eventually("another gateway", async || {
        let answer = world.get("/health").await?;
        assert_eq!(answer.0, 200, "{}", answer.1);
        Ok(pid().await?.filter(|now| *now != first).map(|_| answer))
    })
    .await?;
    assert_eq!((status, body.as_str()), (200, "OK"));
    settled(&world, "one").await
}

async fn command_line_dies_in(phase: &str) -> anyhow::Result<()> {
    let Some(mut underway) = Underway::start(phase).await? else { return Ok(()) };
    underway.apply.start_kill()?;
    underway.apply.wait().await?;
    underway.let_go();
    let again = underway.world.run(&["apply", ENV, "--yes", "--wait", "60s"]).await?.expect(0)?;
    let tally = underway.load.stop().await;
    assert_eq!(tally.failed, 0, "{tally:?}\n{}", again.err);
    settled(&underway.world, "two").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_line_dies_while_preparing() -> anyhow::Result<()> {
    command_line_dies_in("preparing").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_line_dies_while_baking() -> anyhow::Result<()> {
    command_line_dies_in("baking").await
}

/// The agent dies in the phase while an apply goes on; the apply starts it again and ends well.
async fn agent_dies_in(phase: &str) -> anyhow::Result<()> {
    let Some(underway) = Underway::start(phase).await? else { return Ok(()) };
    kill_process(host(&underway.world).await?["pid"].as_u64().expect("the agent has a pid"))?;
    underway.let_go();
    let output = underway.apply.wait_with_output().await?;
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{err}");
    let tally = underway.load.stop().await;
    assert_eq!(tally.failed, 0, "{tally:?}\n{err}");
    settled(&underway.world, "two").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_agent_dies_while_preparing() -> anyhow::Result<()> {
    agent_dies_in("preparing").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_agent_dies_while_baking() -> anyhow::Result<()> {
    agent_dies_in("baking").await
}

/// A process of the host dies in the phase while an apply goes on; the apply ends well and the world is as it should be.
/// Requests are lost while the edge is away, so none is counted.
async fn host_process_dies_in(phase: &str, which: &str) -> anyhow::Result<()> {
    let Some(underway) = Underway::start(phase).await? else { return Ok(()) };
    let pid = host(&underway.world).await?[which].as_u64().expect("the process has a pid");
    kill_process(pid)?;
    eventually("its successor", async || {
        let now = host(&underway.world).await?[which].as_u64();
        Ok(now.filter(|now| *now != pid))
    })
    .await?;
    underway.let_go();
    let output = underway.apply.wait_with_output().await?;
    underway.load.stop().await;
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{err}");
    settled(&underway.world, "two").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_edge_dies_while_preparing() -> anyhow::Result<()> {
    host_process_dies_in("preparing", "edge_pid").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_dies_while_preparing() -> anyhow::Result<()> {
    host_process_dies_in("preparing", "postgres_pid").await
}
