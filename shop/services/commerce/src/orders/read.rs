//! Orders as they are shown: one, a page of them, how many in each status.

use axum::Json;
use axum::extract::{Path, State};
use shop_kit::error::OrInternal;
use shop_kit::extract::{QueryParams, parameter_uuid};
use shop_kit::list::List;
use shop_kit::{ApiError, ApiResult};
use shop_wire::commerce::{Order, OrderStatsResponse, PagedOrderList};
use sqlx::{FromRow, PgConnection, Postgres, QueryBuilder};
use uuid::Uuid;

use super::state::State as OrderState;
use crate::app::App;
use crate::authorize::needs::ReadOrders;
use crate::authorize::{Allowed, Caller};
use crate::sku_json;

/// The columns of an [`Order`], of a table called `o`; the lines come with them, so that any number of orders is one
/// statement.
macro_rules! columns {
    () => {
        concat!(
            "o.id, o.status, o.payment_status, o.owner_sales_user_id, o.latest_payment_id, o.payment_channel, \
             o.paid_at, o.address, o.remark, o.created_at, o.updated_at, \
             (SELECT coalesce(json_agg(json_build_object('qty', i.qty, 'unitPriceFen', i.unit_price_fen, 'sku', ",
            sku_json!(),
            ") ORDER BY i.position), '[]') \
              FROM order_items i JOIN catalog_skus s ON s.id = i.sku_id WHERE i.order_id = o.id) AS items"
        )
    };
}

const ORDERS: List = List { table: "orders o", columns: columns!(), order: "created_at DESC, id", ids: None };

/// What decisions about an order need: whose it is, and where.
#[derive(Debug, Clone, Copy, FromRow)]
pub struct Standing {
    /// Who placed it.
    pub customer_id: Uuid,
    /// The sales user it belongs to.
    pub owner_sales_user_id: Option<Uuid>,
    /// Where it is and how it is paid.
    #[sqlx(flatten)]
    pub state: OrderState,
}

impl Standing {
    /// Whether a caller may see the order.
    pub fn is_for(&self, caller: &Caller) -> bool {
        caller.sees(self.customer_id, self.owner_sales_user_id)
    }
}

/// How an order stands, when there is one.
///
/// # Errors
/// When the database does not answer.
pub async fn standing(connection: &mut PgConnection, id: Uuid) -> sqlx::Result<Option<Standing>> {
    sqlx::query_as(
        "SELECT customer_id, owner_sales_user_id, status, payment_status FROM orders WHERE id = $1",
    )
    .bind(id)
    .fetch_optional(connection)
    .await
}

/// How an order stands, which nobody else can change until the transaction ends.
///
/// # Errors
/// When the database does not answer.
pub async fn lock(connection: &mut PgConnection, id: Uuid) -> sqlx::Result<Option<Standing>> {
    sqlx::query_as(
        "SELECT customer_id, owner_sales_user_id, status, payment_status FROM orders WHERE id = $1 FOR UPDATE",
    )
    .bind(id)
    .fetch_optional(connection)
    .await
}

/// An order with its lines.
///
/// # Errors
/// When the database does not answer, or there is no such order.
pub async fn load(connection: &mut PgConnection, id: Uuid) -> sqlx::Result<Order> {
    sqlx::query_as(concat!("SELECT ", columns!(), " FROM orders o WHERE o.id = $1"))
        .bind(id)
        .fetch_one(connection)
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
    let mut connection = app.pool().acquire().await.or_internal(failed)?;
    let found = standing(&mut connection, order).await.or_internal(failed)?;
    let order = found.filter(|order| order.is_for(caller)).ok_or_else(unknown)?;
    Ok(order.owner_sales_user_id.or(caller.owner_of_new()))
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
) -> ApiResult<Json<PagedOrderList>> {
    let paging = query.paging(20)?;
    let wanted = Wanted::of(&caller, &query)?;
    let failed = "failed to list orders";
    let mut connection = app.pool().acquire().await.or_internal(failed)?;
    let total = count(&mut connection, &wanted).await.or_internal(failed)?;
    let list = List { ids: wanted.status.as_ref().map(|_| ORDERS.table), ..ORDERS };
    let items =
        list.rows(&mut connection, paging, total, |sql| wanted.narrow(sql)).await.or_internal(failed)?;
    Ok(Json(PagedOrderList::of(items, paging, total)))
}

async fn count(connection: &mut PgConnection, wanted: &Wanted) -> sqlx::Result<i64> {
    let mut query = QueryBuilder::new("SELECT coalesce(sum(orders), 0)::bigint FROM ");
    query.push(wanted.counts()).push(" WHERE true");
    wanted.narrow(&mut query);
    query.build_query_scalar().fetch_one(connection).await
}

/// `GET /orders/stats`: only statuses that occur among the orders the caller may see.
///
/// # Errors
/// 401, 403.
pub async fn stats(
    State(app): State<App>,
    caller: Allowed<ReadOrders>,
) -> ApiResult<Json<OrderStatsResponse>> {
    let wanted = Wanted { customer: caller.only_own(), owner: caller.only_owned(), status: None };
    let mut query = QueryBuilder::new("SELECT status, sum(orders)::bigint AS count FROM ");
    query.push(wanted.counts()).push(" WHERE true");
    wanted.narrow(&mut query);
    query.push(" GROUP BY status HAVING sum(orders) > 0 ORDER BY status");
    let items = query.build_query_as().fetch_all(app.pool()).await.or_internal("failed to count orders")?;
    Ok(Json(OrderStatsResponse { items }))
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
    let mut connection = app.pool().acquire().await.or_internal(failed)?;
    let found = standing(&mut connection, id).await.or_internal(failed)?;
    found.filter(|order| order.is_for(&caller)).ok_or_else(unknown)?;
    load(&mut connection, id).await.map(Json).or_internal(failed)
}
