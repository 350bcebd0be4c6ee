//! Which instance may take the next request, decided from probes, outcomes and the time of day as an argument.
