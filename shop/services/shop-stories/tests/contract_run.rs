//! Schemathesis asks each service what its contract allows, and what it does not: no answer that the contract does
//! not describe, none that says that the service failed.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use futures::future::join_all;
use serde_json::json;
use shop_kit::testing::Client;
use shop_stories::{Shop, programs};

/// What all runs together may take.
const LIMIT: Duration = Duration::from_secs(150);

/// A contract, who is asked, and what is left out.
const RUNS: [(&str, &str, &[&str]); 5] = [
    ("identity.yaml", "identity", &[]),
    ("commerce.yaml", "commerce", &[]),
    ("payment.yaml", "payment", &[]),
    ("admin.yaml", "gateway-bff", &[]),
    // A stream without an end and a WebSocket; `diagnostics.rs` of the gateway tests them.
    ("gateway.yaml", "gateway-bff", &["/bff/events", "/bff/ws"]),
];

fn schemathesis() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let installed = programs().parent().map(|target| target.join("schemathesis/bin"));
    std::env::split_paths(&path)
        .chain(installed)
        .map(|bin| bin.join("schemathesis"))
        .find(|bin| bin.is_file())
}

#[tokio::test]
async fn no_undocumented_answer_and_no_failure() {
    let Some(program) = schemathesis() else {
        eprintln!("skipped: needs schemathesis");
        return;
    };
    let Some(shop) = Shop::open().await else { return };
    // The same questions each time, or others: SHOP_SEED=7.
    let seed = std::env::var("SHOP_SEED").unwrap_or_else(|_| "1".to_owned());
    eprintln!("seed {seed}");
    let client = Client::of(shop.base("gateway-bff"));
    let login = json!({ "username": "admin", "password": "admin123" });
    let token = client.post("/auth/password/login", login).await.json()["accessToken"].clone();
    let token = token.as_str().expect("the seed's administrator can log in").to_owned();
    let on = json!({ "paymentEnabled": true, "wechatPayEnabled": true, "alipayPayEnabled": true });
    assert_eq!(client.signed_in(&token).patch("/admin/config/feature-flags", on).await.status, 200);

    let contracts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contracts/openapi");
    let scratch = tempfile::tempdir().expect("a directory under the temporary directory");
    let runs = RUNS.map(|(contract, service, without)| {
        let mut command = tokio::process::Command::new(&program);
        command
            .arg("run")
            .arg(contracts.join(contract))
            .args(["--url", shop.base(service)])
            .args(["--header", &format!("Authorization: Bearer {token}")])
            .args(["--checks", "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"])
            .args(["--phases", "examples,fuzzing", "--max-examples", "4"])
            .args(["--seed", &seed, "--generation-database", "none", "--request-timeout", "10", "--no-color"])
            .current_dir(scratch.path())
            .env("HOME", scratch.path())
            .stdin(Stdio::null())
            .kill_on_drop(true);
        for path in without {
            command.args(["--exclude-path", path]);
        }
        async move { (contract, service, command.output().await.expect("schemathesis can be run")) }
    });
    let done = tokio::time::timeout(LIMIT, join_all(runs)).await.expect("the runs end");
    for (contract, service, output) in &done {
        let said = String::from_utf8_lossy(&output.stdout);
        let counted = said.lines().rev().find(|line| line.contains(" generated")).unwrap_or_default();
        eprintln!("{contract} against {service}: {}", counted.trim());
    }
    let failed: Vec<String> = done
        .iter()
        .filter(|(_, _, output)| !output.status.success())
        .map(|(contract, service, output)| {
            format!("{contract} against {service}:\n{}", String::from_utf8_lossy(&output.stdout))
        })
        .collect();
    assert!(failed.is_empty(), "seed {seed}\n{}", failed.join("\n"));
    shop.close().await;
}
