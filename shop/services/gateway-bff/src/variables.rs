//! Every variable that `gateway-bff` reads. The README's table and `gateway-bff settings` are made of it.

use shop_kit::program::{Command, Program};

shop_kit::variables! {
    GATEWAY_HTTP_ADDR = ":8080", "where to listen; `:8080`, `127.0.0.1:0`";
    GATEWAY_LOG_LEVEL = "info", "error, warn, info, debug, trace";
    GATEWAY_METRICS_ADDR = "",
        "where to serve `/metrics` for Prometheus, on a thread of its own; not set, not served";
    GATEWAY_IDENTITY_BASE_URL = "http://localhost:8081", "where identity is";
    GATEWAY_COMMERCE_BASE_URL = "http://localhost:8082", "where commerce is";
    GATEWAY_PAYMENT_BASE_URL = "http://localhost:8083", "where payment is; empty: there is no program";
    GATEWAY_ADMIN_BASE_URL = "", "where admin is; empty: there is no program";
    GATEWAY_AI_BASE_URL = "", "where ai is; empty: there is no program";
    GATEWAY_UPSTREAM_TIMEOUT = "10s", "to connect, and for the head of an answer";
    GATEWAY_FEATURE_FLAGS_TTL = "3s", "how long what identity says of the feature flags is believed";
    GATEWAY_MAX_BODY_BYTES = "33554432", "larger request bodies are refused with 413";
    GATEWAY_CORS_ORIGINS = "", "whose pages may call: origins with commas, or `*`; empty: no CORS headers";
    GATEWAY_RATE_REQUESTS = "0", "how many requests one caller may make…; 0: no limit here";
    GATEWAY_RATE_PER = "1s", "…in this time";
    GATEWAY_RATE_BURST = "0", "how many may come at once; 0: as many as `GATEWAY_RATE_REQUESTS`";
    GATEWAY_JWT_SECRET = "",
        "identity's: whoever is signed in is one caller, wherever from; empty: callers are addresses";
    GATEWAY_JWT_ISSUER = "", "whose tokens count; empty: anybody's";
    GATEWAY_TRUSTED_PROXIES = "127.0.0.0/8,::1", "whose `X-Forwarded-For` is believed: the edge's networks";
    SERVICE_VERSION = "", "shown by `/health` in `X-Service-Version`";
}

/// The program.
pub const PROGRAM: Program = Program {
    name: "gateway-bff",
    commands: &[Command::Serve],
    variables: VARIABLES,
    log_level: GATEWAY_LOG_LEVEL,
    metrics_address: GATEWAY_METRICS_ADDR,
    version: SERVICE_VERSION,
};
