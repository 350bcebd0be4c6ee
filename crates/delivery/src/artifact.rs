//! Artifacts on the caller's side: hashing files, packing directories.

use fairway_model::{Artifact, ArtifactDigest, ArtifactKind, Digest};
use fairway_target::ArtifactSource;
use sha2::{Digest as _, Sha256};
use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

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
            archive.append_path_with_name(entry.path(), relative)?;
        }
    }
    archive.into_inner()?.flush()?;
    let (digest, size) = hash(&temporary)?;
    let kept = cache.join(format!("{}.tar", digest.hex()));
    fs::rename(&temporary, &kept)?;
    Ok(packed(digest, size, ArtifactKind::Archive, kept))
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
}
