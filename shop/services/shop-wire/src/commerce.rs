//! What is sold and ordered: catalogue, wishlist, cart, orders, shipments, product requests, after-sales, inquiries.
//!
//! Generated from `commerce.yaml` by `cargo xtask generate`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use shop_kit::wire::{Items, Page};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::Change;

/// `CreateCategoryRequest` of `commerce.yaml`.
///
/// As it is read: what is missing is `None`, and the handler says what is required.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CreateCategoryRequest {
    pub name: Option<String>,
    pub parent_id: Option<Uuid>,
    pub sort: Option<i32>,
}

/// `Category` of `commerce.yaml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "sqlx", derive(sqlx::FromRow))]
#[serde(rename_all = "camelCase")]
pub struct Category {
    pub id: Uuid,
    pub name: String,
    pub parent_id: Option<Uuid>,
    pub sort: i32,
}

/// At least one of them. A `parentId` of null makes it a category of the first level.
///
/// As it is read: what is missing is `None`, and the handler says what is required.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct UpdateCategoryRequest {
    pub name: Option<String>,
    pub parent_id: Change<Uuid>,
    pub sort: Option<i32>,
}

wire_enum! {
    /// `DisplayCategoryIconKey` of `commerce.yaml`.
    pub enum DisplayCategoryIconKey {
        Notes = "notes",
        Setting = "setting",
        Desktop = "desktop",
        Shield = "shield",
        Brush = "brush",
        Hot = "hot",
        Apps = "apps",
    }
}

/// `DisplayCategory` of `commerce.yaml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "sqlx", derive(sqlx::FromRow))]
#[serde(rename_all = "camelCase")]
pub struct DisplayCategory {
    pub id: String,
    pub name: String,
    pub icon_key: DisplayCategoryIconKey,
    pub sort: i32,
    pub enabled: bool,
}

/// `DisplayCategoryListResponse` of `commerce.yaml`.
pub type DisplayCategoryListResponse = Items<DisplayCategory>;

/// A product as lists show it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "sqlx", derive(sqlx::FromRow))]
#[serde(rename_all = "camelCase")]
pub struct ProductSummary {
    pub id: Uuid,
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cover_image_url: Option<String>,
    pub category_id: Uuid,
    pub status: ProductStatus,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

wire_enum! {
    /// `ProductStatus` of `commerce.yaml`.
    pub enum ProductStatus {
        Active = "ACTIVE",
        Inactive = "INACTIVE",
        Draft = "DRAFT",
    }
}

wire_enum! {
    /// `ProductListStatus` of `commerce.yaml`.
    pub enum ProductListStatus {
        Active = "ACTIVE",
        Inactive = "INACTIVE",
        Draft = "DRAFT",
        All = "ALL",
    }
}

/// `CreateCatalogProductRequest` of `commerce.yaml`.
///
/// As it is read: what is missing is `None`, and the handler says what is required.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CreateCatalogProductRequest {
    pub name: Option<String>,
    pub category_id: Option<Uuid>,
    pub description: Option<String>,
    pub cover_image_url: Option<String>,
    pub images: Option<Vec<String>>,
    pub tags: Option<Vec<String>>,
    pub filter_dimensions: Option<Vec<String>>,
    pub status: Option<String>,
}

/// `CreateSkuRequest` of `commerce.yaml`.
///
/// As it is read: what is missing is `None`, and the handler says what is required.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CreateSkuRequest {
    pub sku_code: Option<String>,
    pub name: Option<String>,
    pub spec: Option<String>,
    pub attributes: Option<BTreeMap<String, String>>,
    pub price_tiers: Option<Vec<PriceTierInput>>,
    pub unit: Option<String>,
    pub is_active: Option<bool>,
}

/// `PagedProductList` of `commerce.yaml`.
pub type PagedProductList = Page<ProductSummary>;

/// The price of one unit when the quantity is in the range. Amounts are in fen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "sqlx", derive(sqlx::FromRow))]
#[serde(rename_all = "camelCase")]
pub struct PriceTier {
    pub min_qty: i32,
    pub max_qty: Option<i32>,
    pub unit_price_fen: i64,
}

