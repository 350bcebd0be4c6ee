//! Payments as they are stored, and the transactions that change them.
//!
//! Whatever concerns one order happens one after the other: each transaction takes PostgreSQL's advisory lock of the
//! order first. So two requests can't open two sessions, and commerce hears of things in the order in which they
//! happened.

use std::time::Duration;

use serde_json::{Value, json};
use shop_kit::error::OrInternal;
use shop_kit::{ApiError, ApiResult};
use sqlx::types::Json;
use sqlx::{FromRow, PgConnection, PgPool, Postgres, Transaction};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::orders::not_payable;
use crate::provider::{Channel, Mode, Session};
use crate::state::{Status, UnknownStatus};
use crate::sync;

const COLUMNS: &str = "id, order_id, payer_user_id, channel, mode, status, amount_fen, idempotency_key, session, \
                       provider_trade_no, expires_at, paid_at";

/// A row of `payments`, as far as it matters here.
#[derive(Debug, Clone, FromRow)]
pub struct Payment {
    /// The payment.
    pub id: Uuid,
    /// The order that it pays.
    pub order_id: Uuid,
    /// Who opened it.
    pub payer_user_id: Uuid,
    /// Over what.
    pub channel: String,
    /// `mock` or `live`.
    pub mode: String,
    /// How it stands.
    #[sqlx(try_from = "String")]
    pub status: Status,
    /// How much.
    pub amount_fen: i64,
    /// The key of the request that opened it, while a repetition of that request should find it.
    pub idempotency_key: Option<String>,
    /// What the client needs to pay.
    pub session: Option<Json<Session>>,
    /// The provider's number.
    pub provider_trade_no: Option<String>,
    /// Until when it can be paid.
    pub expires_at: OffsetDateTime,
    /// Since when it is paid.
    pub paid_at: Option<OffsetDateTime>,
}

impl TryFrom<String> for Status {
    type Error = UnknownStatus;

    fn try_from(text: String) -> Result<Self, UnknownStatus> {
        text.parse()
    }
}

/// What somebody wants to pay.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// The order.
    pub order: Uuid,
    /// Who asks.
    pub payer: Uuid,
    /// Over what.
    pub channel: Channel,
    /// Whether money moves.
    pub mode: Mode,
    /// How much the order costs.
    pub amount_fen: i64,
    /// The key of the request.
    pub key: Option<&'a str>,
    /// Now.
    pub now: OffsetDateTime,
    /// Until when a new session can be paid.
    pub expires_at: OffsetDateTime,
}

/// What is written into the ledger besides the payment itself.
#[derive(Debug)]
pub struct Entry<'a> {
    /// One word: `CREATED`, `OPENED`, `PAID`, …
    pub entry: &'a str,
    /// How the payment stood.
    pub before: Option<Status>,
    /// How it stands now.
    pub after: Status,
    /// How much it is about.
    pub amount_fen: i64,
    /// Who said so.
    pub source: &'a str,
    /// The provider's number.
    pub reference: Option<&'a str>,
    /// Anything else.
    pub detail: Value,
}

/// Begins a transaction that is alone with the order.
///
/// # Errors
/// When the database does not answer.
pub async fn alone_with(pool: &PgPool, order: Uuid) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
    let mut transaction = pool.begin().await?;
    sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))")
        .bind(order.to_string())
        .execute(&mut *transaction)
        .await?;
    Ok(transaction)
}

