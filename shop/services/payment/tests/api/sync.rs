//! Nothing that commerce has to hear is lost.
#![expect(clippy::unwrap_used, reason = "a database that does not answer ends the test")]

use std::time::Duration;

use serde_json::json;
use shop_kit::server::Shutdown;

use crate::world::World;

async fn eventually(what: &str, mut state: impl AsyncFnMut() -> bool) {
    let deadline = Duration::from_secs(20);
    let wait = async {
        while !state().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(deadline, wait).await.unwrap_or_else(|_| panic!("{what}: not within {deadline:?}"));
}

impl World {
    async fn waiting(&self) -> i64 {
        sqlx::query_scalar("SELECT count(*) FROM order_sync WHERE delivered_at IS NULL")
            .fetch_one(&self.pool)
            .await
            .unwrap()
    }

    /// Makes everything that waits due at once, as time would.
    async fn time_passes(&self) {
        self.execute("UPDATE order_sync SET next_attempt_at = now() WHERE delivered_at IS NULL").await;
    }
}

#[tokio::test]
async fn what_commerce_missed_it_hears_later_in_order() {
    let Some(world) = World::start_with(&[("PAYMENT_SYNC_EVERY", "10ms")]).await else { return };
    world.told.set_commerce_is_down(true);
    let reply = world.create("wechat").await;
    assert_eq!(reply.status, 200, "the customer can pay although commerce can't be told");
    let payment = reply.json()["paymentId"].clone();
    let paid = world.post(&world.client, "/payments/wechat/notify", json!({ "paymentId": payment })).await;
    assert_eq!(paid.status, 200, "the provider need not wait for commerce");
    assert_eq!((world.waiting().await, world.told.heard()), (2, vec![]));

    // A worker that dies with the claim in its hand loses nothing: the claim runs out.
    world
        .execute("UPDATE order_sync SET attempts = attempts + 1, next_attempt_at = now() + interval '7 s'")
        .await;
    let shutdown = Shutdown::new();
    let worker = tokio::spawn(world.app.sync().clone().run(shutdown.clone()));
    world.time_passes().await;
    eventually("a try", async || {
        let tried: Option<String> = sqlx::query_scalar("SELECT max(last_error) FROM order_sync")
            .fetch_one(&world.pool)
            .await
            .unwrap();
        tried.is_some_and(|said| said.ends_with("answered 500 Internal Server Error internal_error: failed"))
    })
    .await;
    world.told.set_commerce_is_down(false);
    eventually("everything is told", async || {
        world.time_passes().await;
        world.waiting().await == 0
    })
    .await;
    assert_eq!(world.told.heard(), ["PAY_PENDING WECHAT", "PAID WECHAT paid at"]);
    shutdown.request();
    worker.await.unwrap();
    world.stop().await;
}

#[tokio::test]
async fn two_workers_tell_everything_once() {
    let Some(world) = World::start_with(&[("PAYMENT_SYNC_EVERY", "10ms")]).await else { return };
    world.told.set_commerce_is_down(true);
    let payment = world.create("wechat").await.json()["paymentId"].clone();
    let paid = json!({ "paymentId": payment });
    assert_eq!(world.post(&world.client, "/payments/wechat/notify", paid).await.status, 200);
    world.told.set_commerce_is_down(false);
    world.time_passes().await;
    let shutdown = Shutdown::new();
    let workers = [(); 2].map(|()| tokio::spawn(world.app.sync().clone().run(shutdown.clone())));
    eventually("everything is told", async || world.waiting().await == 0).await;
    shutdown.request();
    for worker in workers {
        worker.await.unwrap();
    }
    assert_eq!(world.told.heard(), ["PAY_PENDING WECHAT", "PAID WECHAT paid at"]);
    world.stop().await;
}
