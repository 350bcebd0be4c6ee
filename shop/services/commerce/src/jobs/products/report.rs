//! What has become of an import, for people: a summary, and the rows that failed.

use bytes::Bytes;
use shop_wire::commerce::GetAssetsMediaImportJobsJobIdReportsFileResponse as Summary;
use shop_wire::common::JobStatus;
use sqlx::{FromRow, PgConnection};
use time::OffsetDateTime;

use crate::app::App;
use crate::jobs::{Claim, Done, Stopped};

#[derive(FromRow)]
struct Line {
    row_no: i32,
    group_key: String,
    sku_code: String,
    product_name: String,
    error: String,
}

/// Writes the report and says where it is.
pub(super) async fn write(app: &App, connection: &mut PgConnection, job: &Claim) -> Result<Done, Stopped> {
    let total: i64 = sqlx::query_scalar("SELECT count(*) FROM product_import_rows WHERE job_id = $1")
        .bind(job.id)
        .fetch_one(&mut *connection)
        .await?;
    let failed: Vec<Line> = sqlx::query_as(
        "SELECT row_no, group_key, sku_code, product_name, error FROM product_import_rows
         WHERE job_id = $1 AND error IS NOT NULL ORDER BY row_no",
    )
    .bind(job.id)
    .fetch_all(connection)
    .await?;
    let failures = i64::try_from(failed.len()).unwrap_or(total);
    let summary = Summary {
        job_id: job.id,
        status: JobStatus::Succeeded.to_string(),
        total_rows: total,
        success_rows: total - failures,
        failed_rows: failures,
        processed_at: OffsetDateTime::now_utc(),
    };
    let summary = serde_json::to_vec(&summary).map_err(std::io::Error::from)?;
    let directory = format!("import-jobs/{}/reports", job.id);
    let path = format!("{directory}/summary.json");
    app.media().write(&path, Bytes::from(summary)).await?;
    let mut done = Done { result_file_url: Some(app.media().url(&path)), error_report_url: None };
    if !failed.is_empty() {
        let path = format!("{directory}/errors.csv");
        app.media().write(&path, Bytes::from(csv(&failed))).await?;
        done.error_report_url = Some(app.media().url(&path));
    }
    Ok(done)
}

fn csv(lines: &[Line]) -> String {
    let mut text = String::from("rowNumber,groupKey,skuCode,productName,status,errorMessage\r\n");
    for line in lines {
        let row_no = line.row_no.to_string();
        let cells = [&row_no, &line.group_key, &line.sku_code, &line.product_name, "FAILED", &line.error];
        text.push_str(&cells.map(cell).join(","));
        text.push_str("\r\n");
    }
    text
}

/// A cell in quotes (RFC 4180), with an apostrophe before what a spreadsheet program would calculate.
fn cell(text: &str) -> String {
    let calculated = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    format!("\"{}{}\"", if calculated { "'" } else { "" }, text.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells() {
        let check = |text: &str, expect: &str| assert_eq!(cell(text), expect);
        check("Pipe", r#""Pipe""#);
        check("1\" pipe, long", r#""1"" pipe, long""#);
        check("=1+1", r#""'=1+1""#);
        check("", r#""""#);
    }
}
