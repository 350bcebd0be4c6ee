//! Exit codes: what a caller can tell apart without reading a word.

/// Done, or nothing to do.
pub const DONE: u8 = 0;
/// Something unexpected; a defect or an environment that Fairway does not understand.
pub const UNEXPECTED: u8 = 1;
/// There are changes (`plan --detailed-exitcode`), or drift.
pub const CHANGES: u8 = 2;
/// The manifest or the command line is invalid; nothing was tried.
pub const INVALID: u8 = 3;
/// A gate refused; nothing was changed.
pub const REFUSED: u8 = 4;
/// Failed before the switch; traffic was not touched.
pub const FAILED: u8 = 5;
/// Failed after the switch; the routes went back to the release before.
pub const REVERTED: u8 = 6;
/// Failed after the switch and could not go back: a person is needed.
pub const STUCK: u8 = 7;
/// The plan is stale, or somebody else holds the environment.
pub const STALE: u8 = 8;
/// The target could not be reached.
pub const UNREACHABLE: u8 = 9;

/// Every code with its meaning, for the reference.
pub const ALL: &[(u8, &str)] = &[
    (DONE, "done, or nothing to do"),
    (UNEXPECTED, "unexpected: a defect, or an environment that Fairway does not understand"),
    (CHANGES, "there are changes (`plan --detailed-exitcode`), or drift"),
    (INVALID, "the manifest or the command line is invalid; nothing was tried"),
    (REFUSED, "a gate refused; nothing was changed"),
    (FAILED, "failed before the switch; traffic was not touched"),
    (REVERTED, "failed after the switch; the routes went back to the release before"),
    (STUCK, "failed after the switch and could not go back; a person is needed"),
    (STALE, "the plan is stale, or somebody else holds the environment"),
    (UNREACHABLE, "the target could not be reached"),
];
