//! Orders, as commerce shows them to whoever wants to pay.

use axum::http::{HeaderMap, Method, StatusCode};
use bytes::Bytes;
use serde::Deserialize;
use shop_kit::client::HttpClient;
use shop_kit::{ApiError, ApiResult};
use uuid::Uuid;

use crate::settings::Commerce;

/// What matters of an order.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Order {
    status: String,
    #[serde(default)]
    payment_status: Option<String>,
    items: Vec<Item>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    qty: i64,
    unit_price_fen: i64,
}

impl Order {
    /// What there is to pay, in fen.
    ///
    /// # Errors
    /// 409 when nothing is to be paid, or not any more.
    pub fn payable(&self) -> ApiResult<i64> {
        let open = matches!(self.status.as_str(), "SUBMITTED" | "PAY_PENDING" | "PAY_FAILED");
        if !open || self.payment_status.as_deref() == Some("PAID") {
            let cause = format!("status {}, payment status {:?}", self.status, self.payment_status);
            return Err(not_payable().because(cause));
        }
        let sum = self.items.iter().try_fold(0_i64, |sum, item| {
            let price = item.qty.checked_mul(item.unit_price_fen).filter(|price| *price >= 0)?;
            sum.checked_add(price)
        });
        sum.filter(|sum| *sum > 0).ok_or_else(|| not_payable().because(format!("it costs {sum:?}")))
    }
}

/// 409: paid already, or not to be paid.
pub fn not_payable() -> ApiError {
    ApiError::conflict("order is not payable")
}

/// Reads the order with the caller's own rights.
///
/// # Errors
/// 404 and 403 when the caller may not see it, 401 when commerce does not know the caller, 503 when commerce can't
/// be asked.
pub async fn read(
    http: &HttpClient,
    commerce: &Commerce,
    order: Uuid,
    on_behalf: &HeaderMap,
) -> ApiResult<Order> {
    let unavailable = |cause: String| {
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "service_unavailable", "commerce is not available")
            .because(cause)
    };
    let base =
        commerce.base.as_ref().ok_or_else(|| unavailable("PAYMENT_COMMERCE_BASE_URL is empty".into()))?;
    let url = base.join(&format!("/orders/{order}"));
    let answer = http
        .ask(Method::GET, &url, on_behalf, Bytes::new(), commerce.timeout)
        .await
        .map_err(|error| unavailable(error.to_string()))?;
    match answer.status {
        StatusCode::OK => {
            answer.json().ok_or_else(|| unavailable(format!("{url} answered something else than an order")))
        }
        StatusCode::NOT_FOUND => Err(ApiError::not_found("order not found")),
        StatusCode::FORBIDDEN => Err(ApiError::forbidden("permission denied")),
        StatusCode::UNAUTHORIZED => Err(ApiError::unauthorized("invalid token")),
        other => Err(unavailable(format!("{url} answered {other}"))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_can_be_paid() {
        let check = |status: &str, payment: Option<&str>, items: &[(i64, i64)], expect: Option<i64>| {
            let items: Vec<_> =
                items.iter().map(|(qty, price)| json!({ "qty": qty, "unitPriceFen": price })).collect();
            let order: Order =
                serde_json::from_value(json!({ "status": status, "paymentStatus": payment, "items": items }))
                    .unwrap();
            assert_eq!(order.payable().ok(), expect, "{order:?}");
        };
        check("SUBMITTED", Some("UNPAID"), &[(2, 12_000), (1, 1)], Some(24_001));
        check("SUBMITTED", None, &[(1, 1)], Some(1));
        check("PAY_PENDING", Some("PAY_PENDING"), &[(1, 1)], Some(1));
        check("PAY_FAILED", Some("PAY_FAILED"), &[(1, 1)], Some(1));
        check("SUBMITTED", Some("PAID"), &[(1, 1)], None);
        for status in ["CONFIRMED", "PAID", "SHIPPED", "DELIVERED", "CANCELLED", "CLOSED", "?"] {
            check(status, Some("UNPAID"), &[(1, 1)], None);
        }
        check("SUBMITTED", None, &[], None);
        check("SUBMITTED", None, &[(1, 0)], None);
        check("SUBMITTED", None, &[(1, -5), (1, 10)], None);
        check("SUBMITTED", None, &[(i64::MAX, 2)], None);
        check("SUBMITTED", None, &[(1, i64::MAX), (1, 1)], None);
    }
}
