//! The route table as one immutable value: matching by host and path, weights, generations and cut-over.
