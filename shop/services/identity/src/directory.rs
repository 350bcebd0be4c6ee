//! The lists that administrators work with: who buys, who works here, who can look after customers.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use shop_kit::ApiResult;
use shop_kit::error::OrInternal;
use shop_kit::extract::QueryParams;
use shop_wire::admin::{
    AdminCustomer, AdminCustomerOwner, AdminUserSummary, PagedAdminCustomerList, PagedAdminUserList,
    PagedSalesUserList, SalesUserSummary,
};
use shop_wire::common::UserStatus;
use shop_wire::identity::PermissionScope;
use uuid::Uuid;

use crate::access::require;
use crate::app::App;
use crate::session::SignedIn;
use crate::users::{self, Person};

/// What a customer without a name is called in these lists.
const NAMELESS: &str = "未命名";
/// What a member of staff without a name is called in these lists.
const NAMELESS_USER: &str = "未命名用户";

/// `GET /admin/customers`: everybody who holds the role CUSTOMER and is not an administrator.
///
/// # Errors
/// 401, 403, or 400 for an unreadable parameter.
pub async fn customers(
    State(app): State<App>,
    caller: SignedIn,
    query: QueryParams,
) -> ApiResult<Json<PagedAdminCustomerList>> {
    require(app.pool(), caller.user_id, "customer:read", PermissionScope::All).await?;
    let paging = query.paging(20)?;
    let (owner, pattern) = (query.uuid("ownerSalesUserId")?, query.pattern("q"));
    let (people, total) = users::page(app.pool(), paging, |sql| {
        sql.push(
            "u.user_type <> 'admin'
             AND EXISTS (SELECT FROM user_roles c WHERE c.user_id = u.id AND c.role = 'CUSTOMER')",
        );
        if let Some(owner) = owner {
            sql.push(" AND u.owner_sales_user_id = ").push_bind(owner);
        }
        users::search(sql, pattern.as_ref());
    })
    .await
    .or_internal("failed to list customers")?;
    let owners = owners(&app, &people).await.or_internal("failed to list customers")?;
    let items = people
        .into_iter()
        .map(|person| AdminCustomer {
            id: person.id,
            display_name: name(person.display_name, NAMELESS),
            phone: person.phone,
            owner_sales_user_id: person.owner_sales_user_id,
            owner_sales: person.owner_sales_user_id.and_then(|owner| owners.get(&owner).cloned()),
            roles: person.roles,
            // Tags are not part of this platform yet.
            tags: None,
            created_at: person.created_at,
        })
        .collect();
    Ok(Json(PagedAdminCustomerList { items, page: paging.page, page_size: paging.size, total }))
}

/// Who looks after these people, in one question for all of them.
async fn owners(app: &App, people: &[Person]) -> sqlx::Result<BTreeMap<Uuid, AdminCustomerOwner>> {
    let ids: Vec<Uuid> = people.iter().filter_map(|person| person.owner_sales_user_id).collect();
    let rows: Vec<(Uuid, Option<String>, Option<String>)> =
        sqlx::query_as("SELECT id, display_name, phone FROM users WHERE id = ANY($1)")
            .bind(ids)
            .fetch_all(app.pool())
            .await?;
    let owner = |(id, display_name, phone)| {
        (id, AdminCustomerOwner { id, display_name: name(display_name, NAMELESS), phone })
    };
    Ok(rows.into_iter().map(owner).collect())
}

fn name(given: Option<String>, otherwise: &str) -> String {
    given.filter(|name| !name.trim().is_empty()).unwrap_or_else(|| otherwise.to_owned())
}

/// `GET /admin/users`: administrators and staff.
///
/// # Errors
/// 401, 403, or 400 for an unreadable parameter.
pub async fn users(
    State(app): State<App>,
    caller: SignedIn,
    query: QueryParams,
) -> ApiResult<Json<PagedAdminUserList>> {
    require(app.pool(), caller.user_id, "rbac:manage", PermissionScope::All).await?;
    let paging = query.paging(20)?;
    let status: Option<UserStatus> = query.word("status")?;
    let role = query.text("role").map(str::to_ascii_uppercase);
    let pattern = query.pattern("q");
    let (people, total) = users::page(app.pool(), paging, |sql| {
        sql.push("u.user_type IN ('admin', 'staff')");
        if let Some(status) = status {
            sql.push(" AND u.status = ").push_bind(status.as_str());
        }
        if let Some(role) = &role {
            sql.push(" AND EXISTS (SELECT FROM user_roles h WHERE h.user_id = u.id AND (h.role = ");
            sql.push_bind(role.clone());
            // Who has BOSS counts as an administrator.
            sql.push(" OR (h.role = 'BOSS' AND 'ADMIN' = ").push_bind(role.clone()).push(")))");
        }
        users::search(sql, pattern.as_ref());
    })
    .await
    .or_internal("failed to list users")?;
    let items = people
        .into_iter()
        .map(|person| AdminUserSummary {
            id: person.id,
            display_name: name(person.display_name, NAMELESS_USER),
            phone: person.phone,
            user_type: person.user_type,
            status: person.status,
            roles: with_implied(person.roles),
            created_at: person.created_at,
            updated_at: person.updated_at,
        })
        .collect();
    Ok(Json(PagedAdminUserList { items, page: paging.page, page_size: paging.size, total }))
}

/// BOSS implies ADMIN.
fn with_implied(mut roles: Vec<String>) -> Vec<String> {
    let has = |role: &str| roles.iter().any(|r| r == role);
    if has("BOSS") && !has("ADMIN") {
        roles.push("ADMIN".to_owned());
        roles.sort();
    }
    roles
}

/// `GET /admin/sales-users`: active staff with the role SALES.
///
/// # Errors
/// 401, 403, or 400 for an unreadable parameter.
pub async fn sales_users(
    State(app): State<App>,
    caller: SignedIn,
    query: QueryParams,
) -> ApiResult<Json<PagedSalesUserList>> {
    require(app.pool(), caller.user_id, "customer:transfer", PermissionScope::All).await?;
    let paging = query.paging(20)?;
    let pattern = query.pattern("q");
    let (people, total) = users::page(app.pool(), paging, |sql| {
        sql.push(
            "u.user_type = 'staff' AND u.status = 'active'
             AND EXISTS (SELECT FROM user_roles s WHERE s.user_id = u.id AND s.role = 'SALES')",
        );
        users::search(sql, pattern.as_ref());
    })
    .await
    .or_internal("failed to list sales users")?;
    let items = people
        .into_iter()
        .map(|person| SalesUserSummary {
            id: person.id,
            display_name: name(person.display_name, NAMELESS_USER),
            phone: person.phone,
            status: person.status,
            roles: person.roles,
        })
        .collect();
    Ok(Json(PagedSalesUserList { items, page: paging.page, page_size: paging.size, total }))
}
