//! Forward one HTTP exchange: pooling, timeouts, limits, upgrades, streaming.
