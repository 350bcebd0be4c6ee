//! Where a user wants goods to be sent. Of the addresses a user has, exactly one is the default.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use shop_kit::error::OrInternal;
use shop_kit::extract::{Body, parameter_uuid};
use shop_kit::{ApiError, ApiResult};
use shop_wire::commerce::{
    CreateUserAddressRequest, ListAddressesResponse, UpdateUserAddressRequest, UserAddress,
};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::app::App;
use crate::authorize::Allowed;
use crate::authorize::needs::ManageCart;
use crate::text::{SHORT, required};

/// Addresses a user may have.
const MOST: i64 = 200;
/// Characters of the part after the name.
const DETAIL: usize = 1000;

/// `GET /addresses`: the default first, then the newest.
///
/// # Errors
/// 401, 403, 503.
pub async fn list(
    State(app): State<App>,
    caller: Allowed<ManageCart>,
) -> ApiResult<Json<ListAddressesResponse>> {
    let items = sqlx::query_as(
        "SELECT id, receiver_name, receiver_phone, detail, is_default, created_at, updated_at
         FROM user_addresses WHERE user_id = $1 ORDER BY is_default DESC, created_at DESC, id LIMIT 200",
    )
    .bind(caller.id)
    .fetch_all(app.pool())
    .await
    .or_internal("failed to list addresses")?;
    Ok(Json(ListAddressesResponse { items }))
}

/// Lets one request at a time change the addresses of a user.
async fn alone(connection: &mut PgConnection, user: Uuid) -> sqlx::Result<()> {
    sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended('user_addresses ' || $1::text, 0))")
        .bind(user)
        .execute(connection)
        .await
        .map(drop)
}

async fn no_default(connection: &mut PgConnection, user: Uuid) -> sqlx::Result<()> {
    sqlx::query("UPDATE user_addresses SET is_default = false WHERE user_id = $1 AND is_default")
        .bind(user)
        .execute(connection)
        .await
        .map(drop)
}

/// `POST /addresses`. The first one, and one that asks to be, becomes the default.
///
/// # Errors
/// 401, 403, 400 when something is missing or there are too many.
pub async fn create(
    State(app): State<App>,
    caller: Allowed<ManageCart>,
    Body(request): Body<CreateUserAddressRequest>,
) -> ApiResult<(StatusCode, Json<UserAddress>)> {
    let name = required("receiverName", request.receiver_name, SHORT)?;
    let phone = required("receiverPhone", request.receiver_phone, SHORT)?;
    let detail = required("detail", request.detail, DETAIL)?;
    let failed = "failed to create address";
    let mut transaction = app.pool().begin().await.or_internal(failed)?;
    alone(&mut transaction, caller.id).await.or_internal(failed)?;
    let count: i64 = sqlx::query_scalar("SELECT count(*) FROM user_addresses WHERE user_id = $1")
        .bind(caller.id)
        .fetch_one(&mut *transaction)
        .await
        .or_internal(failed)?;
    if count >= MOST {
        return Err(ApiError::invalid("there are 200 addresses already; remove one first"));
    }
    let is_default = count == 0 || request.is_default == Some(true);
    if is_default {
        no_default(&mut transaction, caller.id).await.or_internal(failed)?;
    }
    let address = sqlx::query_as(
        "INSERT INTO user_addresses (user_id, receiver_name, receiver_phone, detail, is_default)
         VALUES ($1, $2, $3, $4, $5)
         RETURNING id, receiver_name, receiver_phone, detail, is_default, created_at, updated_at",
    )
    .bind(caller.id)
    .bind(name)
    .bind(phone)
    .bind(detail)
    .bind(is_default)
    .fetch_one(&mut *transaction)
    .await
    .or_internal(failed)?;
    transaction.commit().await.or_internal(failed)?;
    Ok((StatusCode::CREATED, Json(address)))
}

/// `PATCH /addresses/{addressId}`. The default stays the default until another becomes it.
///
/// # Errors
/// 401, 403, 404, 400 when a field is blank.
pub async fn update(
    State(app): State<App>,
    caller: Allowed<ManageCart>,
    Path(id): Path<String>,
    Body(request): Body<UpdateUserAddressRequest>,
) -> ApiResult<Json<UserAddress>> {
    let id = parameter_uuid("addressId", &id)?;
    let UpdateUserAddressRequest { receiver_name, receiver_phone, detail, is_default } = request;
    let given = |name: &str, text: Option<String>, most: usize| {
        text.map(|text| required(name, Some(text), most)).transpose()
    };
    let name = given("receiverName", receiver_name, SHORT)?;
    let phone = given("receiverPhone", receiver_phone, SHORT)?;
    let detail = given("detail", detail, DETAIL)?;
    let failed = "failed to update address";
    let mut transaction = app.pool().begin().await.or_internal(failed)?;
    alone(&mut transaction, caller.id).await.or_internal(failed)?;
    let becomes_default = is_default == Some(true);
    if becomes_default {
        // An unknown address changes nothing: the transaction ends without a commit then.
        no_default(&mut transaction, caller.id).await.or_internal(failed)?;
    }
    let changed: Option<UserAddress> = sqlx::query_as(
        "UPDATE user_addresses SET receiver_name = coalesce($3, receiver_name),
             receiver_phone = coalesce($4, receiver_phone), detail = coalesce($5, detail),
             is_default = is_default OR $6, updated_at = now()
         WHERE id = $1 AND user_id = $2
         RETURNING id, receiver_name, receiver_phone, detail, is_default, created_at, updated_at",
    )
    .bind(id)
    .bind(caller.id)
    .bind(name)
    .bind(phone)
    .bind(detail)
    .bind(becomes_default)
    .fetch_optional(&mut *transaction)
    .await
    .or_internal(failed)?;
    let Some(address) = changed else { return Err(ApiError::not_found("address not found")) };
    transaction.commit().await.or_internal(failed)?;
    Ok(Json(address))
}

/// `DELETE /addresses/{addressId}`. After the default goes the newest becomes it.
///
/// # Errors
/// 401, 403, 404.
pub async fn remove(
    State(app): State<App>,
    caller: Allowed<ManageCart>,
    Path(id): Path<String>,
) -> ApiResult<StatusCode> {
    let id = parameter_uuid("addressId", &id)?;
    let failed = "failed to delete address";
    let mut transaction = app.pool().begin().await.or_internal(failed)?;
    alone(&mut transaction, caller.id).await.or_internal(failed)?;
    let was_default: Option<bool> =
        sqlx::query_scalar("DELETE FROM user_addresses WHERE id = $1 AND user_id = $2 RETURNING is_default")
            .bind(id)
            .bind(caller.id)
            .fetch_optional(&mut *transaction)
            .await
            .or_internal(failed)?;
    let Some(was_default) = was_default else { return Err(ApiError::not_found("address not found")) };
    if was_default {
        sqlx::query(
            "UPDATE user_addresses SET is_default = true WHERE id =
                 (SELECT id FROM user_addresses WHERE user_id = $1 ORDER BY created_at DESC, id LIMIT 1)",
        )
        .bind(caller.id)
        .execute(&mut *transaction)
        .await
        .or_internal(failed)?;
    }
    transaction.commit().await.or_internal(failed)?;
    Ok(StatusCode::NO_CONTENT)
}
