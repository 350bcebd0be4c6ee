//! Placing an order: everything is checked, priced, taken out of the cart and written, or nothing is.

use std::collections::HashMap;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::json;
use shop_kit::error::OrInternal;
use shop_kit::extract::{Body, IdempotencyKey};
use shop_kit::{ApiError, ApiResult};
use shop_wire::commerce::{Address, AddressInput, CreateOrderRequest, Order};
use sqlx::PgConnection;
use uuid::Uuid;

use super::pricing::{self, Line, Unorderable};
use super::read::load;
use super::state::State as OrderState;
use crate::app::App;
use crate::authorize::Allowed;
use crate::authorize::needs::CreateOrder as MayCreateOrder;
use crate::catalog::skus;
use crate::text::{LONG, optional};

/// The longest of an address's parts.
const LONGEST_PART: usize = 1000;

/// `POST /orders`. The prices are those of now, for good.
///
/// # Errors
/// 401, 403, 400 for what can't be ordered, 409 with `details.orderId` when the key was used before.
pub async fn create(
    State(app): State<App>,
    caller: Allowed<MayCreateOrder>,
    IdempotencyKey(key): IdempotencyKey,
    Body(request): Body<CreateOrderRequest>,
) -> ApiResult<(StatusCode, Json<Order>)> {
    let CreateOrderRequest { address, remark, items } = request;
    let items = items.unwrap_or_default();
    if items.is_empty() {
        return Err(refuse(Unorderable::Empty));
    }
    let failed = "failed to create order";
    let mut transaction = app.pool().begin().await.or_internal(failed)?;
    if let Some(key) = &key
        && let Some(order) = with_key(&mut transaction, caller.id, key).await.or_internal(failed)?
    {
        return Err(duplicate(order));
    }
    let lines = pricing::check(&items).map_err(refuse)?;
    let remark = optional("remark", remark, LONG)?;
    let address = checked(address.unwrap_or_default())?;

    let mut wanted: Vec<Uuid> = lines.iter().map(|line| line.sku_id).collect();
    wanted.sort_unstable();
    wanted.dedup();
    let known = skus::by_ids(&mut *transaction, &wanted).await.or_internal(failed)?;
    let prices = pricing::price(&lines, &known).map_err(refuse)?;
    if let Err(error) = take_out_of_cart(&mut transaction, caller.id, &lines, failed).await {
        // The same request, sent twice at once: this one waited for the lines of the cart, and they are ordered now.
        let first = match &key {
            Some(key) => with_key(&mut transaction, caller.id, key).await.or_internal(failed)?,
            None => None,
        };
        return Err(first.map_or(error, duplicate));
    }

    let id: Option<Uuid> = sqlx::query_scalar(
        "INSERT INTO orders (status, payment_status, customer_id, owner_sales_user_id, address, remark,
             idempotency_key)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (customer_id, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING
         RETURNING id",
    )
    .bind(OrderState::NEW.order)
    .bind(OrderState::NEW.payment)
    .bind(caller.id)
    .bind(caller.owner_of_new())
    .bind(sqlx::types::Json(&address))
    .bind(remark)
    .bind(&key)
    .fetch_optional(&mut *transaction)
    .await
    .or_internal(failed)?;
    let Some(id) = id else {
        // Somebody else with the same key was faster; the insert waited for it.
        let first =
            with_key(&mut transaction, caller.id, &key.unwrap_or_default()).await.or_internal(failed)?;
        return Err(first.map_or_else(|| ApiError::conflict("duplicate idempotency key"), duplicate));
    };
    insert_lines(&mut transaction, id, &lines, &prices).await.or_internal(failed)?;
    let order = load(&mut transaction, id).await.or_internal(failed)?;
    transaction.commit().await.or_internal(failed)?;
    Ok((StatusCode::CREATED, Json(order)))
}

fn refuse(reason: Unorderable) -> ApiError {
    ApiError::invalid(reason.to_string())
}

fn duplicate(order: Uuid) -> ApiError {
    ApiError::conflict("duplicate idempotency key").with_details(json!({ "orderId": order }))
}

