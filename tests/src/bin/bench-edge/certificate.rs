//! One key for all: ECDSA on P-256, made by `openssl` for each run.

use anyhow::{Context, ensure};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// A self-signed certificate for `localhost` as PEM files.
#[derive(Debug)]
pub(crate) struct Certificate {
    /// The certificate.
    pub(crate) chain: PathBuf,
    /// The key.
    pub(crate) key: PathBuf,
    /// Both in one file, as haproxy wants them.
    pub(crate) both: PathBuf,
}

impl Certificate {
    /// Makes one in this directory.
    pub(crate) fn make(directory: &Path) -> anyhow::Result<Self> {
        let path = |name: &str| directory.join(name);
        let made = Self { chain: path("chain.pem"), key: path("key.pem"), both: path("both.pem") };
        let output = Command::new("openssl")
            .args([
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
                "-days",
                "30",
            ])
            .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"])
            .arg("-keyout")
            .arg(&made.key)
            .arg("-out")
            .arg(&made.chain)
            .stdin(Stdio::null())
            .output()
            .context("openssl could not be run")?;
        ensure!(output.status.success(), "openssl failed: {}", String::from_utf8_lossy(&output.stderr));
        fs::write(&made.both, [fs::read(&made.chain)?, fs::read(&made.key)?].concat())?;
        Ok(made)
    }
}
