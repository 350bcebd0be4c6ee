//! The four programs, started as they are delivered.

use std::path::PathBuf;

use futures::future::join_all;
use shop_kit::testing::{Running, TestDatabase, finish, start};
use tempfile::TempDir;

/// Where pictures are said to be; nobody asks there.
const MEDIA: &str = "http://shop.test/assets/media";

/// A running shop.
#[derive(Debug)]
pub struct Shop {
    /// The services by name, in the order in which they were started; the gateway is the last.
    services: Vec<(&'static str, Running)>,
    _databases: Vec<TestDatabase>,
    _media: TempDir,
}

/// The directory of the programs: that of the running test, without `deps`.
///
/// # Panics
/// When the running test is nowhere.
pub fn programs() -> PathBuf {
    let test = std::env::current_exe().expect("the running test has a path");
    let directory = test.parent().expect("the running test stands in a directory");
    if directory.ends_with("deps") { directory.parent().unwrap_or(directory) } else { directory }.to_owned()
}

fn program(name: &str) -> String {
    let path = programs().join(name);
    assert!(path.is_file(), "{} has not been built: run `cargo build --workspace --bins`", path.display());
    path.to_string_lossy().into_owned()
}

impl Shop {
    /// Starts a seeded shop. Nothing when PostgreSQL is not installed.
    ///
    /// # Panics
    /// When a program does not start.
    pub async fn open() -> Option<Self> {
        let media = tempfile::tempdir().expect("a directory under the temporary directory");
        let mut databases = Vec::new();
        for _ in ["identity", "commerce", "payment"] {
            databases.push(TestDatabase::create("empty", async |_| ()).await?);
        }
        let directory = media.path().to_string_lossy().into_owned();
        let common = |name: &'static str, prefix: &'static str, dsn: &str| -> Vec<(String, String)> {
            let mut all = vec![
                (format!("{prefix}_DB_DSN"), dsn.to_owned()),
                (format!("{prefix}_HTTP_ADDR"), "127.0.0.1:0".to_owned()),
                (format!("{prefix}_JWT_SECRET"), "for stories".to_owned()),
                (format!("{prefix}_LOG_LEVEL"), "warn,shop_kit::server=info".to_owned()),
            ];
            if name == "commerce" {
                all.push(("MEDIA_PUBLIC_BASE_URL".to_owned(), MEDIA.to_owned()));
                all.push(("MEDIA_LOCAL_OUTPUT_DIR".to_owned(), directory.clone()));
                all.push(("COMMERCE_INTERNAL_SYNC_TOKEN".to_owned(), "token of the stories".to_owned()));
                all.push(("COMMERCE_AUTHORIZE_TTL".to_owned(), "0s".to_owned()));
                all.push(("COMMERCE_JOBS_EVERY".to_owned(), "50ms".to_owned()));
            }
            if name == "payment" {
                all.push(("PAYMENT_COMMERCE_SYNC_TOKEN".to_owned(), "token of the stories".to_owned()));
                all.push(("PAYMENT_FEATURE_FLAGS_TTL".to_owned(), "0s".to_owned()));
                all.push(("PAYMENT_MOCK_NOTIFY_ANONYMOUS".to_owned(), "true".to_owned()));
            }
            all
        };
        let mut environments = vec![
            ("identity", common("identity", "IDENTITY", databases[0].dsn())),
            ("commerce", common("commerce", "COMMERCE", databases[1].dsn())),
            ("payment", common("payment", "PAYMENT", databases[2].dsn())),
            ("gateway-bff", vec![("GATEWAY_HTTP_ADDR".to_owned(), "127.0.0.1:0".to_owned())]),
        ];
        join_all(environments[..3].iter().map(async |(name, environment)| {
            for command in ["migrate", "seed"] {
                let done = finish(&program(name), &[command], &borrowed(environment)).await;
                assert_eq!(done.code, Some(0), "{name} {command}: {}", done.stderr);
            }
        }))
        .await;
        let mut services: Vec<(&'static str, Running)> = Vec::new();
        for (name, environment) in &mut environments {
            let prefix = name.split('-').next().unwrap_or_default().to_uppercase();
            for (other, running) in &services {
                let variable = format!("{prefix}_{}_BASE_URL", other.to_uppercase());
                environment.push((variable, running.base().to_owned()));
            }
            services.push((name, start(&program(name), &["serve"], &borrowed(environment)).await));
        }
        Some(Self { services, _databases: databases, _media: media })
    }

    /// Where a service answers, e.g. `http://127.0.0.1:4000`.
    ///
    /// # Panics
    /// When there is no such service.
    pub fn base(&self, service: &str) -> &str {
        let found = self.services.iter().find(|(name, _)| *name == service);
        found.expect("one of the four services").1.base()
    }

    /// Stops everything, the gateway first, and sees that each program ends well.
    ///
    /// # Panics
    /// When one does not.
    pub async fn close(mut self) {
        while let Some((name, running)) = self.services.pop() {
            assert_eq!(running.terminate().await, Some(0), "{name} ends well");
        }
    }
}

fn borrowed(environment: &[(String, String)]) -> Vec<(&str, &str)> {
    environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}
