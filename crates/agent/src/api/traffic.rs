//! What the edge serves and what went through, passed on.

use super::{
    Shared,
    answer::{self, Refusal},
};
use crate::{edge::EdgeError, fail};
use axum::{
    Json,
    extract::{Path, State},
};
use fairway_model::{Failure, FailureKind};
use fairway_protocol::{
    edge::{CertificateList, EdgeInfo, Stats, TableSummary},
    traffic::{Door, RouteView, Traffic},
};
use fairway_route::{Route, Table};

pub(super) async fn look(
    State(agent): Shared,
    path: Result<Path<String>, answer::BadPath>,
) -> Result<Json<Option<Traffic>>, Refusal> {
    let name = answer::environment(path)?;
    answer::known(&agent, &name)?;
    let edge = &agent.machine.edge;
    let environment = name.as_str();
    let Some(table) = edge.table(environment).await.map_err(failure)? else { return Ok(Json(None)) };
    let (info, tables, stats, certificates) =
        futures::try_join!(edge.info(), edge.tables(), edge.stats(Some(environment)), edge.certificates())
            .map_err(failure)?;
    let certificates = certificates.map(|CertificateList { mut certificates }| {
        certificates.retain(|certificate| certificate.environment == environment);
        certificates
    });
    let summary = tables.tables.get(environment);
    let traffic = traffic(table, info, summary, stats);
    Ok(Json(traffic.map(|traffic| Traffic { certificates, ..traffic })))
}

fn failure(error: EdgeError) -> Refusal {
    let message = format!("the edge could not be asked: {}", fail::chain(&error));
    let next = "The agent starts an edge that has ended; ask again, and look into edge.log in its home";
    Failure::new(FailureKind::Edge, message, fail::NOTHING_MOVED, next).into()
}

/// Puts it together. None when the environment was removed between the questions.
fn traffic(table: Table, edge: EdgeInfo, summary: Option<&TableSummary>, stats: Stats) -> Option<Traffic> {
    let Table {
        format: _,
        environment,
        generation,
        revision,
        listeners,
        tls,
        certificates: _,
        secrets: _,
        options: _,
        services,
        routes,
    } = table;
    let Stats { mut environments, connections, own: _ } = stats;
    let stats = environments.remove(&environment)?;
    let bound = summary.map(|summary| &summary.listeners);
    let door = |(name, asked): (String, std::net::SocketAddr)| {
        let bound = bound.and_then(|bound| bound.get(&name)).copied();
        let door =
            Door { address: bound.unwrap_or(asked), tls: tls.contains_key(&name), bound: bound.is_some() };
        (name, door)
    };
    let view = |route: Route| {
        let Route { listener, host, path, service, guard } = route;
        RouteView::new(listener, host, path, service, guard)
    };
    let stubs = services.iter().filter(|(_, service)| service.stub.is_some());
    Some(Traffic {
        environment,
        edge,
        generation,
        revision,
        stubs: stubs.map(|(name, _)| name.clone()).collect(),
        listeners: listeners.into_iter().map(door).collect(),
        routes: routes.into_iter().map(view).collect(),
        certificates: None,
        problems: summary.map(|summary| summary.problems.clone()).unwrap_or_default(),
        connections,
        stats,
    })
}
