//! The life of a private cluster.

use super::{Running, SOON, dir, enter, installed, kill, login, settings, text, workers};
use fairway_model::Redacted;
use fairway_postgres::{Cluster, ClusterError, Password};
use std::{
    collections::BTreeMap,
    fs,
    net::TcpListener,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
    time::SystemTime,
};

/// Every file below `dir` with its length and time: what must not change when something is refused.
fn fingerprint(dir: &Path) -> BTreeMap<String, (u64, SystemTime)> {
    let mut found = BTreeMap::new();
    let mut open = vec![dir.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let meta = fs::symlink_metadata(&path).unwrap();
            if meta.is_dir() {
                open.push(path.clone());
            }
            found.insert(path.display().to_string(), (meta.len(), meta.modified().unwrap()));
        }
    }
    found
}

#[tokio::test]
async fn it_is_created_stopped_and_opened_again_on_the_same_port_with_its_data() {
    if !installed() {
        return;
    }
    let Running { cluster, dir } = Running::new().await;
    let status = cluster.status();
    assert!(
        status.ready && status.port == cluster.port() && (20_000..30_000).contains(&status.port),
        "{status:?}"
    );
    let identity = status.process.identity.unwrap();
    assert_eq!(Cluster::running(&status.data_dir), Some(identity.clone()));
    assert_ne!(fs::metadata(format!("/proc/{}", identity.pid)).unwrap().uid(), 0, "not as root");
    assert_eq!(fs::metadata(dir.path().join("run")).unwrap().permissions().mode() & 0o777, 0o700);

    let credentials = cluster.server().ensure_database("dev", "shop", Password::Generate).await.unwrap();
    enter(&credentials).await.batch_execute("CREATE TABLE t AS SELECT 42 AS n").await.unwrap();
    cluster.stop().await.unwrap();
    cluster.stop().await.unwrap();
    assert!(!cluster.status().ready);
    assert_eq!(Cluster::running(&status.data_dir), None);
    assert_eq!(workers(&dir), 0);

    drop(cluster);
    let again = Cluster::open_or_create(settings(&dir)).await.unwrap();
    assert_eq!(again.port(), status.port);
    assert_eq!(text(&enter(&credentials).await, "SELECT n::text FROM t").await.unwrap(), "42");
    again.stop().await.unwrap();
}

#[tokio::test]
async fn a_server_outlives_its_handle_and_is_found_again() {
    if !installed() {
        return;
    }
    let Running { cluster, dir } = Running::new().await;
    let identity = cluster.detach().unwrap();
    assert!(identity.is_running());
    let again = Cluster::open_or_create(settings(&dir)).await.unwrap();
    assert_eq!(again.status().process.identity, Some(identity));
}

#[tokio::test]
async fn a_cluster_has_one_owner() {
    if !installed() {
        return;
    }
    let running = Running::new().await;
    let error = Cluster::open_or_create(running.settings()).await.unwrap_err();
    assert!(matches!(error, ClusterError::Owned { .. }), "{error}");
    assert!(running.cluster.status().ready);
}

#[tokio::test]
async fn two_who_create_it_at_once_do_not_disturb_each_other() {
    if !installed() {
        return;
    }
    let dir = dir();
    let (a, b) = tokio::join!(
        Box::pin(Cluster::open_or_create(settings(&dir))),
        Box::pin(Cluster::open_or_create(settings(&dir)))
    );
    let (a, b) = (a.is_ok(), b.is_ok());
    assert!(a != b, "one becomes the owner");
    assert!(Cluster::running(&dir.path().join("data")).is_some());
}

#[tokio::test]
async fn a_killed_server_is_restarted_and_has_lost_nothing() {
    if !installed() {
        return;
    }
    let running = Running::new().await;
    let cluster = &running.cluster;
    let credentials = cluster.server().ensure_database("dev", "shop", Password::Generate).await.unwrap();
    let client = enter(&credentials).await;
    client.batch_execute("CREATE TABLE t AS SELECT 42 AS n").await.unwrap();
    let first = cluster.status().process.identity.unwrap();
    kill(first.pid);
    cluster.watch().wait_for(|status| status.restarts == 1).await.unwrap();
    cluster.ready().await.unwrap();
    assert_ne!(cluster.status().process.identity, Some(first));
    assert_eq!(text(&enter(&credentials).await, "SELECT n::text FROM t").await.unwrap(), "42");
}

