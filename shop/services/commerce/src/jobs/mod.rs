//! What takes long: a row in `import_jobs`, done by a worker that any instance may be.
//!
//! A job is PENDING until a worker takes it (`FOR UPDATE SKIP LOCKED`: two never take the same one) and RUNNING while
//! it gives signs. A worker that gives none for the length of its lease has lost the job: the next one goes on where
//! it ended, and what the first one still writes is refused, because the number of attempts is not its own any more.
//! A worker that is asked to stop gives the job back.

mod export;
pub mod http;
pub mod products;

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use shop_kit::Shutdown;
use shop_wire::common::ImportJobType;
use sqlx::{FromRow, PgConnection};
use thiserror::Error;
use time::OffsetDateTime;
use tokio::sync::Notify;
use uuid::Uuid;

use crate::app::App;
use crate::orders::change::deliver_overdue;
use crate::sheets::{SheetError, WriteError};

/// Attempts before a job that always fails is given up.
const MOST_ATTEMPTS: i32 = 3;
/// How long a job that failed waits for its next attempt.
const PAUSE: Duration = Duration::from_secs(10);

/// Wakes the worker of this instance.
#[derive(Debug, Default)]
pub struct Worker {
    bell: Notify,
}

impl Worker {
    /// There is something to do.
    pub fn wake(&self) {
        self.bell.notify_one();
    }
}

/// What a job was asked for with.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Params {
    /// What relative addresses of pictures begin with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_base_url: Option<String>,
    /// The oldest request to export.
    #[serde(with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    pub created_after: Option<OffsetDateTime>,
    /// The newest request to export.
    #[serde(with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    pub created_before: Option<OffsetDateTime>,
}

/// A job that this worker has.
#[derive(Debug, Clone, FromRow)]
pub struct Claim {
    id: Uuid,
    r#type: ImportJobType,
    attempts: i32,
    params: sqlx::types::Json<Params>,
}

