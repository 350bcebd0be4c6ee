//! OpenAPI documents: parse, list operations, compare two versions with a rule for each finding, derive routes.
