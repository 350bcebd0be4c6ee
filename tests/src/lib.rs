//! End-to-end stories: the real binary, real services, real PostgreSQL, real traffic.
