//! Clients that are not of our library.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;

use tokio::process::Command;

use crate::support::{Site, make, put};

/// What `openssl s_client` says.
async fn openssl(address: SocketAddr, arguments: &[&str]) -> String {
    let output = Command::new("openssl")
        .args(["s_client", "-connect", &address.to_string(), "-ign_eof"])
        .args(arguments)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

fn missing() -> bool {
    let found = std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|directory| directory.join("openssl").exists()));
    if !found {
        println!("skipped: needs openssl");
    }
    !found
}

#[tokio::test]
async fn openssl_resumes_and_is_told_what_is_wrong() {
    if missing() {
        return;
    }
    let site = Site::new().await;
    let wanted = [put(site.home.path(), "web", &make(&["example.com"], |_| {}))];
    site.certificates.apply("prod", &wanted, None).await;
    for version in ["-tls1_3", "-tls1_2"] {
        let session = site.path(version);
        let session: &Path = &session;
        let session = session.to_str().unwrap();
        let name = ["-servername", "example.com", version, "-alpn", "h2,http/1.1"];
        let first = openssl(site.tls, &[&name[..], &["-sess_out", session]].concat()).await;
        assert!(first.contains("New, TLSv1."), "{version}: {first}");
        assert!(first.contains("ALPN protocol: h2"), "{version}: {first}");
        let second = openssl(site.tls, &[&name[..], &["-sess_in", session]].concat()).await;
        assert!(second.contains("Reused, TLSv1."), "{version}: {second}");
    }
    let unknown = openssl(site.tls, &["-servername", "example.org"]).await;
    assert!(unknown.contains("alert number 112"), "{unknown}");
    // Security level 0 lets it offer what it would not any more.
    let old =
        openssl(site.tls, &["-servername", "example.com", "-tls1_1", "-cipher", "ALL:@SECLEVEL=0"]).await;
    assert!(old.contains("alert number 70"), "{old}");
}