/// The end of a job that was not a success.
#[derive(Debug, Error)]
enum Stopped {
    /// Somebody else has the job now; whatever was not written is theirs to write.
    #[error("another worker has the job")]
    Lost,
    /// The program was asked to stop.
    #[error("the program is stopping")]
    Asked,
    /// The sheet can't be used, and never will be.
    #[error("{0}")]
    Sheet(#[from] SheetError),
    /// The database did not answer.
    #[error("the database did not answer")]
    Database(#[from] sqlx::Error),
    /// A file could not be written.
    #[error("a file could not be written")]
    File(#[from] std::io::Error),
    /// A workbook could not be written.
    #[error(transparent)]
    Workbook(#[from] WriteError),
}

/// What a job leaves behind.
#[derive(Debug, Default)]
struct Done {
    result_file_url: Option<String>,
    error_report_url: Option<String>,
}

/// Does what there is to do until the program stops.
pub async fn work(app: App, shutdown: Shutdown) {
    let timing = app.timing();
    let mut deliver_next = Instant::now();
    loop {
        if shutdown.is_requested() {
            return;
        }
        if Instant::now() >= deliver_next {
            deliver_next = Instant::now() + timing.delivered_every;
            deliver(&app, timing.delivered_after).await;
        }
        match claim(&app).await {
            Ok(Some(job)) => run(&app, job, &shutdown).await,
            Ok(None) => rest(&app, &shutdown).await,
            Err(error) => {
                tracing::warn!(%error, "the worker can't look for jobs");
                rest(&app, &shutdown).await;
            }
        }
    }
}

async fn rest(app: &App, shutdown: &Shutdown) {
    tokio::select! {
        () = shutdown.requested() => {}
        () = app.worker().bell.notified() => {}
        () = tokio::time::sleep(app.timing().poll) => {}
    }
}

async fn deliver(app: &App, after: Duration) {
    let done = async {
        let mut connection = app.pool().acquire().await?;
        deliver_overdue(&mut connection, after).await
    };
    match done.await {
        Ok(0) => {}
        Ok(orders) => tracing::info!(orders, "shipped long ago; they count as delivered now"),
        Err(error) => tracing::warn!(%error, "overdue deliveries were not looked at"),
    }
}

async fn claim(app: &App) -> sqlx::Result<Option<Claim>> {
    sqlx::query_as(
        "UPDATE import_jobs SET status = 'RUNNING', attempts = attempts + 1,
             lease_until = now() + make_interval(secs => $1), updated_at = now()
         WHERE id = (
             SELECT id FROM import_jobs
             WHERE status IN ('PENDING', 'RUNNING') AND (lease_until IS NULL OR lease_until < now())
             ORDER BY created_at, id LIMIT 1 FOR UPDATE SKIP LOCKED
         )
         RETURNING id, type, attempts, params",
    )
    .bind(app.timing().lease.as_secs_f64())
    .fetch_optional(app.pool())
    .await
}

async fn run(app: &App, job: Claim, shutdown: &Shutdown) {
    tracing::info!(job = %job.id, kind = %job.r#type, attempt = job.attempts, "job begun");
    let task = {
        let (app, job, shutdown) = (app.clone(), job.clone(), shutdown.clone());
        tokio::spawn(async move {
            match job.r#type {
                ImportJobType::ProductImport => products::import::run(&app, &job, &shutdown).await,
                _ => export::run(&app, &job, &shutdown).await,
            }
        })
    };
    let ended = match task.await {
        Ok(Ok(done)) => finish(app, &job, done).await,
        Ok(Err(Stopped::Lost)) => {
            tracing::warn!(job = %job.id, "another worker has the job");
            Ok(())
        }
        Ok(Err(Stopped::Asked)) => give_back(app, &job).await,
        Ok(Err(Stopped::Sheet(reason))) => fail(app, &job, &reason.to_string()).await,
        Ok(Err(reason)) => try_again(app, &job, &chain(&reason)).await,
        Err(panic) => try_again(app, &job, &panic.to_string()).await,
    };
    if let Err(error) = ended {
        // The lease ends by itself, and then the job is taken again.
        tracing::error!(job = %job.id, %error, "the end of a job was not written");
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

async fn finish(app: &App, job: &Claim, done: Done) -> sqlx::Result<()> {
    let mut transaction = app.pool().begin().await?;
    let written = sqlx::query(
        "UPDATE import_jobs SET status = 'SUCCEEDED', progress = 100, result_file_url = $3, error_report_url = $4,
             lease_until = NULL, updated_at = now()
         WHERE id = $1 AND attempts = $2 AND status = 'RUNNING'",
    )
    .bind(job.id)
    .bind(job.attempts)
    .bind(done.result_file_url)
    .bind(done.error_report_url)
    .execute(&mut *transaction)
    .await?;
    if written.rows_affected() == 1 {
        forget_uploads(&mut transaction, job.id).await?;
        tracing::info!(job = %job.id, "job done");
    }
    transaction.commit().await
}

async fn fail(app: &App, job: &Claim, reason: &str) -> sqlx::Result<()> {
    tracing::warn!(job = %job.id, reason, "job failed");
    let mut transaction = app.pool().begin().await?;
    sqlx::query(
        "UPDATE import_jobs SET status = 'FAILED', failure = $3, lease_until = NULL, updated_at = now()
         WHERE id = $1 AND attempts = $2 AND status = 'RUNNING'",
    )
    .bind(job.id)
    .bind(job.attempts)
    .bind(reason)
    .execute(&mut *transaction)
    .await?;
    forget_uploads(&mut transaction, job.id).await?;
    transaction.commit().await
}

async fn try_again(app: &App, job: &Claim, reason: &str) -> sqlx::Result<()> {
    if job.attempts >= MOST_ATTEMPTS {
        return fail(app, job, reason).await;
    }
    tracing::warn!(job = %job.id, reason, "job will be tried again");
    sqlx::query(
        "UPDATE import_jobs SET status = 'PENDING', failure = $3, lease_until = now() + make_interval(secs => $4),
             updated_at = now()
         WHERE id = $1 AND attempts = $2 AND status = 'RUNNING'",
    )
    .bind(job.id)
    .bind(job.attempts)
    .bind(reason)
    .bind(PAUSE.as_secs_f64())
    .execute(app.pool())
    .await
    .map(drop)
}

async fn give_back(app: &App, job: &Claim) -> sqlx::Result<()> {
    tracing::info!(job = %job.id, "job given back");
    sqlx::query(
        "UPDATE import_jobs SET status = 'PENDING', attempts = attempts - 1, lease_until = NULL, updated_at = now()
         WHERE id = $1 AND attempts = $2 AND status = 'RUNNING'",
    )
    .bind(job.id)
    .bind(job.attempts)
    .execute(app.pool())
    .await
    .map(drop)
}

async fn forget_uploads(connection: &mut PgConnection, job: Uuid) -> sqlx::Result<()> {
    sqlx::query("DELETE FROM import_job_uploads WHERE job_id = $1")
        .bind(job)
        .execute(connection)
        .await
        .map(drop)
}

/// Gives a sign of life and says how far it is; fails when the job is somebody else's by now.
async fn go_on(connection: &mut PgConnection, app: &App, job: &Claim, progress: i32) -> Result<(), Stopped> {
    let mine = sqlx::query(
        "UPDATE import_jobs SET progress = greatest(progress, $3), updated_at = now(),
             lease_until = now() + make_interval(secs => $4)
         WHERE id = $1 AND attempts = $2 AND status = 'RUNNING'",
    )
    .bind(job.id)
    .bind(job.attempts)
    .bind(progress.clamp(0, 99))
    .bind(app.timing().lease.as_secs_f64())
    .execute(connection)
    .await?;
    if mine.rows_affected() == 1 { Ok(()) } else { Err(Stopped::Lost) }
}
