//! `GET /auth/mini/capabilities`: what the mini-program login can do here.

use axum::Json;
use axum::extract::State;
use shop_wire::identity::MiniLoginCapabilities;

use crate::app::App;

/// The mode, and for each platform which settings are missing.
pub async fn show(State(app): State<App>) -> Json<MiniLoginCapabilities> {
    Json(app.platforms().capabilities())
}
