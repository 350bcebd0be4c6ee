use serde_json::json;

use crate::world::{World, refusal};

const PATH: &str = "/me/sales-qr-code";

#[tokio::test]
async fn a_scanned_code_ties_a_customer_to_who_showed_it() {
    let Some(world) = World::start().await else { return };
    let sales = world.signed_in("SALES").await;
    let show = async |query: &str| {
        let reply = sales.get(&format!("{PATH}{query}")).await;
        world.contracts.check("GET", PATH, &reply);
        reply.json()
    };
    let code = show("").await;
    assert_eq!(code["platform"], "weapp");
    let scene = code["scene"].as_str().unwrap();
    assert!(
        scene.len() == 20 && scene.chars().all(|c| c.is_ascii_uppercase() || ('2'..='7').contains(&c)),
        "{scene}"
    );
    assert!(code["qrCodeUrl"].as_str().unwrap().starts_with("data:image/png;base64,iVBOR"));
    assert_eq!(show("?platform=weapp").await, code, "a fresh code is shown again");
    let other = show("?platform=Alipay").await;
    assert_eq!(other["platform"], "alipay");
    assert_ne!(other["scene"], code["scene"]);
    assert_eq!(
        refusal(&sales.get(&format!("{PATH}?platform=fax")).await),
        "400 invalid_request: invalid platform"
    );
    world
        .execute(
            "UPDATE sales_qr_codes SET expires_at = now() + interval '23 hours' WHERE platform = 'weapp'",
        )
        .await;
    assert_ne!(show("").await["scene"], code["scene"], "one that ends soon is not shown again");

    let walk_in = json!({ "platform": "weapp", "code": "walks in", "scene": other["scene"] });
    let user = world.mini(walk_in).await.json()["user"].clone();
    assert_eq!(user["ownerSalesUserId"], "bbbbbbbb-bbbb-bbbb-bbbb-bbbbbbbbbbbb");

    // In another role the same user has no code; without the role in the database nobody has one.
    let login =
        world.mini(json!({ "platform": "weapp", "code": "mock_multi_001", "role": "CUSTOMER" })).await;
    let as_customer = world.client.signed_in(login.json()["accessToken"].as_str().unwrap());
    assert_eq!(refusal(&as_customer.get(PATH).await), "403 forbidden: permission denied");
    world.execute("DELETE FROM sales_qr_codes").await;
    world.execute("DELETE FROM user_roles WHERE role = 'SALES'").await;
    assert_eq!(refusal(&sales.get(PATH).await), "403 forbidden: permission denied");
    world.stop().await;
}
