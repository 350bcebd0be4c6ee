//! The crate as its callers see it: texts in, releases or problems out.

mod bad_layers;
mod bad_systems;
mod bad_texts;
mod edge;
mod explaining;
mod initial;
mod layers;
mod properties;
mod resolving;
mod schema;
mod support;
