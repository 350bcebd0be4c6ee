//! Every variable that `payment` reads. The README's table and `payment settings` are made of it.

use shop_kit::program::{Command, Program};

shop_kit::variables! {
    PAYMENT_HTTP_ADDR = ":8083", "where to listen; `:8083`, `127.0.0.1:0`";
    PAYMENT_DB_DSN = "postgres://commerce:commerce@localhost:5432/payment?sslmode=disable", "its own database";
    PAYMENT_LOG_LEVEL = "info", "error, warn, info, debug, trace";
    PAYMENT_METRICS_ADDR = "",
        "where to serve `/metrics` for Prometheus, on a thread of its own; not set, not served";
    PAYMENT_AUTH_ENABLED = "true", "`false`: everybody may open payments; for a desk without identity";
    PAYMENT_JWT_SECRET = "dev-secret", "verifies tokens; identity's";
    PAYMENT_JWT_ISSUER = "", "whose tokens count; empty: anybody's";
    PAYMENT_IDENTITY_BASE_URL = "http://localhost:8081", "who knows the feature flags";
    PAYMENT_FEATURE_FLAGS_TIMEOUT = "2s", "how long identity may take";
    PAYMENT_FEATURE_FLAGS_TTL = "3s", "how long its answer is believed";
    PAYMENT_ENABLED = "false", "payment is on, while identity says nothing";
    PAYMENT_WECHAT_PAY_ENABLED = "false", "the same for WeChat Pay";
    PAYMENT_ALIPAY_PAY_ENABLED = "false", "the same for Alipay";
    PAYMENT_COMMERCE_BASE_URL = "http://localhost:8082", "where orders are";
    PAYMENT_COMMERCE_TIMEOUT = "2s", "how long commerce may take";
    PAYMENT_COMMERCE_SYNC_TOKEN = "dev-payment-sync-token",
        "shown to commerce with each report; commerce's `COMMERCE_INTERNAL_SYNC_TOKEN`";
    PAYMENT_SYNC_EVERY = "1s", "how often what commerce has missed is looked for";
    PAYMENT_RECHECK_AFTER = "5m",
        "how long after a session was opened its provider is asked what became of it, when nobody has said";
    PAYMENT_RECHECK_EVERY = "30s", "how often such sessions are looked for";
    PAYMENT_MOCK_NOTIFY_ANONYMOUS = "false",
        "`true`: anybody may report a mock payment as paid; for development and tests";
    PAYMENT_SESSION_TTL = "15m", "how long a session can be paid";
    PAYMENT_SEED_RESET = "false", "`seed` forgets all payments";
    PAYMENT_PROVIDER_MODE = "", "`mock`, `live`, or left out: live as soon as a channel has keys";
    PAYMENT_PUBLIC_BASE_URL = "", "where providers report to: the public address of the shop";
    PAYMENT_PROVIDER_TIMEOUT = "8s", "how long a provider may take";
    PAYMENT_WECHAT_APP_ID = "", "the mini program";
    PAYMENT_WECHAT_APP_SECRET = "", "its secret; exchanges login codes";
    PAYMENT_WECHAT_MCH_ID = "", "the merchant";
    PAYMENT_WECHAT_SERIAL_NO = "", "the serial number of the merchant's certificate";
    PAYMENT_WECHAT_PRIVATE_KEY = "", "the merchant's key; signs requests";
    PAYMENT_WECHAT_API_V3_KEY = "", "32 bytes; decrypts notifications";
    PAYMENT_WECHAT_PLATFORM_KEY = "", "WeChat Pay's certificates (several while they change), or its public key";
    PAYMENT_WECHAT_PLATFORM_KEY_ID = "", "the name of that public key, `PUB_KEY_ID_…`";
    PAYMENT_WECHAT_API_URL = "https://api.mch.weixin.qq.com", "where payments are made";
    PAYMENT_WECHAT_SESSION_URL = "https://api.weixin.qq.com/sns/jscode2session", "where login codes are exchanged";
    PAYMENT_ALIPAY_APP_ID = "", "the app";
    PAYMENT_ALIPAY_PRIVATE_KEY = "", "our key (RSA2)";
    PAYMENT_ALIPAY_PUBLIC_KEY = "", "Alipay's key";
    PAYMENT_ALIPAY_GATEWAY_URL = "https://openapi.alipay.com/gateway.do", "where it is asked";
    SERVICE_VERSION = "", "shown by `/health` in `X-Service-Version`";
}

/// The program.
pub const PROGRAM: Program = Program {
    name: "payment",
    commands: &[Command::Serve, Command::Migrate, Command::Seed],
    variables: VARIABLES,
    log_level: PAYMENT_LOG_LEVEL,
    metrics_address: PAYMENT_METRICS_ADDR,
    version: SERVICE_VERSION,
};