#[tokio::test]
async fn a_server_that_was_killed_while_nobody_looked_recovers_when_opened() {
    if !installed() {
        return;
    }
    let dir = dir();
    let cluster = Cluster::open_or_create(settings(&dir)).await.unwrap();
    let credentials = cluster.server().ensure_database("dev", "shop", Password::Generate).await.unwrap();
    enter(&credentials).await.batch_execute("CREATE TABLE t AS SELECT 42 AS n").await.unwrap();
    let identity = cluster.detach().unwrap();
    kill(identity.pid);
    // After a reboot the id in the lock file may be anybody's; here it is this test's.
    let pid_file = dir.path().join("data/postmaster.pid");
    let stale = fs::read_to_string(&pid_file).unwrap().replacen(
        &identity.pid.to_string(),
        &std::process::id().to_string(),
        1,
    );
    fs::write(&pid_file, stale).unwrap();

    let again = Cluster::open_or_create(settings(&dir)).await.unwrap();
    assert_eq!(text(&enter(&credentials).await, "SELECT n::text FROM t").await.unwrap(), "42");
    again.stop().await.unwrap();
}

#[tokio::test]
async fn another_version_is_refused_and_the_data_untouched() {
    if !installed() {
        return;
    }
    let Running { cluster, dir } = Running::new().await;
    cluster.stop().await.unwrap();
    let found = cluster.installation().major;
    drop(cluster);
    let data = dir.path().join("data");
    let before = fingerprint(&data);
    let mut other = settings(&dir);
    other.version = Some(found + 1);
    let error = Cluster::open_or_create(other.clone()).await.unwrap_err();
    assert!(
        matches!(error, ClusterError::VersionMismatch { found: f, wanted, .. } if f == found && wanted == found + 1),
        "{error}"
    );
    assert!(error.to_string().contains("the data was not touched"), "{error}");

    // Data of a version whose programs are not installed.
    fs::write(data.join("PG_VERSION"), "9999\n").unwrap();
    let before_9999 = fingerprint(&data);
    other.version = None;
    let error = Cluster::open_or_create(other).await.unwrap_err();
    assert!(matches!(error, ClusterError::Locate(_)), "{error}");
    assert!(error.to_string().contains("PostgreSQL 9999 is not installed; there is"), "{error}");
    assert_eq!(fingerprint(&data), before_9999);
    assert_eq!(before.len(), before_9999.len());
}

#[tokio::test]
async fn a_directory_with_something_else_is_refused() {
    let dir = dir();
    let settings = settings(&dir);
    fs::create_dir(&settings.data_dir).unwrap();
    fs::write(settings.data_dir.join("diary.txt"), "dear").unwrap();
    let error = Cluster::open_or_create(settings.clone()).await.unwrap_err();
    assert!(matches!(error, ClusterError::NotACluster { .. }), "{error}");
    assert_eq!(fs::read_to_string(settings.data_dir.join("diary.txt")).unwrap(), "dear");
}

#[tokio::test]
async fn a_cluster_that_somebody_else_has_made_is_refused() {
    let dir = dir();
    let settings = settings(&dir);
    fs::create_dir(&settings.data_dir).unwrap();
    fs::write(settings.data_dir.join("PG_VERSION"), "15\n").unwrap();
    let before = fingerprint(&settings.data_dir);
    let error = Cluster::open_or_create(settings.clone()).await.unwrap_err();
    assert!(matches!(error, ClusterError::ForeignCluster { .. }), "{error}");
    assert_eq!(fingerprint(&settings.data_dir), before);
}

