//! Logs: rotation, the last lines, following.

use super::{SOON, dir, shell, until};
use fairway_supervisor::{
    Instance, LogPolicy,
    log::{follow, rotate, tail, tail_and_follow},
};
use std::{
    fs::{self, File, OpenOptions},
    io::Write,
    path::Path,
};
use tempfile::TempDir;

fn policy(dir: &TempDir, max_bytes: u64, keep: u32) -> LogPolicy {
    LogPolicy { path: dir.path().join("web.log"), max_bytes, keep }
}

fn appender(path: &Path) -> File {
    OpenOptions::new().create(true).append(true).open(path).unwrap()
}

/// All bytes of the log, segments first.
fn whole(dir: &Path) -> (Vec<u8>, usize) {
    let mut names: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    let current = names.remove(0);
    let mut bytes = Vec::new();
    for name in names.iter().chain([&current]) {
        bytes.extend(fs::read(name).unwrap());
    }
    (bytes, names.len())
}

#[test]
fn rotation_loses_nothing_within_its_limit_and_keeps_it() {
    let dir = dir();
    let policy = policy(&dir, 10_000, 3);
    let mut log = appender(&policy.path);
    let mut written = Vec::new();
    for number in 0..20_000_u32 {
        let line = format!("line {number}\n");
        log.write_all(line.as_bytes()).unwrap();
        written.extend(line.as_bytes());
        if number % 100 == 0 {
            rotate(&policy).unwrap();
            let (bytes, segments) = whole(dir.path());
            assert!(
                bytes.len() <= 4 * 10_000 + 4_096 + 2_000 && segments <= 3,
                "{} bytes in {segments} segments",
                bytes.len()
            );
            assert!(written.ends_with(&bytes), "a gap after line {number}");
        }
    }
    assert!(!rotate(&policy).unwrap() || !rotate(&policy).unwrap(), "what is small enough is left alone");
    assert_eq!(tail(&policy.path, 3).unwrap(), ["line 19997", "line 19998", "line 19999"]);
}

#[test]
fn a_burst_beyond_the_limit_keeps_its_end() {
    let dir = dir();
    for keep in [0, 1, 2] {
        let policy = LogPolicy { path: dir.path().join(format!("{keep}/web.log")), max_bytes: 8_192, keep };
        fs::create_dir(policy.path.parent().unwrap()).unwrap();
        let text: String = (0..100_000).map(|number| format!("{number}\n")).collect();
        appender(&policy.path).write_all(text.as_bytes()).unwrap();
        assert!(rotate(&policy).unwrap());
        let (bytes, _) = whole(policy.path.parent().unwrap());
        assert!(bytes.len() as u64 <= u64::from(keep.min(1) + 1) * 8_192, "{keep}: {}", bytes.len());
        assert!(text.as_bytes().ends_with(&bytes), "{keep}");
        if keep > 0 {
            assert_eq!(tail(&policy.path, 1).unwrap(), ["99999"]);
        }
    }
}

#[test]
fn the_last_lines() {
    let dir = dir();
    let path = dir.path().join("web.log");
    assert!(tail(&path, 5).unwrap().is_empty(), "no file, no lines");
    for (text, lines, expect) in [
        ("", 5, &[][..]),
        ("\n", 5, &[""]),
        ("a", 5, &["a"]),
        ("a\n", 5, &["a"]),
        ("a\nb", 1, &["b"]),
        ("a\nb\n", 1, &["b"]),
        ("a\n\nb\n\n", 3, &["", "b", ""]),
        ("a\r\nb\r\n", 2, &["a", "b"]),
        ("a\nb\nc\n", 0, &[]),
    ] {
        fs::write(&path, text).unwrap();
        assert_eq!(tail(&path, lines).unwrap(), expect, "{text:?}");
    }
    fs::write(&path, b"bad \xff byte\n").unwrap();
    assert_eq!(tail(&path, 1).unwrap(), ["bad \u{fffd} byte"]);
    fs::write(&path, "x".repeat(20_000)).unwrap();
    assert!(tail(&path, 1).unwrap()[0].ends_with("… (11808 bytes more)"));
}

