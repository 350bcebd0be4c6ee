//! A database and a login for each service.

use super::{Running, enter, installed, login, text};
use fairway_model::Redacted;
use fairway_postgres::{DatabaseError, Dropped, Password, Server, database_name};

fn given(text: &str) -> Password {
    Password::Given(Redacted::new(text))
}

/// A session of the administrator at the socket.
async fn admin(running: &Running) -> tokio_postgres::Client {
    let socket = running.dir.path().join("run");
    let socket = socket.display().to_string().replace('/', "%2F");
    login(&format!("postgres://postgres@/postgres?host={socket}&port={}", running.cluster.port()))
        .await
        .unwrap()
}

async fn server(running: &Running) -> &Server {
    running.cluster.server()
}

#[tokio::test]
async fn a_service_has_all_rights_in_its_own_database_and_none_elsewhere() {
    if !installed() {
        return;
    }
    let running = Running::new().await;
    let server = server(&running).await;
    let identity = server.ensure_database("test/pr-42", "identity", Password::Generate).await.unwrap();
    let commerce = server.ensure_database("test/pr-42", "commerce", Password::Generate).await.unwrap();
    let elsewhere = server.ensure_database("dev", "identity", Password::Generate).await.unwrap();
    assert!(identity.created && commerce.created);
    assert_ne!(identity.password.expose(), commerce.password.expose());
    assert!(identity.password.expose().len() >= 32);

    let client = enter(&identity).await;
    client
        .batch_execute(
            "CREATE TABLE t (n int); INSERT INTO t VALUES (1); CREATE SCHEMA own; CREATE TEMP TABLE x (n int); \
             CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'; DROP TABLE t",
        )
        .await
        .unwrap();
    for (sql, expect) in [
        ("SELECT current_user::text", identity.role.as_str()),
        (
            "SELECT rolsuper::text || rolcreatedb || rolcreaterole || rolreplication || rolbypassrls FROM pg_roles WHERE rolname = current_user",
            "falsefalsefalsefalsefalse",
        ),
        ("SELECT current_setting('server_encoding')", "UTF8"),
        ("SELECT lower('ÄÉ')", "äé"),
    ] {
        assert_eq!(text(&client, sql).await.unwrap(), expect, "{sql}");
    }
    for forbidden in [
        "CREATE DATABASE mine",
        "CREATE ROLE mine",
        "ALTER ROLE postgres PASSWORD 'x'",
        "COPY (SELECT 1) TO PROGRAM 'true'",
    ] {
        assert!(client.batch_execute(forbidden).await.is_err(), "{forbidden}");
    }

    for database in [&commerce.database, &elsewhere.database, "postgres", "template1"] {
        let dsn =
            identity.dsn().expose().replace(&format!("/{}?", identity.database), &format!("/{database}?"));
        let refused = login(&dsn).await.unwrap_err();
        assert!(
            refused.contains(&format!("permission denied for database \"{database}\"")),
            "{database}: {refused}"
        );
    }
}

#[tokio::test]
async fn asking_again_changes_nothing_and_another_password_takes_effect() {
    if !installed() {
        return;
    }
    let running = Running::new().await;
    let server = server(&running).await;
    let first = server.ensure_database("dev", "shop", given("p'a\\ss")).await.unwrap();
    let client = enter(&first).await;
    client.batch_execute("CREATE TABLE t AS SELECT 42 AS n").await.unwrap();

    let again = server.ensure_database("dev", "shop", given("p'a\\ss")).await.unwrap();
    assert!(!again.created);
    assert_eq!(again.dsn(), first.dsn());
    assert_eq!(text(&enter(&again).await, "SELECT n::text FROM t").await.unwrap(), "42");

    let rotated = server.ensure_database("dev", "shop", given("other")).await.unwrap();
    assert_eq!(text(&enter(&rotated).await, "SELECT n::text FROM t").await.unwrap(), "42");
    assert!(login(first.dsn().expose()).await.unwrap_err().contains("password authentication failed"));
    assert_eq!(text(&client, "SELECT n::text FROM t").await.unwrap(), "42", "sessions stay");
}

#[tokio::test]
async fn rights_that_somebody_has_changed_are_put_right() {
    if !installed() {
        return;
    }
    let running = Running::new().await;
    let server = server(&running).await;
    let shop = server.ensure_database("dev", "shop", Password::Generate).await.unwrap();
    let other = server.ensure_database("dev", "other", Password::Generate).await.unwrap();
    admin(&running)
        .await
        .batch_execute(&format!(
            "GRANT CONNECT ON DATABASE {0} TO PUBLIC; ALTER ROLE {0} SUPERUSER NOLOGIN; ALTER DATABASE {0} OWNER TO postgres",
            shop.database
        ))
        .await
        .unwrap();
    let dsn = other.dsn().expose().replace(&format!("/{}?", other.database), &format!("/{}?", shop.database));
    assert!(login(&dsn).await.is_ok());

    let shop = server.ensure_database("dev", "shop", Password::Generate).await.unwrap();
    assert!(login(&dsn).await.is_err());
    let client = enter(&shop).await;
    assert!(client.batch_execute("CREATE ROLE mine").await.is_err());
    client.batch_execute("CREATE TABLE t (n int)").await.unwrap();
}

