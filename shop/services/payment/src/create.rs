//! `POST /payments/{wechat,alipay}/create`: a session that the client can pay.
//!
//! Asked again while a session is open, the answer is that session: the customer who taps twice, loses the
//! connection or comes back to the page pays once. A session that has run out or failed makes room for a new one.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use shop_kit::extract::{Body, IdempotencyKey};
use shop_kit::layers::REQUEST_ID;
use shop_kit::{ApiError, ApiResult};
use shop_wire::payment::{
    AlipayPayCreateResponse, PaymentChannel, PostPaymentsAlipayCreateRequest,
    PostPaymentsWechatCreateRequest, WechatPayCreateResponse,
};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::app::App;
use crate::caller::SignedIn;
use crate::orders;
use crate::payments::{self, Payment, Wanted};
use crate::provider::{Channel, Mode, Opening, ProviderError, Session};

/// The header that says that no money moves.
pub const PAYMENT_MODE: HeaderName = HeaderName::from_static("x-payment-mode");

/// `POST /payments/wechat/create`.
///
/// # Errors
/// 401; 400 for an unreadable body; 403 `feature-disabled`; 404 for an order that the caller can't see; 409 for one
/// that can't be paid; 503 when commerce or the provider can't be asked.
pub async fn wechat(
    State(app): State<App>,
    caller: SignedIn,
    key: IdempotencyKey,
    Body(request): Body<PostPaymentsWechatCreateRequest>,
) -> ApiResult<Response> {
    let PostPaymentsWechatCreateRequest { order_id, wechat_login_code } = request;
    create(&app, &caller, key, order_id, Channel::WeChat, wechat_login_code.as_deref()).await
}

/// `POST /payments/alipay/create`.
///
/// # Errors
/// As [`wechat`].
pub async fn alipay(
    State(app): State<App>,
    caller: SignedIn,
    key: IdempotencyKey,
    Body(request): Body<PostPaymentsAlipayCreateRequest>,
) -> ApiResult<Response> {
    let PostPaymentsAlipayCreateRequest { order_id, alipay_auth_code } = request;
    create(&app, &caller, key, order_id, Channel::Alipay, alipay_auth_code.as_deref()).await
}

async fn create(
    app: &App,
    caller: &SignedIn,
    key: IdempotencyKey,
    order: Option<Uuid>,
    channel: Channel,
    login_code: Option<&str>,
) -> ApiResult<Response> {
    let order = order.ok_or_else(|| ApiError::invalid("orderId is required"))?;
    app.flags().read(caller.on_behalf.get(REQUEST_ID)).await.require(channel)?;
    let mode = app.providers().mode();
    if let Some(key) = &key.0
        && let Some(paid) = payments::already_paid(app.pool(), order, channel, caller.user, key).await?
    {
        return answer(paid, mode);
    }
    let amount_fen = orders::payable(&orders::read(app.commerce(), order, &caller.on_behalf).await?)?;
    let now = OffsetDateTime::now_utc();
    let wanted = Wanted {
        order,
        payer: caller.user,
        channel,
        mode,
        amount_fen,
        key: key.0.as_deref(),
        now,
        expires_at: now + app.session_ttl(),
    };
    let payment = payments::open(app.pool(), wanted).await?;
    if payment.session.is_some() {
        return answer(payment, mode);
    }
    let login_code = login_code.map(str::trim).filter(|code| !code.is_empty());
    let opening = Opening {
        payment: payment.id,
        amount_fen,
        description: format!("订单 {}", &order.simple().to_string()[..8]),
        expires_at: payment.expires_at,
        login_code,
    };
    let session = match app.providers().open(channel, &opening).await {
        Ok(session) => session,
        Err(error) => {
            payments::give_up(app.pool(), &payment, &error.to_string()).await?;
            return Err(refusal(channel, &error));
        }
    };
    let payment = payments::keep_session(app.pool(), &payment, &session, app.recheck().after).await?;
    app.sync().tell_now(order).await;
    answer(payment, mode)
}

fn answer(payment: Payment, mode: Mode) -> ApiResult<Response> {
    let Payment { id: payment_id, order_id, status, expires_at, session, .. } = payment;
    let session = session.ok_or_else(|| unavailable("the payment was closed while it was being opened"))?.0;
    let status = status.into();
    let mut response = match session {
        Session::WeChat { prepay_id, package, nonce_str, time_stamp, sign_type, pay_sign } => {
            Json(WechatPayCreateResponse {
                payment_id,
                order_id,
                channel: PaymentChannel::Wechat,
                status,
                expires_at,
                prepay_id,
                package,
                nonce_str,
                time_stamp,
                sign_type,
                pay_sign,
            })
            .into_response()
        }
        Session::Alipay { trade_no, pay_params } => Json(AlipayPayCreateResponse {
            payment_id,
            order_id,
            channel: PaymentChannel::Alipay,
            status,
            expires_at,
            trade_no,
            pay_params,
        })
        .into_response(),
    };
    mark(&mut response, mode);
    Ok(response)
}

/// Says on an answer that no money moves.
pub fn mark(response: &mut Response, mode: Mode) {
    if mode == Mode::Mock {
        response.headers_mut().insert(PAYMENT_MODE, HeaderValue::from_static("mock"));
    }
}

fn unavailable(message: impl Into<std::borrow::Cow<'static, str>>) -> ApiError {
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "payment_unavailable", message)
}

fn refusal(channel: Channel, error: &ProviderError) -> ApiError {
    match error {
        ProviderError::LoginCodeMissing(_) => ApiError::invalid(error.to_string()),
        ProviderError::LoginCodeRefused { field, .. } => {
            ApiError::invalid(format!("invalid {field}")).because(error)
        }
        ProviderError::NotConfigured(_) => unavailable(error.to_string()),
        ProviderError::Refused(_) | ProviderError::Call(_) | ProviderError::Unbelievable(_) => {
            let message = format!("{} is not available; nothing was paid, try again", channel.title());
            unavailable(message).because(error)
        }
    }
}
