//! WeChat Pay and Alipay. Off by default: `x-feature-flags` names the flags that must all be on.
//!
//! Generated from `payment.yaml` by `cargo xtask generate`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use time::OffsetDateTime;
use uuid::Uuid;

/// `WechatPayCreateResponse` of `payment.yaml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "sqlx", derive(sqlx::FromRow))]
#[serde(rename_all = "camelCase")]
pub struct WechatPayCreateResponse {
    pub payment_id: Uuid,
    pub order_id: Uuid,
    pub channel: PaymentChannel,
    pub status: PaymentStatus,
    #[serde(with = "time::serde::rfc3339")]
    pub expires_at: OffsetDateTime,
    pub prepay_id: String,
    pub package: String,
    pub nonce_str: String,
    pub time_stamp: String,
    pub sign_type: String,
    pub pay_sign: String,
}

/// `AlipayPayCreateResponse` of `payment.yaml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "sqlx", derive(sqlx::FromRow))]
#[serde(rename_all = "camelCase")]
pub struct AlipayPayCreateResponse {
    pub payment_id: Uuid,
    pub order_id: Uuid,
    pub channel: PaymentChannel,
    pub status: PaymentStatus,
    #[serde(with = "time::serde::rfc3339")]
    pub expires_at: OffsetDateTime,
    pub trade_no: String,
    #[cfg_attr(feature = "sqlx", sqlx(json))]
    pub pay_params: Map<String, Value>,
}

wire_enum! {
    /// `PaymentChannel` of `payment.yaml`.
    pub enum PaymentChannel {
        Wechat = "WECHAT",
        WechatB2B = "WECHAT_B2B",
        Alipay = "ALIPAY",
    }
}

wire_enum! {
    /// `PaymentStatus` of `payment.yaml`.
    pub enum PaymentStatus {
        PayPending = "PAY_PENDING",
        Paid = "PAID",
        PayFailed = "PAY_FAILED",
        Cancelled = "CANCELLED",
    }
}

/// `PostPaymentsWechatCreateRequest` of `payment.yaml`.
///
/// As it is read: what is missing is `None`, and the handler says what is required.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PostPaymentsWechatCreateRequest {
    pub order_id: Option<Uuid>,
    /// What `wx.login` gave: says who pays. Needed when the service speaks to WeChat Pay.
    pub wechat_login_code: Option<String>,
}

/// `PostPaymentsAlipayCreateRequest` of `payment.yaml`.
///
/// As it is read: what is missing is `None`, and the handler says what is required.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PostPaymentsAlipayCreateRequest {
    pub order_id: Option<Uuid>,
    /// What `my.getAuthCode` gave: says who pays. Needed when the service speaks to Alipay.
    pub alipay_auth_code: Option<String>,
}