#[tokio::test]
async fn an_interrupted_creation_is_completed() {
    if !installed() {
        return;
    }
    let running = Running::new().await;
    let server = server(&running).await;
    let name = database_name("dev", "shop");
    // As far as a crash could have come: the login is there, the database is closed.
    let first = server.ensure_database("dev", "shop", Password::Generate).await.unwrap();
    let admin = admin(&running).await;
    admin
        .batch_execute(&format!("COMMENT ON DATABASE {name} IS NULL; ALTER DATABASE {name} CONNECTION LIMIT 0; GRANT CONNECT ON DATABASE {name} TO PUBLIC"))
        .await
        .unwrap();
    assert!(login(first.dsn().expose()).await.unwrap_err().contains("too many connections"));
    let again = server.ensure_database("dev", "shop", Password::Generate).await.unwrap();
    assert!(again.created, "nobody has used it yet");
    enter(&again).await;
}

#[tokio::test]
async fn what_somebody_else_has_made_is_not_touched() {
    if !installed() {
        return;
    }
    let running = Running::new().await;
    let server = server(&running).await;
    let admin = admin(&running).await;
    admin.batch_execute("CREATE ROLE dev_shop LOGIN PASSWORD 'theirs'").await.unwrap();
    for attempt in 0..2 {
        let error = server.ensure_database("dev", "shop", Password::Generate).await.unwrap_err();
        assert!(matches!(&error, DatabaseError::Foreign { kind: "role", .. }), "{attempt}: {error}");
        let error = server.drop_database("dev", "shop").await.unwrap_err();
        assert!(matches!(error, DatabaseError::Foreign { .. }), "{error}");
    }
    admin.batch_execute("DROP ROLE dev_shop").await.unwrap();
    admin.batch_execute("CREATE DATABASE dev_shop").await.unwrap();
    let error = server.ensure_database("dev", "shop", Password::Generate).await.unwrap_err();
    assert!(
        error.to_string().starts_with(
            "database dev_shop exists and was not made by Fairway for dev shop; it was not touched"
        ),
        "{error}"
    );
    assert_eq!(
        text(&admin, "SELECT count(*)::text FROM pg_roles WHERE rolname = 'dev_shop'").await.unwrap(),
        "0"
    );
}

#[tokio::test]
async fn hostile_names_are_names() {
    if !installed() {
        return;
    }
    let running = Running::new().await;
    let server = server(&running).await;
    let long = "x".repeat(200);
    for (environment, service) in [
        ("dev\"; DROP DATABASE postgres; --", "a'b\\c"),
        ("'; DROP TABLE x; --", "$$"),
        ("", ""),
        ("pg", "catalog"),
        ("Größe/ü", "日本語"),
        (&long, "a"),
        (&long, "b"),
        ("template1", "x"),
        ("a_b", "c"),
        ("a", "b_c"),
    ] {
        let credentials = server.ensure_database(environment, service, given(service)).await;
        // PostgreSQL knows no empty password.
        let credentials = match credentials {
            Ok(credentials) => credentials,
            Err(error) => panic!("{environment:?} {service:?}: {error}"),
        };
        assert!(credentials.created, "{environment:?} {service:?} is taken for another");
        assert!(credentials.database.len() <= 63);
        if !service.is_empty() {
            assert_eq!(
                text(&enter(&credentials).await, "SELECT current_database()::text").await.unwrap(),
                credentials.database
            );
        }
        assert!(server.exists(environment, service).await.unwrap());
    }
    assert_eq!(server.drop_database(&long, "a").await.unwrap(), Dropped::Dropped);
    assert!(server.exists(&long, "b").await.unwrap());
}

#[tokio::test]
async fn dropping_ends_sessions_and_removes_everything() {
    if !installed() {
        return;
    }
    let running = Running::new().await;
    let server = server(&running).await;
    let shop = server.ensure_database("dev", "shop", Password::Generate).await.unwrap();
    let client = enter(&shop).await;
    client.batch_execute("CREATE TABLE t (n int)").await.unwrap();
    assert_eq!(server.drop_database("dev", "shop").await.unwrap(), Dropped::Dropped);
    assert!(client.batch_execute("SELECT 1").await.is_err(), "the session is over");
    assert!(!server.exists("dev", "shop").await.unwrap());
    assert!(login(shop.dsn().expose()).await.is_err());
    assert_eq!(server.drop_database("dev", "shop").await.unwrap(), Dropped::Absent);
    assert!(server.ensure_database("dev", "shop", Password::Generate).await.unwrap().created);
}

#[tokio::test]
async fn many_callers_at_once_get_along() {
    if !installed() {
        return;
    }
    let running = Running::new().await;
    let server = server(&running).await;
    let calls: Vec<_> = (0..12)
        .map(|number| {
            let server = server.clone();
            let service = ["a", "b", "c"][number % 3];
            tokio::spawn(async move { server.ensure_database("dev", service, given("same")).await })
        })
        .collect();
    let mut created = 0;
    for call in calls {
        let credentials = call.await.unwrap().unwrap();
        created += usize::from(credentials.created);
        enter(&credentials).await;
    }
    assert_eq!(created, 3);
}

#[tokio::test]
async fn no_password_reaches_the_servers_log() {
    if !installed() {
        return;
    }
    let running = Running::new().await;
    admin(&running).await.batch_execute("ALTER SYSTEM SET log_statement = 'all'").await.unwrap();
    admin(&running).await.batch_execute("SELECT pg_reload_conf()").await.unwrap();
    let server = server(&running).await;
    server.ensure_database("dev", "shop", given("VerySecretIndeed")).await.unwrap();
    server.ensure_database("dev", "shop", given("VerySecretToo")).await.unwrap();
    let log = std::fs::read_to_string(running.dir.path().join("log/postgres.log")).unwrap();
    assert!(log.contains("CREATE ROLE") && log.contains("SCRAM-SHA-256$"), "{log}");
    assert!(!log.contains("VerySecret"));
}
