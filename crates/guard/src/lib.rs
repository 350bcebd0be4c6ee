//! What a request must pass at the edge before it reaches its service, and what its answer gets on the way back.
