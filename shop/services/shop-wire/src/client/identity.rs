//! What other services ask of identity.
//!
//! Generated from the operations with `x-called-by` by `cargo xtask generate`.

use http::{HeaderMap, Method};
use uuid::Uuid;

use crate::call::{Call, CallFailure, Caller};

/// Asks identity.
#[derive(Debug, Clone)]
pub struct IdentityClient {
    caller: Caller,
}

impl IdentityClient {
    /// A client that asks through `caller`.
    pub fn new(caller: Caller) -> Self {
        Self { caller }
    }

    /// What is switched on: `GET /admin/config/feature-flags`. Called by payment, gateway-bff.
    ///
    /// # Errors
    /// When there is no answer, a refusal, or an answer that is not as the contract says.
    pub async fn get_admin_config_feature_flags(
        &self,
        headers: &HeaderMap,
    ) -> Result<crate::common::FeatureFlags, CallFailure> {
        let call = Call::new(Method::GET, "/admin/config/feature-flags".to_owned(), headers).idempotent();
        self.caller.answer(call).await
    }

    /// The caller: `GET /me`. Called by gateway-bff.
    ///
    /// # Errors
    /// When there is no answer, a refusal, or an answer that is not as the contract says.
    pub async fn get_me(&self, headers: &HeaderMap) -> Result<crate::common::User, CallFailure> {
        let call = Call::new(Method::GET, "/me".to_owned(), headers).idempotent();
        self.caller.answer(call).await
    }

    /// What the caller may do, over all of its roles: `GET /me/permissions`. Called by gateway-bff.
    ///
    /// # Errors
    /// When there is no answer, a refusal, or an answer that is not as the contract says.
    pub async fn get_me_permissions(
        &self,
        headers: &HeaderMap,
    ) -> Result<crate::identity::PermissionList, CallFailure> {
        let call = Call::new(Method::GET, "/me/permissions".to_owned(), headers).idempotent();
        self.caller.answer(call).await
    }

    /// May the caller do this?: `POST /rbac/authorize`. Called by commerce, payment.
    ///
    /// # Errors
    /// When there is no answer, a refusal, or an answer that is not as the contract says.
    pub async fn post_rbac_authorize(
        &self,
        headers: &HeaderMap,
        body: &crate::identity::AuthorizeRequest,
    ) -> Result<crate::identity::AuthorizeResponse, CallFailure> {
        let call = Call::new(Method::POST, "/rbac/authorize".to_owned(), headers).body(body)?.idempotent();
        self.caller.answer(call).await
    }

    /// One member of staff: `GET /staff/{staffId}`. Called by commerce.
    ///
    /// # Errors
    /// When there is no answer, a refusal, or an answer that is not as the contract says.
    pub async fn get_staff_staff_id(
        &self,
        headers: &HeaderMap,
        staff_id: Uuid,
    ) -> Result<crate::identity::StaffUser, CallFailure> {
        let call = Call::new(Method::GET, format!("/staff/{staff_id}"), headers).idempotent();
        self.caller.answer(call).await
    }
}
