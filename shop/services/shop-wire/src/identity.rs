//! Who may do what: login, sessions, roles and permissions, customers, staff, audit.
//!
//! Generated from `identity.yaml` by `cargo xtask generate`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use shop_kit::wire::{Items, Page};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::Change;

/// `SwitchRoleRequest` of `identity.yaml`.
///
/// As it is read: what is missing is `None`, and the handler says what is required.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SwitchRoleRequest {
    pub role: Option<String>,
}

/// Whether a platform's own login works, and which settings it lacks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "sqlx", derive(sqlx::FromRow))]
#[serde(rename_all = "camelCase")]
pub struct MiniLoginPlatformCapabilities {
    pub real_phone_login_ready: bool,
    pub phone_proof_simulation_enabled: bool,
    pub missing: Vec<String>,
}

wire_enum! {
    /// `MiniLoginCapabilitiesLoginMode` of `identity.yaml`.
    pub enum MiniLoginCapabilitiesLoginMode {
        Mock = "mock",
        Real = "real",
    }
}

/// `MiniLoginCapabilities` of `identity.yaml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "sqlx", derive(sqlx::FromRow))]
#[serde(rename_all = "camelCase")]
pub struct MiniLoginCapabilities {
    pub login_mode: MiniLoginCapabilitiesLoginMode,
    #[cfg_attr(feature = "sqlx", sqlx(json))]
    pub weapp: MiniLoginPlatformCapabilities,
    #[cfg_attr(feature = "sqlx", sqlx(json))]
    pub alipay: MiniLoginPlatformCapabilities,
}

/// `Customer` of `identity.yaml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "sqlx", derive(sqlx::FromRow))]
#[serde(rename_all = "camelCase")]
pub struct Customer {
    pub id: Uuid,
    pub display_name: String,
    pub phone: Option<String>,
    pub owner_sales_user_id: Option<Uuid>,
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
}

/// `PagedCustomerList` of `identity.yaml`.
pub type PagedCustomerList = Page<Customer>;

wire_enum! {
    /// How far a permission reaches: one's own, those of the customers one looks after, everything.
    pub enum PermissionScope {
        Own = "SELF",
        Owned = "OWNED",
        All = "ALL",
    }
}

/// `Permission` of `identity.yaml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "sqlx", derive(sqlx::FromRow))]
#[serde(rename_all = "camelCase")]
pub struct Permission {
    pub code: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// `PermissionCatalog` of `identity.yaml`.
pub type PermissionCatalog = Items<Permission>;

/// A permission with the widest scope over all roles of the user.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "sqlx", derive(sqlx::FromRow))]
#[serde(rename_all = "camelCase")]
pub struct EffectivePermission {
    pub code: String,
    pub scope: PermissionScope,
}

/// `PermissionList` of `identity.yaml`.
pub type PermissionList = Items<EffectivePermission>;

/// `RolePermission` of `identity.yaml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "sqlx", derive(sqlx::FromRow))]
#[serde(rename_all = "camelCase")]
pub struct RolePermission {
    pub code: String,
    pub scope: PermissionScope,
}

/// `RolePermission` of `identity.yaml`.
///
/// As it is read: what is missing is `None`, and the handler says what is required.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RolePermissionInput {
    pub code: Option<String>,
    pub scope: Option<String>,
}

/// `Role` of `identity.yaml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "sqlx", derive(sqlx::FromRow))]
#[serde(rename_all = "camelCase")]
pub struct Role {
    pub code: String,
    pub user_type: crate::common::UserType,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[cfg_attr(feature = "sqlx", sqlx(json))]
    pub permissions: Vec<RolePermission>,
}

/// `RoleList` of `identity.yaml`.
pub type RoleList = Items<Role>;

/// `RolePermissionsUpdate` of `identity.yaml`.
///
/// As it is read: what is missing is `None`, and the handler says what is required.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RolePermissionsUpdate {
    pub permissions: Option<Vec<RolePermissionInput>>,
}

/// `PermissionCreateRequest` of `identity.yaml`.
///
/// As it is read: what is missing is `None`, and the handler says what is required.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PermissionCreateRequest {
    pub code: Option<String>,
    pub description: Option<String>,
}

/// `AuthorizeRequest` of `identity.yaml`.
///
/// As it is read: what is missing is `None`, and the handler says what is required.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AuthorizeRequest {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permission: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub required_scope: Option<String>,
}

/// `AuthorizeResponse` of `identity.yaml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "sqlx", derive(sqlx::FromRow))]
#[serde(rename_all = "camelCase")]
pub struct AuthorizeResponse {
    pub allowed: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effective_scope: Option<PermissionScope>,
}

/// `StaffUser` of `identity.yaml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "sqlx", derive(sqlx::FromRow))]
#[serde(rename_all = "camelCase")]
pub struct StaffUser {
    pub id: Uuid,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    pub phone: Option<String>,
    pub roles: Vec<String>,
    pub status: crate::common::UserStatus,
    #[serde(with = "time::serde::rfc3339::option")]
    pub disabled_at: Option<OffsetDateTime>,
    pub disabled_reason: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
}

/// `CreateStaffRequest` of `identity.yaml`.
///
/// As it is read: what is missing is `None`, and the handler says what is required.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CreateStaffRequest {
    pub display_name: Option<String>,
    pub roles: Option<Vec<String>>,
}

/// `UpdateStaffRequest` of `identity.yaml`.
///
/// As it is read: what is missing is `None`, and the handler says what is required.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct UpdateStaffRequest {
    pub display_name: Option<String>,
    pub roles: Option<Vec<String>>,
    pub status: Option<String>,
    pub disabled_reason: Change<String>,
}

/// `PagedStaffList` of `identity.yaml`.
pub type PagedStaffList = Page<StaffUser>;

/// `StaffBindingToken` of `identity.yaml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "sqlx", derive(sqlx::FromRow))]
#[serde(rename_all = "camelCase")]
pub struct StaffBindingToken {
    pub token: String,
    #[serde(with = "time::serde::rfc3339::option")]
    pub expires_at: Option<OffsetDateTime>,
}

/// `CreateStaffBindingRequest` of `identity.yaml`.
///
/// As it is read: what is missing is `None`, and the handler says what is required.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CreateStaffBindingRequest {
    pub platform: Option<String>,
    pub expires_in: Option<i64>,
}

/// `AuditLog` of `identity.yaml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "sqlx", derive(sqlx::FromRow))]
#[serde(rename_all = "camelCase")]
pub struct AuditLog {
    pub id: Uuid,
    pub actor_user_id: Option<Uuid>,
    pub action: String,
    pub target_type: Option<String>,
    pub target_id: Option<Uuid>,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    #[cfg_attr(feature = "sqlx", sqlx(json))]
    pub metadata: Map<String, Value>,
    pub request_id: Option<String>,
    pub ip: Option<String>,
    pub user_agent: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
}

/// `PagedAuditLogList` of `identity.yaml`.
pub type PagedAuditLogList = Page<AuditLog>;