/// Adds to the ledger.
///
/// # Errors
/// When the database refuses.
pub async fn record(
    connection: &mut PgConnection,
    payment: Uuid,
    entry: Entry<'_>,
) -> Result<(), sqlx::Error> {
    let Entry { entry, before, after, amount_fen, source, reference, detail } = entry;
    sqlx::query(
        "INSERT INTO payment_ledger
             (payment_id, entry, status_before, status_after, amount_fen, source, reference, detail)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(payment)
    .bind(entry)
    .bind(before.map(Status::name))
    .bind(after.name())
    .bind(amount_fen)
    .bind(source)
    .bind(reference)
    .bind(detail)
    .execute(connection)
    .await
    .map(drop)
}

/// The payment that this request has already made and that was paid since.
///
/// # Errors
/// 500 when the database does not answer.
pub async fn already_paid(
    pool: &PgPool,
    order: Uuid,
    channel: Channel,
    payer: Uuid,
    key: &str,
) -> ApiResult<Option<Payment>> {
    let found = sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "SELECT {COLUMNS} FROM payments
         WHERE order_id = $1 AND channel = $2 AND payer_user_id = $3 AND idempotency_key = $4 AND status = 'PAID'"
    )))
    .bind(order)
    .bind(channel.name())
    .bind(payer)
    .bind(key)
    .fetch_optional(pool)
    .await;
    found.or_internal("failed to load payment")
}

/// The open session for what is wanted, or a new payment that has none yet.
///
/// # Errors
/// 409 when the order was paid, or somebody else is about to pay it over this channel.
pub async fn open(pool: &PgPool, wanted: Wanted<'_>) -> ApiResult<Payment> {
    let refuse = "failed to create payment";
    let mut transaction = alone_with(pool, wanted.order).await.or_internal(refuse)?;
    let all: Vec<Payment> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "SELECT {COLUMNS} FROM payments
         WHERE order_id = $1
           AND (status = 'PAID' OR channel = $2 AND (status = 'PAY_PENDING' OR idempotency_key = $3))"
    )))
    .bind(wanted.order)
    .bind(wanted.channel.name())
    .bind(wanted.key)
    .fetch_all(&mut *transaction)
    .await
    .or_internal(refuse)?;
    if let Some(paid) = all.iter().find(|payment| payment.status == Status::Paid) {
        return Err(not_payable().because(format!("payment {} has paid it", paid.id)));
    }
    for payment in all {
        if payment.status == Status::Pending && wanted.is_met_by(&payment) {
            if payment.payer_user_id != wanted.payer {
                return Err(ApiError::conflict("somebody else is about to pay this order")
                    .because(format!("payment {} of {}", payment.id, payment.payer_user_id)));
            }
            return Ok(payment);
        }
        replace(&mut transaction, &payment).await.or_internal(refuse)?;
    }
    let payment: Payment = sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "INSERT INTO payments (order_id, payer_user_id, channel, mode, status, amount_fen, idempotency_key, expires_at)
         VALUES ($1, $2, $3, $4, 'PAY_PENDING', $5, $6, $7) RETURNING {COLUMNS}"
    )))
    .bind(wanted.order)
    .bind(wanted.payer)
    .bind(wanted.channel.name())
    .bind(wanted.mode.name())
    .bind(wanted.amount_fen)
    .bind(wanted.key)
    .bind(wanted.expires_at)
    .fetch_one(&mut *transaction)
    .await
    .or_internal(refuse)?;
    let entry = Entry {
        entry: "CREATED",
        before: None,
        after: Status::Pending,
        amount_fen: payment.amount_fen,
        source: "create",
        reference: None,
        detail: json!({ "mode": payment.mode, "payer": payment.payer_user_id }),
    };
    record(&mut transaction, payment.id, entry).await.or_internal(refuse)?;
    transaction.commit().await.or_internal(refuse)?;
    Ok(payment)
}

impl Wanted<'_> {
    fn is_met_by(&self, payment: &Payment) -> bool {
        payment.expires_at > self.now
            && payment.amount_fen == self.amount_fen
            && payment.mode == self.mode.name()
    }
}

