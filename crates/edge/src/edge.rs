//! The edge as a value: what its parts share, and what can be asked of it.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use arc_swap::ArcSwap;
use fairway_model::traffic::{ListenerTls, TlsVersion};
use fairway_protocol::edge::{API_VERSION, CertificateList, EdgeInfo};
use fairway_tls::Certificates;
use tokio_rustls::rustls::ServerConfig;
use tokio_util::sync::CancellationToken;

use crate::access_log::AccessLog;
use crate::error::EdgeError;
use crate::handover::{Inheritance, Predecessor};
use crate::handshakes::Handshakes;
use crate::instance::Instance;
use crate::listener::Listener;
use crate::own::OwnCounters;
use crate::probe::Probers;
use crate::settings::Settings;
use crate::state::{DoorKey, Placed, Registry, State};
use crate::store::Store;
use crate::visitor::{Signal, Visitor};
use crate::worker::Worker;

/// An edge that serves. Clones are the same edge.
///
/// It needs a tokio runtime. Dropping the last clone does not stop it: call [`Edge::shutdown`].
#[derive(Clone, Debug)]
pub struct Edge {
    pub(crate) shared: Arc<Shared>,
}

/// What the parts of an edge share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    /// What requests read. Only `apply` writes it.
    pub(crate) state: ArcSwap<State>,
    pub(crate) workers: Vec<Arc<Worker>>,
    pub(crate) store: Store,
    pub(crate) certificates: Certificates,
    /// How TLS is spoken, for each way that a table may ask for.
    pub(crate) tls: BTreeMap<ListenerTls, Arc<ServerConfig>>,
    /// Opened when a table first wants it; none if that failed.
    pub(crate) access_log: OnceLock<Option<AccessLog>>,
    /// What the edge answered where several environments listen, or none.
    pub(crate) own: OwnCounters,
    /// Of listeners with TLS.
    pub(crate) handshakes: Handshakes,
    /// Changes happen one after the other.
    pub(crate) control: tokio::sync::Mutex<Control>,
    registry: Mutex<Registry>,
    /// Parent of every listener's token.
    pub(crate) closing: CancellationToken,
    /// Cancelled once a successor has the listeners.
    pub(crate) departing: CancellationToken,
    /// The edge that had the listeners before.
    pub(crate) predecessor: OnceLock<Predecessor>,
    pub(crate) started: Instant,
    /// The same by the calendar.
    pub(crate) since: SystemTime,
}

/// What only changes of tables look at.
#[derive(Debug, Default)]
pub(crate) struct Control {
    pub(crate) placed: BTreeMap<String, Placed>,
    pub(crate) listeners: BTreeMap<DoorKey, Listener>,
    pub(crate) probers: Probers,
    /// Up to which generation environments were removed.
    pub(crate) removed: BTreeMap<String, u64>,
}

impl Shared {
    pub(crate) fn registry(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every connection of a client, and every stream of HTTP/2.
    pub(crate) fn visitors(&self) -> impl Iterator<Item = Arc<Visitor>> + '_ {
        self.workers.iter().flat_map(|worker| worker.visitors.all())
    }

    /// How many clients are connected.
    pub(crate) fn connections(&self) -> usize {
        self.workers.iter().map(|worker| worker.connections.len()).sum()
    }

    /// Whether there is no room for another client.
    pub(crate) fn is_full(&self) -> bool {
        self.connections() >= self.settings.connections
    }

    /// Closes the idle connections to an address.
    pub(crate) fn close_idle(&self, address: SocketAddr) {
        for worker in &self.workers {
            worker.forwarder.close_idle(address);
        }
    }
}

impl Edge {
    /// An edge that serves the tables that are stored in its home; no control socket yet.
    ///
    /// # Errors
    /// When the home can't be used. What is wrong with single tables or listeners is logged and listed by
    /// [`Edge::tables`]; the others serve.
    pub async fn start(settings: Settings) -> Result<Self, EdgeError> {
        Self::start_with(settings, None).await
    }

