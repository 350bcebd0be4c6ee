//! Who may do what, to whose things: every operation, every role, written down as a table and tried.

use std::collections::BTreeSet;

use http::Method;
use serde_json::{Value, json};

use crate::world::{
    ADMIN, BOSS, CS, CUSTOMER, MANAGER, OTHER_CUSTOMER, OTHER_SALES, PROCUREMENT, Person, SALES, World,
    refusal, sku,
};

/// The columns: CUSTOMER, OTHER_CUSTOMER, SALES, OTHER_SALES, PROCUREMENT, CS, MANAGER, ADMIN, BOSS. Things belong to
/// CUSTOMER, whose sales user is SALES. `y` may, `.` may not (403), `-` finds nothing (404).
const PEOPLE: [Person; 9] =
    [CUSTOMER, OTHER_CUSTOMER, SALES, OTHER_SALES, PROCUREMENT, CS, MANAGER, ADMIN, BOSS];

const TABLE: &str = "
POST   /catalog/categories                        .......yy
PATCH  /catalog/categories/{categoryId}           .......yy
DELETE /catalog/categories/{categoryId}           .......yy
POST   /catalog/products                          .......yy
POST   /catalog/products/{spuId}/skus             .......yy
GET    /wishlist                                  yy.....yy
POST   /wishlist                                  yy.....yy
DELETE /wishlist/{skuId}                          yy.....yy
GET    /cart                                      yyyyyyyyy
POST   /cart/items                                yyyyyyyyy
PATCH  /cart/items/{itemId}                       y--------
DELETE /cart/items/{itemId}                       yyyyyyyyy
POST   /cart/import-jobs                          yyyyyyyyy
GET    /cart/import-jobs/{jobId}                  y--------
POST   /cart/import-jobs/{jobId}/confirm          y--------
GET    /addresses                                 yyyyyyyyy
POST   /addresses                                 yyyyyyyyy
PATCH  /addresses/{addressId}                     y--------
DELETE /addresses/{addressId}                     y--------
POST   /orders                                    yyyyyyyyy
GET    /orders                                    yyyyyyyyy
GET    /orders/stats                              yyyyyyyyy
GET    /orders/{orderId}                          y-y-yyyyy
POST   /orders/{orderId}/confirm-receipt          y-.....--
POST   /admin/orders/{orderId}/ship               ....yyyyy
POST   /admin/orders/{orderId}/confirm-delivery   ....yyyyy
PATCH  /admin/orders/{orderId}/fulfillment        ......yyy
GET    /admin/orders/{orderId}/events             ......yyy
GET    /orders/{orderId}/tracking                 y-y-yyyyy
POST   /orders/{orderId}/tracking                 ....yyyyy
POST   /shipments/import-jobs                     ....yyyyy
POST   /admin/shipments/import-jobs               ....yyyyy
GET    /product-requests                          yyyy.yyyy
POST   /product-requests                          yy.....yy
POST   /product-requests/assets                   yy.....yy
GET    /after-sales/tickets                       yyyy.yyyy
POST   /after-sales/tickets                       yy.....yy
GET    /after-sales/tickets/{ticketId}            y-y-.yyyy
PATCH  /after-sales/tickets/{ticketId}            ..y-.yyyy
GET    /after-sales/tickets/{ticketId}/messages   y-y-.yyyy
POST   /after-sales/tickets/{ticketId}/messages   y-y-.yyyy
GET    /inquiries/price                           yyyy.yyyy
POST   /inquiries/price                           yy.....yy
GET    /inquiries/price/{inquiryId}               y-y-.yyyy
PATCH  /inquiries/price/{inquiryId}               ..y-.yyyy
GET    /inquiries/price/{inquiryId}/messages      y-y-.yyyy
POST   /inquiries/price/{inquiryId}/messages      y-y-.yyyy
POST   /admin/products/import-jobs                .......yy
POST   /admin/product-requests/export-jobs        .......yy
GET    /admin/import-jobs/{jobId}                 .......yy
";

/// What needs no token, or a token of another kind.
const OPEN: [&str; 10] = [
    "GET /catalog/categories",
    "GET /catalog/categories/{categoryId}",
    "GET /catalog/display-categories",
    "GET /catalog/products",
    "GET /catalog/products/{spuId}",
    "GET /assets/media/catalog/{set}/{file}",
    "GET /assets/media/product-requests/{file}",
    "GET /assets/media/import-jobs/{jobId}/reports/{file}",
    "GET /assets/media/import-jobs/{jobId}/exports/{file}",
    "POST /internal/orders/{orderId}/payment-status",
];

/// Things of CUSTOMER, to be asked for by others.
struct Things {
    cart_item: String,
    cart_import: String,
    address: String,
    order: String,
    ticket: String,
    inquiry: String,
    job: String,
}

