//! What tests of hand-overs share.

pub mod load;
pub mod process;
