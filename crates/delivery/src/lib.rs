//! The verbs: check, plan, apply, revert, up, down, status, history and diff, for every entrance alike.