/// The price of one unit when the quantity is in the range. Amounts are in fen.
///
/// As it is read: what is missing is `None`, and the handler says what is required.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PriceTierInput {
    pub min_qty: Option<i32>,
    pub max_qty: Option<i32>,
    pub unit_price_fen: Option<i64>,
}

/// A variant of a product that can be ordered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "sqlx", derive(sqlx::FromRow))]
#[serde(rename_all = "camelCase")]
pub struct Sku {
    pub id: Uuid,
    pub spu_id: Uuid,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sku_code: Option<String>,
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spec: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(feature = "sqlx", sqlx(json))]
    pub attributes: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "sqlx", sqlx(json))]
    pub price_tiers: Vec<PriceTier>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    pub is_active: bool,
}

/// `ProductDetailProduct` of `commerce.yaml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "sqlx", derive(sqlx::FromRow))]
#[serde(rename_all = "camelCase")]
pub struct ProductDetailProduct {
    pub id: Uuid,
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<String>,
    pub category_id: Uuid,
    pub status: ProductStatus,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub filter_dimensions: Vec<String>,
}

/// `ProductDetail` of `commerce.yaml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "sqlx", derive(sqlx::FromRow))]
#[serde(rename_all = "camelCase")]
pub struct ProductDetail {
    #[cfg_attr(feature = "sqlx", sqlx(json))]
    pub product: ProductDetailProduct,
    #[cfg_attr(feature = "sqlx", sqlx(json))]
    pub skus: Vec<Sku>,
}

/// `WishlistItem` of `commerce.yaml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "sqlx", derive(sqlx::FromRow))]
#[serde(rename_all = "camelCase")]
pub struct WishlistItem {
    #[cfg_attr(feature = "sqlx", sqlx(json))]
    pub sku: Sku,
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
}

/// `CartItem` of `commerce.yaml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "sqlx", derive(sqlx::FromRow))]
#[serde(rename_all = "camelCase")]
pub struct CartItem {
    pub id: Uuid,
    #[cfg_attr(feature = "sqlx", sqlx(json))]
    pub sku: Sku,
    pub qty: i32,
}

/// `Cart` of `commerce.yaml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "sqlx", derive(sqlx::FromRow))]
#[serde(rename_all = "camelCase")]
pub struct Cart {
    #[cfg_attr(feature = "sqlx", sqlx(json))]
    pub items: Vec<CartItem>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "time::serde::rfc3339::option")]
    pub updated_at: Option<OffsetDateTime>,
}

/// `AddCartItemRequest` of `commerce.yaml`.
///
/// As it is read: what is missing is `None`, and the handler says what is required.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AddCartItemRequest {
    pub sku_id: Option<Uuid>,
    pub qty: Option<i64>,
}

/// `CartImportJob` of `commerce.yaml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "sqlx", derive(sqlx::FromRow))]
#[serde(rename_all = "camelCase")]
pub struct CartImportJob {
    pub id: Uuid,
    pub r#type: crate::common::ImportJobType,
    pub status: crate::common::JobStatus,
    pub progress: i32,
    pub result_file_url: Option<String>,
    pub error_report_url: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "sqlx", sqlx(json(nullable)))]
    pub result: Option<CartImportResult>,
}

/// `CartImportResult` of `commerce.yaml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "sqlx", derive(sqlx::FromRow))]
#[serde(rename_all = "camelCase")]
pub struct CartImportResult {
    pub auto_added_count: i64,
    pub pending_count: i64,
    #[cfg_attr(feature = "sqlx", sqlx(json))]
    pub auto_added_items: Vec<CartImportAddedItem>,
    #[cfg_attr(feature = "sqlx", sqlx(json))]
    pub pending_items: Vec<CartImportPendingItem>,
}

/// `CartImportAddedItem` of `commerce.yaml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "sqlx", derive(sqlx::FromRow))]
#[serde(rename_all = "camelCase")]
pub struct CartImportAddedItem {
    pub row_no: i32,
    pub sku_id: Uuid,
    pub qty: i32,
}