/// An address is kept as it is given; only its size has an end.
fn checked(given: AddressInput) -> ApiResult<Address> {
    let address = Address {
        receiver_name: given.receiver_name.unwrap_or_default(),
        receiver_phone: given.receiver_phone.unwrap_or_default(),
        province: given.province,
        city: given.city,
        district: given.district,
        detail: given.detail.unwrap_or_default(),
    };
    let length = serde_json::to_string(&address).map_or(0, |text| text.chars().count());
    if length > 6 * LONGEST_PART {
        return Err(ApiError::invalid("address is too long"));
    }
    Ok(address)
}

async fn with_key(connection: &mut PgConnection, customer: Uuid, key: &str) -> sqlx::Result<Option<Uuid>> {
    sqlx::query_scalar("SELECT id FROM orders WHERE customer_id = $1 AND idempotency_key = $2")
        .bind(customer)
        .bind(key)
        .fetch_optional(connection)
        .await
}

async fn insert_lines(
    connection: &mut PgConnection,
    order: Uuid,
    lines: &[Line],
    prices: &[i64],
) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO order_items (order_id, position, sku_id, qty, unit_price_fen, cart_item_id)
         SELECT $1, position, sku_id, qty, price, cart_item_id
         FROM unnest($2::uuid[], $3::integer[], $4::bigint[], $5::uuid[])
             WITH ORDINALITY AS l (sku_id, qty, price, cart_item_id, position)",
    )
    .bind(order)
    .bind(lines.iter().map(|line| line.sku_id).collect::<Vec<_>>())
    .bind(lines.iter().map(|line| line.qty).collect::<Vec<_>>())
    .bind(prices)
    .bind(lines.iter().map(|line| line.cart_item_id).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

/// A line that names its line of the cart takes its quantity from it; one that does not takes the SKU out of the
/// cart altogether.
async fn take_out_of_cart(
    connection: &mut PgConnection,
    owner: Uuid,
    lines: &[Line],
    failed: &'static str,
) -> ApiResult<()> {
    let named: Vec<(Uuid, &Line)> =
        lines.iter().filter_map(|line| line.cart_item_id.map(|id| (id, line))).collect();
    let others: Vec<Uuid> =
        lines.iter().filter(|line| line.cart_item_id.is_none()).map(|line| line.sku_id).collect();
    if !named.is_empty() {
        let ids: Vec<Uuid> = named.iter().map(|(id, _)| *id).collect();
        let rows: Vec<(Uuid, Uuid, i32)> = sqlx::query_as(
            "SELECT id, sku_id, qty FROM cart_items WHERE owner_user_id = $1 AND id = ANY($2)
             ORDER BY id FOR UPDATE",
        )
        .bind(owner)
        .bind(&ids)
        .fetch_all(&mut *connection)
        .await
        .or_internal(failed)?;
        let rows: HashMap<Uuid, (Uuid, i32)> =
            rows.into_iter().map(|(id, sku, qty)| (id, (sku, qty))).collect();
        for (id, line) in &named {
            match rows.get(id) {
                None => return Err(ApiError::invalid("invalid cartItemId")),
                Some((sku, _)) if *sku != line.sku_id => {
                    return Err(ApiError::invalid("cart item sku does not match"));
                }
                Some((_, qty)) if line.qty > *qty => {
                    return Err(ApiError::invalid("qty exceeds cart item quantity"));
                }
                Some(_) => {}
            }
        }
        sqlx::query(
            "WITH taken AS (SELECT * FROM unnest($2::uuid[], $3::integer[]) AS t (id, qty)),
             emptied AS (
                 DELETE FROM cart_items c USING taken t
                 WHERE c.owner_user_id = $1 AND c.id = t.id AND c.qty <= t.qty
             )
             UPDATE cart_items c SET qty = c.qty - t.qty, updated_at = now()
             FROM taken t WHERE c.owner_user_id = $1 AND c.id = t.id AND c.qty > t.qty",
        )
        .bind(owner)
        .bind(&ids)
        .bind(named.iter().map(|(_, line)| line.qty).collect::<Vec<_>>())
        .execute(&mut *connection)
        .await
        .or_internal(failed)?;
    }
    if !others.is_empty() {
        sqlx::query("DELETE FROM cart_items WHERE owner_user_id = $1 AND sku_id = ANY($2)")
            .bind(owner)
            .bind(others)
            .execute(connection)
            .await
            .or_internal(failed)?;
    }
    Ok(())
}
