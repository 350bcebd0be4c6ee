//! HTTP/1.1 messages on the wire: heads and bodies, read strictly and written, without I/O.
