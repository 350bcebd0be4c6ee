//! PostgreSQL as a resource: a private cluster or an existing server, and a database and login for each service.
