//! Orders as they are shown: one, a page of them, how many in each status.

use axum::Json;
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use shop_kit::extract::{Paging, QueryParams, parameter_uuid};
use shop_kit::wire::{Items, Page};
use shop_kit::{ApiError, ApiResult};
use sqlx::{FromRow, PgConnection, Postgres, QueryBuilder};
use std::collections::HashMap;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::app::App;
use crate::authorize::needs::ReadOrders;
use crate::authorize::{Allowed, Caller};
use crate::catalog::skus::{Sku, SkuRow};
use crate::sku_columns;
use crate::sql::OrFail;

/// Where an order goes.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Address {
    /// Who receives it.
    pub receiver_name: String,
    /// How to reach them.
    pub receiver_phone: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    province: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    city: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    district: Option<String>,
    /// Street, house, door.
    pub detail: String,
}

/// A line of an order; the price is the one it was ordered at.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderItem {
    sku: Sku,
    qty: i32,
    unit_price_fen: i64,
}

/// An order.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Order {
    id: Uuid,
    status: String,
    payment_status: String,
    owner_sales_user_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    latest_payment_id: Option<Uuid>,
    payment_channel: Option<String>,
    #[serde(with = "time::serde::rfc3339::option")]
    paid_at: Option<OffsetDateTime>,
    address: Address,
    items: Vec<OrderItem>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remark: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    updated_at: OffsetDateTime,
}

/// An order as the database has it.
#[derive(Debug, FromRow)]
pub struct OrderRow {
    /// Its id.
    pub id: Uuid,
    /// Where it is.
    pub status: String,
    /// How it is paid.
    pub payment_status: String,
    /// Who placed it.
    pub customer_id: Uuid,
    /// The sales user it belongs to.
    pub owner_sales_user_id: Option<Uuid>,
    address: sqlx::types::Json<Address>,
    remark: Option<String>,
    latest_payment_id: Option<Uuid>,
    payment_channel: Option<String>,
    paid_at: Option<OffsetDateTime>,
    created_at: OffsetDateTime,
    updated_at: OffsetDateTime,
}

/// The columns of [`OrderRow`].
#[macro_export]
macro_rules! order_columns {
    () => {
        "id, status, payment_status, customer_id, owner_sales_user_id, address, remark, latest_payment_id, \
         payment_channel, paid_at, created_at, updated_at"
    };
}

impl OrderRow {
    fn with(self, items: Vec<OrderItem>) -> Order {
        let Self {
            id,
            status,
            payment_status,
            customer_id: _,
            owner_sales_user_id,
            address,
            remark,
            latest_payment_id,
            payment_channel,
            paid_at,
            created_at,
            updated_at,
        } = self;
        Order {
            id,
            status,
            payment_status,
            owner_sales_user_id,
            latest_payment_id,
            payment_channel,
            paid_at,
            address: address.0,
            items,
            remark,
            created_at,
            updated_at,
        }
    }
}

/// Orders with their lines: one statement for all of them.
///
/// # Errors
/// When the database does not answer.
pub async fn with_items(connection: &mut PgConnection, rows: Vec<OrderRow>) -> sqlx::Result<Vec<Order>> {
    #[derive(FromRow)]
    struct Line {
        order_id: Uuid,
        qty: i32,
        unit_price_fen: i64,
        #[sqlx(flatten)]
        sku: SkuRow,
    }
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let lines: Vec<Line> = sqlx::query_as(concat!(
        "SELECT i.order_id, i.qty, i.unit_price_fen, ",
        sku_columns!(),
        " FROM order_items i JOIN catalog_skus s ON s.id = i.sku_id
          WHERE i.order_id = ANY($1) ORDER BY i.order_id, i.position"
    ))
    .bind(rows.iter().map(|row| row.id).collect::<Vec<_>>())
    .fetch_all(connection)
    .await?;
    let mut by_order: HashMap<Uuid, Vec<OrderItem>> = HashMap::new();
    for Line { order_id, qty, unit_price_fen, sku } in lines {
        by_order.entry(order_id).or_default().push(OrderItem { sku: sku.into(), qty, unit_price_fen });
    }
    Ok(rows
        .into_iter()
        .map(|row| (by_order.remove(&row.id).unwrap_or_default(), row))
        .map(|(items, row)| row.with(items))
        .collect())
}

/// One order with its lines.
///
/// # Errors
/// When the database does not answer.
pub async fn with_its_items(connection: &mut PgConnection, row: OrderRow) -> sqlx::Result<Order> {
    let mut orders = with_items(connection, vec![row]).await?;
    orders.pop().ok_or(sqlx::Error::RowNotFound)
}

/// An order, when there is one.
///
/// # Errors
/// When the database does not answer.
pub async fn by_id(connection: &mut PgConnection, id: Uuid) -> sqlx::Result<Option<OrderRow>> {
    sqlx::query_as(concat!("SELECT ", order_columns!(), " FROM orders WHERE id = $1"))
        .bind(id)
        .fetch_optional(connection)
        .await
}

/// The refusal of an order that is not there or not for this caller.
pub fn unknown() -> ApiError {
    ApiError::not_found("order not found")
}

