//! Orders, as commerce shows them to whoever wants to pay.

use axum::http::{HeaderMap, StatusCode};
use shop_kit::{ApiError, ApiResult};
use shop_wire::client::CommerceClient;
use shop_wire::commerce::{Order, OrderPaymentStatus, OrderStatus};
use uuid::Uuid;

/// What there is to pay, in fen.
///
/// # Errors
/// 409 when nothing is to be paid, or not any more.
pub fn payable(order: &Order) -> ApiResult<i64> {
    let open =
        matches!(order.status, OrderStatus::Submitted | OrderStatus::PayPending | OrderStatus::PayFailed);
    if !open || order.payment_status == OrderPaymentStatus::Paid {
        let cause = format!("status {}, payment status {}", order.status, order.payment_status);
        return Err(not_payable().because(cause));
    }
    let sum = order.items.iter().try_fold(0_i64, |sum, item| {
        let price = item.qty.checked_mul(item.unit_price_fen).filter(|price| *price >= 0)?;
        sum.checked_add(price)
    });
    sum.filter(|sum| *sum > 0).ok_or_else(|| not_payable().because(format!("it costs {sum:?}")))
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
pub async fn read(commerce: Option<&CommerceClient>, order: Uuid, on_behalf: &HeaderMap) -> ApiResult<Order> {
    let unavailable = |cause: String| {
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "service_unavailable", "commerce is not available")
            .because(cause)
    };
    let commerce = commerce.ok_or_else(|| unavailable("PAYMENT_COMMERCE_BASE_URL is empty".into()))?;
    commerce.get_orders_order_id(on_behalf, order).await.map_err(|error| match error.status() {
        Some(StatusCode::NOT_FOUND) => ApiError::not_found("order not found"),
        Some(StatusCode::FORBIDDEN) => ApiError::forbidden("permission denied"),
        Some(StatusCode::UNAUTHORIZED) => ApiError::unauthorized("invalid token"),
        _ => unavailable(error.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_can_be_paid() {
        let check = |status: &str, payment: &str, items: &[(i64, i64)], expect: Option<i64>| {
            let id = Uuid::nil();
            let sku = json!({ "id": id, "spuId": id, "name": "x", "isActive": true });
            let item = |(qty, price): &(i64, i64)| json!({ "sku": sku, "qty": qty, "unitPriceFen": price });
            let items: Vec<_> = items.iter().map(item).collect();
            let order = json!({
                "id": id, "status": status, "paymentStatus": payment, "ownerSalesUserId": null,
                "paymentChannel": null, "paidAt": null, "items": items, "createdAt": "2026-11-21T12:00:00Z",
            });
            let order: Order = serde_json::from_value(order).unwrap();
            assert_eq!(payable(&order).ok(), expect, "{order:?}");
        };
        check("SUBMITTED", "UNPAID", &[(2, 12_000), (1, 1)], Some(24_001));
        check("PAY_PENDING", "PAY_PENDING", &[(1, 1)], Some(1));
        check("PAY_FAILED", "PAY_FAILED", &[(1, 1)], Some(1));
        check("PAY_FAILED", "CANCELLED", &[(1, 1)], Some(1));
        check("SUBMITTED", "PAID", &[(1, 1)], None);
        for status in ["CONFIRMED", "PAID", "SHIPPED", "DELIVERED", "CANCELLED", "CLOSED"] {
            check(status, "UNPAID", &[(1, 1)], None);
        }
        check("SUBMITTED", "UNPAID", &[], None);
        check("SUBMITTED", "UNPAID", &[(1, 0)], None);
        check("SUBMITTED", "UNPAID", &[(1, -5), (1, 10)], None);
        check("SUBMITTED", "UNPAID", &[(i64::MAX, 2)], None);
        check("SUBMITTED", "UNPAID", &[(1, i64::MAX), (1, 1)], None);
    }
}
