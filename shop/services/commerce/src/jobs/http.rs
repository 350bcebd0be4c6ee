//! Asking for jobs, and how they are doing.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use shop_kit::error::OrInternal;
use shop_kit::extract::{Body, parameter_uuid};
use shop_kit::{ApiError, ApiResult};
use shop_wire::admin::PostAdminProductRequestsExportJobsRequest;
use shop_wire::common::{ImportJob, ImportJobType};
use url::Url;
use uuid::Uuid;

use super::Params;
use crate::app::App;
use crate::authorize::Allowed;
use crate::authorize::needs::{ExportRequests, ImportProducts, ReadJobs};
use crate::text::{filled, moment};
use crate::upload::Form;

/// `POST /admin/products/import-jobs`: keeps what was uploaded and answers; the worker reads it.
///
/// # Errors
/// 401, 403, 400 without a file or with an address that is none, 413.
pub async fn import_products(
    State(app): State<App>,
    caller: Allowed<ImportProducts>,
    form: Form,
) -> ApiResult<(StatusCode, Json<ImportJob>)> {
    let upload = form.read(&app).await?;
    let sheet = upload.file("excelFile")?;
    let pictures = upload.maybe("imagesZip");
    let base = upload.maybe("imageBaseUrl").map(|text| String::from_utf8_lossy(&text).into_owned());
    let base = filled(base).map(|text| base_url(&text)).transpose()?;
    let params = Params { image_base_url: base, ..Params::default() };
    let files = [("excelFile", Some(sheet)), ("imagesZip", pictures)];
    let files = files.into_iter().filter_map(|(field, content)| Some((field, content?)));
    let job = enqueue(&app, ImportJobType::ProductImport, caller.id, params, files).await?;
    Ok((StatusCode::ACCEPTED, Json(job)))
}

/// An address that others can be resolved against.
fn base_url(text: &str) -> ApiResult<String> {
    let url = Url::parse(text).ok().filter(|url| ["http", "https"].contains(&url.scheme()));
    let Some(url) = url else {
        return Err(ApiError::invalid("imageBaseUrl must be an http:// or https:// address"));
    };
    // `https://host/images` is a directory, whether or not it is written with a slash at the end.
    let text = url.to_string();
    Ok(if text.ends_with('/') { text } else { format!("{text}/") })
}

/// `POST /admin/product-requests/export-jobs`.
///
/// # Errors
/// 401, 403, 400 without a body.
pub async fn export_requests(
    State(app): State<App>,
    caller: Allowed<ExportRequests>,
    Body(request): Body<PostAdminProductRequestsExportJobsRequest>,
) -> ApiResult<(StatusCode, Json<ImportJob>)> {
    let PostAdminProductRequestsExportJobsRequest { created_after, created_before } = request;
    let params = Params {
        created_after: moment("createdAfter", created_after)?,
        created_before: moment("createdBefore", created_before)?,
        ..Params::default()
    };
    let job =
        enqueue(&app, ImportJobType::ProductRequestExport, caller.id, params, std::iter::empty()).await?;
    Ok((StatusCode::ACCEPTED, Json(job)))
}

async fn enqueue(
    app: &App,
    kind: ImportJobType,
    by: Uuid,
    params: Params,
    files: impl Iterator<Item = (&'static str, bytes::Bytes)>,
) -> ApiResult<ImportJob> {
    let failed = "failed to create import job";
    let mut transaction = app.pool().begin().await.or_internal(failed)?;
    let job: ImportJob = sqlx::query_as(
        "INSERT INTO import_jobs (type, created_by_user_id, params) VALUES ($1, $2, $3)
         RETURNING id, type, status, progress, result_file_url, error_report_url, created_at",
    )
    .bind(kind)
    .bind(by)
    .bind(sqlx::types::Json(params))
    .fetch_one(&mut *transaction)
    .await
    .or_internal(failed)?;
    for (field, content) in files {
        sqlx::query("INSERT INTO import_job_uploads (job_id, field, content) VALUES ($1, $2, $3)")
            .bind(job.id)
            .bind(field)
            .bind(&content[..])
            .execute(&mut *transaction)
            .await
            .or_internal(failed)?;
    }
    transaction.commit().await.or_internal(failed)?;
    app.worker().wake();
    Ok(job)
}

/// `GET /admin/import-jobs/{jobId}`.
///
/// # Errors
/// 401, 403, 404, 400 for an unreadable id.
pub async fn show(
    State(app): State<App>,
    _: Allowed<ReadJobs>,
    Path(id): Path<String>,
) -> ApiResult<Json<ImportJob>> {
    let id = parameter_uuid("jobId", &id)?;
    let job = sqlx::query_as(
        "SELECT id, type, status, progress, result_file_url, error_report_url, created_at
         FROM import_jobs WHERE id = $1",
    )
    .bind(id)
    .fetch_optional(app.pool())
    .await
    .or_internal("failed to load import job")?;
    job.map(Json).ok_or_else(|| ApiError::not_found("import job not found"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_urls() {
        let check =
            |text: &str, expect: Option<&str>| assert_eq!(base_url(text).ok().as_deref(), expect, "{text}");
        check("https://cdn.example/a", Some("https://cdn.example/a/"));
        check("http://cdn.example/a/", Some("http://cdn.example/a/"));
        check("ftp://cdn.example", None);
        check("javascript:alert(1)", None);
        check("a/b", None);
    }
}
