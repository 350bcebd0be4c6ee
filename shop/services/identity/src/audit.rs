//! The audit log. An entry that can't be written is reported in the log and never undoes what it records.

use serde_json::Value;
use shop_kit::extract::Caller;
use sqlx::PgPool;
use uuid::Uuid;

/// One thing somebody did.
#[derive(Debug)]
pub struct Entry<'a> {
    /// Who.
    pub actor: Uuid,
    /// What, e.g. `config.feature_flags.update`.
    pub action: &'a str,
    /// To what kind of thing.
    pub target_type: &'a str,
    /// To which one, when there are several.
    pub target: Option<Uuid>,
    /// With which values.
    pub metadata: Value,
}

/// Writes an entry.
pub async fn write(pool: &PgPool, caller: &Caller, entry: Entry<'_>) {
    let Entry { actor, action, target_type, target, metadata } = entry;
    let written = sqlx::query(
        "INSERT INTO audit_logs (actor_user_id, action, target_type, target_id, metadata, request_id, ip, user_agent)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(actor)
    .bind(action)
    .bind(target_type)
    .bind(target)
    .bind(metadata)
    .bind(&caller.request_id)
    .bind(&caller.ip)
    .bind(&caller.user_agent)
    .execute(pool)
    .await;
    if let Err(error) = written {
        tracing::error!(%error, action, "audit entry not written");
    }
}
