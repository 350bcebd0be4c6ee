use std::fs;
use std::io::Read as _;
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::fs::PermissionsExt as _;
use std::time::SystemTime;

use http::Version;
use serde_json::Value;
use tempfile::TempDir;

use super::*;

const SOON: Duration = Duration::from_secs(20);

fn line(path: &str) -> Line<'_> {
    let client = IpAddr::V4(Ipv4Addr::LOCALHOST);
    Line { path: Some(path), status: Some(200), ..Line::new(SystemTime::now(), client, Version::HTTP_11) }
}

/// A log in a directory of its own.
struct Bench {
    directory: TempDir,
    log: AccessLog,
}

impl Bench {
    fn new(limits: Limits) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let log = AccessLog::open(&directory.path().join("edge"), limits).unwrap();
        Self { directory, log }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join("edge").join(name)
    }

    fn flush(&self) {
        assert!(self.log.flush(SOON), "not flushed");
    }

    fn values(&self, name: &str) -> Vec<Value> {
        let text = fs::read_to_string(self.path(name)).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect()
    }

    fn paths(&self, name: &str) -> Vec<String> {
        let values = self.values(name);
        values.iter().filter_map(|value| Some(value["path"].as_str()?.to_owned())).collect()
    }
}

/// Waits for a state, with a deadline.
fn until(what: &str, mut reached: impl FnMut() -> bool) {
    let deadline = Instant::now() + SOON;
    while !reached() {
        assert!(Instant::now() < deadline, "{what} did not happen");
        std::thread::park_timeout(Duration::from_millis(2));
    }
}

#[test]
fn lines_arrive_by_themselves() {
    let bench = Bench::new(Limits::default());
    bench.log.record(&line("/a"));
    until("the line", || fs::read_to_string(bench.path(FILE)).unwrap().contains("\"/a\""));
    // Once more, out of the sleep that follows.
    until("sleep", || bench.log.owner.shared.asleep.load(Ordering::SeqCst));
    bench.log.record(&line("/b"));
    until("the next line", || bench.paths(FILE) == ["/a", "/b"]);
    assert_eq!(bench.log.counts(), Counts { written: 2, dropped: 0 });
    let mode = fs::metadata(bench.path(FILE)).unwrap().permissions().mode();
    assert_eq!(mode & 0o007, 0, "clients' addresses are nobody else's business: {mode:o}");
}

#[test]
fn lines_of_a_worker_are_in_order_and_none_is_torn() {
    const EACH: usize = 5_000;
    let bench = Bench::new(Limits { file: 100_000, files: 1_000, ..Limits::default() });
    std::thread::scope(|scope| {
        for worker in 0..4 {
            let log = bench.log.clone();
            scope.spawn(move || {
                (0..EACH).for_each(|number| log.record(&line(&format!("/{worker}/{number}"))))
            });
        }
    });
    bench.flush();
    let mut next = [0; 4];
    let files = (1..1_000).map(|number| format!("{FILE}.{number}")).filter(|name| bench.path(name).exists());
    let mut names: Vec<String> = files.collect();
    names.reverse();
    names.push(FILE.to_owned());
    assert!(names.len() > 10, "{} files", names.len());
    for name in &names {
        assert!(fs::metadata(bench.path(name)).unwrap().len() <= 100_000);
        for path in bench.paths(name) {
            let (worker, number) = path[1..].split_once('/').unwrap();
            let worker: usize = worker.parse().unwrap();
            assert_eq!(number.parse::<usize>().unwrap(), next[worker], "of worker {worker}");
            next[worker] += 1;
        }
    }
    assert_eq!(next, [EACH; 4]);
}

