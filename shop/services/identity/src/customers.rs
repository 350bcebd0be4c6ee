//! Customers, as far as the caller may see them, and giving one to another sales user.

use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use serde_json::json;
use shop_kit::error::OrInternal;
use shop_kit::extract::{Body, Caller, QueryParams, parameter_uuid};
use shop_kit::{ApiError, ApiResult};
use shop_wire::admin::TransferCustomerRequest;
use shop_wire::identity::{Customer, PagedCustomerList, PermissionScope};
use uuid::Uuid;

use crate::access::{reach, require};
use crate::app::App;
use crate::audit;
use crate::limits::at_most;
use crate::session::SignedIn;
use crate::users::{self, Person, person_columns};

fn customer(person: Person) -> Customer {
    Customer {
        id: person.id,
        display_name: person.display_name.unwrap_or_default(),
        phone: person.phone,
        owner_sales_user_id: person.owner_sales_user_id,
        created_at: person.created_at,
    }
}

/// `GET /customers`: one's own, those one looks after, or everybody, as `customer:read` reaches.
///
/// # Errors
/// 401, 403, or 400 for an unreadable parameter.
pub async fn list(
    State(app): State<App>,
    caller: SignedIn,
    query: QueryParams,
) -> ApiResult<Json<PagedCustomerList>> {
    let paging = query.paging(20)?;
    let asked_owner = query.uuid("ownerSalesUserId")?;
    let (only, owner) = match reach(app.pool(), caller.user_id, "customer:read").await? {
        PermissionScope::Own => (Some(caller.user_id), None),
        PermissionScope::Owned => (None, Some(caller.user_id)),
        PermissionScope::All => (None, asked_owner),
    };
    let pattern = query.pattern("q");
    let (people, total) = users::page(app.pool(), paging, |sql| {
        sql.push("u.user_type = 'customer'");
        if let Some(only) = only {
            sql.push(" AND u.id = ").push_bind(only);
        }
        if let Some(owner) = owner {
            sql.push(" AND u.owner_sales_user_id = ").push_bind(owner);
        }
        users::search(sql, pattern.as_ref());
    })
    .await
    .or_internal("failed to list customers")?;
    let items = people.into_iter().map(customer).collect();
    Ok(Json(PagedCustomerList { items, page: paging.page, page_size: paging.size, total }))
}

/// `GET /customers/{customerId}`.
///
/// # Errors
/// 401, 404 when there is no such customer, 403 when `customer:read` does not reach it.
pub async fn show(
    State(app): State<App>,
    caller: SignedIn,
    Path(id): Path<String>,
) -> ApiResult<Json<Customer>> {
    let id = parameter_uuid("customerId", &id)?;
    let scope = reach(app.pool(), caller.user_id, "customer:read").await?;
    let found: Option<Person> = sqlx::query_as(concat!(
        "SELECT ",
        person_columns!(),
        " FROM users u WHERE u.id = $1 AND u.user_type = 'customer'"
    ))
    .bind(id)
    .fetch_optional(app.pool())
    .await
    .or_internal("failed to load customer")?;
    let Some(person) = found else { return Err(ApiError::not_found("customer not found")) };
    let reached = match scope {
        PermissionScope::Own => person.id == caller.user_id,
        PermissionScope::Owned => person.owner_sales_user_id == Some(caller.user_id),
        PermissionScope::All => true,
    };
    if reached { Ok(Json(customer(person))) } else { Err(ApiError::forbidden("permission denied")) }
}

/// `POST /admin/customers/{customerId}/transfer`: from now on another sales user looks after the customer. Orders
/// that exist keep their sales user.
///
/// # Errors
/// 401, 403; 400 when the new owner is not an active sales user; 404 when there is no such customer.
pub async fn transfer(
    State(app): State<App>,
    signed_in: SignedIn,
    caller: Caller,
    Path(id): Path<String>,
    Body(request): Body<TransferCustomerRequest>,
) -> ApiResult<StatusCode> {
    require(app.pool(), signed_in.user_id, "customer:transfer", PermissionScope::All).await?;
    let id = Uuid::parse_str(&id).map_err(|_| ApiError::invalid("invalid customer id"))?;
    let no_owner = || ApiError::invalid("invalid toSalesUserId");
    let to = Uuid::parse_str(request.to_sales_user_id.unwrap_or_default().trim()).map_err(|_| no_owner())?;
    let reason = request.reason.as_deref().map(str::trim).filter(|reason| !reason.is_empty());
    at_most("reason", reason.unwrap_or_default(), 200)?;

    let mut transaction = app.pool().begin().await.or_internal("failed to transfer customer")?;
    // The lock keeps the new owner what it is until the customer is theirs.
    let owner = sqlx::query(
        "SELECT FROM users u JOIN user_roles r ON r.user_id = u.id AND r.role = 'SALES'
         WHERE u.id = $1 AND u.user_type = 'staff' AND u.status = 'active' FOR SHARE OF u",
    )
    .bind(to)
    .fetch_optional(&mut *transaction)
    .await
    .or_internal("failed to transfer customer")?;
    if owner.is_none() {
        return Err(no_owner().because("not an active member of staff with the role SALES"));
    }
    let from: Option<Option<Uuid>> = sqlx::query_scalar(
        "SELECT owner_sales_user_id FROM users WHERE id = $1 AND user_type = 'customer' FOR UPDATE",
    )
    .bind(id)
    .fetch_optional(&mut *transaction)
    .await
    .or_internal("failed to transfer customer")?;
    let Some(from) = from else { return Err(ApiError::not_found("customer not found")) };
    sqlx::query("UPDATE users SET owner_sales_user_id = $2, updated_at = now() WHERE id = $1")
        .bind(id)
        .bind(to)
        .execute(&mut *transaction)
        .await
        .or_internal("failed to transfer customer")?;
    transaction.commit().await.or_internal("failed to transfer customer")?;

    let mut metadata = json!({ "customerId": id, "toSalesUserId": to, "unchanged": from == Some(to) });
    if let Some(from) = from {
        metadata["fromSalesUserId"] = json!(from);
    }
    if let Some(reason) = reason {
        metadata["reason"] = json!(reason);
    }
    let entry = audit::Entry {
        actor: signed_in.user_id,
        action: "customer.transfer",
        target_type: "customer",
        target: Some(id),
        metadata,
    };
    audit::write(app.pool(), &caller, entry).await;
    Ok(StatusCode::NO_CONTENT)
}
