//! A notification that never comes: the provider is asked.
#![expect(clippy::unwrap_used, reason = "a database that does not answer ends the test")]

use payment::recheck::check_next;
use serde_json::{Value, json};

use crate::doubles::{Double, Mood};
use crate::world::{AMOUNT, World};
use crate::{alipay, wechat};

impl World {
    /// Opens a session, which is due for a question at once, as in some minutes.
    async fn opened_long_ago(&self, channel: &str) -> String {
        let payment = self.create(channel).await.json()["paymentId"].as_str().unwrap().to_owned();
        self.time_for_a_question().await;
        payment
    }

    async fn time_for_a_question(&self) {
        self.execute("UPDATE payments SET next_check_at = now() WHERE next_check_at IS NOT NULL").await;
    }

    /// Seconds until the next question, and how many there were.
    async fn next(&self) -> (Option<f64>, i32) {
        sqlx::query_as("SELECT extract(epoch FROM next_check_at - now())::float8, checks FROM payments")
            .fetch_one(&self.pool)
            .await
            .unwrap()
    }
}

fn questions(double: &Double) -> usize {
    double.asked().iter().filter(|asked| asked.get("found").is_some() || is_query(asked)).count()
}

fn is_query(asked: &Value) -> bool {
    asked["method"] == "alipay.trade.query"
}

#[tokio::test]
async fn a_payment_that_wechat_knows_as_paid_is_paid() {
    let Some((world, double)) = wechat::live().await else { return };
    let payment = world.create("wechat").await.json()["paymentId"].as_str().unwrap().to_owned();
    assert!(!check_next(&world.app).await, "its time has not come");
    world.time_for_a_question().await;
    double.set_found(Some(wechat::transaction(&payment)));
    assert!(check_next(&world.app).await);
    assert_eq!(double.asked().last().unwrap()["found"], payment.replace('-', ""));
    assert_eq!(world.payments().await, ["WECHAT PAID"]);
    assert_eq!(world.told.heard(), ["PAY_PENDING WECHAT", "PAID WECHAT paid at"]);
    assert_eq!(world.ledger().await[2..], [format!("WECHAT PAID {AMOUNT}")]);
    world.time_for_a_question().await;
    assert!(!check_next(&world.app).await, "nobody is asked about what has an end");
    world.stop().await;
}

#[tokio::test]
async fn a_payment_that_alipay_knows_as_paid_is_paid() {
    let Some((world, double)) = alipay::live().await else { return };
    let payment = world.opened_long_ago("alipay").await;
    let found = |status: &str, amount: &str| {
        json!({
            "code": "10000", "msg": "Success", "trade_no": "2026-trade", "out_trade_no": payment.replace('-', ""),
            "trade_status": status, "total_amount": amount, "send_pay_date": "2026-11-21 20:00:00",
        })
    };
    double.set_found(Some(found("TRADE_SUCCESS", "0.01")));
    assert!(check_next(&world.app).await);
    assert_eq!(world.payments().await, ["ALIPAY PAY_PENDING"], "another amount pays nothing");
    double.set_found(Some(found("TRADE_SUCCESS", "240.01")));
    world.time_for_a_question().await;
    assert!(check_next(&world.app).await);
    assert_eq!(world.payments().await, ["ALIPAY PAID"]);
    assert_eq!(world.told.heard(), ["PAY_PENDING ALIPAY", "PAID ALIPAY paid at"]);
    world.stop().await;
}

#[tokio::test]
async fn what_says_nothing_changes_nothing_and_is_asked_later_and_later() {
    let Some((world, double)) = wechat::live().await else { return };
    let payment = world.opened_long_ago("wechat").await;
    let mut waiting = wechat::transaction(&payment);
    waiting["trade_state"] = "NOTPAY".into();
    let mut foreign = wechat::transaction(&payment);
    foreign["out_trade_no"] = "11111111222243338444777777777777".into();
    let paid = wechat::transaction(&payment);
    let answers = [
        (Mood::Good, None),
        (Mood::Good, Some(waiting)),
        (Mood::Good, Some(foreign)),
        (Mood::Forged, Some(paid.clone())),
        (Mood::Unsigned, Some(paid.clone())),
        (Mood::Nonsense, Some(paid)),
    ];
    for (number, (mood, found)) in answers.into_iter().enumerate() {
        double.set_mood(mood);
        double.set_found(found);
        assert!(check_next(&world.app).await);
        let (Some(wait), checks) = world.next().await else { panic!("asked no more after {number}") };
        assert_eq!((questions(&double), checks), (number + 1, i32::try_from(number).unwrap() + 1));
        let expected = 300.0 * f64::from(1 << number);
        assert!((expected * 0.79..expected * 1.21).contains(&wait), "{wait} s after {number}");
        assert!(!check_next(&world.app).await, "not before its time");
        world.time_for_a_question().await;
    }
    assert_eq!(world.payments().await, ["WECHAT PAY_PENDING"]);
    world.execute("UPDATE payments SET created_at = created_at - interval '3 days'").await;
    assert!(check_next(&world.app).await);
    assert_eq!(world.next().await.0, None, "after three days nobody is asked any more");
    world.stop().await;
}

#[tokio::test]
async fn a_session_that_was_replaced_is_asked_about_too() {
    let Some((world, double)) = wechat::live().await else { return };
    let first = world.opened_long_ago("wechat").await;
    world.execute("UPDATE payments SET expires_at = now()").await;
    let second = world.create("wechat").await.json()["paymentId"].as_str().unwrap().to_owned();
    assert_ne!(first, second);
    assert_eq!(world.payments().await, ["WECHAT CANCELLED", "WECHAT PAY_PENDING"]);
    double.set_found(Some(wechat::transaction(&first)));
    assert!(check_next(&world.app).await);
    assert_eq!(world.payments().await, ["WECHAT PAID", "WECHAT PAY_PENDING"], "paid in its last moment");
    world.stop().await;
}

#[tokio::test]
async fn nobody_is_asked_about_mock_payments() {
    let Some(world) = World::start().await else { return };
    world.opened_long_ago("wechat").await;
    assert_eq!(world.next().await, (None, 0));
    assert!(!check_next(&world.app).await);
    world.stop().await;
}
