use serde_json::{Value, json};
use shop_stories::Story;

const GET: Value = Value::Null;

/// A customer complains; customer service answers and closes the ticket.
#[tokio::test]
async fn customer_service() {
    let Some(mut story) = Story::begin().await else { return };
    story.mini("customer", "mock_customer_001").await;
    story.say("customer", "POST /after-sales/tickets", json!({ "subject": "", "description": "x" })).await;
    let complaint = json!({ "subject": "少一根", "description": "订单少了一根钢管" });
    let ticket = story.say("customer", "POST /after-sales/tickets", complaint).await;
    let ticket = format!("/after-sales/tickets/{}", ticket["id"].as_str().unwrap_or_default());

    story.web("cs", "cs").await;
    story.say("cs", "GET /after-sales/tickets?status=OPEN", GET).await;
    let take =
        json!({ "status": "IN_PROGRESS", "assignedStaffUserId": "99999999-9999-9999-9999-999999999999" });
    story.say("cs", &format!("PATCH {ticket}"), take).await;
    story.say("cs", &format!("POST {ticket}/messages"), json!({ "content": "马上补发" })).await;
    story.say("customer", &format!("POST {ticket}/messages"), json!({ "content": "谢谢" })).await;
    story.say("customer", &format!("GET {ticket}/messages"), GET).await;
    story.say("cs", &format!("PATCH {ticket}"), json!({ "status": "DONE" })).await;
    story.say("cs", &format!("PATCH {ticket}"), json!({})).await;
    story.say("cs", &format!("PATCH {ticket}"), json!({ "status": "CLOSED" })).await;
    story.say("customer", &format!("PATCH {ticket}"), json!({ "status": "OPEN" })).await;

    story.mini("stranger", "mock_stranger").await;
    story.say("stranger", &format!("GET {ticket}"), GET).await;
    story.say("cs", "GET /customers", GET).await;
    // What an assistant would say is promised and not built.
    let ask = json!({ "ticketId": ticket.rsplit('/').next() });
    story.say("cs", "POST /ai/after-sales/suggestions", ask).await;
    insta::assert_snapshot!(story.end().await);
}
