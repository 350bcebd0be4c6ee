//! Artifacts by digest: verified on arrival, made runnable when they are needed, removed when nobody needs them.
//!
//! Each has a directory `artifacts/<hex>/`: `blob` holds the bytes as they came; `files/<name>` is the same file
//! again under the name a service calls it by; `tree/` is the unpacked archive. A `blob` is renamed into place after
//! its digest was checked, so whatever has a `blob` is whole.

use crate::{disk, fail, home::Home};
use bytes::Bytes;
use fairway_model::{Artifact, ArtifactDigest, ArtifactKind, Digest, Failure, FailureKind};
use futures::{Stream, StreamExt as _};
use sha2::{Digest as _, Sha256};
use std::{
    collections::BTreeSet,
    fs, io,
    os::unix::fs::PermissionsExt as _,
    path::{Component, Path, PathBuf},
    time::Duration,
};
use tokio::io::AsyncWriteExt as _;

/// The artifacts of one host.
#[derive(Debug, Clone)]
pub(crate) struct Artifacts {
    root: PathBuf,
}

impl Artifacts {
    pub(crate) fn new(home: &Home) -> Self {
        Self { root: home.artifacts() }
    }

    fn place(&self, digest: &ArtifactDigest) -> PathBuf {
        self.root.join(digest.hex())
    }

    fn blob(&self, digest: &ArtifactDigest) -> PathBuf {
        self.place(digest).join("blob")
    }

    /// Is it here?
    pub(crate) fn has(&self, digest: &ArtifactDigest) -> bool {
        self.blob(digest).is_file()
    }

    /// The same for somebody who is about to need it: it stays for a while even if nothing names it.
    pub(crate) fn reserve(&self, digest: &ArtifactDigest) -> bool {
        disk::touch(&self.blob(digest)).is_ok()
    }

    /// All that are here.
    pub(crate) fn list(&self) -> io::Result<BTreeSet<ArtifactDigest>> {
        let names = disk::names(&self.root)?;
        let digests = names.iter().filter_map(|hex| format!("sha256:{hex}").parse::<ArtifactDigest>().ok());
        Ok(digests.filter(|digest| self.has(digest)).collect())
    }

    /// Takes bytes in. Nothing of them stays when they do not hash to the digest.
    pub(crate) async fn put<S, E>(&self, digest: ArtifactDigest, mut bytes: S) -> Result<(), Failure>
    where
        S: Stream<Item = Result<Bytes, E>> + Unpin,
        E: std::fmt::Display,
    {
        if self.reserve(&digest) {
            // The bytes are read to the end: a client that is cut off in the middle of sending cannot read the answer.
            while bytes.next().await.is_some_and(|piece| piece.is_ok()) {}
            return Ok(());
        }
        let refused =
            |error: &io::Error| fail::machine(format!("artifact {digest} could not be stored"), error);
        disk::directory(&self.place(&digest)).map_err(|error| refused(&error))?;
        let blob = self.blob(&digest);
        let temporary = Temporary(disk::beside(&blob));
        let mut file = tokio::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o700)
            .open(&temporary.0)
            .await
            .map_err(|error| refused(&error))?;
        let mut hash = Sha256::new();
        let mut size = 0_u64;
        while let Some(piece) = bytes.next().await {
            let piece = piece.map_err(|error| {
                fail::invalid(
                    format!(
                        "artifact {digest} broke off after {size} bytes: {error}; nothing of it was kept"
                    ),
                    "Send it again",
                )
            })?;
            hash.update(&piece);
            size += piece.len() as u64;
            file.write_all(&piece).await.map_err(|error| refused(&error))?;
        }
        file.sync_data().await.map_err(|error| refused(&error))?;
        drop(file.into_std().await);
        let found = ArtifactDigest(Digest::from_bytes(hash.finalize().into()));
        if found != digest {
            return Err(fail::invalid(
                format!(
                    "the {size} bytes that were sent as artifact {digest} hash to {found}; they were not kept"
                ),
                "Build again and send what was built",
            ));
        }
        fs::rename(&temporary.0, &blob)
            .and_then(|()| disk::sync_directory(&blob))
            .map_err(|error| refused(&error))
    }

    /// Makes an artifact runnable and returns the directory that its command's program is looked up in.
    pub(crate) fn materialise(&self, artifact: &Artifact) -> Result<PathBuf, Failure> {
        let blob = self.blob(&artifact.digest);
        if !blob.is_file() {
            return Err(Failure::new(
                FailureKind::Missing,
                format!("artifact {} has not arrived on this host", artifact.digest),
                fail::NOTHING_MOVED,
                "Deliver it and prepare the release again",
            ));
        }
        let refused = |error: io::Error| {
            fail::machine(format!("artifact {} could not be unpacked", artifact.digest), &error)
        };
        match &artifact.kind {
            ArtifactKind::File { name } => {
                if !is_plain_name(name) {
                    return Err(fail::invalid(
                        format!(
                            "artifact {} wants to be a file named `{name}`, which is not a plain file name",
                            artifact.digest
                        ),
                        "Name the file without directories",
                    ));
                }
                let directory = self.place(&artifact.digest).join("files");
                file_in(&directory, name, &blob).map_err(refused)?;
                Ok(directory)
            }
            ArtifactKind::Archive => {
                let tree = self.place(&artifact.digest).join("tree");
                if !tree.is_dir() {
                    let temporary = Temporary(disk::beside(&tree));
                    disk::directory(&temporary.0).map_err(refused)?;
                    unpack(&blob, &temporary.0).map_err(|error| match error.kind() {
                        io::ErrorKind::StorageFull | io::ErrorKind::PermissionDenied => refused(error),
                        _ => fail::invalid(
                            format!(
                                "artifact {} is not an archive that can be unpacked: {error}",
                                artifact.digest
                            ),
                            "Build the archive again as an uncompressed tar of relative paths",
                        ),
                    })?;
                    match fs::rename(&temporary.0, &tree) {
                        Err(_) if tree.is_dir() => {}
                        other => other.map_err(refused)?,
                    }
                }
                Ok(tree)
            }
        }
    }

    /// Removes what is not in `keep` and did not arrive within the time `arrivals`; returns what was removed.
    pub(crate) fn collect(
        &self,
        keep: &BTreeSet<ArtifactDigest>,
        arrivals: Duration,
    ) -> io::Result<Vec<ArtifactDigest>> {
        let mut removed = Vec::new();
        for digest in self.list()?.difference(keep) {
            if !disk::is_older(&self.blob(digest), arrivals) {
                continue;
            }
            disk::remove(&self.place(digest))?;
            removed.push(*digest);
        }
        Ok(removed)
    }
}

