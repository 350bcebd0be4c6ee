//! Artifacts on the caller's side: hashing files, packing directories.

use fairway_model::{Artifact, ArtifactDigest, ArtifactKind, Digest};
use fairway_target::ArtifactSource;
use sha2::{Digest as _, Sha256};
use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::{Component, Path, PathBuf},
    time::{Duration, SystemTime},
};

/// How long a packed directory is kept for whoever still delivers it.
const KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// An artifact with the file that holds its bytes.
#[derive(Debug, Clone)]
pub struct Packed {
    /// What goes into the release.
    pub artifact: Artifact,
    /// Where the bytes are.
    pub source: ArtifactSource,
}

/// Makes an artifact of a file (one executable) or of a directory (an archive, kept in `cache`).
///
/// # Errors
/// When something cannot be read, or the cache cannot be written.
pub fn pack(path: &Path, cache: &Path) -> io::Result<Packed> {
    if fs::metadata(path)?.is_dir() { pack_directory(path, cache) } else { pack_file(path) }
}

fn pack_file(path: &Path) -> io::Result<Packed> {
    let name = path
        .file_name()
        .ok_or_else(|| io::Error::other("the path has no file name"))?
        .to_string_lossy()
        .into_owned();
    let (digest, size) = hash(path)?;
    Ok(packed(digest, size, ArtifactKind::File { name }, path.to_owned()))
}

/// Packs a directory so that the same files give the same bytes: entries sorted, times and owners zero.
/// What `.gitignore` names stays out, so do `.git` and `.fairway`.
fn pack_directory(path: &Path, cache: &Path) -> io::Result<Packed> {
    fs::create_dir_all(cache)?;
    let temporary = tempfile_in(cache)?;
    let mut archive = tar::Builder::new(io::BufWriter::new(File::create(&temporary)?));
    archive.mode(tar::HeaderMode::Deterministic);
    archive.follow_symlinks(false);
    let walk = ignore::WalkBuilder::new(path)
        .hidden(false)
        .require_git(false)
        .sort_by_file_name(std::cmp::Ord::cmp)
        .filter_entry(|entry| !matches!(entry.file_name().to_str(), Some(".git" | ".fairway")))
        .build();
    for entry in walk {
        let entry = entry.map_err(io::Error::other)?;
        let relative = entry.path().strip_prefix(path).map_err(io::Error::other)?;
        if !relative.as_os_str().is_empty() {
            travels(&entry, relative)?;
            archive
                .append_path_with_name(entry.path(), relative)
                .map_err(|error| refused(relative, &error.to_string()))?;
        }
    }
    archive.into_inner()?.flush()?;
    let (digest, size) = hash(&temporary)?;
    let kept = cache.join(format!("{}.tar", digest.hex()));
    fs::rename(&temporary, &kept)?;
    forget(cache, &kept, SystemTime::now() - KEPT);
    Ok(packed(digest, size, ArtifactKind::Archive, kept))
}

/// Says here, where it can be mended, what every target would refuse: what is no file, directory or link, and links
/// that lead out of the directory.
fn travels(entry: &ignore::DirEntry, relative: &Path) -> io::Result<()> {
    let Some(kind) = entry.file_type() else { return Ok(()) };
    if kind.is_symlink() {
        let link = fs::read_link(entry.path())?;
        let mut depth = relative.components().count() - 1;
        for part in link.components() {
            match part {
                Component::Normal(_) => depth += 1,
                Component::CurDir => {}
                Component::ParentDir if depth > 0 => depth -= 1,
                _ => {
                    let why = format!("is a link that leads out of the directory, to {}", link.display());
                    return Err(refused(relative, &why));
                }
            }
        }
    } else if !kind.is_file() && !kind.is_dir() {
        return Err(refused(relative, "is neither a file, a directory nor a link"));
    }
    Ok(())
}

fn refused(relative: &Path, why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("`{}` {why}", relative.display()))
}

