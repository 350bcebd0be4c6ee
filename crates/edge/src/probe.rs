//! Asking instances whether they are well. One task for each instance that a table wants probed, for as long as it does.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use fairway_forward::{Exchange, Forwarder, Protocol, RequestBody, Timeouts, Tls};
use fairway_health::{hash, spread};
use fairway_model::traffic::Probe;
use http::header::{HOST, USER_AGENT};
use http::{HeaderValue, Request};
use tokio::task::JoinHandle;

use crate::clock;
use crate::edge::Shared;
use crate::state::State;

/// What a prober was started for. Another one is started when any of it changes.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Task {
    address: SocketAddr,
    probe: Probe,
    protocol: Protocol,
    tls: Option<Tls>,
}

/// Environment, service and instance.
type Key = (Arc<str>, Arc<str>, String);

/// All probers.
#[derive(Debug, Default)]
pub(crate) struct Probers(BTreeMap<Key, (Task, Running)>);

#[derive(Debug)]
struct Running(JoinHandle<()>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Probers {
    /// Probes what the table that serves now wants probed, and nothing else.
    pub(crate) fn follow(&mut self, shared: &Arc<Shared>, state: &State) {
        let mut before = std::mem::take(&mut self.0);
        for service in state.services.values().flat_map(std::collections::HashMap::values) {
            let Some(probe) = &service.treatment.probe else { continue };
            for member in &service.members {
                let id = member.instance.id.clone();
                let key = (Arc::clone(&service.environment), Arc::clone(&service.name), id);
                let task = Task {
                    address: member.address,
                    probe: probe.clone(),
                    protocol: service.protocol,
                    tls: service.tls.clone(),
                };
                let running = match before.remove(&key) {
                    Some((same, running)) if same == task => running,
                    _ => {
                        let probing = run(Arc::downgrade(shared), key.clone(), task.clone());
                        Running(shared.workers[0].handle.spawn(probing))
                    }
                };
                self.0.insert(key, (task, running));
            }
        }
    }
}

async fn run(shared: std::sync::Weak<Shared>, key: Key, task: Task) {
    let (environment, service, id) = key;
    // No connection is kept: whether the instance still accepts them is what is to be found out.
    let forwarder =
        Forwarder::new(fairway_forward::Settings { most_idle: 0, ..fairway_forward::Settings::default() });
    let seed = hash(id.as_bytes());
    for number in 0_u64.. {
        let good = ask(&forwarder, &task).await;
        let Some(shared) = shared.upgrade() else { return };
        let state = shared.state.load_full();
        let found = state.services.get(&environment).and_then(|services| services.get(&service));
        if let Some(service) = found
            && let Some(index) = service.members.iter().position(|member| member.instance.id == id)
            && let Some(change) = service.roster.probe(index, good, clock::now())
        {
            service.members[index].instance.tell(change);
        }
        drop((state, shared));
        tokio::time::sleep(Duration::from_millis(spread(task.probe.interval_ms.max(10), seed ^ number)))
            .await;
    }
}

/// One probe. Redirects are answers like any other, and not good ones.
async fn ask(forwarder: &Forwarder, task: &Task) -> bool {
    let patience = Duration::from_millis(task.probe.timeout_ms.max(1));
    let limit = Some(patience);
    let mut exchange =
        Exchange::own().with_timeouts(Timeouts { connect: limit, header: limit, ..Timeouts::default() });
    exchange.protocol = task.protocol;
    exchange.tls.clone_from(&task.tls);
    let mut request = Request::new(RequestBody::empty());
    let Ok(target) = task.probe.path.parse() else { return false };
    *request.uri_mut() = target;
    let host = task.probe.host.as_deref().unwrap_or("localhost");
    let Ok(host) = HeaderValue::try_from(host) else { return false };
    request.headers_mut().insert(HOST, host);
    request.headers_mut().insert(USER_AGENT, HeaderValue::from_static("fairway-edge-probe"));
    let answer = forwarder.forward(request, task.address, &exchange);
    let answer = tokio::time::timeout(patience, answer).await;
    matches!(answer, Ok(Ok(answer)) if answer.status().is_success())
}