/// A path that is removed when it was not renamed away.
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = disk::remove(&self.0);
    }
}

fn is_plain_name(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    matches!((parts.next(), parts.next()), (Some(Component::Normal(only)), None) if only.to_str() == Some(name))
}

/// The blob under another name: a hard link, or a copy where the file system has none.
fn file_in(directory: &Path, name: &str, blob: &Path) -> io::Result<()> {
    disk::directory(directory)?;
    let path = directory.join(name);
    if path.is_file() {
        return Ok(());
    }
    let temporary = Temporary(disk::beside(&path));
    if fs::hard_link(blob, &temporary.0).is_err() {
        fs::copy(blob, &temporary.0)?;
    }
    fs::set_permissions(&temporary.0, fs::Permissions::from_mode(0o755))?;
    fs::rename(&temporary.0, &path)
}

/// Unpacks a tar archive. Paths and links that lead out of the directory are refused, and so is everything that is
/// neither a file, a directory nor a link.
fn unpack(archive: &Path, into: &Path) -> io::Result<()> {
    let refuse = |path: &Path, why: &str| {
        Err(io::Error::new(io::ErrorKind::InvalidData, format!("entry `{}` {why}", path.display())))
    };
    let mut archive = tar::Archive::new(fs::File::open(archive)?);
    archive.set_preserve_permissions(false);
    archive.set_overwrite(false);
    for entry in archive.entries()? {
        let mut entry = entry?;
        let path = entry.path()?.into_owned();
        if path.components().any(|part| !matches!(part, Component::Normal(_) | Component::CurDir)) {
            return refuse(&path, "leads out of the archive");
        }
        let kind = entry.header().entry_type();
        if kind.is_symlink() || kind.is_hard_link() {
            let link = entry.link_name()?.map(std::borrow::Cow::into_owned).unwrap_or_default();
            let from = if kind.is_symlink() { path.parent().unwrap_or(Path::new("")) } else { Path::new("") };
            if !stays_inside(from, &link) {
                return refuse(&path, "is a link that leads out of the archive");
            }
        } else if !(kind.is_file() || kind.is_dir()) {
            if kind.is_pax_global_extensions() {
                continue;
            }
            return refuse(&path, "is neither a file, a directory nor a link");
        }
        if !entry.unpack_in(into)? {
            return refuse(&path, "leads out of the archive");
        }
    }
    Ok(())
}

