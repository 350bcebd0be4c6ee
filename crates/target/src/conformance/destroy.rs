//! Taking an environment away.

use super::{
    Wanted, assignment,
    stage::{Stage, Violation, ensure, good, service, unexpected},
};
use fairway_model::Sight;

/// Nothing runs and nothing serves.
async fn nothing_runs(stage: &Stage<'_>) -> Result<(), Violation> {
    let observed = stage.observe().await?;
    ensure(observed.serving.is_none(), || format!("{:?} still serves", observed.serving))?;
    for name in ["alpha", "beta"] {
        let running = stage.running(name).await?;
        ensure(running.is_empty(), || format!("{running:?} still run"))?;
        stage.answers(name, None).await?;
    }
    let routes = observed.routes.known().is_some_and(|routes| routes.services.is_empty());
    ensure(routes, || format!("there are still routes: {:?}", observed.routes))
}

pub(super) async fn destroying_stops_everything_and_twice_is_fine(stage: Stage<'_>) -> Result<(), Violation> {
    let target = stage.target();
    // Of what was never there, too.
    target
        .destroy(&stage.environment, false)
        .await
        .map_err(|error| unexpected("destroy of nothing", &error))?;
    let first = stage.go(None, &[good("alpha", "v1"), good("beta", "v1")]).await?;
    for _ in 0..2 {
        target.destroy(&stage.environment, false).await.map_err(|error| unexpected("destroy", &error))?;
        nothing_runs(&stage).await?;
    }
    stage.fixture.restart().await;
    nothing_runs(&stage).await?;
    // Its number goes on: what was taken away can come back, and the past cannot.
    let second = assignment(None, first.generation(), &first.release);
    stage.apply(&second).await?;
    stage.only(&second).await?;
    // In the middle of a release as well.
    let third = stage.plan(Some(&second), &[good("alpha", "v2")]).await?;
    stage.prepare(&third).await.map_err(|error| unexpected("prepare", &error))?;
    target.destroy(&stage.environment, false).await.map_err(|error| unexpected("destroy", &error))?;
    nothing_runs(&stage).await
}

pub(super) async fn purging_forgets_databases(stage: Stage<'_>) -> Result<(), Violation> {
    if !stage.fixture.has_databases() {
        println!("skipped: needs databases");
        return Ok(());
    }
    let target = stage.target();
    let wanted = [Wanted { database: true, ..good("alpha", "v1") }];
    let first = stage.go(None, &wanted).await?;
    target.destroy(&stage.environment, false).await.map_err(|error| unexpected("destroy", &error))?;
    let databases = stage.observe().await?.databases;
    // A target whose database server is down now cannot see them; what it cannot see it must not deny.
    ensure(databases.known().is_none_or(|known| known.contains(&service("alpha"))), || {
        format!("without a purge the database of alpha should stay: {databases:?}")
    })?;
    for _ in 0..2 {
        target.destroy(&stage.environment, true).await.map_err(|error| unexpected("purge", &error))?;
        nothing_runs(&stage).await?;
        let databases = stage.observe().await?.databases;
        let gone = matches!(&databases, Sight::Known(known) if known.is_empty());
        ensure(gone, || format!("after a purge no database should be left: {databases:?}"))?;
    }
    let second = assignment(None, first.generation(), &stage.release(&wanted).await?);
    stage.apply(&second).await?;
    stage.only(&second).await
}