    /// The same with what a predecessor left.
    pub(crate) async fn start_with(
        settings: Settings,
        inheritance: Option<Inheritance>,
    ) -> Result<Self, EdgeError> {
        let directory = settings.home.join("edge").join("tables");
        make_directory(&settings.home)?;
        make_directory(&directory)?;
        let workers = Worker::start(settings.workers);
        let workers = workers.map_err(|source| EdgeError::System { what: "threads", source })?;
        let certificates = home_of_certificates(&settings.home);
        let certificates = Certificates::start(certificates).map_err(EdgeError::Tls)?;
        let ways = [TlsVersion::V1_2, TlsVersion::V1_3].map(|minimum| ListenerTls { minimum });
        let tls = ways.map(|way| (way, certificates.server_config(&way))).into();
        let shared = Arc::new(Shared {
            workers,
            tls,
            state: ArcSwap::default(),
            certificates,
            access_log: OnceLock::new(),
            own: OwnCounters::default(),
            handshakes: Handshakes::default(),
            store: Store::new(directory),
            control: tokio::sync::Mutex::default(),
            registry: Mutex::default(),
            closing: CancellationToken::new(),
            departing: CancellationToken::new(),
            predecessor: OnceLock::new(),
            started: Instant::now(),
            since: SystemTime::now(),
            settings,
        });
        let edge = Self { shared };
        edge.restore(inheritance).await?;
        Ok(edge)
    }

    /// How it stands with every certificate.
    pub fn certificates(&self) -> CertificateList {
        CertificateList { certificates: self.shared.certificates.status() }
    }

    /// Who answers.
    pub fn info(&self) -> EdgeInfo {
        EdgeInfo {
            api: API_VERSION,
            version: self.shared.settings.version.clone(),
            pid: std::process::id(),
            uptime_seconds: self.shared.started.elapsed().as_secs(),
        }
    }

    /// Stops accepting, lets exchanges finish, ends streams and upgraded connections, and returns when nothing is
    /// left or the time is up. Stored tables stay.
    pub async fn shutdown(&self, grace: Duration) {
        let shared = &self.shared;
        // Orders of certificates are given up meanwhile.
        let certificates = shared.certificates.clone();
        let certificates = tokio::spawn(async move { certificates.shutdown().await });
        let deadline = tokio::time::Instant::now() + grace;
        let mut control = shared.control.lock().await;
        shared.closing.cancel();
        for listener in std::mem::take(&mut control.listeners).into_values() {
            listener.close().await;
        }
        drop(control);
        // Those whose listener a successor has.
        for visitor in shared.visitors() {
            visitor.tell(Signal::Finish);
        }
        for instance in self.instances() {
            instance.close(grace);
        }
        if let Some(predecessor) = shared.predecessor.get() {
            predecessor.end(grace).await;
        }
        if tokio::time::timeout_at(deadline, self.quiet()).await.is_err() {
            tracing::warn!(in_flight = self.in_flight(), "the time to finish is up, what is left is cut");
        }
        if certificates.await.is_err() {
            tracing::error!("the end of the certificates' work ended with a panic");
        }
    }

    /// Completes when nothing is under way, here and in the edge before this one.
    pub(crate) async fn quiet(&self) {
        for worker in &self.shared.workers {
            worker.connections.close();
            worker.connections.wait().await;
        }
        // Tunnels outlive the connections they came from.
        let mut look = tokio::time::interval(Duration::from_millis(20));
        while self.in_flight() > 0 {
            look.tick().await;
        }
        if let Some(predecessor) = self.shared.predecessor.get() {
            predecessor.gone().await;
        }
    }

    /// Exchanges that have begun here and not ended.
    pub(crate) fn in_flight(&self) -> u64 {
        self.shared.registry().instances.values().map(|instance| instance.in_flight()).sum()
    }

    pub(crate) fn instances(&self) -> Vec<Arc<Instance>> {
        self.shared.registry().instances.values().cloned().collect()
    }
}

fn home_of_certificates(home: &Path) -> fairway_tls::Settings {
    fairway_tls::Settings::new(home.join("edge").join("certificates"))
}

pub(crate) fn make_directory(path: &Path) -> Result<(), EdgeError> {
    fs::create_dir_all(path).map_err(|source| EdgeError::Home {
        path: path.to_owned(),
        what: "could not be created",
        source,
    })
}