wire_enum! {
    /// `CartImportPendingItemMatchType` of `commerce.yaml`.
    pub enum CartImportPendingItemMatchType {
        Ambiguous = "AMBIGUOUS",
        NotFound = "NOT_FOUND",
    }
}

/// `CartImportPendingItem` of `commerce.yaml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "sqlx", derive(sqlx::FromRow))]
#[serde(rename_all = "camelCase")]
pub struct CartImportPendingItem {
    pub row_no: i32,
    pub raw_name: String,
    pub raw_spec: Option<String>,
    pub raw_qty: Option<String>,
    pub match_type: CartImportPendingItemMatchType,
    #[cfg_attr(feature = "sqlx", sqlx(json))]
    pub candidates: Vec<CartImportCandidate>,
}

/// `CartImportCandidate` of `commerce.yaml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "sqlx", derive(sqlx::FromRow))]
#[serde(rename_all = "camelCase")]
pub struct CartImportCandidate {
    #[cfg_attr(feature = "sqlx", sqlx(json))]
    pub sku: Sku,
}

/// `ConfirmCartImportRequest` of `commerce.yaml`.
///
/// As it is read: what is missing is `None`, and the handler says what is required.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConfirmCartImportRequest {
    pub selections: Option<Vec<CartImportSelection>>,
}

/// `CartImportSelection` of `commerce.yaml`.
///
/// As it is read: what is missing is `None`, and the handler says what is required.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CartImportSelection {
    pub row_no: Option<i32>,
    pub sku_id: Option<Uuid>,
    pub qty: Option<i64>,
}

/// `Address` of `commerce.yaml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "sqlx", derive(sqlx::FromRow))]
#[serde(rename_all = "camelCase")]
pub struct Address {
    pub receiver_name: String,
    pub receiver_phone: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub province: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub city: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub district: Option<String>,
    pub detail: String,
}

/// `Address` of `commerce.yaml`.
///
/// As it is read: what is missing is `None`, and the handler says what is required.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AddressInput {
    pub receiver_name: Option<String>,
    pub receiver_phone: Option<String>,
    pub province: Option<String>,
    pub city: Option<String>,
    pub district: Option<String>,
    pub detail: Option<String>,
}

/// `CreateOrderRequestItem` of `commerce.yaml`.
///
/// As it is read: what is missing is `None`, and the handler says what is required.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CreateOrderRequestItem {
    pub cart_item_id: Option<Uuid>,
    pub sku_id: Option<Uuid>,
    pub qty: Option<i64>,
}

/// `CreateOrderRequest` of `commerce.yaml`.
///
/// As it is read: what is missing is `None`, and the handler says what is required.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CreateOrderRequest {
    pub address: Option<AddressInput>,
    pub remark: Option<String>,
    pub items: Option<Vec<CreateOrderRequestItem>>,
}

wire_enum! {
    /// `OrderStatus` of `commerce.yaml`.
    pub enum OrderStatus {
        Submitted = "SUBMITTED",
        Confirmed = "CONFIRMED",
        PayPending = "PAY_PENDING",
        Paid = "PAID",
        PayFailed = "PAY_FAILED",
        Shipped = "SHIPPED",
        Delivered = "DELIVERED",
        Cancelled = "CANCELLED",
        Closed = "CLOSED",
    }
}

/// `OrderItem` of `commerce.yaml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "sqlx", derive(sqlx::FromRow))]
#[serde(rename_all = "camelCase")]
pub struct OrderItem {
    #[cfg_attr(feature = "sqlx", sqlx(json))]
    pub sku: Sku,
    pub qty: i64,
    pub unit_price_fen: i64,
}

/// `Order` of `commerce.yaml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "sqlx", derive(sqlx::FromRow))]
#[serde(rename_all = "camelCase")]
pub struct Order {
    pub id: Uuid,
    pub status: OrderStatus,
    pub payment_status: OrderPaymentStatus,
    pub owner_sales_user_id: Option<Uuid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latest_payment_id: Option<Uuid>,
    pub payment_channel: Option<String>,
    #[serde(with = "time::serde::rfc3339::option")]
    pub paid_at: Option<OffsetDateTime>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "sqlx", sqlx(json(nullable)))]
    pub address: Option<Address>,
    #[cfg_attr(feature = "sqlx", sqlx(json))]
    pub items: Vec<OrderItem>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remark: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "time::serde::rfc3339::option")]
    pub updated_at: Option<OffsetDateTime>,
}

