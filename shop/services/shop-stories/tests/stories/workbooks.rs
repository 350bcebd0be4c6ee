use serde_json::Value;
use shop_stories::Story;

const GET: Value = Value::Null;
const CARTS: [(&str, &[u8]); 2] =
    [("cart.xlsx", include_bytes!("files/cart.xlsx")), ("cart.xls", include_bytes!("files/cart.xls"))];
const PRODUCTS: [(&str, &[u8]); 2] = [
    ("products.xlsx", include_bytes!("files/products.xlsx")),
    ("products.xls", include_bytes!("files/products.xls")),
];

fn text<'a>(answer: &'a Value, field: &str) -> &'a str {
    answer[field].as_str().unwrap_or_default()
}

/// Workbooks of both formats, as other programs write them: into a cart and into the catalogue, each to its end.
#[tokio::test]
async fn workbooks() {
    let Some(mut story) = Story::begin().await else { return };
    story.mini("customer", "mock_customer_001").await;
    for (name, content) in CARTS {
        let job = story.upload("customer", "/cart/import-jobs", "file", name, content).await;
        story.say("customer", &format!("GET /cart/import-jobs/{}", text(&job, "id")), GET).await;
    }
    story.say("customer", "GET /cart", GET).await;

    story.web("admin", "admin").await;
    for (name, content) in PRODUCTS {
        let job = story.upload("admin", "/admin/products/import-jobs", "excelFile", name, content).await;
        let job = format!("GET /admin/import-jobs/{}", text(&job, "id"));
        let job = story.wait("admin", &job, |job| job["status"] == "SUCCEEDED").await;
        for report in ["resultFileUrl", "errorReportUrl"] {
            let path = text(&job, report).strip_prefix("http://shop.test").expect("the shop's own address");
            story.say("admin", &format!("GET {path}"), GET).await;
        }
    }
    story.say("admin", "GET /catalog/products?status=DRAFT", GET).await;
    insta::assert_snapshot!(story.end().await);
}
