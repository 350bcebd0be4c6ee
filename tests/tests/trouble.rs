//! Releases that fail: how far they get, what they leave alone, what they say.

#[path = "common/mod.rs"]
mod common;

use common::{ENV, Underway, eventually, started, version};
use fairway_stories::{Load, Target};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_release_that_never_gets_ready_leaves_traffic_alone() -> anyhow::Result<()> {
    let Some(world) = started().await? else { return Ok(()) };
    let before = world.instances().await?;
    world.replace_program("commerce", "echo waiting for nothing; exec sleep 1000")?;
    world.edit(
        "fairway.yaml",
        "run: [commerce, serve]",
        "run: [commerce, serve]\n    start: { deadline: 3s }",
    )?;

    let load = Load::start(&Target::usual(world.address()));
    let failed = world.run(&["apply", ENV, "--yes"]).await?.expect(5)?;
    load.flow(200).await?;
    let tally = load.stop().await;
    assert_eq!(tally.failed, 0, "{tally:?}");
    for needed in ["commerce", "waiting for nothing", "not"] {
        assert!(failed.err.contains(needed), "`{needed}` is missing:\n{}", failed.err);
    }
    assert_eq!(world.instances().await?, before, "nothing of the failed release is left");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_that_exits_fails_at_once_with_its_last_words() -> anyhow::Result<()> {
    let Some(world) = started().await? else { return Ok(()) };
    world.replace_program("commerce", "echo cannot find my configuration >&2; exit 3")?;
    let failed = world.run(&["apply", ENV, "--yes"]).await?.expect(5)?;
    assert!(failed.err.contains("cannot find my configuration"), "{}", failed.err);
    assert!(failed.took.as_secs() < 30, "it waited out the start deadline: {:?}", failed.took);
    assert_eq!(world.get("/catalog/products").await?.0, 200);

    // The next good release goes through as if nothing had happened.
    world.restore_program("commerce")?;
    world.configure(&[("gateway-bff", "SERVICE_VERSION", "two")])?;
    world.run(&["apply", ENV, "--yes"]).await?.expect(0)?;
    assert_eq!(version(&world).await?, "two");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failing_migration_leaves_the_old_version_serving() -> anyhow::Result<()> {
    let Some(world) = started().await? else { return Ok(()) };
    world.configure(&[
        ("gateway-bff", "SERVICE_VERSION", "two"),
        ("commerce", "COMMERCE_LOG_LEVEL", "debug"),
    ])?;
    world.edit("fairway.yaml", "migrate: [commerce, migrate]", "migrate: [commerce, no-such-command]")?;
    std::fs::write(
        world.root().join("services/commerce/migrations/9999_more.sql"),
        "ALTER TABLE nowhere ADD COLUMN more text;\n",
    )?;
    let failed = world.run(&["apply", ENV, "--yes"]).await?.expect(5)?;
    assert!(failed.err.contains("migrat") && failed.err.contains("commerce"), "{}", failed.err);
    assert_eq!(version(&world).await?, "one");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_release_that_fails_after_the_switch_goes_back_by_itself() -> anyhow::Result<()> {
    let Some(world) = started().await? else { return Ok(()) };
    let flag = world.root().join("die");
    world.replace_program(
        "gateway-bff",
        &format!(
            "$REAL serve & while [ ! -e {} ]; do sleep 0.05; done; echo going down; kill -9 $!; exit 9",
            flag.display()
        ),
    )?;
    world.configure(&[("gateway-bff", "SERVICE_VERSION", "two")])?;
    world.edit("fairway.yaml", "bake: 1s", "bake: 60s")?;
    let apply = world.spawn(&["apply", ENV, "--yes"])?;
    eventually("the new release answers", async || Ok((version(&world).await? == "two").then_some(())))
        .await?;
    std::fs::write(&flag, "")?;
    let output = apply.wait_with_output().await?;
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(6), "{err}");
    assert!(err.contains("going down"), "{err}");
    assert_eq!(version(&world).await?, "one");
    let plan = world.run(&["plan", ENV, "--detailed-exitcode"]).await?.expect(2)?;
    assert!(plan.out.contains("gateway-bff"), "{}", plan.out);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ctrl_c_before_the_switch_gives_the_release_up_at_once() -> anyhow::Result<()> {
    let Some(underway) = Underway::start("preparing").await? else { return Ok(()) };
    let pid = underway.apply.id().expect("the apply is on its way");
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(i32::try_from(pid)?),
        nix::sys::signal::Signal::SIGINT,
    )?;
    let output = underway.apply.wait_with_output().await?;
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(5), "{err}");
    assert!(err.contains("nothing was switched"), "{err}");
    let world = &underway.world;
    let history = world.run(&["history", ENV, "--json"]).await?.expect(0)?.json()?;
    assert_eq!(history["releases"][0]["outcome"], "aborted", "{history}");
    assert_eq!(version(world).await?, "one");
    let tally = underway.load.stop().await;
    assert_eq!(tally.failed, 0, "{tally:?}");

    // Nobody has to wait for a lease.
    world.restore_program("gateway-bff")?;
    world.run(&["apply", ENV, "--yes"]).await?.expect(0)?;
    assert_eq!(version(world).await?, "two");
    Ok(())
}
