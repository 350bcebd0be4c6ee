//! Commerce hears of every change, in order and at least once.
//!
//! What is to be told is written in the transaction of the change itself (`order_sync`), so a crash can't lose it.
//! It is told at once when that works. What remains, because commerce was down or this program ended, is found by
//! [`OrderSync::run`], which waits longer after each failure. Several copies of this program may run: a row is
//! claimed for the time that a call can take, and while an older one of the same order waits, the younger ones do.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue};
use shop_kit::Shutdown;
use shop_kit::layers::INTERNAL_TOKEN;
use shop_kit::settings::Secret;
use shop_wire::call::CallFailure;
use shop_wire::client::CommerceClient;
use shop_wire::internal::OrderPaymentReport;
use sqlx::types::Json;
use sqlx::{FromRow, PgConnection, PgPool};
use uuid::Uuid;

use crate::payments::Payment;
use crate::settings::Commerce;

/// The longest wait between two tries.
const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// Tells commerce.
#[derive(Debug, Clone)]
pub struct OrderSync {
    pool: PgPool,
    commerce: Option<CommerceClient>,
    token: Secret,
    timeout: Duration,
    every: Duration,
}

#[derive(FromRow)]
struct Due {
    id: i64,
    order_id: Uuid,
    body: Json<OrderPaymentReport>,
    attempts: i32,
}

/// Writes down that commerce has to hear how the payment stands.
///
/// # Errors
/// When the database refuses.
pub async fn enqueue(connection: &mut PgConnection, payment: &Payment) -> Result<(), sqlx::Error> {
    let body = OrderPaymentReport {
        payment_id: Some(payment.id),
        channel: Some(payment.channel.clone()),
        status: Some(payment.status.name().to_owned()),
        provider_trade_no: payment.provider_trade_no.clone(),
        paid_at: payment.paid_at,
    };
    sqlx::query("INSERT INTO order_sync (order_id, payment_id, body) VALUES ($1, $2, $3)")
        .bind(payment.order_id)
        .bind(payment.id)
        .bind(Json(body))
        .execute(connection)
        .await
        .map(drop)
}

impl OrderSync {
    /// Tells `commerce` what stands in the database.
    pub fn new(pool: PgPool, commerce: Option<CommerceClient>, settings: Commerce) -> Self {
        let Commerce { base: _, timeout, token, every } = settings;
        Self { pool, commerce, token, timeout, every }
    }

    /// Tells everything about one order, as far as it goes. What does not work now is tried again by
    /// [`OrderSync::run`].
    pub async fn tell_now(&self, order: Uuid) {
        while self.tell_one(Some(order)).await {}
    }

    /// Tells whatever is due, until `shutdown`.
    pub async fn run(self, shutdown: Shutdown) {
        while !shutdown.is_requested() {
            if self.tell_one(None).await {
                continue;
            }
            tokio::select! {
                () = shutdown.requested() => return,
                () = tokio::time::sleep(self.every) => {}
            }
        }
    }

    /// Tells the next thing that is due; whether it was told.
    async fn tell_one(&self, order: Option<Uuid>) -> bool {
        let due = match self.claim(order).await {
            Ok(Some(due)) => due,
            Ok(None) => return false,
            Err(error) => {
                tracing::warn!(%error, "what commerce has to be told can't be read");
                return false;
            }
        };
        let told = self.tell(&due).await;
        let wait = wait_after(due.attempts);
        let noted = match &told {
            Ok(()) => {
                let done = "UPDATE order_sync SET delivered_at = now(), last_error = NULL WHERE id = $1";
                sqlx::query(done).bind(due.id).execute(&self.pool).await
            }
            Err(reason) => {
                tracing::warn!(
                    order = %due.order_id, attempts = due.attempts, wait_s = wait.as_secs(), reason,
                    "commerce could not be told of a payment; it will be told later"
                );
                sqlx::query(
                    "UPDATE order_sync SET last_error = $2, next_attempt_at = now() + make_interval(secs => $3)
                     WHERE id = $1",
                )
                .bind(due.id)
                .bind(reason)
                .bind(wait.as_secs_f64())
                .execute(&self.pool)
                .await
            }
        };
        if let Err(error) = noted {
            tracing::warn!(%error, "what commerce was told can't be noted; it will be told again");
            return false;
        }
        told.is_ok()
    }

    async fn claim(&self, order: Option<Uuid>) -> Result<Option<Due>, sqlx::Error> {
        // Long enough for the call and the note after it; a copy of this program that ends meanwhile loses the claim.
        let lease = self.timeout + Duration::from_secs(5);
        sqlx::query_as(
            "UPDATE order_sync SET attempts = attempts + 1, next_attempt_at = now() + make_interval(secs => $2)
             WHERE id = (
                 SELECT s.id FROM order_sync s
                 WHERE s.delivered_at IS NULL AND s.next_attempt_at <= now() AND ($1::uuid IS NULL OR s.order_id = $1)
                   AND NOT EXISTS (SELECT FROM order_sync older
                                   WHERE older.order_id = s.order_id AND older.id < s.id AND older.delivered_at IS NULL)
                 ORDER BY s.id LIMIT 1 FOR UPDATE SKIP LOCKED)
             RETURNING id, order_id, body, attempts",
        )
        .bind(order)
        .bind(lease.as_secs_f64())
        .fetch_optional(&self.pool)
        .await
    }

    async fn tell(&self, due: &Due) -> Result<(), String> {
        let commerce = self.commerce.as_ref().ok_or("PAYMENT_COMMERCE_BASE_URL is empty")?;
        let token = HeaderValue::from_str(self.token.reveal())
            .map_err(|_| "PAYMENT_COMMERCE_SYNC_TOKEN can't be sent in a header")?;
        let headers = HeaderMap::from_iter([(INTERNAL_TOKEN, token)]);
        let told =
            commerce.post_internal_orders_order_id_payment_status(&headers, due.order_id, &due.body.0).await;
        match told {
            // It was taken; what the order looks like now is not what was asked.
            Ok(_) | Err(CallFailure::Unreadable { .. }) => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// How long to wait after so many tries: 1 s, 2 s, 4 s and so on.
fn wait_after(attempts: i32) -> Duration {
    let doublings = u32::try_from(attempts.saturating_sub(1)).unwrap_or(0).min(16);
    Duration::from_secs(1 << doublings).min(LONGEST_WAIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits() {
        let waits = [0, 1, 2, 3, 8, 9, 10, 100, i32::MAX].map(|attempts| wait_after(attempts).as_secs());
        assert_eq!(waits, [1, 1, 2, 4, 128, 256, 300, 300, 300]);
    }
}
