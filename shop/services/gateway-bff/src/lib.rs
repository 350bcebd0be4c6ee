//! The one door of the shop: routing by contract, bootstrap, streaming reverse proxy.
//!
//! Clients know one address. What they ask for is either the gateway's own (`/health`, `/ready`, `/bff/*`) or
//! belongs to a boundary, and the contracts say to which: [`routing`] reads them when the program starts and
//! keeps no list of its own. [`proxy`] takes the exchange there and streams it both ways; errors of the
//! services pass through untouched.
//!
//! * [`bootstrap`] asks identity three things at once and answers what a client needs before its first page.
//! * [`flags`] closes operations whose contract names feature flags while one of them is off.
//! * [`guards`] lets a request pass or answers it: ambiguous paths, origins of pages, a rate for each caller.
//! * [`upstreams`] knows where the boundaries are and whether they are ready.
//! * [`diagnostics`] offers a stream and a WebSocket that deployments hold open to see that nothing breaks.

pub mod app;
pub mod bootstrap;
pub mod diagnostics;
pub mod flags;
pub mod guards;
pub mod proxy;
pub mod routing;
pub mod settings;
pub mod upstreams;
pub mod variables;
