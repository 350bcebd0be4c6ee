//! Examples for development: eight categories, twelve products with two SKUs each, one inquiry.
//!
//! Ids are fixed, so that examples and tests can name them. Running it again adds what is missing and
//! changes nothing that is there; a reset removes everything first, orders and uploads of customers included.

use shop_kit::database::DatabaseError;
use sqlx::{PgConnection, PgPool};
use thiserror::Error;
use uuid::Uuid;

/// Seeding failed; nothing was changed.
#[derive(Debug, Error)]
#[error("seeding failed and was rolled back; has `commerce migrate` been run?")]
pub struct SeedError(#[source] DatabaseError);

impl From<sqlx::Error> for SeedError {
    fn from(error: sqlx::Error) -> Self {
        Self(error.into())
    }
}

/// Hex digits repeated through the whole id, and the name. The position is the sort order.
const CATEGORIES: [(&str, &str); 8] = [
    ("1", "紧固件"),
    ("5", "电气"),
    ("6", "安全防护"),
    ("12", "工具"),
    ("13", "仪器仪表"),
    ("14", "劳保清洁"),
    ("15", "办公文具"),
    ("16", "包装耗材"),
];

struct Product {
    /// The last two hex digits of the id.
    id: &'static str,
    name: &'static str,
    /// What its SKUs are called when that is not the product's name.
    sku_name: Option<&'static str>,
    category: &'static str,
    unit: &'static str,
    /// Code, specification, unit price in fen for small quantities, and a unit that differs.
    skus: [(&'static str, &'static str, i64, Option<&'static str>); 2],
}

const fn product(
    id: &'static str,
    name: &'static str,
    category: &'static str,
    unit: &'static str,
    skus: [(&'static str, &'static str, i64, Option<&'static str>); 2],
) -> Product {
    Product { id, name, sku_name: None, category, unit, skus }
}

const fn called(sku_name: &'static str, product: Product) -> Product {
    Product { sku_name: Some(sku_name), ..product }
}

const PRODUCTS: [Product; 12] = [
    product(
        "22",
        "Q235 焊接钢管",
        "1",
        "根",
        [
            ("MET-PIPE-001", "DN40 x 3.5mm x 6m", 12800, None),
            ("MET-PIPE-002", "DN50 x 3.8mm x 6m", 16200, None),
        ],
    ),
    product(
        "23",
        "304 不锈钢角钢",
        "1",
        "根",
        [("MET-ANG-001", "30x30x3mm x 6m", 18600, None), ("MET-ANG-002", "40x40x4mm x 6m", 24800, None)],
    ),
    product(
        "24",
        "镀锌槽钢 C100",
        "1",
        "根",
        [
            ("MET-CHN-001", "C100 x 2.5mm x 6m", 14200, None),
            ("MET-CHN-002", "C100 x 3.0mm x 6m", 16800, None),
        ],
    ),
    product(
        "25",
        "阻燃电缆 3x2.5",
        "5",
        "卷",
        [("ELE-CAB-001", "50m/卷", 23800, None), ("ELE-CAB-002", "100m/卷", 45800, None)],
    ),
    product(
        "26",
        "工业继电器 24V",
        "5",
        "只",
        [("ELE-REL-001", "2NO 10A", 8800, None), ("ELE-REL-002", "2NO 16A", 10200, None)],
    ),
    called(
        "塑壳断路器 3P",
        product(
            "27",
            "塑壳断路器 3P 63A",
            "5",
            "只",
            [("ELE-BRK-001", "3P 63A", 35600, None), ("ELE-BRK-002", "3P 100A", 42800, None)],
        ),
    ),
    product(
        "28",
        "LED 工程投光灯",
        "5",
        "盏",
        [("ELE-LGT-001", "50W IP65", 9600, None), ("ELE-LGT-002", "100W IP65", 14800, None)],
    ),
    product(
        "29",
        "PT100 温度传感器",
        "5",
        "支",
        [("ELE-SEN-001", "探杆 50mm", 7800, None), ("ELE-SEN-002", "探杆 100mm", 8800, None)],
    ),
    called(
        "防割手套",
        product(
            "2a",
            "防割手套 5 级",
            "6",
            "双",
            [("SAF-GLV-001", "M 码", 3200, None), ("SAF-GLV-002", "L 码", 3200, None)],
        ),
    ),
    product(
        "2b",
        "ABS 安全帽",
        "6",
        "顶",
        [("SAF-HEL-001", "白色", 5800, None), ("SAF-HEL-002", "黄色", 5800, None)],
    ),
    product(
        "2c",
        "反光安全背心",
        "6",
        "件",
        [("SAF-VST-001", "橙色 M", 2200, None), ("SAF-VST-002", "荧黄 L", 2200, None)],
    ),
    product(
        "2d",
        "N95 防护口罩",
        "6",
        "盒",
        [("SAF-MSK-001", "20 只/盒", 6400, None), ("SAF-MSK-002", "200 只/箱", 56000, Some("箱"))],
    ),
];

/// The signs of the categories on the home page, in the order of [`CATEGORIES`].
const DISPLAYED: [(&str, &str); 8] = [
    ("cat-fasteners", "setting"),
    ("cat-electrical", "desktop"),
    ("cat-ppe", "shield"),
    ("cat-tools", "setting"),
    ("cat-instrumentation", "apps"),
    ("cat-janitorial", "brush"),
    ("cat-office", "notes"),
    ("cat-packaging", "apps"),
];

/// The example products: id, name, and the digits of the category.
pub fn products() -> impl Iterator<Item = (Uuid, &'static str, &'static str)> {
    PRODUCTS.iter().map(|product| (id_ending("2", product.id), product.name, product.category))
}

/// Adds the examples; with `reset` everything else goes first. Pictures are said to be below `media_base_url`.
///
/// # Errors
/// When the database refuses; nothing is changed then.
pub async fn run(pool: &PgPool, media_base_url: &str, reset: bool) -> Result<(), SeedError> {
    let mut transaction = pool.begin().await?;
    if reset {
        sqlx::query(
            "TRUNCATE catalog_categories, catalog_products, catalog_skus, catalog_price_tiers, display_categories,
                 wishlist_items, cart_items, cart_import_jobs, cart_import_rows, user_addresses, orders, order_items,
                 order_tracking_shipments, order_admin_events, product_requests, after_sales_tickets,
                 after_sales_messages, price_inquiries, inquiry_messages, import_jobs, import_job_uploads,
                 product_import_rows",
        )
        .execute(&mut *transaction)
        .await?;
    }
    let mut added = 0;
    for (sort, ((digits, name), (id, icon))) in (1_i32..).zip(CATEGORIES.iter().zip(DISPLAYED)) {
        added += sqlx::query(
            "INSERT INTO catalog_categories (id, name, sort) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        )
        .bind(repeated(digits))
        .bind(name)
        .bind(sort)
        .execute(&mut *transaction)
        .await?
        .rows_affected();
        sqlx::query(
            "INSERT INTO display_categories (id, name, icon_key, sort) VALUES ($1, $2, $3, $4)
             ON CONFLICT DO NOTHING",
        )
        .bind(id)
        .bind(name)
        .bind(icon)
        .bind(sort)
        .execute(&mut *transaction)
        .await?;
    }
    for (position, product) in (0_i32..).zip(&PRODUCTS) {
        added += add_product(&mut transaction, position, product, media_base_url).await?;
    }
    added += add_inquiry(&mut transaction).await?;
    transaction.commit().await?;
    tracing::info!(added, reset, "examples seeded");
    Ok(())
}

/// A question of the example customer to the example sales user of identity's seed.
async fn add_inquiry(connection: &mut PgConnection) -> sqlx::Result<u64> {
    let added = sqlx::query(
        "INSERT INTO price_inquiries (id, created_by_user_id, owner_sales_user_id, assigned_sales_user_id, sku_id,
             message, response_note)
         VALUES ($1, $2, $3, $3, $4, '镀锌槽钢 C100 采购 200 根，最低单价是多少？', '正在核价，今天答复')
         ON CONFLICT DO NOTHING",
    )
    .bind(repeated("7"))
    .bind(repeated("d"))
    .bind(repeated("b"))
    .bind(id_ending("3", "05"))
    .execute(&mut *connection)
    .await?
    .rows_affected();
    if added > 0 {
        sqlx::query(
            "INSERT INTO inquiry_messages (id, inquiry_id, sender_type, sender_user_id, content)
             VALUES ($1, $2, 'customer', $3, '镀锌槽钢 C100 采购 200 根，最低单价是多少？') ON CONFLICT DO NOTHING",
        )
        .bind(repeated("8"))
        .bind(repeated("7"))
        .bind(repeated("d"))
        .execute(connection)
        .await?;
    }
    Ok(added)
}

async fn add_product(
    connection: &mut PgConnection,
    position: i32,
    product: &Product,
    media_base_url: &str,
) -> sqlx::Result<u64> {
    let id = id_ending("2", product.id);
    let cover = format!("{media_base_url}/catalog/v3/{id}.svg");
    // Spread over time, so that "newest first" is the same on every machine.
    let added = sqlx::query(
        "INSERT INTO catalog_products (id, name, category_id, cover_image_url, images, status, created_at)
         VALUES ($1, $2, $3, $4, ARRAY[$4], 'ACTIVE', now() - make_interval(secs => $5)) ON CONFLICT DO NOTHING",
    )
    .bind(id)
    .bind(product.name)
    .bind(repeated(product.category))
    .bind(cover)
    .bind(f64::from(position))
    .execute(&mut *connection)
    .await?
    .rows_affected();
    if added == 0 {
        return Ok(0);
    }
    for (place, (code, spec, base, unit)) in (0_i32..).zip(product.skus) {
        let sku = id_ending("3", &format!("{:02x}", position * 2 + place + 1));
        sqlx::query(
            "INSERT INTO catalog_skus (id, product_id, sku_code, name, spec, unit, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, now() + make_interval(secs => $7)) ON CONFLICT DO NOTHING",
        )
        .bind(sku)
        .bind(id)
        .bind(code)
        .bind(product.sku_name.unwrap_or(product.name))
        .bind(spec)
        .bind(unit.unwrap_or(product.unit))
        .bind(f64::from(place))
        .execute(&mut *connection)
        .await?;
        for (min, max, price) in [(1, Some(9), base), (10, Some(49), base - 800), (50, None, base - 1600)] {
            sqlx::query(
                "INSERT INTO catalog_price_tiers (sku_id, min_qty, max_qty, unit_price_fen) VALUES ($1, $2, $3, $4)",
            )
            .bind(sku)
            .bind(min)
            .bind(max)
            .bind(price)
            .execute(&mut *connection)
            .await?;
        }
    }
    Ok(1)
}

/// The id made of a hex digit (or two) repeated.
fn repeated(digits: &str) -> Uuid {
    let hex: String = digits.chars().cycle().take(32).collect();
    Uuid::parse_str(&hex).expect("32 hex digits are a UUID")
}

/// The id made of one repeated digit with its last two digits replaced.
fn id_ending(digit: &str, ending: &str) -> Uuid {
    Uuid::parse_str(&format!("{}{ending}", digit.repeat(30))).expect("32 hex digits are a UUID")
}