fn stays_inside(from: &Path, link: &Path) -> bool {
    let mut depth = from.components().filter(|part| matches!(part, Component::Normal(_))).count();
    for part in link.components() {
        match part {
            Component::Normal(_) => depth += 1,
            Component::CurDir => {}
            Component::ParentDir if depth > 0 => depth -= 1,
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn artifacts() -> (tempfile::TempDir, Artifacts) {
        let directory = tempfile::tempdir().unwrap();
        let home = Home::open(directory.path()).unwrap();
        (directory, Artifacts::new(&home))
    }

    async fn put(artifacts: &Artifacts, bytes: &[u8]) -> ArtifactDigest {
        let digest = ArtifactDigest(Digest::of(bytes));
        let pieces: Vec<Result<Bytes, io::Error>> =
            bytes.chunks(3).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        artifacts.put(digest, futures::stream::iter(pieces)).await.unwrap();
        digest
    }

    fn archive(entries: &[(&str, Option<&str>)]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (path, link) in entries {
            let mut header = tar::Header::new_ustar();
            header.set_mode(0o755);
            // The library refuses bad paths itself when it writes, so they are put into the header as they are.
            header.as_ustar_mut().unwrap().name[..path.len()].copy_from_slice(path.as_bytes());
            match link {
                Some(link) => {
                    header.set_entry_type(tar::EntryType::Symlink);
                    header.set_size(0);
                    header.as_ustar_mut().unwrap().linkname[..link.len()].copy_from_slice(link.as_bytes());
                    header.set_cksum();
                    builder.append(&header, io::empty()).unwrap();
                }
                None => {
                    header.set_size(2);
                    header.set_cksum();
                    builder.append(&header, &b"hi"[..]).unwrap();
                }
            }
        }
        builder.into_inner().unwrap()
    }

    #[tokio::test]
    async fn wrong_bytes_leave_nothing() {
        let (_directory, artifacts) = artifacts();
        let digest = ArtifactDigest(Digest::of(b"right"));
        let pieces = vec![Ok::<_, io::Error>(Bytes::from_static(b"wrong"))];
        let failure = artifacts.put(digest, futures::stream::iter(pieces)).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Invalid);
        assert!(!artifacts.has(&digest));
        assert_eq!(fs::read_dir(artifacts.place(&digest)).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn a_file_gets_its_name_and_may_run() {
        let (_directory, artifacts) = artifacts();
        let digest = put(&artifacts, b"#!/bin/sh\n").await;
        let artifact =
            |name: &str| Artifact { digest, kind: ArtifactKind::File { name: name.into() }, size: 10 };
        for _ in 0..2 {
            let directory = artifacts.materialise(&artifact("identity")).unwrap();
            let mode = fs::metadata(directory.join("identity")).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o755);
        }
        for bad in ["../identity", "a/b", "", ".", "..", "a/"] {
            assert_eq!(
                artifacts.materialise(&artifact(bad)).unwrap_err().kind,
                FailureKind::Invalid,
                "{bad}"
            );
        }
    }

    #[tokio::test]
    async fn an_archive_cannot_write_outside() {
        let (directory, artifacts) = artifacts();
        let unpacked = async |entries: &[(&str, Option<&str>)]| {
            let bytes = archive(entries);
            let digest = put(&artifacts, &bytes).await;
            artifacts.materialise(&Artifact { digest, kind: ArtifactKind::Archive, size: bytes.len() as u64 })
        };
        let tree = unpacked(&[("bin/tool", None), ("bin/alias", Some("tool")), ("up", Some("bin/../bin"))])
            .await
            .unwrap();
        assert_eq!(fs::read(tree.join("bin/alias")).unwrap(), b"hi");
        for entries in [
            &[("../evil", None)] as &[_],
            &[("/tmp/evil", None)],
            &[("a/../../evil", None)],
            &[("link", Some("/etc"))],
            &[("link", Some("../../.."))],
            &[("a/link", Some("../../up"))],
        ] {
            let failure = unpacked(entries).await.unwrap_err();
            assert_eq!(failure.kind, FailureKind::Invalid, "{failure}");
        }
        assert!(!directory.path().join("artifacts/evil").exists());
    }

    #[tokio::test]
    async fn what_nobody_needs_goes() {
        let (_directory, artifacts) = artifacts();
        let (kept, gone) = (put(&artifacts, b"kept").await, put(&artifacts, b"gone").await);
        assert_eq!(artifacts.collect(&BTreeSet::from([kept]), Duration::ZERO).unwrap(), vec![gone]);
        assert_eq!(artifacts.list().unwrap(), BTreeSet::from([kept]));
    }
}
