//! Lists as they grow: the same pages of a hundred, ten thousand and a million things.

use crate::database::Database;
use crate::people::{administrator, bearer, customer, request};
use crate::plans;
use crate::row::Spans;
use crate::shop::Shop;
use anyhow::ensure;
use fairway_stories::measure::{
    rate::{Latencies, Requests, flood},
    report::thousands,
};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio_postgres::Client;

/// SKUs, and orders.
pub(crate) const SIZES: [u32; 3] = [100, 10_000, 1_000_000];
/// SKUs of each product.
const SKUS: u32 = 4;
/// Rows of one statement of the filling.
const BATCH: u32 = 100_000;

/// A page that somebody looks at.
struct Page {
    label: &'static str,
    path: String,
    headers: String,
}

/// Fills the tables to each size in turn and takes the times of each page; then asks for the plans.
pub(crate) async fn measure(
    shop: &mut Shop,
    database: &Database,
    sizes: &[u32],
    spans: Spans,
) -> anyhow::Result<String> {
    let gateway = shop.gateway()?;
    let (_, customer_id) = customer(gateway, "mock_bench_growth").await?;
    let mut times: Vec<Vec<Latencies>> = Vec::new();
    let mut here = 0;
    for size in sizes {
        eprintln!("bench: {} SKUs and orders", thousands(f64::from(*size)));
        fill(database, &customer_id, here, *size).await?;
        here = *size;
        let mut column = Vec::new();
        for page in pages(gateway, *size).await? {
            let found =
                flood(gateway, 1, spans.warm_up / 4, spans.lasts / 2, &requests(gateway, &page)).await?;
            ensure!(found.failed == 0 && found.count() > 0, "{} went wrong", page.path);
            column.push(found);
        }
        times.push(column);
    }
    let mut text = show(&pages(gateway, here).await?, sizes, &times);
    plans::begin(database).await?;
    for page in pages(gateway, here).await? {
        text.push_str(&plan(gateway, database, &page).await?);
    }
    shop.alive()?;
    Ok(text)
}

/// How many of the products everybody sees: each fiftieth is a draft.
fn on_sale(size: u32) -> u32 {
    let products = size / SKUS;
    products - products / 50
}

/// The pages, when the tables have this size.
async fn pages(gateway: SocketAddr, size: u32) -> anyhow::Result<Vec<Page>> {
    let (administrator, _) = administrator(gateway).await?;
    let (customer, _) = customer(gateway, "mock_bench_growth").await?;
    let page = |label, path: &str, token: Option<&str>| Page {
        label,
        path: path.to_owned(),
        headers: token.map(bearer).unwrap_or_default(),
    };
    let last = |rows: u32| rows.div_ceil(20);
    Ok(vec![
        page("products, first page", "/catalog/products", None),
        page("products of a category", &format!("/catalog/products?categoryId={CATEGORY}"), None),
        page("products with a word in their name", "/catalog/products?q=needle", None),
        page("products, last page", &format!("/catalog/products?page={}", last(on_sale(size))), None),
        page("one product", &format!("/catalog/products/{PRODUCT}"), None),
        page("orders, first page, of everybody", "/orders", Some(&administrator)),
        page("orders in one state, of everybody", "/orders?status=SHIPPED", Some(&administrator)),
        page("orders of one customer", "/orders", Some(&customer)),
        page(
            "orders, last page, of everybody",
            &format!("/orders?page={}", last(size)),
            Some(&administrator),
        ),
    ])
}

fn requests(gateway: SocketAddr, page: &Page) -> Requests {
    let request = request(gateway, "GET", &page.path, &page.headers, None);
    Arc::new(move |_| request.clone())
}

fn show(pages: &[Page], sizes: &[u32], times: &[Vec<Latencies>]) -> String {
    let columns: Vec<String> = sizes.iter().map(|size| thousands(f64::from(*size))).collect();
    let rule = vec!["---"; sizes.len() + 2].join("|");
    let mut text = format!(
        "| p50 / p99 with so many SKUs and orders | {} | growth of p50 |\n|{rule}|\n",
        columns.join(" | ")
    );
    for (index, page) in pages.iter().enumerate() {
        let of = |part: f64| -> Vec<f64> {
            times.iter().map(|column| column[index].quantile(part).as_secs_f64() * 1000.0).collect()
        };
        let (median, slow) = (of(0.5), of(0.99));
        let cells: Vec<String> =
            median.iter().zip(&slow).map(|(median, slow)| format!("{median:.2} / {slow:.2} ms")).collect();
        let growth = median.last().zip(median.first()).map_or(f64::NAN, |(last, first)| last / first);
        text.push_str(&format!("| {} | {} | {growth:.2} |\n", page.label, cells.join(" | ")));
    }
    format!("{text}\n")
}