wire_enum! {
    /// `OrderPaymentStatus` of `commerce.yaml`.
    pub enum OrderPaymentStatus {
        Unpaid = "UNPAID",
        PayPending = "PAY_PENDING",
        Paid = "PAID",
        PayFailed = "PAY_FAILED",
        Cancelled = "CANCELLED",
    }
}

/// `OrderStatusStat` of `commerce.yaml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "sqlx", derive(sqlx::FromRow))]
#[serde(rename_all = "camelCase")]
pub struct OrderStatusStat {
    pub status: OrderStatus,
    pub count: i64,
}

/// Only statuses that occur among the orders the caller may see.
pub type OrderStatsResponse = Items<OrderStatusStat>;

/// `UpdateOrderFulfillmentRequest` of `commerce.yaml`.
///
/// As it is read: what is missing is `None`, and the handler says what is required.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct UpdateOrderFulfillmentRequest {
    pub owner_sales_user_id: Option<Uuid>,
    pub note: Option<String>,
    pub confirm_offline_payment: Option<bool>,
}

/// `ShipOrderRequest` of `commerce.yaml`.
///
/// As it is read: what is missing is `None`, and the handler says what is required.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ShipOrderRequest {
    pub carrier: Option<String>,
    pub waybill_no: Option<String>,
    #[serde(with = "time::serde::rfc3339::option")]
    pub shipped_at: Option<OffsetDateTime>,
}

/// `OrderAdminEvent` of `commerce.yaml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "sqlx", derive(sqlx::FromRow))]
#[serde(rename_all = "camelCase")]
pub struct OrderAdminEvent {
    pub id: Uuid,
    pub order_id: Uuid,
    pub actor_user_id: Uuid,
    pub action: String,
    pub note: String,
    pub previous_status: OrderStatus,
    pub new_status: OrderStatus,
    pub previous_payment_status: OrderPaymentStatus,
    pub new_payment_status: OrderPaymentStatus,
    pub previous_owner_sales_user_id: Option<Uuid>,
    pub new_owner_sales_user_id: Uuid,
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
}

/// `OrderAdminEventList` of `commerce.yaml`.
pub type OrderAdminEventList = Items<OrderAdminEvent>;

/// `UserAddress` of `commerce.yaml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "sqlx", derive(sqlx::FromRow))]
#[serde(rename_all = "camelCase")]
pub struct UserAddress {
    pub id: Uuid,
    pub receiver_name: String,
    pub receiver_phone: String,
    pub detail: String,
    pub is_default: bool,
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
}

/// `ListAddressesResponse` of `commerce.yaml`.
pub type ListAddressesResponse = Items<UserAddress>;

/// `CreateUserAddressRequest` of `commerce.yaml`.
///
/// As it is read: what is missing is `None`, and the handler says what is required.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CreateUserAddressRequest {
    pub receiver_name: Option<String>,
    pub receiver_phone: Option<String>,
    pub detail: Option<String>,
    pub is_default: Option<bool>,
}

/// `UpdateUserAddressRequest` of `commerce.yaml`.
///
/// As it is read: what is missing is `None`, and the handler says what is required.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct UpdateUserAddressRequest {
    pub receiver_name: Option<String>,
    pub receiver_phone: Option<String>,
    pub detail: Option<String>,
    pub is_default: Option<bool>,
}

/// `PagedOrderList` of `commerce.yaml`.
pub type PagedOrderList = Page<Order>;

/// `TrackingInfoShipment` of `commerce.yaml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "sqlx", derive(sqlx::FromRow))]
#[serde(rename_all = "camelCase")]
pub struct TrackingInfoShipment {
    pub carrier: Option<String>,
    pub waybill_no: String,
    #[serde(with = "time::serde::rfc3339::option")]
    pub shipped_at: Option<OffsetDateTime>,
}

