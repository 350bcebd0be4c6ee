//! The categories that the home page shows.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use shop_kit::ApiResult;
use shop_kit::wire::Items;
use sqlx::FromRow;

use crate::app::App;
use crate::sql::OrFail;

/// A category as the home page shows it.
#[derive(Debug, Serialize, FromRow)]
#[serde(rename_all = "camelCase")]
pub struct DisplayCategory {
    id: String,
    name: String,
    icon_key: String,
    sort: i32,
    enabled: bool,
}

/// `GET /catalog/display-categories`: those that are enabled.
///
/// # Errors
/// 500 when the database does not answer.
pub async fn list(State(app): State<App>) -> ApiResult<Json<Items<DisplayCategory>>> {
    let items = sqlx::query_as(
        "SELECT id, name, icon_key, sort, enabled FROM display_categories WHERE enabled
         ORDER BY sort, id LIMIT 64",
    )
    .fetch_all(app.pool())
    .await
    .or_fail("failed to list display categories")?;
    Ok(Json(Items { items }))
}