#[tokio::test]
async fn a_running_server_is_restarted_when_its_address_shall_change() {
    if !installed() {
        return;
    }
    let Running { cluster, dir } = Running::new().await;
    let port = cluster.port();
    let first = cluster.detach();
    let mut moved = settings(&dir);
    moved.socket_dir = dir.path().join("elsewhere");
    let cluster = Cluster::open_or_create(moved).await.unwrap();
    assert_ne!(cluster.status().process.identity, first);
    assert_eq!(cluster.port(), port);
    cluster.server().ensure_database("dev", "shop", Password::Generate).await.unwrap();
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn an_interrupted_creation_leaves_no_trace() {
    if !installed() {
        return;
    }
    let dir = dir();
    let settings = settings(&dir);
    let half = dir.path().join("data.creating");
    fs::create_dir_all(half.join("base/1")).unwrap();
    fs::write(half.join("PG_VERSION"), "15\n").unwrap();
    // An empty directory in its place is taken.
    fs::create_dir(&settings.data_dir).unwrap();
    let cluster = Cluster::open_or_create(settings).await.unwrap();
    assert!(!half.exists());
    assert!(cluster.status().ready);
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn a_closed_directory_is_named() {
    if !installed() || !nix::unistd::Uid::effective().is_root() {
        eprintln!("skipped: needs root");
        return;
    }
    let dir = dir();
    let closed = dir.path().join("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
    let mut settings = settings(&dir);
    settings.data_dir = closed.join("deep/data");
    let error = Cluster::open_or_create(settings).await.unwrap_err().to_string();
    assert!(
        error.contains(&format!("may not enter {}; nothing was changed. Run `chmod o+x", closed.display())),
        "{error}"
    );
    assert_eq!(fs::read_dir(&closed).unwrap().count(), 0);
}

#[tokio::test]
async fn a_taken_port_is_named_and_nothing_started() {
    if !installed() {
        return;
    }
    let Running { cluster, dir } = Running::new().await;
    let port = cluster.port();
    cluster.stop().await.unwrap();
    drop(cluster);
    let other = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let error = Cluster::open_or_create(settings(&dir)).await.unwrap_err();
    assert!(matches!(error, ClusterError::PortTaken { port: taken, .. } if taken == port), "{error}");
    drop(other);
    // Another port may be asked for, and stays.
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut moved = settings(&dir);
    moved.port = Some(free);
    let cluster = Cluster::open_or_create(moved).await.unwrap();
    assert_eq!(cluster.port(), free);
    cluster.stop().await.unwrap();
    drop(cluster);
    let cluster = Cluster::open_or_create(settings(&dir)).await.unwrap();
    assert_eq!(cluster.port(), free);
    cluster.stop().await.unwrap();
    drop(cluster);
}

#[tokio::test]
async fn a_server_that_cannot_start_shows_its_log() {
    if !installed() {
        return;
    }
    let Running { cluster, dir } = Running::new().await;
    cluster.stop().await.unwrap();
    drop(cluster);
    let conf = dir.path().join("data/postgresql.conf");
    let text = fs::read_to_string(&conf).unwrap();
    fs::write(&conf, format!("{text}\nshared_buffers = 'lots'\n")).unwrap();
    let error = Cluster::open_or_create(settings(&dir)).await.unwrap_err();
    assert!(matches!(error, ClusterError::Ended { .. }), "{error}");
    assert!(error.to_string().contains("invalid value for parameter \"shared_buffers\""), "{error}");
    assert_eq!(workers(&dir), 0);
}

#[tokio::test]
async fn a_socket_path_that_is_too_long_is_refused_before_anything_happens() {
    if !installed() {
        return;
    }
    let dir = dir();
    let mut settings = settings(&dir);
    settings.socket_dir = dir.path().join("x".repeat(120));
    let error = Cluster::open_or_create(settings).await.unwrap_err();
    assert!(matches!(error, ClusterError::SocketPath { .. }), "{error}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn the_administrator_comes_in_over_tcp_only_with_a_password_that_was_set() {
    if !installed() {
        return;
    }
    let Running { cluster, dir } = Running::new().await;
    let port = cluster.port();
    let tcp =
        |password: &str| format!("postgres://postgres:{password}@127.0.0.1:{port}/postgres?sslmode=disable");
    assert!(login(&tcp("")).await.is_err());
    let refused = login(&tcp("guess")).await.unwrap_err();
    assert!(refused.contains("pg_hba.conf rejects"), "{refused}");
    cluster.stop().await.unwrap();
    drop(cluster);

    let mut open = settings(&dir);
    open.superuser_password = Some(Redacted::new("s3cret'\\"));
    let cluster = Cluster::open_or_create(open).await.unwrap();
    assert!(login(&tcp("s3cret%27%5C")).await.is_ok());
    assert!(login(&tcp("guess")).await.unwrap_err().contains("password authentication failed"));

    // A running server takes it back without a restart.
    let identity = cluster.detach();
    let again = Cluster::open_or_create(settings(&dir)).await.unwrap();
    assert_eq!(again.status().process.identity, identity);
    let deadline = std::time::Instant::now() + SOON;
    while login(&tcp("s3cret%27%5C")).await.is_ok() {
        assert!(std::time::Instant::now() < deadline, "the door stays open");
    }
    again.stop().await.unwrap();
}

#[tokio::test]
async fn clusters_beside_each_other_do_not_meet() {
    if !installed() {
        return;
    }
    let dirs = [dir(), dir(), dir()];
    let open = |dir| Box::pin(Cluster::open_or_create(settings(dir)));
    let (a, b, c) = tokio::join!(open(&dirs[0]), open(&dirs[1]), open(&dirs[2]));
    let ports = [a.unwrap().port(), b.unwrap().port(), c.unwrap().port()];
    assert!(ports[0] != ports[1] && ports[1] != ports[2] && ports[0] != ports[2], "{ports:?}");
}
