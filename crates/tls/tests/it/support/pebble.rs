//! A real ACME server, one for each test: `pebble`, which Let's Encrypt makes for this.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU16, Ordering};

use fairway_model::traffic::{Acme, AcmeChallenge, AcmeStorage};
use rcgen::{CertificateParams, KeyPair};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use super::{DEADLINE, Site};
use crate::support::dns::Dns;

pub(crate) struct Pebble {
    child: Child,
    directory: String,
    roots: PathBuf,
    config: PathBuf,
    log: PathBuf,
    api: SocketAddr,
    dns: Dns,
    refused_nonces: &'static str,
    /// Where hooks write records.
    pub(crate) records: PathBuf,
}

/// The key of `kid-1`, in base64url.
pub(crate) const CUSTOMERS_KEY: &str = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W";

/// Whether the server is there; says so when it is not.
pub(crate) fn missing() -> bool {
    let found = std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|directory| directory.join("pebble").exists()));
    if !found {
        println!("skipped: needs pebble (Debian: apt-get install pebble)");
    }
    !found
}

impl Pebble {
    /// A server that looks for answers at this site, and issues certificates for so many seconds.
    ///
    /// One nonce of ten is refused for no reason, as real servers do now and then.
    pub(crate) async fn start(site: &Site, validity: u64) -> Self {
        Self::launched(site, validity, "10", false).await
    }

    /// The same, for those who count orders: it refuses nothing without a reason.
    pub(crate) async fn patient(site: &Site, validity: u64) -> Self {
        Self::launched(site, validity, "0", false).await
    }

    /// One that takes customers only: those who have the key `kid-1`.
    pub(crate) async fn for_customers(site: &Site) -> Self {
        Self::launched(site, 90 * 24 * 60 * 60, "0", true).await
    }

    async fn launched(site: &Site, validity: u64, refused_nonces: &'static str, bound: bool) -> Self {
        // An address of this process alone: every address in 127/8 is this machine, and ports can't collide.
        static PORT: AtomicU16 = AtomicU16::new(14_000);
        let [_, b, c, d] = std::process::id().to_be_bytes();
        let api: SocketAddr =
            format!("127.{}.{c}.{d}:{}", 64 + (b & 63), PORT.fetch_add(1, Ordering::Relaxed))
                .parse()
                .unwrap();
        let home = site.path("pebble");
        let records = home.join("records");
        std::fs::create_dir_all(&records).unwrap();
        let dns = Dns::start(records.clone()).await;
        let (roots, config) = (home.join("server.pem"), home.join("config.json"));
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new([api.ip().to_string()]).unwrap().self_signed(&key).unwrap();
        std::fs::write(&roots, certificate.pem()).unwrap();
        std::fs::write(home.join("server.key"), key.serialize_pem()).unwrap();
        let json = serde_json::json!({ "pebble": {
            "listenAddress": api.to_string(),
            "managementListenAddress": "",
            "certificate": roots,
            "privateKey": home.join("server.key"),
            "httpPort": site.plain.port(),
            "tlsPort": site.tls.port(),
            "ocspResponderURL": "",
            "externalAccountBindingRequired": bound,
            "externalAccountMACKeys": { "kid-1": CUSTOMERS_KEY },
            "certificateValidityPeriod": validity,
        }});
        std::fs::write(&config, json.to_string()).unwrap();
        let log = home.join("log");
        let child = launch(&config, &log, dns.address, refused_nonces);
        let directory = format!("https://{api}/dir");
        let mut pebble = Self { child, directory, roots, config, log, api, dns, refused_nonces, records };
        pebble.ready().await;
        pebble
    }

    /// How to use it.
    pub(crate) fn acme(&self, challenge: AcmeChallenge) -> Acme {
        Acme {
            directory: self.directory.clone(),
            roots: Some(self.roots.clone()),
            contact: Some("operator@example.com".to_owned()),
            challenge,
            storage: AcmeStorage::Local,
            account: None,
        }
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub(crate) async fn stop(&mut self) {
        self.child.kill().await.unwrap();
    }

    /// Starts it again. It keeps nothing: accounts are forgotten.
    pub(crate) async fn start_again(&mut self) {
        self.child = launch(&self.config, &self.log, self.dns.address, self.refused_nonces);
        self.ready().await;
    }

    async fn ready(&mut self) {
        let api = self.api;
        let up = async {
            while TcpStream::connect(api).await.is_err() {
                assert!(self.child.try_wait().unwrap().is_none(), "pebble ended:\n{}", self.log());
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(DEADLINE, up).await.expect("pebble listens");
    }
}

fn launch(config: &Path, log: &Path, dns: SocketAddr, refused_nonces: &str) -> Child {
    let log = std::fs::OpenOptions::new().create(true).append(true).open(log).unwrap();
    Command::new("pebble")
        .arg("-strict")
        .arg("-config")
        .arg(config)
        .arg("-dnsserver")
        .arg(dns.to_string())
        .env("PEBBLE_VA_NOSLEEP", "1")
        .env("PEBBLE_WFE_NONCEREJECT", refused_nonces)
        .env("PEBBLE_AUTHZREUSE", "0")
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}
