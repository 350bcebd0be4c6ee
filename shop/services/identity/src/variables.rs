//! Every variable that `identity` reads. The README's table and `identity settings` are made of it.

use shop_kit::program::{Command, Program};

shop_kit::variables! {
    IDENTITY_HTTP_ADDR = ":8081", "where to listen; `:8081`, `127.0.0.1:0`";
    IDENTITY_DB_DSN = "postgres://commerce:commerce@localhost:5432/identity?sslmode=disable", "its own database";
    IDENTITY_LOG_LEVEL = "info", "error, warn, info, debug, trace";
    IDENTITY_METRICS_ADDR = "",
        "where to serve `/metrics` for Prometheus, on a thread of its own; not set, not served";
    IDENTITY_JWT_SECRET = "dev-secret", "signs tokens; the services that read them need the same one";
    IDENTITY_JWT_ISSUER = "tmo-identity", "the `iss` of tokens";
    IDENTITY_ACCESS_TOKEN_TTL = "168h", "how long a token is good";
    IDENTITY_LOGIN_MODE = "mock", "`mock`: the login code is the platform's user. `real`: the platforms are asked";
    IDENTITY_WEAPP_APPID = "", "the mini-program at WeChat";
    IDENTITY_WEAPP_APPSECRET = "", "its secret";
    IDENTITY_WEAPP_SESSION_URL = "https://api.weixin.qq.com/sns/jscode2session", "`code2Session`";
    IDENTITY_WEAPP_TOKEN_URL = "https://api.weixin.qq.com/cgi-bin/token", "`getAccessToken`";
    IDENTITY_WEAPP_QRCODE_URL = "https://api.weixin.qq.com/wxa/getwxacodeunlimit", "`getUnlimited`";
    IDENTITY_WEAPP_SALES_QR_PAGE = "pages/index/index", "the page that a sales code opens";
    IDENTITY_WEAPP_QR_WIDTH = "256", "width of sales codes in pixels";
    IDENTITY_ALIPAY_APP_ID = "", "the mini-program at Alipay";
    IDENTITY_ALIPAY_PRIVATE_KEY = "", "our key: PEM or its bare base64";
    IDENTITY_ALIPAY_PUBLIC_KEY = "", "Alipay's key: PEM or its bare base64";
    IDENTITY_ALIPAY_GATEWAY_URL = "https://openapi.alipay.com/gateway.do", "Alipay's one door";
    IDENTITY_ALIPAY_SIGN_TYPE = "RSA2", "nothing else is accepted";
    IDENTITY_ALIPAY_SALES_QR_PAGE = "pages/index/index", "the page that a sales code opens";
    IDENTITY_SEED_RESET = "false", "`seed` removes all users first";
    SERVICE_VERSION = "", "shown by `/health` in `X-Service-Version`";
}

/// The program.
pub const PROGRAM: Program = Program {
    name: "identity",
    commands: &[Command::Serve, Command::Migrate, Command::Seed],
    variables: VARIABLES,
    log_level: IDENTITY_LOG_LEVEL,
    metrics_address: IDENTITY_METRICS_ADDR,
    version: SERVICE_VERSION,
};
