//! Payment over HTTP, on a real PostgreSQL, against its contract, with stand-ins for everybody it talks to.

mod alipay;
mod contract;
mod create;
mod doubles;
mod notify;
mod recheck;
mod sync;
mod wechat;
mod world;
