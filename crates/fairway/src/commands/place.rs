//! Where an environment runs, for commands that look at what its edge does. Looking starts nothing that is not there.

use crate::settings::Context;
use fairway_delivery::Error;
use fairway_host::Host;
use fairway_model::EnvironmentName;

/// An environment and the host that knows it.
pub(super) struct Place {
    pub(super) environment: EnvironmentName,
    /// None when nothing of it runs here.
    pub(super) host: Option<Host>,
}

pub(super) async fn find(name: &str, context: &Context) -> Result<Place, Error> {
    let delivery = context.delivery().await?;
    let manifest = delivery.manifest()?.manifest;
    let environment = delivery.environment_or_past(&manifest, name).await?;
    let state = delivery.state(&environment).await?;
    let idle = state.serving().is_none() && state.pending().is_none();
    // An environment that has a release has an agent, or is to have one again; for another one none is started.
    let host = match Host::running(&delivery.host_home()).await? {
        None if idle => None,
        _ => Some(delivery.host(&manifest, &environment).await?),
    };
    let host = match host {
        Some(host) if host.environments().await?.contains(&environment) => Some(host),
        _ => None,
    };
    Ok(Place { environment, host })
}
