//! The daemon that owns one host: prepares, switches, watches and retires the instances of each release.