#[test]
fn the_last_lines_reach_across_segments() {
    let dir = dir();
    let policy = policy(&dir, 4_096, 10);
    let mut log = appender(&policy.path);
    for number in 0..3_000_u32 {
        writeln!(log, "line {number}").unwrap();
        rotate(&policy).unwrap();
    }
    let expect: Vec<String> = (500..3_000).map(|number| format!("line {number}")).collect();
    assert_eq!(tail(&policy.path, 2_500).unwrap(), expect);
    assert!(fs::read_dir(dir.path()).unwrap().count() > 5);
}

#[test]
fn a_huge_log_is_read_from_its_end_only() {
    let dir = dir();
    let path = dir.path().join("web.log");
    let mut log = appender(&path);
    // Mostly a hole, and read only where it ends.
    log.set_len(20 << 30).unwrap();
    log.write_all(b"\nalmost\nlast\n").unwrap();
    let began = std::time::Instant::now();
    assert_eq!(tail(&path, 2).unwrap(), ["almost", "last"]);
    assert!(tail(&path, 4).unwrap().len() <= 4, "it gives up after its limit");
    assert!(began.elapsed() < SOON / 3);
}

#[tokio::test]
async fn following_survives_rotation_and_truncation() {
    let dir = dir();
    let policy = policy(&dir, 4_096, 4);
    let mut log = appender(&policy.path);
    writeln!(log, "before").unwrap();
    let mut follow = follow(&policy.path);
    write!(log, "hal").unwrap();
    writeln!(log, "f").unwrap();
    assert_eq!(follow.next().await.unwrap(), "half");

    // More is written and rotated between two looks than the file ever holds.
    for round in 0..20_u32 {
        for number in 0..300_u32 {
            writeln!(log, "round {round} line {number}").unwrap();
            if number % 50 == 0 {
                rotate(&policy).unwrap();
            }
        }
        for number in 0..300_u32 {
            assert_eq!(follow.next().await.unwrap(), format!("round {round} line {number}"));
        }
    }

    log.set_len(0).unwrap();
    writeln!(log, "after").unwrap();
    assert_eq!(follow.next().await.unwrap(), "after");
}

#[tokio::test]
async fn the_last_lines_and_what_follows_them_join() {
    let dir = dir();
    let path = dir.path().join("web.log");
    let (lines, mut early) = tail_and_follow(&path, 5).unwrap();
    assert!(lines.is_empty());
    let mut log = appender(&path);
    write!(log, "one\ntwo\nthr").unwrap();
    let (lines, mut late) = tail_and_follow(&path, 1).unwrap();
    assert_eq!(lines, ["two"]);
    assert_eq!(tail(&path, 1).unwrap(), ["thr"]);
    write!(log, "ee\nfour\n").unwrap();
    for (follow, expect) in
        [(&mut late, &["three", "four"][..]), (&mut early, &["one", "two", "three", "four"])]
    {
        for line in expect {
            assert_eq!(follow.next().await.unwrap(), *line);
        }
    }
}

#[tokio::test]
async fn following_begins_before_the_log_exists() {
    let dir = dir();
    let path = dir.path().join("later.log");
    let mut follow = follow(&path);
    let waiting = tokio::spawn(async move { follow.next().await });
    fs::write(&path, "first\n").unwrap();
    assert_eq!(tokio::time::timeout(SOON, waiting).await.unwrap().unwrap().unwrap(), "first");
}

#[tokio::test]
async fn a_talkative_process_is_kept_within_its_limit() {
    let dir = dir();
    let mut spec =
        shell(&dir, "i=0; while [ $i -lt 20000 ]; do echo \"number $i\"; i=$((i+1)); done; exec sleep 1000");
    spec.log = LogPolicy { path: dir.path().join("log/web.log"), max_bytes: 20_000, keep: 2 };
    let instance = Instance::start(spec.clone()).await.unwrap();
    until("the last line and the last rotation", || {
        let last = tail(&spec.log.path, 1).unwrap();
        let size = fs::metadata(&spec.log.path).unwrap().len();
        (last == ["number 19999"] && size <= 20_000).then_some(())
    })
    .await;
    let lines = tail(&spec.log.path, 1_000).unwrap();
    let expect: Vec<String> = (19_000..20_000).map(|number| format!("number {number}")).collect();
    assert_eq!(lines, expect, "no line is lost or torn");
    let (bytes, segments) = whole(&dir.path().join("log"));
    assert!(bytes.len() <= 3 * 20_000 && segments <= 2);
    instance.stop().await.unwrap();
}
