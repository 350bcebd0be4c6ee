//! Schemas, parameters and responses that several boundaries share. No operations.
//!
//! Generated from `common.yaml` by `cargo xtask generate`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use time::OffsetDateTime;
use uuid::Uuid;

/// Every error of every service. `requestId` is the `X-Request-ID` of the exchange; quote it when asking for help.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "sqlx", derive(sqlx::FromRow))]
#[serde(rename_all = "camelCase")]
pub struct ErrorResponse {
    pub code: String,
    pub message: String,
    pub request_id: String,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    #[cfg_attr(feature = "sqlx", sqlx(json))]
    pub details: Map<String, Value>,
}

/// `MiniLoginRequest` of `common.yaml`.
///
/// As it is read: what is missing is `None`, and the handler says what is required.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MiniLoginRequest {
    pub platform: Option<String>,
    pub code: Option<String>,
    pub scene: Option<String>,
    pub binding_token: Option<String>,
    pub role: Option<String>,
}

/// `PasswordLoginRequest` of `common.yaml`.
///
/// As it is read: what is missing is `None`, and the handler says what is required.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PasswordLoginRequest {
    pub username: Option<String>,
    pub password: Option<String>,
    pub role: Option<String>,
}

/// A signed-in session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "sqlx", derive(sqlx::FromRow))]
#[serde(rename_all = "camelCase")]
pub struct AuthResponse {
    pub access_token: String,
    pub expires_in: i64,
    #[cfg_attr(feature = "sqlx", sqlx(json))]
    pub user: User,
}

/// A user in the role chosen at login.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "sqlx", derive(sqlx::FromRow))]
#[serde(rename_all = "camelCase")]
pub struct User {
    pub id: Uuid,
    pub current_role: String,
    pub user_type: UserType,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<UserStatus>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    pub avatar_url: Option<String>,
    pub phone: Option<String>,
    pub owner_sales_user_id: Option<Uuid>,
    pub owner_sales_display_name: Option<String>,
    pub roles: Vec<String>,
    #[serde(with = "time::serde::rfc3339::option")]
    pub disabled_at: Option<OffsetDateTime>,
    pub disabled_reason: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
}

wire_enum! {
    /// `UserType` of `common.yaml`.
    pub enum UserType {
        Customer = "customer",
        Staff = "staff",
        Admin = "admin",
    }
}

wire_enum! {
    /// A mini-program platform.
    pub enum Platform {
        Weapp = "weapp",
        Alipay = "alipay",
    }
}

wire_enum! {
    /// `UserStatus` of `common.yaml`.
    pub enum UserStatus {
        Active = "active",
        Disabled = "disabled",
    }
}

/// `SalesQrCode` of `common.yaml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "sqlx", derive(sqlx::FromRow))]
#[serde(rename_all = "camelCase")]
pub struct SalesQrCode {
    pub qr_code_url: String,
    pub scene: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    #[serde(with = "time::serde::rfc3339::option")]
    pub expires_at: Option<OffsetDateTime>,
}

/// What is switched on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "sqlx", derive(sqlx::FromRow))]
#[serde(rename_all = "camelCase")]
pub struct FeatureFlags {
    pub payment_enabled: bool,
    pub wechat_pay_enabled: bool,
    pub alipay_pay_enabled: bool,
}

/// A flag that is left out keeps its value.
///
/// As it is read: what is missing is `None`, and the handler says what is required.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FeatureFlagsUpdate {
    pub payment_enabled: Option<bool>,
    pub wechat_pay_enabled: Option<bool>,
    pub alipay_pay_enabled: Option<bool>,
}

wire_enum! {
    /// `ImportJobType` of `common.yaml`.
    pub enum ImportJobType {
        ProductImport = "PRODUCT_IMPORT",
        ProductRequestExport = "PRODUCT_REQUEST_EXPORT",
        ShipmentImport = "SHIPMENT_IMPORT",
        CartImport = "CART_IMPORT",
    }
}

wire_enum! {
    /// `JobStatus` of `common.yaml`.
    pub enum JobStatus {
        Pending = "PENDING",
        Running = "RUNNING",
        Succeeded = "SUCCEEDED",
        Failed = "FAILED",
    }
}

/// A spreadsheet import or export.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "sqlx", derive(sqlx::FromRow))]
#[serde(rename_all = "camelCase")]
pub struct ImportJob {
    pub id: Uuid,
    pub r#type: ImportJobType,
    pub status: JobStatus,
    pub progress: i32,
    pub result_file_url: Option<String>,
    pub error_report_url: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
}
