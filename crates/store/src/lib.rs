//! The operation log, releases, plans and documents on any object store, with create-if-absent as the only concurrency primitive.
