//! Product requests as a spreadsheet.

use std::fs::File;
use std::io::BufWriter;

use shop_kit::Shutdown;
use sqlx::{FromRow, QueryBuilder};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use super::{Claim, Done, Params, Stopped, go_on};
use crate::app::App;
use crate::sheets::SheetWriter;

const HEADER: [&str; 14] = [
    "需求ID",
    "提交人ID",
    "归属销售ID",
    "商品名称",
    "类目ID",
    "规格",
    "材质",
    "尺寸",
    "颜色",
    "数量",
    "备注",
    "参考图片URLs",
    "创建时间",
    "更新时间",
];
/// Rows that are read at once.
const PAGE: i64 = 1000;
/// Rows of a worksheet, by the format, without the header.
const MOST_ROWS: i64 = 1_048_575;

#[derive(FromRow)]
struct Request {
    id: Uuid,
    created_by_user_id: Uuid,
    owner_sales_user_id: Option<Uuid>,
    name: String,
    category_id: Option<Uuid>,
    spec: Option<String>,
    material: Option<String>,
    dimensions: Option<String>,
    color: Option<String>,
    qty: Option<String>,
    note: Option<String>,
    reference_image_urls: Vec<String>,
    created_at: OffsetDateTime,
    updated_at: OffsetDateTime,
}

impl Request {
    fn cells(self) -> [String; 14] {
        let id = |id: Option<Uuid>| id.map(|id| id.to_string()).unwrap_or_default();
        let time = |time: OffsetDateTime| time.format(&Rfc3339).unwrap_or_default();
        [
            self.id.to_string(),
            self.created_by_user_id.to_string(),
            id(self.owner_sales_user_id),
            self.name,
            id(self.category_id),
            self.spec.unwrap_or_default(),
            self.material.unwrap_or_default(),
            self.dimensions.unwrap_or_default(),
            self.color.unwrap_or_default(),
            self.qty.unwrap_or_default(),
            self.note.unwrap_or_default(),
            self.reference_image_urls.join("\n"),
            time(self.created_at),
            time(self.updated_at),
        ]
    }
}

/// Writes the workbook page by page, so that its size does not matter. A second attempt writes it again.
pub(super) async fn run(app: &App, job: &Claim, shutdown: &Shutdown) -> Result<Done, Stopped> {
    let path = format!("import-jobs/{}/exports/product-requests.xlsx", job.id);
    let (file, temporary) = app.media().begin(&path).await?;
    let written = write(app, job, shutdown, file).await;
    if let Err(error) = written {
        let _nobody_reads_it = tokio::fs::remove_file(&temporary).await;
        return Err(error);
    }
    app.media().keep(temporary, &path).await?;
    Ok(Done { result_file_url: Some(app.media().url(&path)), error_report_url: None })
}

async fn write(app: &App, job: &Claim, shutdown: &Shutdown, file: File) -> Result<(), Stopped> {
    let mut connection = app.pool().acquire().await?;
    let params = &job.params.0;
    let total: i64 = {
        let mut query = QueryBuilder::new("SELECT count(*) FROM product_requests WHERE true");
        narrow(&mut query, params);
        query.build_query_scalar().fetch_one(&mut *connection).await?
    };
    let mut sheet = SheetWriter::new(BufWriter::new(file), "需求导出")?;
    sheet.row(HEADER)?;
    let (mut written, mut last): (i64, Option<(OffsetDateTime, Uuid)>) = (0, None);
    while written < MOST_ROWS {
        if shutdown.is_requested() {
            return Err(Stopped::Asked);
        }
        let mut query = QueryBuilder::new(
            "SELECT id, created_by_user_id, owner_sales_user_id, name, category_id, spec, material, dimensions, color,
                 qty, note, reference_image_urls, created_at, updated_at FROM product_requests WHERE true",
        );
        narrow(&mut query, params);
        if let Some((created_at, id)) = last {
            // Newest first, and by id where the time is the same: what comes after the last row that was written.
            query.push(" AND created_at <= ").push_bind(created_at);
            query.push(" AND (created_at < ").push_bind(created_at);
            query.push(" OR id > ").push_bind(id).push(")");
        }
        query.push(" ORDER BY created_at DESC, id LIMIT ").push_bind(PAGE.min(MOST_ROWS - written));
        let rows: Vec<Request> = query.build_query_as().fetch_all(&mut *connection).await?;
        let Some(end) = rows.last().map(|row| (row.created_at, row.id)) else { break };
        last = Some(end);
        for row in rows {
            sheet.row(row.cells())?;
            written += 1;
        }
        let progress = i32::try_from(written * 100 / total.max(1)).unwrap_or(99);
        go_on(&mut connection, app, job, progress).await?;
    }
    let file = sheet.finish()?.into_inner().map_err(std::io::IntoInnerError::into_error)?;
    tokio::task::spawn_blocking(move || file.sync_all()).await.map_err(std::io::Error::other)??;
    Ok(())
}

fn narrow(query: &mut QueryBuilder<sqlx::Postgres>, params: &Params) {
    if let Some(after) = params.created_after {
        query.push(" AND created_at >= ").push_bind(after);
    }
    if let Some(before) = params.created_before {
        query.push(" AND created_at <= ").push_bind(before);
    }
}
