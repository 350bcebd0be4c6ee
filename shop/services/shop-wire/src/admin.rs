//! Operations of administrators. The gateway takes them to the boundary that `x-served-by` names.
//!
//! Generated from `admin.yaml` by `cargo xtask generate`.

use serde::{Deserialize, Serialize};
use shop_kit::wire::Page;
use time::OffsetDateTime;
use uuid::Uuid;

/// The sales user who looks after a customer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "sqlx", derive(sqlx::FromRow))]
#[serde(rename_all = "camelCase")]
pub struct AdminCustomerOwner {
    pub id: Uuid,
    pub display_name: String,
    pub phone: Option<String>,
}

/// `CustomerTag` of `admin.yaml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "sqlx", derive(sqlx::FromRow))]
#[serde(rename_all = "camelCase")]
pub struct CustomerTag {
    pub id: Uuid,
    pub name: String,
    pub color: String,
    pub sort: i64,
    pub active: bool,
}

/// `AdminCustomer` of `admin.yaml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "sqlx", derive(sqlx::FromRow))]
#[serde(rename_all = "camelCase")]
pub struct AdminCustomer {
    pub id: Uuid,
    pub display_name: String,
    pub phone: Option<String>,
    pub owner_sales_user_id: Option<Uuid>,
    #[cfg_attr(feature = "sqlx", sqlx(json(nullable)))]
    pub owner_sales: Option<AdminCustomerOwner>,
    pub roles: Vec<String>,
    /// Null without tags.
    #[cfg_attr(feature = "sqlx", sqlx(json(nullable)))]
    pub tags: Option<Vec<CustomerTag>>,
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
}

/// `PagedAdminCustomerList` of `admin.yaml`.
pub type PagedAdminCustomerList = Page<AdminCustomer>;

/// `AdminUserSummary` of `admin.yaml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "sqlx", derive(sqlx::FromRow))]
#[serde(rename_all = "camelCase")]
pub struct AdminUserSummary {
    pub id: Uuid,
    pub display_name: String,
    pub phone: Option<String>,
    pub user_type: crate::common::UserType,
    pub status: crate::common::UserStatus,
    pub roles: Vec<String>,
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
}

/// `PagedAdminUserList` of `admin.yaml`.
pub type PagedAdminUserList = Page<AdminUserSummary>;

/// `SalesUserSummary` of `admin.yaml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "sqlx", derive(sqlx::FromRow))]
#[serde(rename_all = "camelCase")]
pub struct SalesUserSummary {
    pub id: Uuid,
    pub display_name: String,
    pub phone: Option<String>,
    pub status: crate::common::UserStatus,
    pub roles: Vec<String>,
}

/// `PagedSalesUserList` of `admin.yaml`.
pub type PagedSalesUserList = Page<SalesUserSummary>;

/// `TransferCustomerRequest` of `admin.yaml`.
///
/// As it is read: what is missing is `None`, and the handler says what is required.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TransferCustomerRequest {
    pub to_sales_user_id: Option<String>,
    pub reason: Option<String>,
}

/// `PostAdminProductRequestsExportJobsRequest` of `admin.yaml`.
///
/// As it is read: what is missing is `None`, and the handler says what is required.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PostAdminProductRequestsExportJobsRequest {
    #[serde(with = "time::serde::rfc3339::option")]
    pub created_after: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339::option")]
    pub created_before: Option<OffsetDateTime>,
}