/// Makes room for a new session: what is still open has run out, and the request's key is free again.
async fn replace(connection: &mut PgConnection, payment: &Payment) -> Result<(), sqlx::Error> {
    let open = payment.status == Status::Pending;
    let after = if open { Status::Cancelled } else { payment.status };
    sqlx::query(
        "UPDATE payments
         SET status = $2, idempotency_key = NULL, updated_at = now(), closed_at = coalesce(closed_at, now()),
             failure_code = coalesce(failure_code, 'EXPIRED')
         WHERE id = $1",
    )
    .bind(payment.id)
    .bind(after.name())
    .execute(&mut *connection)
    .await?;
    if !open {
        return Ok(());
    }
    let entry = Entry {
        entry: "EXPIRED",
        before: Some(payment.status),
        after,
        amount_fen: payment.amount_fen,
        source: "create",
        reference: None,
        detail: json!({}),
    };
    record(connection, payment.id, entry).await
}

/// Keeps the session that the provider has opened and has commerce told of it. The first session counts: the payment
/// as it stands then. The provider of a live one is asked about it after `recheck_after`.
///
/// # Errors
/// 500 when the database does not answer.
pub async fn keep_session(
    pool: &PgPool,
    payment: &Payment,
    session: &Session,
    recheck_after: Duration,
) -> ApiResult<Payment> {
    let refuse = "failed to create payment";
    let mut transaction = alone_with(pool, payment.order_id).await.or_internal(refuse)?;
    let kept: Option<Payment> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "UPDATE payments SET session = $2, updated_at = now(),
             next_check_at = CASE WHEN mode = 'live' THEN now() + make_interval(secs => $3) END
         WHERE id = $1 AND session IS NULL AND status = 'PAY_PENDING' RETURNING {COLUMNS}"
    )))
    .bind(payment.id)
    .bind(Json(session))
    .bind(recheck_after.as_secs_f64())
    .fetch_optional(&mut *transaction)
    .await
    .or_internal(refuse)?;
    let Some(kept) = kept else { return find(&mut transaction, payment.id).await.or_internal(refuse) };
    let entry = Entry {
        entry: "OPENED",
        before: Some(Status::Pending),
        after: Status::Pending,
        amount_fen: kept.amount_fen,
        source: "create",
        reference: None,
        detail: json!({}),
    };
    record(&mut transaction, kept.id, entry).await.or_internal(refuse)?;
    sync::enqueue(&mut transaction, &kept).await.or_internal(refuse)?;
    transaction.commit().await.or_internal(refuse)?;
    Ok(kept)
}

/// Gives up a payment for which the provider has opened no session. Commerce was never told of it.
///
/// # Errors
/// 500 when the database does not answer.
pub async fn give_up(pool: &PgPool, payment: &Payment, reason: &str) -> ApiResult<()> {
    let refuse = "failed to create payment";
    let mut transaction = alone_with(pool, payment.order_id).await.or_internal(refuse)?;
    let changed = sqlx::query(
        "UPDATE payments
         SET status = 'PAY_FAILED', idempotency_key = NULL, closed_at = now(), updated_at = now(),
             failure_code = 'NOT_OPENED', failure_message = $2
         WHERE id = $1 AND session IS NULL AND status = 'PAY_PENDING'",
    )
    .bind(payment.id)
    .bind(reason)
    .execute(&mut *transaction)
    .await
    .or_internal(refuse)?
    .rows_affected();
    if changed > 0 {
        let entry = Entry {
            entry: "NOT_OPENED",
            before: Some(Status::Pending),
            after: Status::Failed,
            amount_fen: payment.amount_fen,
            source: "create",
            reference: None,
            detail: json!({ "reason": reason }),
        };
        record(&mut transaction, payment.id, entry).await.or_internal(refuse)?;
    }
    transaction.commit().await.or_internal(refuse)
}

/// One payment.
///
/// # Errors
/// When there is none, or the database does not answer.
pub async fn find(connection: &mut PgConnection, id: Uuid) -> Result<Payment, sqlx::Error> {
    sqlx::query_as(sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM payments WHERE id = $1")))
        .bind(id)
        .fetch_one(connection)
        .await
}
