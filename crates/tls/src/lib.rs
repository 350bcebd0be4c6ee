//! Certificates of an edge: read, issued, renewed, and chosen by the name that a client asks for.
