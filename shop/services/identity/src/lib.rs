//! Who may do what in the shop: login, sessions, roles, permissions, feature flags.
//!
//! Identity is the only service that knows users. It signs a token at login; the others read it. Whoever
//! needs a decision instead of a claim asks `POST /rbac/authorize`, which always reads the database, so a
//! permission taken away is gone at the next question and not at the next login.
//!
//! * [`login`]: the mini-program login (by platform code) and the password login (for the web), with the
//!   choice of a role as a pure function; [`platform`] asks the platforms behind the codes.
//! * [`session`]: tokens out, callers in.
//! * [`access`]: effective permissions over all roles of a user; [`rbac`]: the tables they come from.
//! * [`staff`], [`bindings`], [`customers`], [`directory`]: the people.
//! * [`sales_code`]: the code that ties customers to a sales user.
//! * [`flags`]: the platform's feature flags; [`audit`]: who changed what.

pub mod access;
pub mod app;
pub mod audit;
pub mod bindings;
pub mod customers;
pub mod directory;
pub mod flags;
mod limits;
pub mod login;
pub mod me;
pub mod platform;
pub mod platform_settings;
pub mod rbac;
pub mod sales_code;
pub mod seed;
pub mod session;
pub mod settings;
pub mod staff;
pub mod users;
pub mod variables;

/// The schema, embedded so that the program that needs it can create it.
pub static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("./migrations");
