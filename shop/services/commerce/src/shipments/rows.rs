//! What the rows of a shipment spreadsheet say. Pure.

use serde::Serialize;
use shop_wire::commerce::TrackingInfoShipment as Shipment;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{Date, OffsetDateTime, UtcOffset};
use uuid::Uuid;

use crate::sheets::{Row, Template, column};
use crate::text::SHORT;

/// Columns of [`TEMPLATE`].
const ORDER_ID: usize = 0;
const WAYBILL_NO: usize = 1;
const CARRIER: usize = 2;
const SHIPPED_AT: usize = 3;

/// What a spreadsheet of shipments looks like.
pub const TEMPLATE: Template = Template {
    name: "shipment_import",
    columns: &[column("Order ID"), column("Waybill No"), column("Carrier"), column("Shipped At")],
    required: &[ORDER_ID, WAYBILL_NO],
    one_of: &[],
};

/// What is wrong with a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RowError {
    /// The row of the worksheet.
    pub row_no: i32,
    /// The field it is about.
    pub field: &'static str,
    /// What is wrong.
    pub message: String,
}

/// Reads a row: the order and its shipment, or everything that is wrong.
///
/// # Errors
/// One for each field that can't be used.
pub fn read(row: &Row) -> Result<(Uuid, Shipment), Vec<RowError>> {
    let mut wrong = Vec::new();
    let mut say = |field: &'static str, message: &str| {
        wrong.push(RowError { row_no: row.number, field, message: message.to_owned() });
    };
    let order = row.get(ORDER_ID);
    let id = Uuid::parse_str(order).ok();
    if order.is_empty() {
        say("orderId", "orderId is required");
    } else if id.is_none() {
        say("orderId", "orderId must be a UUID");
    }
    let waybill_no = row.get(WAYBILL_NO).to_owned();
    if waybill_no.is_empty() {
        say("waybillNo", "waybillNo is required");
    } else if waybill_no.chars().count() > SHORT {
        say("waybillNo", "waybillNo must be at most 200 characters");
    }
    let shipped = row.get(SHIPPED_AT);
    let shipped_at = moment(shipped);
    if !shipped.is_empty() && shipped_at.is_none() {
        say("shippedAt", "shippedAt must be RFC3339 or YYYY-MM-DD");
    }
    let carrier = Some(row.get(CARRIER).chars().take(SHORT).collect::<String>()).filter(|c| !c.is_empty());
    match id {
        Some(id) if wrong.is_empty() => Ok((id, Shipment { waybill_no, carrier, shipped_at })),
        _ => Err(wrong),
    }
}

/// An RFC 3339 time, or the midnight (UTC) a day begins with.
fn moment(text: &str) -> Option<OffsetDateTime> {
    if let Ok(time) = OffsetDateTime::parse(text, &Rfc3339) {
        return time.checked_to_offset(UtcOffset::UTC);
    }
    let day = Date::parse(text, format_description!("[year]-[month]-[day]")).ok()?;
    Some(day.midnight().assume_utc())
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;
    use crate::sheets::{read as read_sheet, write};

    #[test]
    fn rows_say_what_is_wrong_with_them() {
        let id = "99999999-9999-9999-9999-999999999999";
        let check = |cells: [&str; 4], expect: Result<Option<OffsetDateTime>, &[&str]>| {
            let sheet = write("s", [["order_id", "WAYBILL NO", "Carrier", "Shipped At"], cells]).unwrap();
            let rows = read_sheet(&sheet, &TEMPLATE).unwrap();
            let got = read(&rows[0]).map(|(_, s)| s.shipped_at);
            let got =
                got.map_err(|all| all.into_iter().map(|e| format!("{} {}", e.row_no, e.message)).collect());
            let expect = expect.map_err(|all| all.iter().map(|e| format!("2 {e}")).collect::<Vec<_>>());
            assert_eq!(got, expect, "{cells:?}");
        };
        check([id, "W1", "SF", "2026-03-01"], Ok(Some(datetime!(2026-03-01 0:00 UTC))));
        check([id, "W1", "", "2026-03-01T08:00:00+08:00"], Ok(Some(datetime!(2026-03-01 0:00 UTC))));
        check([id, "W1", "", ""], Ok(None));
        check(["", "W1", "", ""], Err(&["orderId is required"]));
        check(
            ["7", "", "", "soon"],
            Err(&[
                "orderId must be a UUID",
                "waybillNo is required",
                "shippedAt must be RFC3339 or YYYY-MM-DD",
            ]),
        );
        check([id, "W1", "", "2026-02-30"], Err(&["shippedAt must be RFC3339 or YYYY-MM-DD"]));
    }
}
