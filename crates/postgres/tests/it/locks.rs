//! Work that only one may do at a time.

use super::{Running, SOON, installed, login};
use fairway_postgres::{LockError, Password};
use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};
use tokio::sync::oneshot;

#[tokio::test]
async fn only_one_works_at_a_time() {
    if !installed() {
        return;
    }
    let running = Running::new().await;
    let server = running.cluster.server();
    let database = server.ensure_database("dev", "shop", Password::Generate).await.unwrap().database;
    let inside = AtomicU32::new(0);
    let work = || {
        server.with_advisory_lock(&database, "migrate", SOON, async {
            assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "somebody is inside");
            tokio::task::yield_now().await;
            tokio::time::sleep(Duration::from_millis(5)).await;
            inside.fetch_sub(1, Ordering::SeqCst);
            7
        })
    };
    let (a, b, c, d) = tokio::join!(work(), work(), work(), work());
    assert_eq!([a.unwrap(), b.unwrap(), c.unwrap(), d.unwrap()], [7; 4]);
}

#[tokio::test]
async fn a_busy_lock_names_its_holder_and_another_key_is_free() {
    if !installed() {
        return;
    }
    let running = Running::new().await;
    let server = running.cluster.server();
    let database = server.ensure_database("dev", "shop", Password::Generate).await.unwrap().database;
    let (entered, has_entered) = oneshot::channel();
    let (leave, may_leave) = oneshot::channel::<()>();
    let holder = tokio::spawn({
        let (server, database) = (server.clone(), database.clone());
        async move {
            let work = async {
                entered.send(()).unwrap();
                may_leave.await.unwrap();
            };
            server.with_advisory_lock(&database, "migrate", SOON, work).await
        }
    });
    has_entered.await.unwrap();
    let error = server
        .with_advisory_lock(&database, "migrate", Duration::from_millis(20), async {})
        .await
        .unwrap_err();
    let LockError::Busy { holder: Some(who), .. } = &error else { panic!("{error}") };
    assert!(who.contains("fairway: migrate"), "{error}");
    server.with_advisory_lock(&database, "seed", SOON, async {}).await.unwrap();
    leave.send(()).unwrap();
    holder.await.unwrap().unwrap();
    server.with_advisory_lock(&database, "migrate", SOON, async {}).await.unwrap();
}

#[tokio::test]
async fn work_is_broken_off_when_its_lock_is_lost_and_the_lock_is_free_when_work_is_dropped() {
    if !installed() {
        return;
    }
    let running = Running::new().await;
    let server = running.cluster.server();
    let credentials = server.ensure_database("dev", "shop", Password::Generate).await.unwrap();
    let database = &credentials.database;
    let socket = running.dir.path().join("run").display().to_string().replace('/', "%2F");
    let admin =
        login(&format!("postgres://postgres@/postgres?host={socket}&port={}", running.cluster.port()))
            .await
            .unwrap();
    let work = async {
        admin
            .batch_execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'fairway: migrate'")
            .await
            .unwrap();
        std::future::pending::<()>().await;
    };
    let result =
        tokio::time::timeout(SOON, server.with_advisory_lock(database, "migrate", SOON, work)).await.unwrap();
    assert!(matches!(result, Err(LockError::Lost { .. })), "{result:?}");

    let dropped = tokio::time::timeout(
        Duration::from_millis(100),
        server.with_advisory_lock(database, "migrate", SOON, std::future::pending::<()>()),
    )
    .await;
    assert!(dropped.is_err());
    server.with_advisory_lock(database, "migrate", SOON, async {}).await.unwrap();
}