/// The sales user that something new belongs to: the one of the order it is about, else the one of the customer who
/// makes it.
///
/// # Errors
/// 404 for an order that the caller may not see.
pub async fn owner_for_new(app: &App, caller: &Caller, order: Option<Uuid>) -> ApiResult<Option<Uuid>> {
    let Some(order) = order else { return Ok(caller.owner_of_new()) };
    let failed = "failed to load order";
    let mut connection = app.pool().acquire().await.or_fail(failed)?;
    let row = by_id(&mut connection, order).await.or_fail(failed)?;
    let row = row.filter(|row| caller.sees(row.customer_id, row.owner_sales_user_id)).ok_or_else(unknown)?;
    Ok(row.owner_sales_user_id.or(caller.owner_of_new()))
}

/// Which orders are wanted.
#[derive(Debug, Default)]
struct Wanted {
    customer: Option<Uuid>,
    owner: Option<Uuid>,
    status: Option<String>,
}

impl Wanted {
    /// What the caller asks for, within what the caller may see.
    fn of(caller: &Caller, query: &QueryParams) -> ApiResult<Self> {
        let (customer, owner) = (query.uuid("customerId")?, query.uuid("ownerSalesUserId")?);
        Ok(Self {
            customer: caller.only_own().or(customer),
            owner: caller.only_owned().or(if caller.only_own().is_some() { None } else { owner }),
            status: query.text("status").map(str::to_owned),
        })
    }

    fn narrow(&self, query: &mut QueryBuilder<Postgres>) {
        if let Some(customer) = self.customer {
            query.push(" AND customer_id = ").push_bind(customer);
        }
        if let Some(owner) = self.owner {
            query.push(" AND owner_sales_user_id = ").push_bind(owner);
        }
        if let Some(status) = &self.status {
            query.push(" AND status = ").push_bind(status.clone());
        }
    }

    /// Which of the tables that the database keeps has the counts.
    fn counts(&self) -> &'static str {
        if self.customer.is_some() { "customer_order_counts" } else { "order_counts" }
    }
}

/// `GET /orders`, newest first. Customers see their own, sales users those of their customers.
///
/// # Errors
/// 401, 403, 400 for an unreadable parameter.
pub async fn list(
    State(app): State<App>,
    caller: Allowed<ReadOrders>,
    query: QueryParams,
) -> ApiResult<Json<Page<Order>>> {
    let paging = query.paging(20)?;
    let wanted = Wanted::of(&caller, &query)?;
    let failed = "failed to list orders";
    let mut connection = app.pool().acquire().await.or_fail(failed)?;
    let total = count(&mut connection, &wanted).await.or_fail(failed)?;
    let rows = if paging.offset() < total {
        find(&mut connection, &wanted, paging).await.or_fail(failed)?
    } else {
        Vec::new()
    };
    let items = with_items(&mut connection, rows).await.or_fail(failed)?;
    Ok(Json(Page::of(items, paging, total)))
}

async fn count(connection: &mut PgConnection, wanted: &Wanted) -> sqlx::Result<i64> {
    let mut query = QueryBuilder::new("SELECT coalesce(sum(orders), 0)::bigint FROM ");
    query.push(wanted.counts()).push(" WHERE true");
    wanted.narrow(&mut query);
    query.build_query_scalar().fetch_one(connection).await
}

async fn find(connection: &mut PgConnection, wanted: &Wanted, paging: Paging) -> sqlx::Result<Vec<OrderRow>> {
    let mut query = QueryBuilder::new(concat!("SELECT ", order_columns!(), " FROM orders WHERE true"));
    wanted.narrow(&mut query);
    query.push(" ORDER BY created_at DESC, id LIMIT ").push_bind(paging.size);
    query.push(" OFFSET ").push_bind(paging.offset());
    query.build_query_as().fetch_all(connection).await
}

/// How many orders there are in a status.
#[derive(Debug, Serialize, FromRow)]
pub struct OrderStatusStat {
    status: String,
    count: i64,
}

/// `GET /orders/stats`: only statuses that occur among the orders the caller may see.
///
/// # Errors
/// 401, 403.
pub async fn stats(
    State(app): State<App>,
    caller: Allowed<ReadOrders>,
) -> ApiResult<Json<Items<OrderStatusStat>>> {
    let wanted = Wanted { customer: caller.only_own(), owner: caller.only_owned(), status: None };
    let mut query = QueryBuilder::new("SELECT status, sum(orders)::bigint AS count FROM ");
    query.push(wanted.counts()).push(" WHERE true");
    wanted.narrow(&mut query);
    query.push(" GROUP BY status HAVING sum(orders) > 0 ORDER BY status");
    let items = query.build_query_as().fetch_all(app.pool()).await.or_fail("failed to count orders")?;
    Ok(Json(Items { items }))
}

/// `GET /orders/{orderId}`.
///
/// # Errors
/// 401, 403, 404 also when the order is not for this caller.
pub async fn show(
    State(app): State<App>,
    caller: Allowed<ReadOrders>,
    Path(id): Path<String>,
) -> ApiResult<Json<Order>> {
    let id = parameter_uuid("orderId", &id)?;
    let failed = "failed to load order";
    let mut connection = app.pool().acquire().await.or_fail(failed)?;
    let row = by_id(&mut connection, id).await.or_fail(failed)?;
    let row = row.filter(|row| caller.sees(row.customer_id, row.owner_sales_user_id)).ok_or_else(unknown)?;
    with_its_items(&mut connection, row).await.map(Json).or_fail(failed)
}
