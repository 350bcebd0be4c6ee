//! The gateway over HTTP: with stand-ins that show what reaches them, and with the real services.

mod bootstrap;
mod diagnostics;
mod flags;
mod guards;
mod limits;
mod probes;
mod routing;
mod shop;
mod streams;
mod unbuilt;
mod world;
