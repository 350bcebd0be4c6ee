use std::io::{Cursor, Write};

use commerce::sheets::{self, Template, column};
use http::Method;
use serde_json::{Value, json};
use uuid::Uuid;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::world::{ADMIN, CUSTOMER, OTHER_CUSTOMER, World, refusal, sheet};

const IMPORT: &str = "/admin/products/import-jobs";
const EXPORT: &str = "/admin/product-requests/export-jobs";
const CATEGORY: &str = "11111111-1111-1111-1111-111111111111";
const PNG: &[u8] = b"\x89PNG\r\n\x1a\nnot really a picture";

fn header() -> Vec<&'static str> {
    vec![
        "Group Key",
        "SKU Code",
        "Product Name",
        "Category ID",
        "Cover Image",
        "Images",
        "Spec",
        "Price Tiers (Fen)",
    ]
}

fn path(url: &Value) -> &str {
    url.as_str().unwrap().strip_prefix("http://media.test").unwrap()
}

async fn begin(world: &World, fields: &[(&str, &[u8])]) -> String {
    let reply = world.upload(ADMIN, IMPORT, fields).await;
    assert_eq!(reply.status, 202, "{reply:?}");
    let job = reply.json();
    assert_eq!(
        (&job["type"], &job["status"], &job["progress"]),
        (&json!("PRODUCT_IMPORT"), &json!("PENDING"), &json!(0))
    );
    job["id"].as_str().unwrap().to_owned()
}

async fn summary(world: &World, job: &Value) -> String {
    let report = world.get(path(&job["resultFileUrl"])).await.json();
    format!("{} of {}, {} failed", report["successRows"], report["totalRows"], report["failedRows"])
}

/// Products of a status with their SKU codes and first prices.
async fn products(world: &World, status: &str) -> Vec<String> {
    let list = world.admin().get(&format!("/catalog/products?status={status}&pageSize=100")).await.json();
    let mut all = Vec::new();
    for product in list["items"].as_array().unwrap() {
        let detail =
            world.admin().get(&format!("/catalog/products/{}", product["id"].as_str().unwrap())).await.json();
        let skus = detail["skus"].as_array().unwrap().iter();
        let skus = skus.map(|s| {
            format!(" {}:{}", s["skuCode"].as_str().unwrap_or("-"), s["priceTiers"][0]["unitPriceFen"])
        });
        all.push(format!("{}{}", product["name"].as_str().unwrap(), skus.collect::<String>()));
    }
    all.sort();
    all
}

#[tokio::test]
async fn products_come_from_a_sheet() {
    let Some(world) = World::start().await else { return };
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in [("img/a.png", PNG), ("img/b.txt", b"text")] {
        zip.start_file(name, SimpleFileOptions::default()).unwrap();
        zip.write_all(content).unwrap();
    }
    let pictures = zip.finish().unwrap().into_inner();
    let header = header();
    let file = sheet(&[
        &header,
        &[
            "new",
            "NEW-1",
            "球阀",
            CATEGORY,
            "img/a.png",
            "https://cdn.example/1.png|img/a.png",
            "DN15",
            "1-9:1200|10-:1100",
        ],
        &[
            "new",
            "NEW-2",
            "球阀",
            CATEGORY,
            "img/a.png",
            "https://cdn.example/1.png|img/a.png",
            "DN20",
            "1:1500",
        ],
        &["known", "MET-PIPE-001", "Q235 钢管", CATEGORY, "", "", "", "1:9900"],
        &["mixed", "ELE-CAB-001", "x", CATEGORY, "", "", "", ""],
        &["mixed", "ELE-REL-001", "x", CATEGORY, "", "", "", ""],
        &["no picture", "", "y", CATEGORY, "img/b.txt", "", "", ""],
        &["no category", "", "=z", "metal", "", "", "", ""],
    ]);
    let id = begin(&world, &[("excelFile", &file), ("imagesZip", &pictures)]).await;
    let job = world.finish(&id).await;
    assert_eq!((&job["status"], &job["progress"]), (&json!("SUCCEEDED"), &json!(100)), "{job}");
    assert_eq!(summary(&world, &job).await, "3 of 7, 4 failed");
    let errors = world.get(path(&job["errorReportUrl"])).await.text;
    let lines: Vec<_> = errors.lines().collect();
    let expected = [
        "rowNumber,groupKey,skuCode,productName,status,errorMessage",
        r#""5","mixed","ELE-CAB-001","x","FAILED","the SKU Codes belong to different products""#,
        r#""6","mixed","ELE-REL-001","x","FAILED","the SKU Codes belong to different products""#,
        r#""7","no picture","","y","FAILED","image img/b.txt is no JPEG, PNG or WebP""#,
        r#""8","no category","","'=z","FAILED","Category ID must be a UUID""#,
    ];
    assert_eq!(lines, expected);

    assert_eq!(products(&world, "DRAFT").await, ["球阀 NEW-1:1200 NEW-2:1500"]);
    assert!(
        products(&world, "ACTIVE")
            .await
            .contains(&"Q235 钢管 MET-PIPE-001:9900 MET-PIPE-002:16200".to_owned())
    );
    let draft = world.admin().get("/catalog/products?status=DRAFT").await.json()["items"][0].clone();
    let picture = world.client.get(path(&draft["coverImageUrl"])).await;
    assert_eq!((picture.status, picture.header("content-type")), (200, "image/png"));

    // Importing it again changes what is there and adds nothing.
    let id = begin(&world, &[("excelFile", &file), ("imagesZip", &pictures)]).await;
    world.finish(&id).await;
    assert_eq!(products(&world, "DRAFT").await, ["球阀 NEW-1:1200 NEW-2:1500"]);
    let left: i64 =
        sqlx::query_scalar("SELECT count(*) FROM import_job_uploads").fetch_one(&world.pool).await.unwrap();
    assert_eq!(left, 0, "uploads go with their jobs");
    world.stop().await;
}

