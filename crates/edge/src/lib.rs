//! The data plane: listeners, an atomically swapped route table, counting of exchanges in flight, drain and metrics.
