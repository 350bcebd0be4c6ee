//! The side of the predecessor: until a successor serves.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Notify, mpsc};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::wire::{Receiver, Sender, wire};
use super::{Asks, Bequeathed, FORMAT, Heir, PATIENCE, Says, in_flight, socket_in};
use crate::edge::{Control, Edge};

/// What a successor asks for.
#[derive(Debug)]
pub(crate) struct Estate {
    pub(crate) edge: Edge,
    /// The lock of the home, until it has been handed over. Whoever holds this is the one successor that is served.
    pub(crate) lock: tokio::sync::Mutex<Option<File>>,
    /// Told when sockets have to be put back into their places: a successor had moved its own there and died.
    pub(crate) taken_back: Arc<Notify>,
}

/// The socket on which successors ask.
#[derive(Debug)]
pub(crate) struct HandoverSocket {
    path: PathBuf,
    listener: UnixListener,
}

impl HandoverSocket {
    /// Binds it for this user only, in the place of the predecessor's.
    pub(crate) fn bind(home: &Path) -> io::Result<Self> {
        let path = socket_in(home);
        let beside = path.with_extension("tmp");
        match fs::remove_file(&beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&beside)?;
        fs::set_permissions(&beside, fs::Permissions::from_mode(0o600))?;
        fs::rename(&beside, &path)?;
        Ok(Self { path, listener })
    }

    /// Answers successors until `closing` is cancelled. The one that serves goes to `heirs`.
    pub(crate) async fn serve(
        mut self,
        estate: Arc<Estate>,
        heirs: mpsc::Sender<Heir>,
        closing: CancellationToken,
    ) {
        let taken_back = Arc::new(Notify::new());
        loop {
            let accepted = tokio::select! {
                biased;
                () = closing.cancelled() => return,
                () = taken_back.notified() => {
                    let home = self.path.parent().and_then(Path::parent).map(Path::to_owned);
                    match home.map(|home| Self::bind(&home)) {
                        Some(Ok(again)) => self = again,
                        _ => tracing::error!("the hand-over socket could not be put back"),
                    }
                    continue;
                }
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, _)) => {
                    let (estate, heirs, taken_back) =
                        (Arc::clone(&estate), heirs.clone(), Arc::clone(&taken_back));
                    tokio::spawn(async move { meet(&estate, stream, &heirs, &taken_back).await });
                }
                Err(error) => {
                    tracing::error!(%error, "the hand-over socket can't accept for now");
                    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                }
            }
        }
    }
}

/// Why nothing changed hands.
#[derive(Debug, thiserror::Error)]
enum Kept {
    #[error("{0}")]
    Refused(String),
    #[error("the successor was not ready within {} s", PATIENCE.as_secs())]
    Late,
    #[error("the successor ended before it was ready: {0}")]
    Gone(io::Error),
    /// It had begun to move in.
    #[error("the successor ended before it served: {0}")]
    TakenBack(io::Error),
}

async fn meet(estate: &Estate, stream: UnixStream, heirs: &mpsc::Sender<Heir>, taken_back: &Notify) {
    let user = stream.peer_cred().map(|peer| peer.uid());
    let (sender, mut receiver) = wire(stream);
    let kept = match user {
        Ok(user) if user == rustix::process::geteuid().as_raw() => {
            bequeath(estate, &sender, &mut receiver).await
        }
        _ => Err(Kept::Refused("it is another user's".into())),
    };
    match kept {
        Ok((version, pid)) => {
            tracing::info!(pid, version, "a successor has taken over; what is under way is finished");
            let _ = heirs.send(Heir { sender, receiver }).await;
        }
        Err(kept) => {
            tracing::warn!("the listeners stay here: {kept}");
            if let Kept::TakenBack(_) = kept {
                estate.taken_back.notify_one();
                taken_back.notify_one();
            }
            // It may be gone.
            let _ = sender.say(&Says::Refused { why: kept.to_string() }).await;
        }
    }
}

/// Hands everything over; the version and process of the successor.
async fn bequeath(estate: &Estate, sender: &Sender, receiver: &mut Receiver) -> Result<(String, u32), Kept> {
    let Ok(mut lock) = estate.lock.try_lock() else {
        return Err(Kept::Refused("another successor is taking over already".into()));
    };
    let Some(file) = lock.as_ref() else {
        return Err(Kept::Refused("another successor has taken over already".into()));
    };
    let shared = &estate.edge.shared;
    let offer = async {
        let Asks::Hello { formats, version, pid } = receiver.hear().await.map_err(Kept::Gone)? else {
            return Err(Kept::Refused("a successor says hello first".into()));
        };
        if !formats.contains(&FORMAT) {
            return Err(Kept::Refused(format!("this edge hands over in format {FORMAT} only")));
        }
        // From here on tables stand still.
        let control = shared.control.lock().await;
        if shared.closing.is_cancelled() {
            return Err(Kept::Refused("this edge is ending".into()));
        }
        let (listeners, sockets) = listeners(&control);
        let mut descriptors = vec![file.as_fd()];
        descriptors.extend(sockets);
        let bequest = Says::Bequest {
            format: FORMAT,
            version: shared.settings.version.clone(),
            pid: std::process::id(),
            listeners,
            descriptors: descriptors.len(),
        };
        sender.say_with(&bequest, &descriptors).await.map_err(Kept::Gone)?;
        match receiver.hear().await.map_err(Kept::Gone)? {
            Asks::Ready => Ok((control, version, pid)),
            _ => Err(Kept::Refused("a successor says next that it is ready".into())),
        }
    };
    let (mut control, version, pid) = timeout(PATIENCE, offer).await.map_err(|_| Kept::Late)??;
    let stats = in_flight(estate.edge.stats_under(&control, None));
    sender.say(&Says::Yours { stats }).await.map_err(Kept::Gone)?;
    // It has all it needs and waits for nobody, so there is no limit: it serves or it ends.
    match receiver.hear().await.map_err(Kept::TakenBack)? {
        Asks::Serving => {}
        _ => return Err(Kept::TakenBack(io::Error::other("it said something else"))),
    }
    shared.departing.cancel();
    for listener in std::mem::take(&mut control.listeners).into_values() {
        listener.let_go().await;
    }
    *lock = None;
    Ok((version, pid))
}

fn listeners(control: &Control) -> (Vec<Bequeathed>, Vec<BorrowedFd<'_>>) {
    let mut listeners = Vec::new();
    let mut sockets = Vec::new();
    for (key, listener) in &control.listeners {
        let before = sockets.len();
        sockets.extend(listener.sockets());
        listeners.push(Bequeathed::new(key, listener.address, sockets.len() - before));
    }
    (listeners, sockets)
}
