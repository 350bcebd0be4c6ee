use identity::seed;

use crate::world::World;

#[tokio::test]
async fn seeds_can_run_again_and_be_reset() {
    let Some(world) = World::start().await else { return };
    let count = async || {
        let count: i64 =
            sqlx::query_scalar("SELECT count(*) FROM users").fetch_one(&world.pool).await.unwrap();
        count
    };
    world.token("somebody new").await;
    world.execute("UPDATE users SET display_name = 'Renamed' WHERE display_name = 'Admin'").await;
    world.execute("DELETE FROM users WHERE display_name = 'Boss'").await;
    world.execute("UPDATE feature_flags SET payment_enabled = true").await;
    seed::run(&world.pool, false).await.unwrap();
    assert_eq!(count().await, 10, "what was missing is back, what was there stays");
    let renamed: i64 = sqlx::query_scalar("SELECT count(*) FROM users WHERE display_name = 'Renamed'")
        .fetch_one(&world.pool)
        .await
        .unwrap();
    assert_eq!(renamed, 1);

    seed::run(&world.pool, true).await.unwrap();
    assert_eq!(count().await, 9, "with a reset there is nobody else");
    let on: bool =
        sqlx::query_scalar("SELECT payment_enabled FROM feature_flags").fetch_one(&world.pool).await.unwrap();
    assert!(!on);
    assert_eq!(world.signed_in("BOSS").await.get("/me").await.status, 200);
    world.stop().await;
}
