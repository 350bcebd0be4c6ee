//! Operations, and the fold that turns them into an environment's state; the algebra of revert and restore.
