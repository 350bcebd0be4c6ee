//! The one door of the shop: what the gateway answers itself.
//!
//! Generated from `gateway.yaml` by `cargo xtask generate`.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// What a client needs before its first page.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "sqlx", derive(sqlx::FromRow))]
#[serde(rename_all = "camelCase")]
pub struct BootstrapResponse {
    #[cfg_attr(feature = "sqlx", sqlx(json(nullable)))]
    pub me: Option<crate::common::User>,
    #[cfg_attr(feature = "sqlx", sqlx(json))]
    pub permissions: crate::identity::PermissionList,
    #[cfg_attr(feature = "sqlx", sqlx(json))]
    pub feature_flags: crate::common::FeatureFlags,
}

/// The data of one `tick` event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "sqlx", derive(sqlx::FromRow))]
#[serde(rename_all = "camelCase")]
pub struct Tick {
    pub count: i64,
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
}