#[test]
fn a_disk_that_stands_still_costs_lines_and_no_time() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(FILE);
    // A pipe that nobody reads is the slowest disk there is: it takes 64 KiB and then nothing.
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    let mut reader = fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
    let log = AccessLog::open(directory.path(), Limits { pending: 256 * 1024, ..Limits::default() }).unwrap();
    let began = Instant::now();
    for number in 0..20_000 {
        log.record(&line(&format!("/{number}")));
    }
    let took = began.elapsed();
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert!(!log.flush(Duration::from_millis(10)), "nobody reads");
    let dropped = log.counts().dropped;
    assert!(dropped > 10_000, "{dropped} dropped");
    assert!(
        log.owner.shared.lanes.iter().all(|lane| lane.lock().buffer.len() <= 256 * 1024 + line::LONGEST_LINE)
    );

    // The disk is well again: everything that waited arrives in order, and what is missing is missed where it was.
    let (mut text, mut buffer) = (Vec::new(), vec![0; 64 * 1024]);
    let (mut next, mut confessed, mut read) = (0, 0, 0);
    while next < 20_000 {
        let count = reader.read(&mut buffer).unwrap();
        text.extend_from_slice(&buffer[..count]);
        while let Some(end) = text[read..].iter().position(|byte| *byte == b'\n') {
            let line: Value = serde_json::from_slice(&text[read..read + end]).unwrap();
            read += end + 1;
            match line["dropped"].as_u64() {
                Some(count) => (next, confessed) = (next + count, confessed + count),
                None => {
                    assert_eq!(line["path"], format!("/{next}"));
                    next += 1;
                }
            }
        }
    }
    assert!(log.flush(SOON));
    assert_eq!((next, confessed), (20_000, dropped));
    assert_eq!(log.counts(), Counts { written: 20_000 - dropped, dropped });
}

#[test]
fn a_full_disk_costs_lines_until_it_has_room() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(FILE);
    std::os::unix::fs::symlink("/dev/full", &path).unwrap();
    let log = AccessLog::open(directory.path(), Limits::default()).unwrap();
    (0..3).for_each(|_| log.record(&line("/lost")));
    assert!(log.flush(SOON));
    assert_eq!(log.counts(), Counts { written: 0, dropped: 3 });
    fs::remove_file(&path).unwrap();
    log.record(&line("/kept"));
    assert!(log.flush(SOON));
    let text = fs::read_to_string(&path).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["dropped"], 3);
    assert_eq!(lines[1]["path"], "/kept");
    assert_eq!(lines.len(), 2);
}

#[test]
fn old_files_are_numbered_and_the_oldest_goes() {
    // One line fits into a file, two do not.
    let bench = Bench::new(Limits { file: 250, files: 3, ..Limits::default() });
    for number in 0..6 {
        bench.log.record(&line(&format!("/{number}")));
        bench.flush();
    }
    assert_eq!(bench.paths(FILE), ["/5"]);
    assert_eq!(bench.paths("access.log.1"), ["/4"]);
    assert_eq!(bench.paths("access.log.2"), ["/3"]);
    assert!(!bench.path("access.log.3").exists());
    assert_eq!(bench.log.counts().written, 6);

    // With fewer files, what is too many goes at the next start; with one, it begins anew.
    let fewer =
        AccessLog::open(&bench.path(""), Limits { file: 250, files: 1, ..Limits::default() }).unwrap();
    assert!(!bench.path("access.log.1").exists() && !bench.path("access.log.2").exists());
    fewer.record(&line("/6"));
    assert!(fewer.flush(SOON));
    assert_eq!(bench.paths(FILE), ["/6"]);
    assert!(!bench.path("access.log.1").exists());
}

#[test]
fn a_line_longer_than_a_file_has_one_of_its_own() {
    let bench = Bench::new(Limits { file: 10, files: 9, ..Limits::default() });
    ["/a", "/b", "/c"].into_iter().for_each(|path| bench.log.record(&line(path)));
    bench.flush();
    assert_eq!(bench.paths("access.log.2"), ["/a"]);
    assert_eq!(bench.paths("access.log.1"), ["/b"]);
    assert_eq!(bench.paths(FILE), ["/c"]);
}

