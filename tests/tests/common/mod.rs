//! What the stories share.
#![allow(dead_code, reason = "each story uses a part of it")]

use fairway_stories::{Load, Target, World, missing};
use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

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

/// An apply of gateway version `two` that has reached a phase, under load.
pub(crate) struct Underway {
    pub(crate) world: World,
    pub(crate) load: Load,
    pub(crate) apply: tokio::process::Child,
    hold: PathBuf,
}

impl Underway {
    /// `preparing` lasts until [`Underway::let_go`], because the new gateway waits for it; `baking` lasts some seconds.
    pub(crate) async fn start(phase: &str) -> anyhow::Result<Option<Self>> {
        let Some(world) = started().await? else { return Ok(None) };
        let hold = world.root().join("hold");
        let waits = format!("while [ -e {} ]; do sleep 0.05; done; exec $REAL serve", hold.display());
        world.replace_program("gateway-bff", &waits)?;
        world.configure(&[("gateway-bff", "SERVICE_VERSION", "two")])?;
        if phase == "baking" {
            world.edit("fairway.yaml", "bake: 1s", "bake: 4s")?;
        } else {
            std::fs::write(&hold, "")?;
        }
        let load = Load::start(&Target::usual(world.address()));
        let apply = world.spawn(&["apply", ENV, "--yes"])?;
        eventually("the phase", async || {
            let activity = world.status().await?["observed"]["activity"].clone();
            Ok((activity[0] == 2 && activity[1] == phase).then_some(()))
        })
        .await?;
        Ok(Some(Self { world, load, apply, hold }))
    }

    /// Lets the new gateway serve.
    pub(crate) fn let_go(&self) {
        // In a phase that holds nothing there is nothing to remove.
        let _ = std::fs::remove_file(&self.hold);
    }
}
