//! Who asks: customers with a token, and an administrator.

use crate::shop::Shop;
use anyhow::Context;
use fairway_stories::measure::rate::exchange;
use serde_json::{Value, json};
use std::net::SocketAddr;
use tokio::net::TcpStream;

/// How many customers there are; a request is that of the next one.
const CUSTOMERS: usize = 64;

/// Tokens, and something to buy.
#[derive(Clone)]
pub(crate) struct People {
    pub(crate) customers: Vec<String>,
    pub(crate) product: String,
    pub(crate) sku: String,
}

impl People {
    /// The first customer alone.
    pub(crate) fn first(&self) -> Self {
        Self { customers: self.customers[..1].to_vec(), ..self.clone() }
    }
}

/// Makes the customers and finds a product with a SKU.
pub(crate) async fn log_in(shop: &Shop) -> anyhow::Result<People> {
    let gateway = shop.gateway()?;
    let mut customers = Vec::new();
    for number in 0..CUSTOMERS {
        customers.push(customer(gateway, &format!("mock_bench_{number}")).await?.0);
    }
    let list = ask(gateway, &request(gateway, "GET", "/catalog/products", "", None)).await?;
    let product = text(&list["items"][0]["id"])?;
    let path = format!("/catalog/products/{product}");
    let detail = ask(gateway, &request(gateway, "GET", &path, "", None)).await?;
    Ok(People { customers, product, sku: text(&detail["skus"][0]["id"])? })
}

/// A customer's token and id.
pub(crate) async fn customer(gateway: SocketAddr, code: &str) -> anyhow::Result<(String, String)> {
    log_in_with(gateway, "/auth/mini/login", &json!({ "platform": "weapp", "code": code })).await
}

/// The administrator's token and id.
pub(crate) async fn administrator(gateway: SocketAddr) -> anyhow::Result<(String, String)> {
    log_in_with(gateway, "/auth/password/login", &json!({ "username": "admin", "password": "admin123" }))
        .await
}

async fn log_in_with(gateway: SocketAddr, path: &str, body: &Value) -> anyhow::Result<(String, String)> {
    let answer = ask(gateway, &request(gateway, "POST", path, "", Some(body))).await?;
    Ok((text(&answer["accessToken"])?, text(&answer["user"]["id"])?))
}

fn text(value: &Value) -> anyhow::Result<String> {
    value.as_str().map(str::to_owned).context("an answer lacks what the contract promises")
}

/// A request's bytes; `headers` is lines that each end with CR LF.
pub(crate) fn request(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &str,
    body: Option<&Value>,
) -> Vec<u8> {
    let body = body.map(Value::to_string).unwrap_or_default();
    format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: {}\r\n{headers}\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// The header that says who asks.
pub(crate) fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

async fn ask(address: SocketAddr, request: &[u8]) -> anyhow::Result<Value> {
    let mut stream = TcpStream::connect(address).await?;
    let mut buffer = vec![0; 256 * 1024];
    let body = exchange(&mut stream, request, &mut buffer).await?;
    Ok(serde_json::from_slice(&buffer[body])?)
}