/// `TrackingInfo` of `commerce.yaml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "sqlx", derive(sqlx::FromRow))]
#[serde(rename_all = "camelCase")]
pub struct TrackingInfo {
    pub order_id: Uuid,
    #[cfg_attr(feature = "sqlx", sqlx(json))]
    pub shipments: Vec<TrackingInfoShipment>,
}

/// `UpdateTrackingRequestShipment` of `commerce.yaml`.
///
/// As it is read: what is missing is `None`, and the handler says what is required.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct UpdateTrackingRequestShipment {
    pub carrier: Option<String>,
    pub waybill_no: Option<String>,
    #[serde(with = "time::serde::rfc3339::option")]
    pub shipped_at: Option<OffsetDateTime>,
}

/// `UpdateTrackingRequest` of `commerce.yaml`.
///
/// As it is read: what is missing is `None`, and the handler says what is required.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct UpdateTrackingRequest {
    pub shipments: Option<Vec<UpdateTrackingRequestShipment>>,
}

/// `CreateProductRequest` of `commerce.yaml`.
///
/// As it is read: what is missing is `None`, and the handler says what is required.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CreateProductRequest {
    pub name: Option<String>,
    pub category_id: Option<Uuid>,
    pub spec: Option<String>,
    pub material: Option<String>,
    pub dimensions: Option<String>,
    pub color: Option<String>,
    pub qty: Option<String>,
    pub note: Option<String>,
    pub reference_image_urls: Option<Vec<String>>,
}

/// `ProductRequest` of `commerce.yaml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "sqlx", derive(sqlx::FromRow))]
#[serde(rename_all = "camelCase")]
pub struct ProductRequest {
    pub id: Uuid,
    pub created_by_user_id: Uuid,
    pub name: String,
    pub category_id: Option<Uuid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spec: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub material: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dimensions: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub color: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub qty: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    pub reference_image_urls: Vec<String>,
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
}

/// `PagedProductRequestList` of `commerce.yaml`.
pub type PagedProductRequestList = Page<ProductRequest>;

/// `ProductRequestAsset` of `commerce.yaml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "sqlx", derive(sqlx::FromRow))]
#[serde(rename_all = "camelCase")]
pub struct ProductRequestAsset {
    pub url: String,
    pub content_type: String,
    pub size: i64,
}

/// `CreateAfterSalesTicket` of `commerce.yaml`.
///
/// As it is read: what is missing is `None`, and the handler says what is required.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CreateAfterSalesTicket {
    pub order_id: Option<Uuid>,
    pub subject: Option<String>,
    pub description: Option<String>,
    pub attachments: Option<Vec<String>>,
}

wire_enum! {
    /// `TicketStatus` of `commerce.yaml`.
    pub enum TicketStatus {
        Open = "OPEN",
        InProgress = "IN_PROGRESS",
        Resolved = "RESOLVED",
        Closed = "CLOSED",
    }
}

/// `AfterSalesTicket` of `commerce.yaml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "sqlx", derive(sqlx::FromRow))]
#[serde(rename_all = "camelCase")]
pub struct AfterSalesTicket {
    pub id: Uuid,
    pub status: TicketStatus,
    pub order_id: Option<Uuid>,
    pub assigned_staff_user_id: Option<Uuid>,
    pub subject: String,
    pub description: String,
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339::option")]
    pub updated_at: Option<OffsetDateTime>,
}

/// `UpdateAfterSalesTicketRequest` of `commerce.yaml`.
///
/// As it is read: what is missing is `None`, and the handler says what is required.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct UpdateAfterSalesTicketRequest {
    pub status: Change<String>,
    pub assigned_staff_user_id: Change<Uuid>,
}

/// `PagedAfterSalesTicketList` of `commerce.yaml`.
pub type PagedAfterSalesTicketList = Page<AfterSalesTicket>;

/// `CreateTicketMessage` of `commerce.yaml`.
///
/// As it is read: what is missing is `None`, and the handler says what is required.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CreateTicketMessage {
    pub content: Option<String>,
}

wire_enum! {
    /// `MessageSenderType` of `commerce.yaml`.
    pub enum MessageSenderType {
        Customer = "customer",
        Staff = "staff",
        Ai = "ai",
    }
}

