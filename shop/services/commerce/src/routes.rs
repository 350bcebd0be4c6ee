//! Which handler answers which operation of the contracts.

use axum::extract::DefaultBodyLimit;
use axum::handler::Handler;
use shop_kit::contract::ContractError;
use shop_kit::routes::Routes;

use crate::app::App;
use crate::cart::{addresses, imports, items, wishlist};
use crate::catalog::{categories, display, products, skus};
use crate::{aftersales, inquiries, jobs, media, orders, requests, shipments};

/// The contracts this service has a part in, as they were when the program was built.
const CONTRACTS: [(&str, &str); 3] = [
    ("commerce", include_str!("../../../contracts/openapi/commerce.yaml")),
    ("admin", include_str!("../../../contracts/openapi/admin.yaml")),
    ("internal", include_str!("../../../contracts/openapi/internal.yaml")),
];

/// Bytes of a spreadsheet and what comes with it.
const LARGEST_IMPORT: usize = 32 << 20;
/// Bytes of an upload around a picture of 5 MB.
const LARGEST_ASSET: usize = 6 << 20;

/// All handlers.
///
/// # Errors
/// When an embedded contract can't be read.
pub fn all() -> Result<Routes<App>, ContractError> {
    let (import, asset) = (DefaultBodyLimit::max(LARGEST_IMPORT), DefaultBodyLimit::max(LARGEST_ASSET));
    let routes = Routes::of("commerce", &CONTRACTS)?
        .on("getCatalogCategories", categories::list)
        .on("postCatalogCategories", categories::create)
        .on("getCatalogCategoriesCategoryId", categories::show)
        .on("patchCatalogCategoriesCategoryId", categories::update)
        .on("deleteCatalogCategoriesCategoryId", categories::remove)
        .on("getCatalogDisplayCategories", display::list)
        .on("getCatalogProducts", products::list)
        .on("postCatalogProducts", products::create)
        .on("getCatalogProductsSpuId", products::show)
        .on("postCatalogProductsSpuIdSkus", skus::create)
        .on("getWishlist", wishlist::list)
        .on("postWishlist", wishlist::add)
        .on("deleteWishlistSkuId", wishlist::remove)
        .on("getCart", items::show)
        .on("postCartItems", items::add)
        .on("patchCartItemsItemId", items::update)
        .on("deleteCartItemsItemId", items::remove)
        .on("postCartImportJobs", imports::create.layer(import))
        .on("getCartImportJobsJobId", imports::show)
        .on("postCartImportJobsJobIdConfirm", imports::confirm)
        .on("getAddresses", addresses::list)
        .on("postAddresses", addresses::create)
        .on("patchAddressesAddressId", addresses::update)
        .on("deleteAddressesAddressId", addresses::remove)
        .on("postOrders", orders::create::create)
        .on("getOrders", orders::read::list)
        .on("getOrdersStats", orders::read::stats)
        .on("getOrdersOrderId", orders::read::show)
        .on("postOrdersOrderIdConfirmReceipt", orders::change::confirm_receipt)
        .on("postAdminOrdersOrderIdShip", orders::change::ship)
        .on("postAdminOrdersOrderIdConfirmDelivery", orders::change::confirm_delivery)
        .on("patchAdminOrdersOrderIdFulfillment", orders::fulfillment::update)
        .on("getAdminOrdersOrderIdEvents", orders::fulfillment::events)
        .on("postInternalOrdersOrderIdPaymentStatus", orders::change::payment_status)
        .on("getOrdersOrderIdTracking", shipments::tracking::show)
        .on("postOrdersOrderIdTracking", shipments::tracking::record)
        .on("postShipmentsImportJobs", shipments::imports::create.layer(import))
        .on("postAdminShipmentsImportJobs", shipments::imports::create.layer(import))
        .on("getProductRequests", requests::list)
        .on("postProductRequests", requests::create)
        .on("postProductRequestsAssets", requests::assets::upload.layer(asset))
        .on("getAfterSalesTickets", aftersales::tickets::list)
        .on("postAfterSalesTickets", aftersales::tickets::create)
        .on("getAfterSalesTicketsTicketId", aftersales::tickets::show)
        .on("patchAfterSalesTicketsTicketId", aftersales::tickets::update)
        .on("getAfterSalesTicketsTicketIdMessages", aftersales::messages::list)
        .on("postAfterSalesTicketsTicketIdMessages", aftersales::messages::create)
        .on("getInquiriesPrice", inquiries::price::list)
        .on("postInquiriesPrice", inquiries::price::create)
        .on("getInquiriesPriceInquiryId", inquiries::price::show)
        .on("patchInquiriesPriceInquiryId", inquiries::price::update)
        .on("getInquiriesPriceInquiryIdMessages", inquiries::messages::list)
        .on("postInquiriesPriceInquiryIdMessages", inquiries::messages::create)
        .on("postAdminProductsImportJobs", jobs::http::import_products.layer(import))
        .on("postAdminProductRequestsExportJobs", jobs::http::export_requests)
        .on("getAdminImportJobsJobId", jobs::http::show)
        .on("getAssetsMediaCatalogSetFile", media::http::catalog)
        .on("getAssetsMediaProductRequestsFile", media::http::product_request)
        .on("getAssetsMediaImportJobsJobIdReportsFile", media::http::report)
        .on("getAssetsMediaImportJobsJobIdExportsFile", media::http::export);
    Ok(routes)
}
