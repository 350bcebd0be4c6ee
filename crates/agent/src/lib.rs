//! The daemon that owns one host: prepares, switches, watches and retires the instances of each release.
//!
//! # Design
//!
//! The agent executes decisions; it makes none. A release comes with its plan, and its steps are carried out as they
//! stand there. What the agent adds is that this ends in the same world whatever happens on the way:
//!
//! * **Everything it starts outlives it.** Instances, the edge and the database server run in sessions of their own
//!   and are taken over again by process id, start time and boot id.
//! * **The journal first.** Each environment has one document (`environment::journal`), replaced as a whole. A change
//!   is written before it is acted on; every act may be repeated. Where releases stand is the business of
//!   [`fairway_target::lifecycle::Lifecycle`], a state machine without I/O that is part of that document.
//! * **A switch is one request.** The journal says "switching", the edge gets one table with all routes, the journal
//!   says "baking". A crash in between repeats the same request, which the edge recognises.
//! * **One function says what the routes should be** (`environment::table`), from the journal and the health of the
//!   instances. Whatever changes, the table is made anew, compared, and put if it differs.
//! * **One function says what may be stopped** (`Lifecycle::keep`). Cleaning up after a failed release, after a
//!   revert and after a successful one is the same sweep.
//!
//! # What it decides for itself
//!
//! * **New services are reachable early.** A service that nothing served before gets its internal route as soon as
//!   its instances are ready, before the switch: another new service may need it in order to become ready. Nothing
//!   was served there before, and the route goes away again if the release fails.
//! * **Panic mode.** When no instance of a service is ready, the ones that run are tried all the same; a failing
//!   probe must not turn trouble into an outage. An instance without a process is never tried; with none left the
//!   edge answers 503.
//! * **Ending a bake.** See `environment::bake` for what counts as trouble. A baked release whose caller does not
//!   come back is retired after ten minutes ([`Timing::baked`]).
//! * **Migrations are not interrupted** by a release that is given up; their own time limit ends them.
//!
//! # What a process is given
//!
//! `PATH`, `LANG` and `TZ` of whoever started the agent; `HOME` and, unless it comes from an archive, a working directory
//! of its own (from an archive it begins in the unpacked archive); `FAIRWAY_ENVIRONMENT`, `FAIRWAY_SERVICE`,
//! `FAIRWAY_SPEC` (the digest of its specification, short) and `FAIRWAY_INSTANCE` (by which it is found again); its
//! configuration and secrets; `127.0.0.1:<port>` in its `listen` variable; the address behind the edge of each
//! service it needs; the URL of its database. Nothing else. Commands that run once get the same, with port 0. There is
//! no generation among it, because instances are shared between generations.
//!
//! An instance is named `<service>-<spec>-<replica>`. What already runs under that name is used as it is, which is why
//! a revert to instances that are still warm starts nothing. A service with routes is ready when its probe says so;
//! one that listens and has no probe when it accepts a connection; one that listens on nothing when it has run for
//! half a second.
//!
//! Start reading at [`run`], then `environment`.

#![expect(
    clippy::result_large_err,
    reason = "failures are rare and go straight into an answer; a box around each would only be in the way"
)]

mod agent;
mod api;
mod artifacts;
mod clock;
mod databases;
mod disk;
mod edge;
mod environment;
mod error;
mod fail;
mod home;
mod instance;
mod machine;
mod ports;
mod secrets;
mod settings;
mod trust;

pub use error::AgentError;
pub use settings::{AgentSettings, Timing};

use agent::Agent;
use home::{Home, Owned};
use tokio::signal::unix::{SignalKind, signal};

/// Owns the host until it is told to end: by the API, by SIGTERM or by SIGINT. Instances, edge and database server
/// keep running unless the API said otherwise.
///
/// # Errors
/// [`AgentError`] when it cannot start.
pub async fn run(settings: AgentSettings) -> Result<(), AgentError> {
    let home = Home::open(&settings.home)?;
    let owned = Owned::take(&home)?;
    let agent = Agent::load(home, settings)?;
    let listener = api::socket::bind(&agent.machine.home, &agent.machine.settings.version)?;
    tracing::info!(pid = std::process::id(), home = %agent.machine.home.root().display(), "agent");
    agent.recover().await;
    let signalled = |source| AgentError::Home { home: agent.machine.home.root().to_owned(), source };
    let mut terminate = signal(SignalKind::terminate()).map_err(signalled)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(signalled)?;
    let end = agent.end.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => end.cancel(),
            _ = interrupt.recv() => end.cancel(),
            () = end.cancelled() => {}
        }
    });
    api::serve(listener, &agent).await;
    agent.finish().await;
    api::socket::remove(&agent.machine.home);
    drop(owned);
    Ok(())
}