#[tokio::test]
async fn a_job_survives_its_worker() {
    let Some(world) = World::start().await else { return };
    let header = header();
    let rows: Vec<Vec<String>> = (1..=3)
        .map(|n| {
            [&format!("g{n}"), "", &format!("产品 {n}"), CATEGORY, "", "", "", "1:100"]
                .map(ToString::to_string)
                .to_vec()
        })
        .collect();
    let file =
        sheets::write("s", std::iter::once(header.iter().map(ToString::to_string).collect()).chain(rows))
            .unwrap();
    let id = begin(&world, &[("excelFile", &file)]).await;
    // A worker that has done the first product and died: its lease has run out.
    let job = Uuid::parse_str(&id).unwrap();
    sqlx::query("UPDATE import_jobs SET status = 'RUNNING', attempts = 1, lease_until = now() - interval '1 s' WHERE id = $1")
        .bind(job)
        .execute(&world.pool)
        .await
        .unwrap();
    sqlx::query(
        "INSERT INTO product_import_rows (job_id, row_no, group_key, sku_code, product_name) VALUES ($1, 2, 'g1', '', '产品 1')",
    )
    .bind(job)
    .execute(&world.pool)
    .await
    .unwrap();
    let done = world.finish(&id).await;
    assert_eq!(summary(&world, &done).await, "3 of 3, 0 failed");
    // The first is not made again.
    assert_eq!(products(&world, "DRAFT").await, ["产品 2 -:100", "产品 3 -:100"]);
    world.stop().await;
}

#[tokio::test]
async fn a_running_job_is_left_to_its_worker_and_a_hopeless_one_ends() {
    let Some(world) = World::start().await else { return };
    let header = header();
    let file = sheet(&[&header, &["g", "", "产品", CATEGORY, "", "", "", ""]]);
    let running = begin(&world, &[("excelFile", &file)]).await;
    sqlx::query(
        "UPDATE import_jobs SET status = 'RUNNING', attempts = 1, lease_until = now() + interval '1 h'",
    )
    .execute(&world.pool)
    .await
    .unwrap();
    let hopeless = begin(&world, &[("excelFile", b"no workbook")]).await;
    let done = world.finish(&hopeless).await;
    assert_eq!((&done["status"], &done["resultFileUrl"]), (&json!("FAILED"), &Value::Null));
    let failure: String = sqlx::query_scalar("SELECT failure FROM import_jobs WHERE id = $1")
        .bind(Uuid::parse_str(&hopeless).unwrap())
        .fetch_one(&world.pool)
        .await
        .unwrap();
    assert_eq!(failure, "invalid excel file");
    let other =
        world.by(ADMIN, Method::GET, &format!("/admin/import-jobs/{running}"), Value::Null).await.json();
    assert_eq!(other["status"], "RUNNING");
    assert_eq!(products(&world, "DRAFT").await, Vec::<String>::new());
    world.stop().await;
}

