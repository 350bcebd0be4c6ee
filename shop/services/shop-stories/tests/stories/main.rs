//! The paths of the shop's people, through the gateway. What they are told is pinned in `snapshots`.

mod admin;
mod customer;
mod procurement;
mod sales;
mod service;
mod workbooks;
