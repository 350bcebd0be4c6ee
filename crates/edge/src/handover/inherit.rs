//! The side of the successor: until it serves.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::net::TcpListener;
use std::os::fd::OwnedFd;

use rustix::net::sockopt::socket_acceptconn;
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::wire::{Receiver, Sender, wire};
use super::{Asks, FORMAT, PATIENCE, Predecessor, Says, socket_in};
use crate::error::EdgeError;
use crate::settings::Settings;
use crate::state::DoorKey;

/// What the predecessor left.
#[derive(Debug)]
pub(crate) struct Inheritance {
    /// The lock of the home.
    pub(crate) lock: File,
    /// The sockets of each listener. They accept already.
    pub(crate) sockets: BTreeMap<DoorKey, Vec<TcpListener>>,
    pub(crate) testament: Testament,
}

/// The way to say that it is wanted.
#[derive(Debug)]
pub(crate) struct Testament {
    sender: Sender,
    receiver: Receiver,
}

/// What came of asking.
#[derive(Debug)]
pub(crate) enum TakeOver {
    Inherited(Box<Inheritance>),
    /// Nobody hands anything over, or died before everything was there: it is on its way out, or too old.
    Nobody(io::Error),
}

/// Asks the edge that runs in this home for its listeners.
pub(crate) async fn take_over(settings: &Settings) -> Result<TakeOver, EdgeError> {
    let refused = |why: String| EdgeError::NotHandedOver { home: settings.home.clone(), why };
    let late = || refused(format!("it did not answer within {} s", PATIENCE.as_secs()));
    let asked = async {
        let stream = UnixStream::connect(socket_in(&settings.home)).await?;
        if stream.peer_cred()?.uid() != rustix::process::geteuid().as_raw() {
            return Ok(Err("it is another user's".to_owned()));
        }
        let (sender, mut receiver) = wire(stream);
        let hello =
            Asks::Hello { formats: vec![FORMAT], version: settings.version.clone(), pid: std::process::id() };
        // One that refuses at once may have closed its end already; what it said is there all the same.
        let said = sender.say(&hello).await;
        match receiver.hear::<Says>().await {
            Ok(Says::Bequest { version, pid, listeners, descriptors, .. }) => {
                let descriptors = receiver.descriptors(descriptors).await?;
                tracing::info!(
                    pid,
                    version,
                    listeners = listeners.len(),
                    "taking over from the edge that runs"
                );
                let mut descriptors = descriptors.into_iter();
                let lock = descriptors.next().map(File::from).ok_or_else(|| strange("no lock"))?;
                let mut sockets = BTreeMap::new();
                for listener in listeners {
                    let of: Vec<OwnedFd> = descriptors.by_ref().take(listener.sockets).collect();
                    let of: io::Result<Vec<_>> = of.into_iter().map(|it| accepting(it, &listener)).collect();
                    sockets.insert(listener.key(), of?);
                }
                Ok(Ok(Inheritance { lock, sockets, testament: Testament { sender, receiver } }))
            }
            Ok(Says::Refused { why }) => Ok(Err(why)),
            Ok(_) => Ok(Err("it said what was not asked".to_owned())),
            Err(error) => Err(said.err().unwrap_or(error)),
        }
    };
    match timeout(PATIENCE, asked).await.map_err(|_| late())? {
        Ok(Ok(inheritance)) => Ok(TakeOver::Inherited(Box::new(inheritance))),
        Ok(Err(why)) => Err(refused(why)),
        Err(error) => Ok(TakeOver::Nobody(error)),
    }
}

fn accepting(descriptor: OwnedFd, listener: &super::Bequeathed) -> io::Result<TcpListener> {
    if !socket_acceptconn(&descriptor)? {
        return Err(strange("a descriptor that accepts nothing"));
    }
    let socket = TcpListener::from(descriptor);
    if socket.local_addr()? != listener.bound {
        return Err(strange("a socket with another address"));
    }
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn strange(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the predecessor sent {what}"))
}

impl Testament {
    /// Says that everything is prepared. When this returns everything belongs to the caller; none when the
    /// predecessor has died meanwhile, for then there is nobody left who could have it.
    pub(crate) async fn claim(mut self, settings: &Settings) -> Result<Option<Predecessor>, EdgeError> {
        let refused = |why: String| EdgeError::NotHandedOver { home: settings.home.clone(), why };
        let claimed = async {
            self.sender.say(&Asks::Ready).await?;
            self.receiver.hear::<Says>().await
        };
        match timeout(PATIENCE, claimed).await {
            Ok(Ok(Says::Yours { stats })) => Ok(Some(Predecessor::new(self.sender, self.receiver, stats))),
            Ok(Ok(Says::Refused { why })) => Err(refused(why)),
            Ok(Ok(_)) => Err(refused("it said what was not asked".into())),
            Ok(Err(error)) => {
                tracing::warn!(%error, "the edge before this one has died; its listeners are here");
                Ok(None)
            }
            Err(_) => Err(refused(format!("it did not answer within {} s", PATIENCE.as_secs()))),
        }
    }
}
