//! `POST /payments/{wechat,alipay}/notify`: the providers report.
//!
//! With keys only what the provider has signed is believed, and it is always recorded: money that has moved does not
//! ask whether payment is switched on. Without keys (mock) nothing is believed, unless this is a place for trying
//! things (`PAYMENT_MOCK_NOTIFY_ANONYMOUS`): there anybody may report anything about a mock payment, while payment is
//! switched on.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::Deserialize;
use shop_kit::layers::REQUEST_ID;
use shop_kit::{ApiError, ApiResult};
use uuid::Uuid;

use crate::app::App;
use crate::create::mark;
use crate::provider::{Channel, NotifyError, Providers, Report};
use crate::reports;
use crate::settings::MockNotifications;
use crate::state::Reported;

/// What Alipay waits for; anything else makes it report again.
const HEARD: &str = "success";

/// A mock notification.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct MockNotification {
    #[serde(alias = "payment_id")]
    payment_id: Option<Uuid>,
    status: Option<String>,
}

/// `POST /payments/wechat/notify`.
///
/// # Errors
/// 401 for what WeChat did not send, 400 for what can't be read, 404 for a payment that is not known, 409 for another
/// amount.
pub async fn wechat(State(app): State<App>, headers: HeaderMap, body: Bytes) -> ApiResult<Response> {
    match app.providers() {
        Providers::Mock => {
            if let Some(report) = mock(&app, &headers, &body, Channel::WeChat).await? {
                take(&app, &report).await?;
            }
        }
        Providers::Live { wechat, .. } => {
            let wechat = wechat.as_ref().ok_or(NotifyError::NotConfigured(Channel::WeChat.title()));
            let report =
                wechat.and_then(|wechat| wechat.read_notification(&headers, &body)).map_err(refusal)?;
            if let Some(report) = report {
                take(&app, &report).await?;
            }
        }
    }
    Ok(heard(&app, ""))
}

/// `POST /payments/alipay/notify`.
///
/// # Errors
/// As [`wechat`].
pub async fn alipay(State(app): State<App>, headers: HeaderMap, body: Bytes) -> ApiResult<Response> {
    match app.providers() {
        Providers::Mock => {
            if let Some(report) = mock(&app, &headers, &body, Channel::Alipay).await? {
                take(&app, &report).await?;
            }
        }
        Providers::Live { alipay, .. } => {
            let alipay = alipay.as_ref().ok_or(NotifyError::NotConfigured(Channel::Alipay.title()));
            let report = alipay.and_then(|alipay| alipay.read_notification(&body)).map_err(refusal)?;
            take(&app, &report).await?;
        }
    }
    Ok(heard(&app, HEARD))
}

async fn take(app: &App, report: &Report) -> ApiResult<()> {
    let payment = reports::apply(app.pool(), report, app.providers().mode()).await?;
    app.sync().tell_now(payment.order_id).await;
    Ok(())
}

fn heard(app: &App, word: &'static str) -> Response {
    let mut response = if word.is_empty() { StatusCode::OK.into_response() } else { word.into_response() };
    mark(&mut response, app.providers().mode());
    response
}

/// What a mock notification says; nothing while payment is switched off.
async fn mock(app: &App, headers: &HeaderMap, body: &[u8], channel: Channel) -> ApiResult<Option<Report>> {
    let unreadable = |cause: serde_json::Error| ApiError::invalid("invalid request body").because(cause);
    let content: serde_json::Map<String, serde_json::Value> =
        serde_json::from_slice(body).map_err(unreadable)?;
    if !app.flags().read(headers.get(REQUEST_ID)).await.payment_enabled {
        return Ok(None);
    }
    if app.mock_notifications() == MockNotifications::Refused {
        return Err(ApiError::unauthorized("mock notifications are not believed")
            .because("no provider has keys, and PAYMENT_MOCK_NOTIFY_ANONYMOUS is off"));
    }
    let said: MockNotification = serde_json::from_value(content.into()).map_err(unreadable)?;
    let payment = said.payment_id.ok_or_else(|| ApiError::invalid("paymentId is required"))?;
    let status = said.status.unwrap_or_else(|| "PAID".to_owned()).trim().to_ascii_uppercase();
    let reported = match status.as_str() {
        "SUCCESS" | "PAID" | "" => Reported::Paid,
        "FAILED" | "PAY_FAILED" => Reported::Failed,
        "CANCELLED" => Reported::Cancelled,
        _ => return Err(ApiError::invalid("invalid status")),
    };
    Ok(Some(Report {
        channel,
        event_id: None,
        payment,
        reported,
        trade_no: (reported == Reported::Paid).then(|| format!("mock_{}", payment.simple())),
        amount_fen: None,
        paid_at: None,
        failure: None,
    }))
}

fn refusal(error: NotifyError) -> ApiError {
    match &error {
        NotifyError::NotConfigured(_) => {
            ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "payment_unavailable", error.to_string())
        }
        NotifyError::Disbelieved(_) => ApiError::unauthorized("invalid signature").because(error),
        NotifyError::Unreadable(_) => ApiError::invalid("invalid request body").because(error),
    }
}