#[test]
fn a_file_that_was_moved_or_removed_is_made_again() {
    let bench = Bench::new(Limits::default());
    bench.log.record(&line("/moved"));
    bench.flush();
    fs::rename(bench.path(FILE), bench.path("elsewhere")).unwrap();
    bench.log.record(&line("/removed"));
    bench.flush();
    assert_eq!(bench.paths("elsewhere"), ["/moved"]);
    assert_eq!(bench.paths(FILE), ["/removed"]);
    fs::remove_file(bench.path(FILE)).unwrap();
    bench.log.record(&line("/new"));
    bench.flush();
    assert_eq!(bench.paths(FILE), ["/new"]);
}

#[test]
fn two_edges_share_a_file_while_one_drains() {
    let bench = Bench::new(Limits { file: 2_000, files: 100, ..Limits::default() });
    let successor =
        AccessLog::open(&bench.path(""), Limits { file: 2_000, files: 100, ..Limits::default() }).unwrap();
    for number in 0..50 {
        let log = if number % 2 == 0 { &bench.log } else { &successor };
        log.record(&line(&format!("/{number}")));
        assert!(log.flush(SOON));
    }
    let older = (1..100).rev().map(|number| format!("{FILE}.{number}"));
    let names: Vec<String> =
        older.filter(|name| bench.path(name).exists()).chain([FILE.to_owned()]).collect();
    let all: Vec<String> = names.iter().flat_map(|name| bench.paths(name)).collect();
    assert_eq!(all, (0..50).map(|number| format!("/{number}")).collect::<Vec<_>>());
    assert!(names.len() > 2, "{names:?}");
}

#[test]
fn what_a_crash_cut_off_does_not_spoil_the_next_line() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(FILE);
    fs::write(&path, "{\"path\":\"/whole\"}\n{\"path\":\"/ha").unwrap();
    let log = AccessLog::open(directory.path(), Limits::default()).unwrap();
    log.record(&line("/next"));
    assert!(log.flush(SOON));
    let text = fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[..2], ["{\"path\":\"/whole\"}", "{\"path\":\"/ha"]);
    assert_eq!(serde_json::from_str::<Value>(lines[2]).unwrap()["path"], "/next");
}

#[test]
fn what_waits_is_written_when_the_last_clone_goes() {
    let Bench { directory, log } = Bench::new(Limits::default());
    let path = directory.path().join("edge").join(FILE);
    let clone = log.clone();
    let shared = Arc::downgrade(&log.owner.shared);
    clone.record(&line("/last"));
    drop((log, clone));
    until("the end of the thread", || shared.strong_count() == 0);
    assert!(fs::read_to_string(path).unwrap().contains("\"/last\""));
}

#[test]
fn a_log_that_cannot_be_opened_is_an_error_that_names_the_file() {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join(FILE)).unwrap();
    let error = AccessLog::open(directory.path(), Limits::default()).unwrap_err();
    assert!(error.to_string().contains("access.log cannot be opened; nothing is logged"), "{error}");
    let below = directory.path().join(FILE).join("x");
    fs::write(&below, "").unwrap();
    let error = AccessLog::open(&below.join("y"), Limits::default()).unwrap_err();
    assert!(matches!(error, AccessLogError::Directory { .. }), "{error}");
}

#[test]
fn sampling_keeps_what_matters() {
    let check = |line: &Line<'_>, one_in, expect: usize| {
        let kept = (0..100).filter(|number| AccessLog::wants(line, one_in, *number)).count();
        assert_eq!(kept, expect, "{line:?} one in {one_in}");
    };
    check(&line("/"), 0, 100);
    check(&line("/"), 1, 100);
    check(&line("/"), 10, 10);
    check(&Line { status: Some(503), ..line("/") }, 10, 100);
    check(&Line { why: Some("client_gone"), ..line("/") }, 10, 100);
}
