//! A server that somebody else runs.

use super::{Running, enter, installed, login, text};
use fairway_model::Redacted;
use fairway_postgres::{Cluster, Dropped, Password, Server, ServerError};

/// A cluster whose administrator has a password, and its URL.
async fn foreign() -> (Running, String) {
    let dir = super::dir();
    let mut settings = super::settings(&dir);
    settings.superuser_password = Some(Redacted::new("boss"));
    let cluster = Cluster::open_or_create(settings).await.unwrap();
    let url = format!("postgres://postgres:boss@127.0.0.1:{}/postgres", cluster.port());
    (Running { cluster, dir }, url)
}

#[tokio::test]
async fn a_superuser_by_url() {
    if !installed() {
        return;
    }
    let (_running, url) = foreign().await;
    let server = Server::connect_existing(&url).await.unwrap();
    assert!(server.major_version() >= 13);
    let credentials = server.ensure_database("dev", "shop", Password::Generate).await.unwrap();
    assert!(credentials.dsn().expose().ends_with("/dev_shop?sslmode=prefer"));
    enter(&credentials).await;
    assert!(!format!("{server:?}").contains("boss"));
}

#[tokio::test]
async fn an_administrator_who_is_not_a_superuser_is_enough() {
    if !installed() {
        return;
    }
    let (running, url) = foreign().await;
    let boss = login(&url).await.unwrap();
    boss.batch_execute("CREATE ROLE deploy LOGIN CREATEDB CREATEROLE PASSWORD 'd'; GRANT CONNECT ON DATABASE postgres TO deploy").await.unwrap();
    let url = format!("postgres://deploy:d@127.0.0.1:{}/postgres?sslmode=disable", running.cluster.port());
    let server = Server::connect_existing(&url).await.unwrap();
    for created in [true, false] {
        let shop = server.ensure_database("dev", "shop", Password::Generate).await.unwrap();
        let other = server.ensure_database("dev", "other", Password::Generate).await.unwrap();
        assert_eq!(shop.created, created);
        let client = enter(&shop).await;
        client.batch_execute("CREATE TABLE IF NOT EXISTS t (n int)").await.unwrap();
        assert_eq!(
            text(&client, "SELECT rolcreatedb::text FROM pg_roles WHERE rolname = current_user")
                .await
                .unwrap(),
            "false"
        );
        let dsn = other.dsn().expose().replace("/dev_other?", "/dev_shop?");
        assert!(login(&dsn).await.unwrap_err().contains("permission denied for database"));
    }
    assert_eq!(server.drop_database("dev", "shop").await.unwrap(), Dropped::Dropped);
}

#[tokio::test]
async fn what_is_wrong_is_told_apart() {
    if !installed() {
        return;
    }
    let (running, url) = foreign().await;
    let port = running.cluster.port();
    login(&url)
        .await
        .unwrap()
        .batch_execute("CREATE ROLE weak LOGIN PASSWORD 'w'; GRANT CONNECT ON DATABASE postgres TO weak")
        .await
        .unwrap();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let of = |url: String| async move { Server::connect_existing(&url).await.unwrap_err() };

    let error = of(format!("postgres://weak:w@127.0.0.1:{port}/postgres")).await;
    assert!(matches!(error, ServerError::Insufficient { missing: "create databases", .. }), "{error}");
    let error = of(format!("postgres://postgres:wrong@127.0.0.1:{port}/postgres")).await;
    assert!(matches!(error, ServerError::Refused { .. }) && !error.to_string().contains("wrong"), "{error}");
    let error = of(format!("postgres://postgres:boss@127.0.0.1:{free}/postgres")).await;
    assert!(matches!(error, ServerError::Unreachable { .. }), "{error}");
    let error = of(format!("postgres://postgres:boss@127.0.0.1:{port}/postgres?sslmode=require")).await;
    assert!(matches!(error, ServerError::Tls), "{error}");
    for (url, expect) in [
        ("postgres://127.0.0.1/postgres", "names no user"),
        ("mysql://root:hidden@127.0.0.1", "cannot be used"),
        ("postgres://a:hidden@h1,h2/postgres", "several hosts"),
        ("postgres://a:hidden@h1:70000/postgres", "cannot be used"),
    ] {
        let error = of(url.to_owned()).await;
        assert!(matches!(error, ServerError::Url { .. }), "{url}: {error}");
        assert!(error.to_string().contains(expect) && !error.to_string().contains("hidden"), "{error}");
    }
}
