use http::Method;
use serde_json::Value;

use crate::world::{ADMIN, CUSTOMER, SALES, World, refusal};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\nnot really a picture";

/// The path of an address that the service gave out.
fn path(url: &str) -> &str {
    url.strip_prefix("http://media.test").unwrap()
}

#[tokio::test]
async fn covers_resolve() {
    let Some(world) = World::start_with(&[("MEDIA_PUBLIC_BASE_URL", "http://media.test/assets/media")]).await
    else {
        return;
    };
    commerce::seed::run(&world.pool, "http://media.test/assets/media", true).await.unwrap();
    for product in world.get("/catalog/products").await.json()["items"].as_array().unwrap() {
        let reply = world.client.get(path(product["coverImageUrl"].as_str().unwrap())).await;
        assert_eq!((reply.status, reply.header("content-type")), (200, "image/svg+xml"), "{product}");
        assert!(reply.text.contains(product["name"].as_str().unwrap()), "{}", reply.text);
        assert!(reply.header("content-security-policy").contains("default-src 'none'"));
    }
    let unknown = world.client.get("/assets/media/catalog/v3/99999999-9999-9999-9999-999999999999.svg").await;
    assert_eq!(refusal(&unknown), "404 media_not_found: file not found");
    world.stop().await;
}

#[tokio::test]
async fn what_is_uploaded_comes_back() {
    let Some(world) = World::start().await else { return };
    let upload =
        async |fields: &[(&str, &[u8])]| world.upload(CUSTOMER, "/product-requests/assets", fields).await;
    let made = upload(&[("file", PNG)]).await;
    assert_eq!(made.status, 201, "{made:?}");
    let made = made.json();
    assert_eq!((&made["contentType"], &made["size"]), (&"image/png".into(), &PNG.len().into()));
    let reply = world.client.get(path(made["url"].as_str().unwrap())).await;
    assert_eq!((reply.status, reply.header("content-type")), (200, "image/png"));
    assert_eq!(reply.header("x-content-type-options"), "nosniff");
    assert_eq!(reply.header("content-length"), PNG.len().to_string());

    let refused = async |fields: &[(&str, &[u8])], expect: &str| {
        assert_eq!(refusal(&upload(fields).await), expect);
    };
    refused(&[("other", PNG)], "400 invalid_request: missing file").await;
    refused(&[("file", b"")], "400 invalid_request: missing file").await;
    refused(&[("file", b"<svg onload=alert(1)>")], "400 invalid_request: unsupported file type").await;
    let large = [PNG, &vec![0; 5 << 20]].concat();
    refused(&[("file", &large)], "400 invalid_request: file exceeds 5MB limit").await;
    refused(&[("file", &large), ("file2", &large)], "400 invalid_request: file exceeds 5MB limit").await;
    let sales = world.upload(SALES, "/product-requests/assets", &[("file", PNG)]).await;
    assert_eq!(refusal(&sales), "403 forbidden: permission denied");
    let nothing = world.by(ADMIN, Method::POST, "/product-requests/assets", Value::Null).await;
    assert_eq!(refusal(&nothing), "400 invalid_request: invalid request body");
    world.stop().await;
}

#[tokio::test]
async fn no_name_leads_out() {
    let Some(world) = World::start().await else { return };
    std::fs::create_dir_all(world.media.join("product-requests")).unwrap();
    std::fs::write(world.media.join("secret.json"), "{}").unwrap();
    std::fs::write(world.media.join("product-requests/.hidden.json"), "{}").unwrap();
    std::fs::write(world.media.join("product-requests/page.html"), "<p>").unwrap();
    for name in ["..%2fsecret.json", "..%5csecret.json", ".hidden.json", "page.html", "a%00.png", "%2e%2e"] {
        let reply = world.client.get(&format!("/assets/media/product-requests/{name}")).await;
        assert_eq!(refusal(&reply), "404 media_not_found: file not found", "{name}");
    }
    world.stop().await;
}
