//! The audit log. An entry that can't be written is reported in the log and never undoes what it records.

use axum::Json;
use axum::extract::State;
use serde_json::Value;
use shop_kit::ApiResult;
use shop_kit::error::OrInternal;
use shop_kit::extract::{Caller, QueryParams};
use shop_wire::identity::{AuditLog, PagedAuditLogList};
use sqlx::{FromRow, PgPool, Postgres, QueryBuilder};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::access::require_administrator;
use crate::app::App;
use crate::session::SignedIn;

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

#[derive(FromRow)]
struct Row {
    id: Uuid,
    actor_user_id: Option<Uuid>,
    action: String,
    target_type: Option<String>,
    target_id: Option<Uuid>,
    metadata: Option<Value>,
    request_id: Option<String>,
    ip: Option<String>,
    user_agent: Option<String>,
    created_at: OffsetDateTime,
}

impl From<Row> for AuditLog {
    fn from(row: Row) -> Self {
        let Row {
            id,
            actor_user_id,
            action,
            target_type,
            target_id,
            metadata,
            request_id,
            ip,
            user_agent,
            created_at,
        } = row;
        let metadata = match metadata {
            Some(Value::Object(metadata)) => metadata,
            _ => serde_json::Map::new(),
        };
        Self {
            id,
            actor_user_id,
            action,
            target_type,
            target_id,
            metadata,
            request_id,
            ip,
            user_agent,
            created_at,
        }
    }
}

/// `GET /audit-logs`: what was done, newest first.
///
/// # Errors
/// 401, 403, or 400 for an unreadable parameter.
pub async fn list(
    State(app): State<App>,
    caller: SignedIn,
    query: QueryParams,
) -> ApiResult<Json<PagedAuditLogList>> {
    require_administrator(app.pool(), &caller).await?;
    let paging = query.paging(20)?;
    let actor = query.uuid("actorUserId")?;
    let filter = |sql: &mut QueryBuilder<Postgres>| {
        sql.push(" FROM audit_logs WHERE true");
        if let Some(actor) = actor {
            sql.push(" AND actor_user_id = ").push_bind(actor);
        }
        if let Some(action) = query.text("action") {
            sql.push(" AND action = ").push_bind(action.to_owned());
        }
        if let Some(target) = query.text("targetType") {
            sql.push(" AND target_type = ").push_bind(target.to_owned());
        }
    };
    let mut count = QueryBuilder::new("SELECT count(*)");
    filter(&mut count);
    let total =
        count.build_query_scalar().fetch_one(app.pool()).await.or_internal("failed to list audit logs")?;
    let mut rows = QueryBuilder::new(
        "SELECT id, actor_user_id, action, target_type, target_id, metadata, request_id, ip, user_agent, created_at",
    );
    filter(&mut rows);
    rows.push(" ORDER BY created_at DESC, id LIMIT ").push_bind(paging.size);
    rows.push(" OFFSET ").push_bind(paging.offset());
    let items: Vec<Row> =
        rows.build_query_as().fetch_all(app.pool()).await.or_internal("failed to list audit logs")?;
    let items = items.into_iter().map(AuditLog::from).collect();
    Ok(Json(PagedAuditLogList { items, page: paging.page, page_size: paging.size, total }))
}