async fn made(world: &World, path: &str, body: Value) -> String {
    let reply = world.by(CUSTOMER, Method::POST, path, body).await;
    assert!(reply.status < 300, "{reply:?}");
    let json = reply.json();
    let id = json.get("id").unwrap_or_else(|| &json["items"][0]["id"]);
    id.as_str().unwrap().to_owned()
}

impl Things {
    async fn make(world: &World) -> Self {
        let row = commerce::sheets::write("s", [["Qty", "Name"], ["1", "nothing"]]).unwrap();
        let import = world.upload(CUSTOMER, "/cart/import-jobs", &[("file", &row)]).await.json();
        let export =
            world.by(ADMIN, Method::POST, "/admin/product-requests/export-jobs", json!({})).await.json();
        let order = crate::world::order_of(&sku("01"), 1);
        let address = json!({ "receiverName": "a", "receiverPhone": "1", "detail": "d" });
        Self {
            order: made(world, "/orders", order).await,
            cart_item: made(world, "/cart/items", json!({ "skuId": sku("01"), "qty": 1 })).await,
            cart_import: import["id"].as_str().unwrap().to_owned(),
            address: made(world, "/addresses", address).await,
            ticket: made(world, "/after-sales/tickets", json!({ "subject": "s", "description": "d" })).await,
            inquiry: made(world, "/inquiries/price", json!({ "message": "m" })).await,
            job: export["id"].as_str().unwrap().to_owned(),
        }
    }

    fn path(&self, template: &str) -> String {
        let job = if template.starts_with("/cart") { &self.cart_import } else { &self.job };
        template
            .replace("{itemId}", &self.cart_item)
            .replace("{jobId}", job)
            .replace("{addressId}", &self.address)
            .replace("{orderId}", &self.order)
            .replace("{ticketId}", &self.ticket)
            .replace("{inquiryId}", &self.inquiry)
            .replace("{skuId}", &sku("01"))
            .replace("{spuId}", "22222222-2222-2222-2222-222222222222")
            .replace("{categoryId}", "12121212-1212-1212-1212-121212121212")
    }
}

/// A request that leaves nothing behind: whoever may gets a complaint about it, or what was there before.
fn harmless(method: &str) -> Value {
    match method {
        "GET" | "DELETE" => Value::Null,
        _ => json!({ "qty": 1, "status": "OPEN", "confirmOfflinePayment": false }),
    }
}

#[tokio::test]
async fn the_matrix() {
    let Some(world) = World::start().await else { return };
    let rows: Vec<Vec<&str>> =
        TABLE.lines().filter(|l| !l.is_empty()).map(|l| l.split_whitespace().collect()).collect();
    let written: BTreeSet<String> =
        rows.iter().map(|r| format!("{} {}", r[0], r[1])).chain(OPEN.map(str::to_owned)).collect();
    let served = world.contracts.served_by("commerce").into_iter();
    let served: BTreeSet<String> = served.map(|o| format!("{} {}", o.method, o.path)).collect();
    assert_eq!(written, served, "every operation is in the table");

    let mut wrong = Vec::new();
    for row in &rows {
        let [method, template, expect] = row[..] else { panic!("{row:?}") };
        let things = Things::make(&world).await;
        let mut got = String::new();
        // The owner comes last: whoever may delete a thing would take it from the others.
        let mut people: Vec<_> = PEOPLE.iter().enumerate().collect();
        people.reverse();
        for (_, person) in people {
            let verb = Method::from_bytes(method.as_bytes()).unwrap();
            let path = things.path(template);
            let body = harmless(method);
            let bytes = if body.is_null() { bytes::Bytes::new() } else { body.to_string().into() };
            let client = world.of(*person).with("idempotency-key", "matrix");
            let reply = client.send(verb, &path, bytes).await;
            world.contracts.check(method, &path, &reply);
            got.insert(
                0,
                match reply.status {
                    403 => '.',
                    404 if template.contains("categoryId") => 'y',
                    404 => '-',
                    200..=299 | 400 | 409 => 'y',
                    _ => panic!("{method} {path}: {reply:?}"),
                },
            );
        }
        if got != expect {
            wrong.push(format!("{method} {template}: {got}, not {expect}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    world.stop().await;
}

#[tokio::test]
async fn nothing_in_the_table_is_open_to_strangers() {
    let Some(world) = World::start().await else { return };
    let things = Things::make(&world).await;
    for line in TABLE.lines().filter(|l| !l.is_empty()) {
        let [method, template, _] = line.split_whitespace().collect::<Vec<_>>()[..] else { panic!("{line}") };
        let path = things.path(template);
        let verb = Method::from_bytes(method.as_bytes()).unwrap();
        // Not even what is wrong with the body is told.
        let reply = world.client.send(verb, &path, bytes::Bytes::from_static(b"no json")).await;
        assert_eq!(refusal(&reply), "401 unauthorized: missing authorization", "{line}");
    }
    world.stop().await;
}