/// Removes archives that nobody can still be delivering. Packing again is cheap, and a full disk is not.
fn forget(cache: &Path, but: &Path, before: SystemTime) {
    for entry in fs::read_dir(cache).into_iter().flatten().flatten() {
        let old = entry.metadata().and_then(|metadata| metadata.modified()).is_ok_and(|made| made < before);
        if old && entry.path() != but {
            // What cannot be removed now is tried again next time.
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn packed(digest: ArtifactDigest, size: u64, kind: ArtifactKind, path: PathBuf) -> Packed {
    Packed { artifact: Artifact { digest, kind, size }, source: ArtifactSource { digest, path } }
}

fn tempfile_in(cache: &Path) -> io::Result<PathBuf> {
    Ok(cache.join(format!("packing-{}-{:016x}", std::process::id(), rand::random::<u64>())))
}

fn hash(path: &Path) -> io::Result<(ArtifactDigest, u64)> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 256 * 1024];
    let mut size = 0;
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            read => {
                hasher.update(&buffer[..read]);
                size += read as u64;
            }
        }
    }
    Ok((ArtifactDigest(Digest::from_bytes(hasher.finalize().into())), size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_addressed_by_its_bytes() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("program");
        fs::write(&path, "abc").unwrap();
        let packed = pack(&path, directory.path()).unwrap();
        assert_eq!(packed.artifact.digest.0, Digest::of(b"abc"));
        assert_eq!(packed.artifact.kind, ArtifactKind::File { name: "program".to_owned() });
        assert_eq!(packed.artifact.size, 3);
    }

    #[test]
    fn a_directory_is_addressed_by_its_content_and_not_by_its_times_or_ignored_files() {
        let cache = tempfile::tempdir().unwrap();
        let make = |junk: bool| {
            let directory = tempfile::tempdir().unwrap();
            fs::create_dir(directory.path().join("src")).unwrap();
            fs::write(directory.path().join("src/b.py"), "b").unwrap();
            fs::write(directory.path().join("a.py"), "a").unwrap();
            fs::write(directory.path().join(".gitignore"), "*.pyc\n").unwrap();
            if junk {
                fs::write(directory.path().join("a.pyc"), "junk").unwrap();
            }
            directory
        };
        let (first, second) = (make(false), make(true));
        let (first, second) =
            (pack(first.path(), cache.path()).unwrap(), pack(second.path(), cache.path()).unwrap());
        assert_eq!(first.artifact, second.artifact);
        let mut names: Vec<_> = tar::Archive::new(File::open(&second.source.path).unwrap())
            .entries()
            .unwrap()
            .map(|entry| entry.unwrap().path().unwrap().display().to_string())
            .collect();
        names.sort();
        assert_eq!(names, [".gitignore", "a.py", "src", "src/b.py"]);
    }

    #[test]
    fn what_no_target_would_unpack_is_refused_by_name() {
        let check = |make: &dyn Fn(&Path), expect: Option<&str>| {
            let (directory, cache) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
            fs::create_dir(directory.path().join("bin")).unwrap();
            make(directory.path());
            let result = pack(directory.path(), cache.path()).map_err(|error| error.to_string());
            match expect {
                None => assert!(result.is_ok(), "{result:?}"),
                Some(expect) => assert!(result.unwrap_err().contains(expect), "{expect}"),
            }
        };
        let link =
            |to: &'static str| move |at: &Path| std::os::unix::fs::symlink(to, at.join("bin/link")).unwrap();
        check(&link("../x"), None);
        check(&link("../../x"), Some("`bin/link` is a link that leads out of the directory, to ../../x"));
        check(&link("/usr/bin/env"), Some("leads out"));
        let socket = |at: &Path| drop(std::os::unix::net::UnixListener::bind(at.join("s")).unwrap());
        check(&socket, Some("`s` is neither a file"));
    }

    #[test]
    fn old_archives_are_forgotten_and_the_new_one_is_not() {
        let cache = tempfile::tempdir().unwrap();
        for name in ["old.tar", "packing-1-2", "new.tar"] {
            fs::write(cache.path().join(name), name).unwrap();
        }
        let later = SystemTime::now() + KEPT;
        forget(cache.path(), &cache.path().join("new.tar"), SystemTime::UNIX_EPOCH);
        assert_eq!(fs::read_dir(cache.path()).unwrap().count(), 3);
        forget(cache.path(), &cache.path().join("new.tar"), later);
        let left: Vec<_> =
            fs::read_dir(cache.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["new.tar"]);
    }
}
