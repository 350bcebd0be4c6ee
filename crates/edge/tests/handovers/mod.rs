//! What tests of hand-overs share.
#![allow(dead_code, unreachable_pub, reason = "the module of one test binary")]

pub mod load;
pub mod process;