#[tokio::test]
async fn requests_go_into_a_sheet() {
    let Some(world) = World::start().await else { return };
    for (person, name) in [(CUSTOMER, "螺栓"), (OTHER_CUSTOMER, "=HYPERLINK(\"x\")")] {
        let body = json!({ "name": name, "qty": "3", "referenceImageUrls": ["http://a", "http://b"] });
        assert_eq!(world.by(person, Method::POST, "/product-requests", body).await.status, 201);
    }
    // More than one page of them, all made at the same moment.
    sqlx::query(
        "INSERT INTO product_requests (created_by_user_id, name, created_at)
         SELECT gen_random_uuid(), 'r' || n, '2020-01-01' FROM generate_series(1, 2500) AS n",
    )
    .execute(&world.pool)
    .await
    .unwrap();
    let export = async |body: Value| {
        let reply = world.by(ADMIN, Method::POST, EXPORT, body).await;
        assert_eq!(reply.status, 202, "{reply:?}");
        let id = reply.json()["id"].as_str().unwrap().to_owned();
        let done = world.finish(&id).await;
        assert_eq!(done["status"], "SUCCEEDED", "{done}");
        let file = format!("import-jobs/{id}/exports/product-requests.xlsx");
        assert_eq!(path(&done["resultFileUrl"]), format!("/assets/media/{file}"));
        let served = world.client.get(path(&done["resultFileUrl"])).await;
        assert_eq!(
            served.header("content-type"),
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
        );
        std::fs::read(world.media.join(file)).unwrap()
    };
    const TEMPLATE: Template = Template {
        name: "t",
        columns: &[column("商品名称"), column("数量"), column("归属销售ID")],
        required: &[0],
        one_of: &[],
    };
    let recent = export(json!({ "createdAfter": "2021-01-01T00:00:00Z" })).await;
    let rows = sheets::read(&recent, &TEMPLATE).unwrap();
    let rows: Vec<_> = rows.iter().map(|r| [r.get(0), r.get(1), r.get(2)]).collect();
    let sales = [OTHER_CUSTOMER, CUSTOMER].map(|p| p.owner.unwrap().to_string());
    assert_eq!(rows, [["=HYPERLINK(\"x\")", "3", &sales[0]], ["螺栓", "3", &sales[1]]]);
    let old = export(json!({ "createdBefore": "2021-01-01T00:00:00Z" })).await;
    let rows = sheets::read(&old, &TEMPLATE).unwrap();
    let names: std::collections::BTreeSet<_> = rows.iter().map(|r| r.get(0)).collect();
    assert_eq!((rows.len(), names.len()), (2500, 2500), "every one, once");
    world.stop().await;
}

#[tokio::test]
async fn what_is_no_job() {
    let Some(world) = World::start().await else { return };
    let refused = async |fields: &[(&str, &[u8])], expect: &str| {
        assert_eq!(refusal(&world.upload(ADMIN, IMPORT, fields).await), expect);
    };
    refused(&[("imagesZip", b"x")], "400 invalid_request: missing excelFile").await;
    let expect = "400 invalid_request: imageBaseUrl must be an http:// or https:// address";
    refused(&[("excelFile", b"x"), ("imageBaseUrl", b"file:///etc")], expect).await;
    let empty = world.by(ADMIN, Method::POST, EXPORT, Value::Null).await;
    assert_eq!(refusal(&empty), "400 invalid_request: invalid request body");
    let show = async |id: &str| {
        refusal(&world.by(ADMIN, Method::GET, &format!("/admin/import-jobs/{id}"), Value::Null).await)
    };
    assert_eq!(show("99999999-9999-9999-9999-999999999999").await, "404 not_found: import job not found");
    assert_eq!(show("7").await, "400 invalid_request: Invalid format for parameter jobId: not a UUID");
    world.stop().await;
}

#[tokio::test]
async fn what_was_shipped_long_ago_has_arrived() {
    let Some(world) = World::start().await else { return };
    let mut orders = Vec::new();
    for (hours, status) in [(200, "SHIPPED"), (100, "SHIPPED"), (200, "CONFIRMED")] {
        let order = world.order(CUSTOMER, "33333333-3333-3333-3333-333333333301", 1).await;
        let id = Uuid::parse_str(&order).unwrap();
        sqlx::query("UPDATE orders SET status = $2, payment_status = 'PAID' WHERE id = $1")
            .bind(id)
            .bind(status)
            .execute(&world.pool)
            .await
            .unwrap();
        sqlx::query(
            "INSERT INTO order_tracking_shipments (order_id, waybill_no, shipped_at)
             VALUES ($1, 'W', now() - make_interval(hours => $2))",
        )
        .bind(id)
        .bind(hours)
        .execute(&world.pool)
        .await
        .unwrap();
        orders.push(order);
    }
    // The worker looks before its first job; when that has ended, it has looked.
    let id = begin(&world, &[("excelFile", b"no workbook")]).await;
    world.finish(&id).await;
    for (order, expect) in orders.iter().zip(["DELIVERED", "SHIPPED", "CONFIRMED"]) {
        let reply = world.by(CUSTOMER, Method::GET, &format!("/orders/{order}"), Value::Null).await;
        assert_eq!(reply.json()["status"], expect);
    }
    world.stop().await;
}
