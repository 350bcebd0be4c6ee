//! The command line: arguments to settings to a verb, and words for a terminal.
fn main() {}
