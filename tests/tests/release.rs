//! Releases under load: what a user does on a good day.

#[path = "common/mod.rs"]
mod common;

use common::{ENV, started, version};
use fairway_stories::{Load, Target};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn up_serves_the_shop_and_a_plan_of_what_runs_is_empty() -> anyhow::Result<()> {
    let Some(world) = started().await? else { return Ok(()) };
    assert_eq!(world.get("/health").await?, (200, "OK".to_owned()));
    let (status, body) = world.get("/bff/bootstrap").await?;
    assert!(
        status == 200 && body.starts_with(r#"{"me":null,"permissions":{"items":[]},"featureFlags":{"#),
        "{status} {body}"
    );
    let (status, body) = world.get("/catalog/products").await?;
    let products: serde_json::Value = serde_json::from_str(&body)?;
    assert!(status == 200 && products["total"].as_u64() >= Some(1), "{status} {body}");
    let (status, body) = world.get("/ai/chat").await?;
    assert!(status == 501 && body.contains("\"code\""), "{status} {body}");

    let plan = world.run(&["plan", ENV, "--detailed-exitcode"]).await?.expect(0)?;
    assert!(plan.out.contains("nothing to do") || plan.err.contains("nothing to do"), "{plan:?}");
    // Doing it again is doing nothing.
    world.run(&["apply", ENV, "--yes"]).await?.expect(0)?;
    let history = world.run(&["history", ENV, "--json"]).await?.expect(0)?.json()?;
    assert_eq!(history["releases"].as_array().map(Vec::len), Some(1), "{history}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_one_service_touches_only_it_and_loses_no_request() -> anyhow::Result<()> {
    let Some(world) = started().await? else { return Ok(()) };
    let before = world.instances().await?;
    world.configure(&[("gateway-bff", "SERVICE_VERSION", "two")])?;

    let plan = world.run(&["plan", ENV, "--detailed-exitcode"]).await?.expect(2)?;
    for untouched in ["~ identity", "~ commerce"] {
        assert!(!plan.out.contains(untouched), "{}", plan.out);
    }
    assert!(plan.out.contains("gateway-bff") && plan.out.contains("SERVICE_VERSION"), "{}", plan.out);

    let load = Load::start(&Target::usual(world.address()));
    load.flow(500).await?;
    let applied = world.run(&["apply", ENV, "--yes"]).await?.expect(0)?;
    load.flow(500).await?;
    let tally = load.stop().await;
    assert_eq!(tally.failed, 0, "{tally:?}\n{}", applied.err);
    assert!(tally.echoes > 0 && tally.events > 0, "{tally:?}");
    assert!(tally.versions.contains_key("one") && tally.versions.contains_key("two"), "{tally:?}");
    assert!(applied.out.contains("revert"), "the final block says how to go back: {}", applied.out);

    let after = world.instances().await?;
    assert_eq!(before["identity"], after["identity"]);
    assert_eq!(before["commerce"], after["commerce"]);
    assert_ne!(before["gateway-bff"], after["gateway-bff"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revert_brings_back_code_config_and_routes_under_load() -> anyhow::Result<()> {
    let Some(world) = started().await? else { return Ok(()) };
    assert_eq!(version(&world).await?, "one");
    let marker = "if [ \"$1\" = serve ]; then echo wrapped; fi; exec $REAL \"$@\"";
    world.replace_program("gateway-bff", marker)?;
    world.configure(&[
        ("gateway-bff", "SERVICE_VERSION", "two"),
        ("commerce", "COMMERCE_LOG_LEVEL", "debug"),
    ])?;
    world.edit("fairway.yaml", "path: /", "path: /bff")?;
    world.run(&["apply", ENV, "--yes"]).await?.expect(0)?;
    assert_eq!(world.get("/health").await?.0, 404, "the route was narrowed to /bff");

    let target =
        Target { paths: vec!["/bff/bootstrap".to_owned()], streams: 0, ..Target::usual(world.address()) };
    let load = Load::start(&target);
    load.flow(200).await?;
    let reverted = world.run(&["revert", ENV, "--yes"]).await?.expect(0)?;
    load.flow(200).await?;
    let tally = load.stop().await;
    assert_eq!(tally.failed, 0, "{tally:?}\n{}", reverted.err);
    assert_eq!(version(&world).await?, "one");
    assert_eq!(world.get("/health").await?, (200, "OK".to_owned()));

    // The log has grown: going back is going on.
    let history = world.run(&["history", ENV, "--json"]).await?.expect(0)?.json()?;
    assert_eq!(history["releases"].as_array().map(Vec::len), Some(3), "{history}");
    // A revert of the revert brings the second release again.
    world.run(&["revert", ENV, "--yes"]).await?.expect(0)?;
    assert_eq!(world.get("/health").await?.0, 404);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_saved_plan_is_applied_exactly_or_refused_when_the_world_has_moved() -> anyhow::Result<()> {
    let Some(world) = started().await? else { return Ok(()) };
    world.configure(&[("gateway-bff", "SERVICE_VERSION", "two")])?;
    world.run(&["plan", ENV, "-o", "two.plan"]).await?.expect(0)?;
    world.configure(&[("gateway-bff", "SERVICE_VERSION", "three")])?;
    world.run(&["plan", ENV, "-o", "three.plan"]).await?.expect(0)?;

    let unasked = world.run(&["apply", "two.plan", "--events"]).await?.expect(3)?;
    assert!(unasked.out.contains("--yes"), "showing events agrees to nothing: {}", unasked.out);
    world.run(&["apply", "two.plan", "--yes"]).await?.expect(0)?;
    assert_eq!(version(&world).await?, "two", "the plan is applied, not what the repository says by now");
    let refused = world.run(&["apply", "three.plan", "--yes"]).await?.expect(8)?;
    assert!(refused.err.contains("stale"), "{}", refused.err);
    assert_eq!(version(&world).await?, "two");
    Ok(())
}
