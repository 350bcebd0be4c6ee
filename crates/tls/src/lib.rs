//! Certificates of an edge: read, issued, renewed, and chosen by the name that a client asks for.
//!
//! [`Certificates`] is what an edge holds. It gives each listener its configuration, answers the challenges of ACME
//! servers, and says how it stands with every certificate. Sockets are the edge's.
//!
//! # Design
//!
//! What handshakes look at is an immutable map behind an atomic pointer (`serving`); everything else happens beside
//! it. A certificate that is wanted is a *unit* (`unit`), whichever environments want it. One task (`worker`) looks
//! which units are due, does the *work* (`work`) on them and puts its outcome into the unit: the files are read
//! (`files`), the local authority issues (`local`), an ACME server is asked (`acme`). A failure changes the unit's
//! problem and its next due time, never what it serves. When something is due is decided by [`plan_renewal`], which
//! is a function.
//!
//! | source | when the edge starts | later | when it fails |
//! |---|---|---|---|
//! | files | read before `apply` returns | looked at every 2 s, read when they changed | the pair from before serves on |
//! | local | made before `apply` returns, 90 days | made anew with a third left | the one from before serves on |
//! | ACME | what is kept, else a self-signed stand-in; the order follows at once | renewed when the server suggests, else with a third left | the one from before serves on; next try after 1 min … 6 h |
//!
//! Names that nobody has a certificate for get none (see `serving` for why).
//!
//! [`Roots`] are whom the edge trusts in turn, when instances show certificates to it.
//!
//! What is kept goes through [`Storage`]: documents that change by new versions, each created if it is absent. What
//! edges know together about one set of names is one such document (`acme/record`): the certificate, whose turn it is
//! to order the next one, what the server may come for meanwhile, what failed. What follows from it is a function;
//! orders are its effect.

mod accept;
mod acme;
mod certificates;
mod clock;
mod config;
mod files;
mod local;
mod names;
mod pair;
mod plan;
mod problem;
mod roots;
mod serving;
mod settings;
mod sharing;
mod storage;
mod unit;
mod work;
mod worker;

pub use accept::AcceptError;
pub use certificates::{Certificates, StartError};
pub use files::Stamp;
pub use plan::{Attempts, When, Window, plan_renewal};
pub use roots::{Roots, RootsError};
pub use settings::Settings;
pub use storage::{Directory, Storage, StorageError, Version};
