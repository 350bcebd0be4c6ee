//! Operations of administrators. The gateway takes them to the boundary that `x-served-by` names.
//!
//! Generated from `admin.yaml` by `cargo xtask generate`.

use serde::Deserialize;
use time::OffsetDateTime;

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
