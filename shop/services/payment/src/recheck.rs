//! Providers are asked about payments that nobody has reported: a notification may be lost, also on our side.
//!
//! A session is asked about for the first time some minutes after it was opened, then after twice that time, four
//! times, and so on, until it has an end or is [`GIVEN_UP`] old. A session that was replaced by another one is asked
//! about too: it may have been paid in its last moment. What the provider says is dealt with as a notification is.
//!
//! One payment is asked about at a time, so that a provider that is slow is not asked more often. The waits are
//! scattered, so that payments that were opened together do not stay together; several copies of this program share
//! the work.

use std::time::Duration;

use shop_kit::Shutdown;
use sqlx::FromRow;
use uuid::Uuid;

use crate::app::App;
use crate::provider::{Channel, Mode};
use crate::reports;
use crate::state::Reported;

/// The longest wait between two questions.
const LONGEST_WAIT: Duration = Duration::from_secs(6 * 3600);
/// How old a payment is when it is not asked about any more.
const GIVEN_UP: Duration = Duration::from_secs(3 * 24 * 3600);

/// When providers are asked.
#[derive(Debug, Clone, Copy)]
pub struct Recheck {
    /// How long after a session was opened.
    pub after: Duration,
    /// How often payments that are due are looked for.
    pub every: Duration,
}

#[derive(FromRow)]
struct Due {
    id: Uuid,
    channel: String,
}

/// Asks about whatever is due, until `shutdown`.
pub async fn run(app: App, shutdown: Shutdown) {
    if app.providers().mode() == Mode::Mock {
        return;
    }
    while !shutdown.is_requested() {
        if check_next(&app).await {
            continue;
        }
        tokio::select! {
            () = shutdown.requested() => return,
            () = tokio::time::sleep(app.recheck().every) => {}
        }
    }
}

/// Asks about the next payment that is due; whether there was one.
pub async fn check_next(app: &App) -> bool {
    match claim(app).await {
        Ok(Some(due)) => {
            check(app, &due).await;
            true
        }
        Ok(None) => false,
        Err(error) => {
            tracing::warn!(%error, "payments that nobody has reported can't be read");
            false
        }
    }
}

/// The next payment, with its next time after this one: whoever ends meanwhile has asked too little, never too often.
async fn claim(app: &App) -> Result<Option<Due>, sqlx::Error> {
    sqlx::query_as(
        "UPDATE payments
         SET checks = checks + 1,
             next_check_at = CASE WHEN created_at + make_interval(secs => $3) > now() THEN
                 now() + make_interval(secs => least($1 * 2 ^ least(checks, 20), $2) * (0.8 + 0.4 * random())) END
         WHERE id = (SELECT id FROM payments
                     WHERE next_check_at <= now()
                       AND (status = 'PAY_PENDING' OR status = 'CANCELLED' AND failure_code = 'EXPIRED')
                     ORDER BY next_check_at LIMIT 1 FOR UPDATE SKIP LOCKED)
         RETURNING id, channel",
    )
    .bind(app.recheck().after.as_secs_f64())
    .bind(LONGEST_WAIT.as_secs_f64())
    .bind(GIVEN_UP.as_secs_f64())
    .fetch_optional(app.pool())
    .await
}

async fn check(app: &App, due: &Due) {
    let Due { id, channel } = due;
    let Some(channel) = Channel::named(channel) else { return };
    let report = match app.providers().find(channel, *id).await {
        Ok(Some(report)) if report.reported != Reported::Waiting => report,
        Ok(_) => return,
        Err(error) => {
            tracing::warn!(payment = %id, %error, "the provider does not say how a payment stands; it is asked again");
            return;
        }
    };
    match reports::apply(app.pool(), &report, Mode::Live).await {
        Ok(payment) => {
            tracing::info!(payment = %id, status = %payment.status, "a payment was found that nobody had reported");
            app.sync().tell_now(payment.order_id).await;
        }
        Err(error) => {
            let cause = error.cause.as_deref();
            tracing::warn!(payment = %id, message = %error.message, cause, "what the provider says has no effect");
        }
    }
}
