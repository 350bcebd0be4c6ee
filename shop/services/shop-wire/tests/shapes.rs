//! What the generated types make of JSON, and back.

use serde_json::json;
use shop_wire::commerce::UpdatePriceInquiryRequest;
use shop_wire::common::{FeatureFlagsUpdate, MiniLoginRequest, SalesQrCode, UserStatus};
use shop_wire::identity::{Customer, PermissionScope, StaffUser};
use shop_wire::{Change, admin::TransferCustomerRequest};
use time::macros::datetime;
use uuid::Uuid;

#[test]
fn an_answer_holds_what_is_null_and_leaves_out_what_is_unset() {
    let code =
        SalesQrCode { qr_code_url: "data:".into(), scene: "ABC".into(), platform: None, expires_at: None };
    assert_eq!(
        serde_json::to_string(&code).unwrap(),
        r#"{"qrCodeUrl":"data:","scene":"ABC","expiresAt":null}"#
    );

    let staff = StaffUser {
        id: Uuid::nil(),
        display_name: None,
        phone: None,
        roles: Vec::new(),
        status: UserStatus::Disabled,
        disabled_at: Some(datetime!(2026-01-24 13:48:00.12345 UTC)),
        disabled_reason: None,
        created_at: datetime!(2026-01-01 0:00 UTC),
        updated_at: datetime!(2026-01-01 0:00 UTC),
    };
    let expected = r#"{"id":"00000000-0000-0000-0000-000000000000","phone":null,"roles":[],"status":"disabled","disabledAt":"2026-01-24T13:48:00.12345Z","disabledReason":null,"createdAt":"2026-01-01T00:00:00Z","updatedAt":"2026-01-01T00:00:00Z"}"#;
    assert_eq!(serde_json::to_string(&staff).unwrap(), expected);
    assert_eq!(serde_json::from_str::<StaffUser>(expected).unwrap(), staff);
}

#[test]
fn an_answer_that_is_not_whole_is_none() {
    let whole = json!({
        "id": Uuid::nil(), "displayName": "", "phone": null, "ownerSalesUserId": null, "createdAt": "2026-01-01T00:00:00Z",
    });
    assert!(serde_json::from_value::<Customer>(whole.clone()).is_ok());
    for field in ["id", "displayName", "createdAt"] {
        let mut lacking = whole.clone();
        lacking.as_object_mut().unwrap().remove(field);
        let error = serde_json::from_value::<Customer>(lacking).unwrap_err().to_string();
        assert_eq!(error, format!("missing field `{field}`"));
    }
    let mut wrong = whole;
    wrong["createdAt"] = json!("yesterday");
    assert!(serde_json::from_value::<Customer>(wrong).is_err());
}

#[test]
fn a_request_may_lack_everything_and_hold_more() {
    let read = |text: &str| serde_json::from_str::<MiniLoginRequest>(text);
    assert_eq!(read("{}").unwrap(), MiniLoginRequest::default());
    let given = read(r#"{"platform":"fax","code":null,"shoeSize":43}"#).unwrap();
    assert_eq!(
        (given.platform.as_deref(), given.code),
        (Some("fax"), None),
        "words are the handler's business"
    );
    assert!(read(r#"{"code":7}"#).is_err(), "of the wrong type is unreadable");
    let flags: FeatureFlagsUpdate = serde_json::from_str(r#"{"paymentEnabled":false}"#).unwrap();
    assert_eq!((flags.payment_enabled, flags.wechat_pay_enabled), (Some(false), None));
    // `x-unchecked`: the handler says what is wrong with it.
    let transfer: TransferCustomerRequest = serde_json::from_str(r#"{"toSalesUserId":"nobody"}"#).unwrap();
    assert_eq!(transfer.to_sales_user_id.as_deref(), Some("nobody"));
}

#[test]
fn a_change_tells_absent_from_null() {
    let check = |text: &str, expect: Change<Uuid>| {
        let request: UpdatePriceInquiryRequest = serde_json::from_str(text).unwrap();
        assert_eq!(request.assigned_sales_user_id, expect, "{text}");
    };
    check("{}", Change::Keep);
    check(r#"{"assignedSalesUserId":null}"#, Change::Clear);
    check(r#"{"assignedSalesUserId":"00000000-0000-0000-0000-000000000000"}"#, Change::Set(Uuid::nil()));
    assert!(serde_json::from_str::<UpdatePriceInquiryRequest>(r#"{"assignedSalesUserId":"x"}"#).is_err());
    assert_eq!(Change::<u8>::Keep.wanted(), None);
    assert_eq!(Change::<u8>::Clear.wanted(), Some(None));
    assert_eq!(Change::Set(1).wanted(), Some(Some(1)));
}

#[test]
fn words() {
    assert_eq!("ALL".parse(), Ok(PermissionScope::All));
    assert_eq!(PermissionScope::Own.to_string(), "SELF");
    assert!(PermissionScope::Own < PermissionScope::Owned && PermissionScope::Owned < PermissionScope::All);
    let error = "all".parse::<PermissionScope>().unwrap_err();
    assert_eq!(error.to_string(), "`all` is not one of SELF, OWNED, ALL");
}
