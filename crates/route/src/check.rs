//! What is wrong with a table, entry by entry.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;

use fairway_model::traffic::UpstreamTlsProblem;

use crate::compiled::Compiled;
use crate::host::HostError;
use crate::path::PathError;
use crate::table::{FORMAT, Table};

/// Which entry of a table a problem belongs to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Entry {
    /// The table itself.
    Table,
    /// A listener, by name.
    Listener(String),
    /// The TLS of a listener, by the listener's name.
    Tls(String),
    /// A certificate, by its index in the table.
    Certificate(usize),
    /// The options of the environment.
    Options,
    /// A service, by name.
    Service(String),
    /// An instance of a service, by the service's name and the instance's id.
    Instance(String, String),
    /// A route, by its index in the table.
    Route(usize),
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Table => f.write_str("table"),
            Self::Listener(name) => write!(f, "listeners.{name}"),
            Self::Tls(name) => write!(f, "tls.{name}"),
            Self::Certificate(index) => write!(f, "certificates[{index}]"),
            Self::Options => f.write_str("options"),
            Self::Service(name) => write!(f, "services.{name}"),
            Self::Instance(service, id) => write!(f, "services.{service}.instances.{id}"),
            Self::Route(index) => write!(f, "routes[{index}]"),
        }
    }
}

/// What is wrong with an entry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The document has a format that this version does not know.
    #[error("format {0} is not known here (this version reads format {FORMAT})")]
    Format(u32),
    /// An environment without a name.
    #[error("the environment has no name")]
    Nameless,
    /// Two listeners want the same address.
    #[error("address {address} is taken by listener `{first}` of the same table")]
    AddressTaken {
        /// The address both want.
        address: SocketAddr,
        /// The listener that keeps it.
        first: String,
    },
    /// Two instances have the same id.
    #[error("instance id `{0}` occurs twice; ids are unique within an environment")]
    InstanceTwice(String),
    /// An instance address nobody can connect to.
    #[error("nothing can connect to {0}")]
    Unreachable(SocketAddr),
    /// A service is a stub and has instances.
    #[error("a service has instances or is a stub, not both; the stub is ignored")]
    StubWithInstances,
    /// Instances that speak TLS could not be recognised.
    #[error("instances could not be recognised: {0}")]
    UpstreamTls(#[from] UpstreamTlsProblem),
    /// A route on a listener that is not there.
    #[error("listener `{0}` is not in the table")]
    UnknownListener(String),
    /// A listener speaks TLS and there is nothing to show.
    #[error("a listener speaks TLS and the table has no certificate")]
    NoCertificate,
    /// A route to a service that is not there.
    #[error("service `{0}` is not in the table")]
    UnknownService(String),
    /// A host pattern that can't be used.
    #[error("host `{0}`: {1}")]
    Host(String, #[source] HostError),
    /// A path pattern that can't be used.
    #[error("path `{0}`: {1}")]
    Path(String, #[source] PathError),
    /// A guard that can't be obeyed.
    #[error("guard: {0}")]
    Guard(String),
    /// Two routes claim the same requests.
    #[error("{host}{path} on listener `{listener}` is claimed by routes[{first}] already")]
    RouteTaken {
        /// The listener of both.
        listener: String,
        /// The host pattern of both.
        host: String,
        /// The path pattern of both.
        path: String,
        /// Index of the route that keeps it.
        first: usize,
    },
    /// The entry is not of the documented shape.
    #[error("not readable: {0}")]
    Shape(String),
}

/// One thing wrong with one entry. The entry is left out, the others stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub entry: Entry,
    /// What.
    pub fault: Fault,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.entry, self.fault)
    }
}

impl Table {
    /// Everything that is wrong with this table, all of it at once, in the order of the table.
    pub fn check(&self) -> Vec<Problem> {
        Compiled::new(self).problems
    }
}

/// Collects problems while a table is compiled.
#[derive(Default)]
pub(crate) struct Problems(pub(crate) Vec<Problem>);

impl Problems {
    pub(crate) fn add(&mut self, entry: Entry, fault: Fault) {
        self.0.push(Problem { entry, fault });
    }

    pub(crate) fn head(&mut self, table: &Table) {
        if table.format != FORMAT {
            self.add(Entry::Table, Fault::Format(table.format));
        }
        if table.environment.is_empty() {
            self.add(Entry::Table, Fault::Nameless);
        }
    }

    /// The listeners that can be used. Port 0 never clashes: the edge chooses.
    pub(crate) fn listeners(&mut self, table: &Table) -> BTreeMap<String, SocketAddr> {
        let mut taken: BTreeMap<SocketAddr, &str> = BTreeMap::new();
        let mut good = BTreeMap::new();
        for (name, address) in &table.listeners {
            if address.port() != 0
                && let Some(first) = taken.insert(*address, name)
            {
                taken.insert(*address, first);
                let fault = Fault::AddressTaken { address: *address, first: first.to_owned() };
                self.add(Entry::Listener(name.clone()), fault);
                continue;
            }
            good.insert(name.clone(), *address);
        }
        for name in table.tls.keys().filter(|name| !table.listeners.contains_key(*name)) {
            self.add(Entry::Tls(name.clone()), Fault::UnknownListener(name.clone()));
        }
        if !table.tls.is_empty() && table.certificates.is_empty() {
            self.add(Entry::Table, Fault::NoCertificate);
        }
        good
    }
}
