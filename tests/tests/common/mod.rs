//! What the stories share.
#![allow(dead_code, reason = "each story uses a part of it")]

use fairway_stories::{World, missing};
use std::time::{Duration, Instant};

/// The environment of every story.
pub(crate) const ENV: &str = "dev";

/// A world whose shop serves version `one`, or `None` when this machine lacks a program.
pub(crate) async fn started() -> anyhow::Result<Option<World>> {
    if let Some(what) = missing() {
        eprintln!("skipped: needs {what}");
        return Ok(None);
    }
    let world = World::new()?;
    world.configure(&[("gateway-bff", "SERVICE_VERSION", "one")])?;
    world.run(&["up", ENV, "--detach"]).await?.expect(0)?;
    Ok(Some(world))
}

/// The version of the gateway that answers.
pub(crate) async fn version(world: &World) -> anyhow::Result<String> {
    // The gateway names its version on its health page.
    let (_, version, _) = fairway_stories::get(world.address(), "/health").await?;
    Ok(version.unwrap_or_else(|| "none".to_owned()))
}

/// Waits for a state with a deadline.
pub(crate) async fn eventually<T, F: Future<Output = anyhow::Result<Option<T>>>>(
    what: &str,
    mut look: impl FnMut() -> F,
) -> anyhow::Result<T> {
    let begin = Instant::now();
    loop {
        if let Some(found) = look().await? {
            return Ok(found);
        }
        anyhow::ensure!(begin.elapsed() < Duration::from_secs(60), "{what}: not within a minute");
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
}
