//! Every variable that `commerce` reads. The README's table and `commerce settings` are made of it.

use shop_kit::program::{Command, Program};

shop_kit::variables! {
    COMMERCE_HTTP_ADDR = ":8082", "where to listen; `:8082`, `127.0.0.1:0`";
    COMMERCE_DB_DSN = "postgres://commerce:commerce@localhost:5432/commerce?sslmode=disable", "its own database";
    COMMERCE_LOG_LEVEL = "info", "error, warn, info, debug, trace";
    COMMERCE_METRICS_ADDR = "",
        "where to serve `/metrics` for Prometheus, on a thread of its own; not set, not served";
    COMMERCE_IDENTITY_BASE_URL = "http://localhost:8081", "who decides what callers may do";
    COMMERCE_AUTH_ENABLED = "true", "`false`: every caller is an administrator, for a desk without identity";
    COMMERCE_JWT_SECRET = "dev-secret", "the secret identity signs with";
    COMMERCE_JWT_ISSUER = "", "whose tokens count; anybody's when empty";
    COMMERCE_AUTHORIZE_TTL = "3s", "how long identity's answer is remembered";
    COMMERCE_INTERNAL_SYNC_TOKEN = "",
        "what payment shows in `X-Internal-Token`; empty: nobody may tell about payments";
    MEDIA_LOCAL_OUTPUT_DIR = "./media", "where files are kept; several instances share it";
    MEDIA_PUBLIC_BASE_URL = "http://localhost:8080/assets/media", "what addresses of files begin with";
    COMMERCE_JOBS_EVERY = "2s", "how often the worker looks for jobs that others left";
    COMMERCE_JOBS_LEASE = "1m", "how long a job belongs to a worker that gives no sign";
    COMMERCE_AUTO_DELIVERY_AFTER = "168h", "a shipped order counts as delivered after this";
    COMMERCE_AUTO_DELIVERY_EVERY = "1h", "how often that is looked at";
    COMMERCE_SEED_RESET = "false", "`true`: `seed` removes everything first, orders included";
    SERVICE_VERSION = "", "shown by `/health` in `X-Service-Version`";
}

/// The program.
pub const PROGRAM: Program = Program {
    name: "commerce",
    commands: &[Command::Serve, Command::Migrate, Command::Seed],
    variables: VARIABLES,
    log_level: COMMERCE_LOG_LEVEL,
    metrics_address: COMMERCE_METRICS_ADDR,
    version: SERVICE_VERSION,
};
