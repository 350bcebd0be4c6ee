//! The platform's feature flags.

use axum::Json;
use axum::extract::State;
use serde_json::json;
use shop_kit::ApiResult;
use shop_kit::error::OrInternal;
use shop_kit::extract::{Body, Caller};
use shop_wire::common::{FeatureFlags, FeatureFlagsUpdate};
use shop_wire::identity::PermissionScope;
use sqlx::FromRow;

use crate::access::require;
use crate::app::App;
use crate::audit;
use crate::session::SignedIn;

#[derive(FromRow)]
struct Row {
    payment_enabled: bool,
    wechat_pay_enabled: bool,
    alipay_pay_enabled: bool,
}

impl From<Row> for FeatureFlags {
    fn from(row: Row) -> Self {
        let Row { payment_enabled, wechat_pay_enabled, alipay_pay_enabled } = row;
        Self { payment_enabled, wechat_pay_enabled, alipay_pay_enabled }
    }
}

/// `GET /admin/config/feature-flags`; open to everybody, because the start page needs it before a login.
///
/// # Errors
/// 500 when the database does not answer.
pub async fn show(State(app): State<App>) -> ApiResult<Json<FeatureFlags>> {
    let flags: Row =
        sqlx::query_as("SELECT payment_enabled, wechat_pay_enabled, alipay_pay_enabled FROM feature_flags")
            .fetch_one(app.pool())
            .await
            .or_internal("failed to load feature flags")?;
    Ok(Json(flags.into()))
}

/// `PATCH /admin/config/feature-flags`: flags that are not mentioned stay as they are.
///
/// # Errors
/// 401, 403, or 400 for an unreadable body.
pub async fn change(
    State(app): State<App>,
    signed_in: SignedIn,
    caller: Caller,
    Body(change): Body<FeatureFlagsUpdate>,
) -> ApiResult<Json<FeatureFlags>> {
    require(app.pool(), signed_in.user_id, "config:feature_flags", PermissionScope::All).await?;
    let flags: Row = sqlx::query_as(
        "UPDATE feature_flags SET
             payment_enabled = coalesce($1, payment_enabled),
             wechat_pay_enabled = coalesce($2, wechat_pay_enabled),
             alipay_pay_enabled = coalesce($3, alipay_pay_enabled),
             updated_at = now()
         RETURNING payment_enabled, wechat_pay_enabled, alipay_pay_enabled",
    )
    .bind(change.payment_enabled)
    .bind(change.wechat_pay_enabled)
    .bind(change.alipay_pay_enabled)
    .fetch_one(app.pool())
    .await
    .or_internal("failed to update feature flags")?;
    let flags = FeatureFlags::from(flags);
    let entry = audit::Entry {
        actor: signed_in.user_id,
        action: "config.feature_flags.update",
        target_type: "feature_flags",
        target: None,
        metadata: json!(flags),
    };
    audit::write(app.pool(), &caller, entry).await;
    Ok(Json(flags))
}
