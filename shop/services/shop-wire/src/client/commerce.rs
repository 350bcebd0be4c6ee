//! What other services ask of commerce.
//!
//! Generated from the operations with `x-called-by` by `cargo xtask generate`.

use http::{HeaderMap, Method};
use uuid::Uuid;

use crate::call::{Call, CallFailure, Caller};

/// Asks commerce.
#[derive(Debug, Clone)]
pub struct CommerceClient {
    caller: Caller,
}

impl CommerceClient {
    /// A client that asks through `caller`.
    pub fn new(caller: Caller) -> Self {
        Self { caller }
    }

    /// One order: `GET /orders/{orderId}`. Called by payment.
    ///
    /// # Errors
    /// When there is no answer, a refusal, or an answer that is not as the contract says.
    pub async fn get_orders_order_id(
        &self,
        headers: &HeaderMap,
        order_id: Uuid,
    ) -> Result<crate::commerce::Order, CallFailure> {
        let call = Call::new(Method::GET, format!("/orders/{order_id}"), headers).idempotent();
        self.caller.answer(call).await
    }

    /// Payment tells what has become of a payment of an order: `POST /internal/orders/{orderId}/payment-status`. Called by payment.
    ///
    /// # Errors
    /// When there is no answer, a refusal, or an answer that is not as the contract says.
    pub async fn post_internal_orders_order_id_payment_status(
        &self,
        headers: &HeaderMap,
        order_id: Uuid,
        body: &crate::internal::OrderPaymentReport,
    ) -> Result<crate::commerce::Order, CallFailure> {
        let call = Call::new(Method::POST, format!("/internal/orders/{order_id}/payment-status"), headers)
            .body(body)?
            .idempotent();
        self.caller.answer(call).await
    }
}
