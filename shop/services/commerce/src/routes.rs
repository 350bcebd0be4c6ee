//! Every route of this service: which handler answers which operation of the contracts.
//!
//! A table and not a chain of calls, so that a test can compare it with the contracts in both directions.

use axum::extract::DefaultBodyLimit;
use axum::handler::Handler;
use axum::routing::{MethodFilter, MethodRouter, on};

use crate::app::App;
use crate::cart::{addresses, imports, items, wishlist};
use crate::catalog::{categories, display, products, skus};
use crate::{aftersales, inquiries, jobs, media, orders, requests, shipments};

/// Bytes of a spreadsheet and what comes with it.
const LARGEST_IMPORT: usize = 32 << 20;
/// Bytes of an upload around a picture of 5 MB.
const LARGEST_ASSET: usize = 6 << 20;

/// One operation and its handler.
#[derive(Debug)]
pub struct Route {
    /// Upper-case, e.g. `GET`.
    pub method: &'static str,
    /// The path as the contract has it, e.g. `/catalog/products/{spuId}`.
    pub path: &'static str,
    /// What answers.
    pub handler: MethodRouter<App>,
}

fn route<H, T>(method: &'static str, path: &'static str, handler: H) -> Route
where
    H: Handler<T, App>,
    T: 'static,
{
    let filter = match method {
        "GET" => MethodFilter::GET,
        "POST" => MethodFilter::POST,
        "PATCH" => MethodFilter::PATCH,
        "PUT" => MethodFilter::PUT,
        "DELETE" => MethodFilter::DELETE,
        other => panic!("{path} has the method {other}, which no operation of this service has"),
    };
    Route { method, path, handler: on(filter, handler) }
}

impl Route {
    /// Lets the body be as large as `bytes`.
    fn taking(mut self, bytes: usize) -> Self {
        self.handler = self.handler.layer(DefaultBodyLimit::max(bytes));
        self
    }
}

/// All routes.
pub fn table() -> Vec<Route> {
    let import = "/admin/shipments/import-jobs";
    vec![
        route("GET", "/catalog/categories", categories::list),
        route("POST", "/catalog/categories", categories::create),
        route("GET", "/catalog/categories/{categoryId}", categories::show),
        route("PATCH", "/catalog/categories/{categoryId}", categories::update),
        route("DELETE", "/catalog/categories/{categoryId}", categories::remove),
        route("GET", "/catalog/display-categories", display::list),
        route("GET", "/catalog/products", products::list),
        route("POST", "/catalog/products", products::create),
        route("GET", "/catalog/products/{spuId}", products::show),
        route("POST", "/catalog/products/{spuId}/skus", skus::create),
        route("GET", "/wishlist", wishlist::list),
        route("POST", "/wishlist", wishlist::add),
        route("DELETE", "/wishlist/{skuId}", wishlist::remove),
        route("GET", "/cart", items::show),
        route("POST", "/cart/items", items::add),
        route("PATCH", "/cart/items/{itemId}", items::update),
        route("DELETE", "/cart/items/{itemId}", items::remove),
        route("POST", "/cart/import-jobs", imports::create).taking(LARGEST_IMPORT),
        route("GET", "/cart/import-jobs/{jobId}", imports::show),
        route("POST", "/cart/import-jobs/{jobId}/confirm", imports::confirm),
        route("GET", "/addresses", addresses::list),
        route("POST", "/addresses", addresses::create),
        route("PATCH", "/addresses/{addressId}", addresses::update),
        route("DELETE", "/addresses/{addressId}", addresses::remove),
        route("POST", "/orders", orders::create::create),
        route("GET", "/orders", orders::read::list),
        route("GET", "/orders/stats", orders::read::stats),
        route("GET", "/orders/{orderId}", orders::read::show),
        route("POST", "/orders/{orderId}/confirm-receipt", orders::change::confirm_receipt),
        route("POST", "/admin/orders/{orderId}/ship", orders::change::ship),
        route("POST", "/admin/orders/{orderId}/confirm-delivery", orders::change::confirm_delivery),
        route("PATCH", "/admin/orders/{orderId}/fulfillment", orders::fulfillment::update),
        route("GET", "/admin/orders/{orderId}/events", orders::fulfillment::events),
        route("POST", "/internal/orders/{orderId}/payment-status", orders::change::payment_status),
        route("GET", "/orders/{orderId}/tracking", shipments::tracking::show),
        route("POST", "/orders/{orderId}/tracking", shipments::tracking::record),
        route("POST", "/shipments/import-jobs", shipments::imports::create).taking(LARGEST_IMPORT),
        route("POST", import, shipments::imports::create).taking(LARGEST_IMPORT),
        route("GET", "/product-requests", requests::list),
        route("POST", "/product-requests", requests::create),
        route("POST", "/product-requests/assets", requests::assets::upload).taking(LARGEST_ASSET),
        route("GET", "/after-sales/tickets", aftersales::tickets::list),
        route("POST", "/after-sales/tickets", aftersales::tickets::create),
        route("GET", "/after-sales/tickets/{ticketId}", aftersales::tickets::show),
        route("PATCH", "/after-sales/tickets/{ticketId}", aftersales::tickets::update),
        route("GET", "/after-sales/tickets/{ticketId}/messages", aftersales::messages::list),
        route("POST", "/after-sales/tickets/{ticketId}/messages", aftersales::messages::create),
        route("GET", "/inquiries/price", inquiries::price::list),
        route("POST", "/inquiries/price", inquiries::price::create),
        route("GET", "/inquiries/price/{inquiryId}", inquiries::price::show),
        route("PATCH", "/inquiries/price/{inquiryId}", inquiries::price::update),
        route("GET", "/inquiries/price/{inquiryId}/messages", inquiries::messages::list),
        route("POST", "/inquiries/price/{inquiryId}/messages", inquiries::messages::create),
        route("POST", "/admin/products/import-jobs", jobs::http::import_products).taking(LARGEST_IMPORT),
        route("POST", "/admin/product-requests/export-jobs", jobs::http::export_requests),
        route("GET", "/admin/import-jobs/{jobId}", jobs::http::show),
        route("GET", "/assets/media/catalog/{set}/{file}", media::http::catalog),
        route("GET", "/assets/media/product-requests/{file}", media::http::product_request),
        route("GET", "/assets/media/import-jobs/{jobId}/reports/{file}", media::http::report),
        route("GET", "/assets/media/import-jobs/{jobId}/exports/{file}", media::http::export),
    ]
}
