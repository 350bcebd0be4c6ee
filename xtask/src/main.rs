//! The project's own chores: tidy, ci, bench, generate.
fn main() {}