/// `AfterSalesMessage` of `commerce.yaml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "sqlx", derive(sqlx::FromRow))]
#[serde(rename_all = "camelCase")]
pub struct AfterSalesMessage {
    pub id: Uuid,
    pub ticket_id: Uuid,
    pub sender_type: MessageSenderType,
    pub sender_user_id: Option<Uuid>,
    pub content: String,
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
}

/// `PagedAfterSalesMessageList` of `commerce.yaml`.
pub type PagedAfterSalesMessageList = Page<AfterSalesMessage>;

/// `CreatePriceInquiry` of `commerce.yaml`.
///
/// As it is read: what is missing is `None`, and the handler says what is required.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CreatePriceInquiry {
    pub sku_id: Option<Uuid>,
    pub order_id: Option<Uuid>,
    pub message: Option<String>,
}

wire_enum! {
    /// `PriceInquiryStatus` of `commerce.yaml`.
    pub enum PriceInquiryStatus {
        Open = "OPEN",
        Responded = "RESPONDED",
        Closed = "CLOSED",
    }
}

/// `PriceInquiry` of `commerce.yaml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "sqlx", derive(sqlx::FromRow))]
#[serde(rename_all = "camelCase")]
pub struct PriceInquiry {
    pub id: Uuid,
    pub created_by_user_id: Uuid,
    pub assigned_sales_user_id: Option<Uuid>,
    pub sku_id: Option<Uuid>,
    pub order_id: Option<Uuid>,
    pub message: String,
    pub status: PriceInquiryStatus,
    pub response_note: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339::option")]
    pub updated_at: Option<OffsetDateTime>,
}

/// `UpdatePriceInquiryRequest` of `commerce.yaml`.
///
/// As it is read: what is missing is `None`, and the handler says what is required.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct UpdatePriceInquiryRequest {
    pub status: Change<String>,
    pub assigned_sales_user_id: Change<Uuid>,
    pub response_note: Change<String>,
}

/// `PagedPriceInquiryList` of `commerce.yaml`.
pub type PagedPriceInquiryList = Page<PriceInquiry>;

/// `CreateInquiryMessage` of `commerce.yaml`.
///
/// As it is read: what is missing is `None`, and the handler says what is required.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CreateInquiryMessage {
    pub content: Option<String>,
}

/// `InquiryMessage` of `commerce.yaml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "sqlx", derive(sqlx::FromRow))]
#[serde(rename_all = "camelCase")]
pub struct InquiryMessage {
    pub id: Uuid,
    pub inquiry_id: Uuid,
    pub sender_type: MessageSenderType,
    pub sender_user_id: Option<Uuid>,
    pub content: String,
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
}

/// `PagedInquiryMessageList` of `commerce.yaml`.
pub type PagedInquiryMessageList = Page<InquiryMessage>;

/// `GetCatalogCategoriesResponse` of `commerce.yaml`.
pub type GetCatalogCategoriesResponse = Items<Category>;

/// `GetWishlistResponse` of `commerce.yaml`.
pub type GetWishlistResponse = Items<WishlistItem>;

/// `PostWishlistRequest` of `commerce.yaml`.
///
/// As it is read: what is missing is `None`, and the handler says what is required.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PostWishlistRequest {
    pub sku_id: Option<Uuid>,
}

/// `PatchCartItemsItemIdRequest` of `commerce.yaml`.
///
/// As it is read: what is missing is `None`, and the handler says what is required.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PatchCartItemsItemIdRequest {
    pub qty: Option<i64>,
}

/// `GetAssetsMediaImportJobsJobIdReportsFileResponse` of `commerce.yaml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "sqlx", derive(sqlx::FromRow))]
#[serde(rename_all = "camelCase")]
pub struct GetAssetsMediaImportJobsJobIdReportsFileResponse {
    pub job_id: Uuid,
    pub status: String,
    pub total_rows: i64,
    pub success_rows: i64,
    pub failed_rows: i64,
    #[serde(with = "time::serde::rfc3339")]
    pub processed_at: OffsetDateTime,
}
