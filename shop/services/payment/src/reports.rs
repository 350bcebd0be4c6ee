//! What becomes of a payment when its provider reports something: state, ledger and the word to commerce, in one
//! transaction. The same report may come any number of times.

use serde_json::json;
use shop_kit::error::OrInternal;
use shop_kit::{ApiError, ApiResult};
use sqlx::{PgConnection, PgPool};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::payments::{Entry, Payment, alone_with, find, record};
use crate::provider::{Mode, Report};
use crate::state::{Status, Step};
use crate::sync;

const REFUSE: &str = "failed to record payment";

/// Applies a report.
///
/// # Errors
/// 404 when no payment of this kind has the number, 409 when the amount is not that of the payment: nothing is
/// marked as paid then, and the log and the ledger say so.
pub async fn apply(pool: &PgPool, report: &Report, mode: Mode) -> ApiResult<Payment> {
    let order: Option<Uuid> =
        sqlx::query_scalar("SELECT order_id FROM payments WHERE id = $1 AND channel = $2 AND mode = $3")
            .bind(report.payment)
            .bind(report.channel.name())
            .bind(mode.name())
            .fetch_optional(pool)
            .await
            .or_internal(REFUSE)?;
    let order = order.ok_or_else(|| ApiError::not_found("payment not found"))?;
    let mut transaction = alone_with(pool, order).await.or_internal(REFUSE)?;
    let payment = find(&mut transaction, report.payment).await.or_internal(REFUSE)?;
    let source = match mode {
        Mode::Mock => "mock",
        Mode::Live => report.channel.name(),
    };
    if report.amount_fen.is_some_and(|amount| amount != payment.amount_fen) {
        mismatch(&mut transaction, &payment, report, source).await.or_internal(REFUSE)?;
        transaction.commit().await.or_internal(REFUSE)?;
        return Err(ApiError::conflict("the amount is not that of the payment").because(format!(
            "payment {}: {:?} instead of {} fen",
            payment.id, report.amount_fen, payment.amount_fen
        )));
    }
    if !is_news(&mut transaction, report).await.or_internal(REFUSE)? {
        return Ok(payment);
    }
    let payment = match payment.status.after(report.reported) {
        Step::To(after) => {
            let changed = change(&mut transaction, &payment, report, after).await.or_internal(REFUSE)?;
            note_surplus(&mut transaction, &changed).await.or_internal(REFUSE)?;
            let entry = Entry {
                entry: after.name(),
                before: Some(payment.status),
                after,
                amount_fen: payment.amount_fen,
                source,
                reference: report.trade_no.as_deref().or(report.event_id.as_deref()),
                detail: json!({ "event": report.event_id, "words": report.failure }),
            };
            record(&mut transaction, payment.id, entry).await.or_internal(REFUSE)?;
            sync::enqueue(&mut transaction, &changed).await.or_internal(REFUSE)?;
            changed
        }
        Step::Same => payment,
        Step::TooLate => {
            let entry = Entry {
                entry: "IGNORED",
                before: Some(payment.status),
                after: payment.status,
                amount_fen: payment.amount_fen,
                source,
                reference: report.trade_no.as_deref().or(report.event_id.as_deref()),
                detail: json!({ "event": report.event_id, "reported": report.reported }),
            };
            record(&mut transaction, payment.id, entry).await.or_internal(REFUSE)?;
            payment
        }
    };
    transaction.commit().await.or_internal(REFUSE)?;
    Ok(payment)
}

/// Whether this notification was not dealt with before. Those without a number are always news.
async fn is_news(connection: &mut PgConnection, report: &Report) -> Result<bool, sqlx::Error> {
    let Some(event_id) = &report.event_id else { return Ok(true) };
    let added = sqlx::query(
        "INSERT INTO payment_notifications (provider, event_id, payment_id) VALUES ($1, $2, $3)
         ON CONFLICT DO NOTHING",
    )
    .bind(report.channel.name())
    .bind(event_id)
    .bind(report.payment)
    .execute(connection)
    .await?;
    Ok(added.rows_affected() > 0)
}

async fn change(
    connection: &mut PgConnection,
    payment: &Payment,
    report: &Report,
    after: Status,
) -> Result<Payment, sqlx::Error> {
    let now = OffsetDateTime::now_utc();
    let paid_at = (after == Status::Paid).then(|| report.paid_at.unwrap_or(now));
    let failure = match after {
        Status::Failed => Some("CLIENT_FAILED"),
        Status::Cancelled => Some("CLIENT_CANCELLED"),
        Status::Pending | Status::Paid => None,
    };
    sqlx::query(
        "UPDATE payments
         SET status = $2, paid_at = $3, closed_at = $4, failure_code = $5, failure_message = $6,
             provider_trade_no = coalesce($7, provider_trade_no), updated_at = now()
         WHERE id = $1",
    )
    .bind(payment.id)
    .bind(after.name())
    .bind(paid_at)
    .bind(failure.map(|_| now))
    .bind(failure)
    .bind(report.failure.as_deref().filter(|_| failure.is_some()))
    .bind(&report.trade_no)
    .execute(&mut *connection)
    .await?;
    find(connection, payment.id).await
}

/// Says loudly when an order is paid a second time: the money has to go back.
async fn note_surplus(connection: &mut PgConnection, payment: &Payment) -> Result<(), sqlx::Error> {
    if payment.status != Status::Paid {
        return Ok(());
    }
    let other: Option<Uuid> = sqlx::query_scalar(
        "SELECT id FROM payments WHERE order_id = $1 AND status = 'PAID' AND id <> $2 ORDER BY paid_at LIMIT 1",
    )
    .bind(payment.order_id)
    .bind(payment.id)
    .fetch_optional(&mut *connection)
    .await?;
    let Some(other) = other else { return Ok(()) };
    tracing::error!(
        order = %payment.order_id, payment = %payment.id, paid_before_by = %other, amount_fen = payment.amount_fen,
        "an order was paid twice; refund the second payment"
    );
    let entry = Entry {
        entry: "SURPLUS",
        before: Some(Status::Paid),
        after: Status::Paid,
        amount_fen: payment.amount_fen,
        source: "payment",
        reference: None,
        detail: json!({ "paidBeforeBy": other }),
    };
    record(connection, payment.id, entry).await
}

/// Notes once that a report names another amount.
async fn mismatch(
    connection: &mut PgConnection,
    payment: &Payment,
    report: &Report,
    source: &str,
) -> Result<(), sqlx::Error> {
    tracing::error!(
        payment = %payment.id, expected_fen = payment.amount_fen, reported_fen = report.amount_fen,
        "a provider reports another amount; the payment was left as it is"
    );
    let noted: bool = sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM payment_ledger WHERE payment_id = $1 AND entry = 'MISMATCH' AND amount_fen = $2)",
    )
    .bind(payment.id)
    .bind(report.amount_fen)
    .fetch_one(&mut *connection)
    .await?;
    if noted {
        return Ok(());
    }
    let entry = Entry {
        entry: "MISMATCH",
        before: Some(payment.status),
        after: payment.status,
        amount_fen: report.amount_fen.unwrap_or_default(),
        source,
        reference: report.trade_no.as_deref(),
        detail: json!({ "event": report.event_id, "expected": payment.amount_fen }),
    };
    record(connection, payment.id, entry).await
}
