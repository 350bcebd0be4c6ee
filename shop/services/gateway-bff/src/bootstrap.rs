//! `GET /bff/bootstrap`: who is asking, what they may do, what is switched on.
//!
//! Open to everybody, because the start page needs the flags before a login. Who somebody is and what they may do are
//! two operations of identity's contract, `GET /me` and `GET /me/permissions`, which clients use as well; no other has
//! both. So identity is asked twice, at once: bootstrap takes as long as the slower answer. Both are passed on as they
//! are. When identity refuses the caller, its refusal is the answer.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use futures::join;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Serialize;
use serde_json::value::RawValue;
use shop_kit::ApiError;
use shop_kit::layers::{REQUEST_ID, RequestId};
use shop_wire::common::FeatureFlags;
use shop_wire::gateway::BootstrapResponse;
use shop_wire::identity::PermissionList;

use crate::app::App;
use crate::flags;
use crate::routing::Boundary;
use crate::upstreams::{Answer, AskError};

/// A [`BootstrapResponse`] whose parts are identity's own words, so that what a newer identity says of somebody
/// reaches the client through an older gateway.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct SignedIn {
    me: Box<RawValue>,
    permissions: Box<RawValue>,
    feature_flags: FeatureFlags,
}

fn anonymous(feature_flags: FeatureFlags) -> Json<BootstrapResponse> {
    Json(BootstrapResponse { me: None, permissions: PermissionList { items: Vec::new() }, feature_flags })
}

/// Answers with the flags alone, or with the caller and its permissions as well.
pub async fn show(
    State(app): State<App>,
    Extension(id): Extension<RequestId>,
    headers: HeaderMap,
) -> Response {
    let upstreams = app.upstreams();
    let mut question = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_str(&id.0) {
        question.insert(REQUEST_ID, value);
    }
    let Some(identity) = upstreams.get(Boundary::Identity) else {
        tracing::error!("identity has no address; GATEWAY_IDENTITY_BASE_URL is empty");
        return (StatusCode::INTERNAL_SERVER_ERROR, anonymous(flags::OFF)).into_response();
    };
    let Some(authorization) = headers.get(AUTHORIZATION) else {
        return anonymous(app.flags().load(upstreams, &question).await).into_response();
    };
    let mut signed = question.clone();
    signed.insert(AUTHORIZATION, authorization.clone());
    let (feature_flags, me, permissions) = join!(
        app.flags().load(upstreams, &question),
        upstreams.ask(identity, "/me", signed.clone()),
        upstreams.ask(identity, "/me/permissions", signed),
    );
    match (part(me), part(permissions)) {
        (Ok(me), Ok(permissions)) => Json(SignedIn { me, permissions, feature_flags }).into_response(),
        (Err(refusal), _) | (_, Err(refusal)) => *refusal,
    }
}

/// A part of the answer, or what to answer instead of it.
fn part(asked: Result<Answer, AskError>) -> Result<Box<RawValue>, Box<Response>> {
    let answer = asked.map_err(|error| Box::new(ApiError::bad_gateway(error).into_response()))?;
    if answer.status.is_success() {
        return serde_json::from_slice(&answer.body)
            .map_err(|error| Box::new(ApiError::bad_gateway(error).into_response()));
    }
    let mut refusal = (answer.status, answer.body).into_response();
    if let Some(kind) = answer.headers.get(CONTENT_TYPE) {
        refusal.headers_mut().insert(CONTENT_TYPE, kind.clone());
    }
    Err(Box::new(refusal))
}
