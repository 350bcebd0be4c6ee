//! What each kind of operation needs: permissions of which one suffices, and for whom it must hold at least.
//!
//! The permissions and who has them are identity's (`role_permissions`); a role is not mentioned in a handler.

use super::Scope;

/// What a caller must have.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// Permissions of which one suffices; the widest scope among them counts.
    pub any_of: &'static [&'static str],
    /// The narrowest scope that suffices.
    pub least: Scope,
    /// It is about the caller's own cart and the like, which everybody who is signed in has. A customer needs the
    /// permission, others do not.
    pub own_things: bool,
}

/// A kind of operation.
pub trait Need: 'static {
    /// What it needs.
    const RULE: Rule;
}

macro_rules! needs {
    ($($(#[$doc:meta])* $name:ident: $any_of:expr, $least:ident $(, $own:ident)?;)*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name;

        impl Need for $name {
            const RULE: Rule = Rule { any_of: &$any_of, least: Scope::$least, own_things: needs!(@own $($own)?) };
        }
    )*};
    (@own own) => { true };
    (@own) => { false };
}

needs! {
    /// Changing the catalogue and seeing what is not on sale.
    ManageProducts: ["product:manage"], All;
    /// The caller's wishlist.
    ManageWishlist: ["wishlist:manage"], Own;
    /// The caller's cart and addresses.
    ManageCart: ["cart:manage"], Own, own;
    /// Filling the caller's cart from a spreadsheet.
    ImportCart: ["import:cart"], Own, own;
    /// Placing an order.
    CreateOrder: ["order:create"], Own, own;
    /// Seeing orders.
    ReadOrders: ["order:read"], Own;
    /// Saying that the goods have arrived.
    ConfirmReceipt: ["order:create"], Own;
    /// Confirming orders and giving them to sales users.
    ManageOrders: ["order:manage"], All;
    /// Handing orders to carriers, and saying that they have arrived.
    ShipOrders: ["shipment:manage", "order:manage"], All;
    /// Seeing where an order is.
    ReadTracking: ["tracking:read", "order:read"], Own;
    /// Recording shipments.
    ManageShipments: ["shipment:manage", "order:manage"], All;
    /// Recording shipments from a spreadsheet.
    ImportShipments: ["import:shipment", "order:manage"], All;
    /// Seeing product requests.
    ReadRequests: ["product_request:read"], Own;
    /// Asking for a product.
    CreateRequest: ["product_request:create"], Own;
    /// Exporting product requests.
    ExportRequests: ["product_request:export"], All;
    /// Seeing and writing to tickets.
    ReadTickets: ["after_sales:manage", "after_sales:read"], Own;
    /// Opening a ticket.
    CreateTicket: ["after_sales:create"], Own;
    /// Changing tickets.
    ManageTickets: ["after_sales:manage"], Owned;
    /// Seeing and writing to inquiries.
    ReadInquiries: ["inquiry:manage", "inquiry:read"], Own;
    /// Asking for a price.
    CreateInquiry: ["inquiry:create"], Own;
    /// Answering inquiries.
    ManageInquiries: ["inquiry:manage"], Owned;
    /// Importing products.
    ImportProducts: ["import:product"], All;
    /// Seeing how an import or export is doing.
    ReadJobs: ["import:product", "product_request:export"], All;
}
