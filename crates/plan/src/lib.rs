//! Desired, recorded and observed state in; ordered steps with reasons, reversibility and verdicts out.