/// The plans of one request for a page.
async fn plan(gateway: SocketAddr, database: &Database, page: &Page) -> anyhow::Result<String> {
    let requests = requests(gateway, page);
    let once = async || flood(gateway, 1, Duration::ZERO, Duration::from_millis(1), &requests).await;
    // The first may find a session that has been ended.
    once().await?;
    let begin = database.log_end()?;
    once().await?;
    let plans = plans::read(&database.log_since(begin)?);
    ensure!(!plans.is_empty(), "PostgreSQL's log has no plan of {}", page.path);
    Ok(format!("\n{}:\n\n```text\n{}\n```\n", page.label, plans.join("\n\n")))
}

/// A category of the examples.
const CATEGORY: &str = "11111111-1111-1111-1111-111111111111";
/// The product with number 1: the MD5 sum of `p1`.
const PRODUCT: &str = "ec6ef230-f182-8039-ee79-4566b9c58adc";

/// Fills the tables from one size to another.
async fn fill(database: &Database, customer: &str, from: u32, to: u32) -> anyhow::Result<()> {
    let session = database.session("commerce").await?;
    // What refers to something refers to what is there; checking that a million times is not what is measured.
    let unchecked = "SET session_replication_role = replica";
    let checked = "SET session_replication_role = origin";
    let mut begin = from;
    while begin < to {
        let end = to.min(begin + BATCH);
        // Counts are kept by triggers, so products and orders are written with them.
        session.batch_execute(checked).await?;
        session.batch_execute(&products(begin / SKUS, end / SKUS)).await?;
        session.batch_execute(&orders(begin, end, customer)).await?;
        session.batch_execute(unchecked).await?;
        session.batch_execute(&skus(begin, end)).await?;
        session.batch_execute(&items(begin, end)).await?;
        begin = end;
    }
    settle(&session).await
}

async fn settle(session: &Client) -> anyhow::Result<()> {
    session.batch_execute("VACUUM (ANALYZE)").await?;
    session.batch_execute("CHECKPOINT").await?;
    Ok(())
}

fn products(from: u32, to: u32) -> String {
    format!(
        "INSERT INTO catalog_products (id, name, category_id, status, created_at)
         SELECT md5('p' || n)::uuid, CASE WHEN n <= 20 THEN 'needle ' ELSE 'Rohr ' END || n,
                CASE n % 8 WHEN 0 THEN '{CATEGORY}' ELSE '55555555-5555-5555-5555-555555555555' END::uuid,
                CASE n % 50 WHEN 49 THEN 'DRAFT' ELSE 'ACTIVE' END, now() - n * interval '1 second'
         FROM generate_series({from} + 1, {to}) AS n"
    )
}

fn skus(from: u32, to: u32) -> String {
    format!(
        "INSERT INTO catalog_skus (id, product_id, name, sku_code)
         SELECT md5('s' || n)::uuid, md5('p' || (n - 1) / {SKUS} + 1)::uuid, 'sku ' || n, 'BENCH-' || n
         FROM generate_series({from} + 1, {to}) AS n;
         INSERT INTO catalog_price_tiers (sku_id, min_qty, unit_price_fen)
         SELECT md5('s' || n)::uuid, 1, 1000 + n % 1000 FROM generate_series({from} + 1, {to}) AS n"
    )
}

/// The first hundred orders are those of one customer.
fn orders(from: u32, to: u32, customer: &str) -> String {
    format!(
        "INSERT INTO orders (id, status, customer_id, owner_sales_user_id, address, created_at)
         SELECT md5('o' || n)::uuid, (ARRAY['SUBMITTED', 'CONFIRMED', 'SHIPPED', 'DELIVERED'])[n % 4 + 1],
                CASE WHEN n <= 100 THEN '{customer}'::uuid ELSE md5('c' || n % 5000)::uuid END,
                md5('o' || n % 50)::uuid, '{{\"receiverName\": \"a\", \"receiverPhone\": \"1\", \"detail\": \"d\"}}',
                now() - n * interval '1 second'
         FROM generate_series({from} + 1, {to}) AS n"
    )
}

fn items(from: u32, to: u32) -> String {
    format!(
        "INSERT INTO order_items (order_id, position, sku_id, qty, unit_price_fen)
         SELECT md5('o' || n)::uuid, 1, md5('s' || n)::uuid, 2, 1000
         FROM generate_series({from} + 1, {to}) AS n"
    )
}
