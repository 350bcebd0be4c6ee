//! The categories that the home page shows.

use axum::Json;
use axum::extract::State;
use shop_kit::ApiResult;
use shop_kit::error::OrInternal;
use shop_wire::commerce::DisplayCategoryListResponse;

use crate::app::App;

/// `GET /catalog/display-categories`: those that are enabled.
///
/// # Errors
/// 500 when the database does not answer.
pub async fn list(State(app): State<App>) -> ApiResult<Json<DisplayCategoryListResponse>> {
    let items = sqlx::query_as(
        "SELECT id, name, icon_key, sort, enabled FROM display_categories WHERE enabled
         ORDER BY sort, id LIMIT 64",
    )
    .fetch_all(app.pool())
    .await
    .or_internal("failed to list display categories")?;
    Ok(Json(DisplayCategoryListResponse { items }))
}
