//! Limits, where this machine has control groups that may be written to.

use super::{SOON, dir, has, shell, until};
use fairway_supervisor::{Exit, How, Limits, Process, cgroup::Cgroups, run_once};
use std::{fs, path::PathBuf};

/// The directories of our control groups that a process is in.
fn groups(pid: u32) -> Vec<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let points: Vec<&str> = mounts
        .lines()
        .filter(|line| line.contains(" - cgroup"))
        .filter_map(|line| line.split(' ').nth(4))
        .collect();
    let membership = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let paths = membership
        .lines()
        .filter_map(|line| line.splitn(3, ':').nth(2))
        .filter(|path| path.contains("/fairway/"));
    paths
        .flat_map(|path| points.iter().map(move |point| PathBuf::from(format!("{point}{path}"))))
        .filter(|dir| dir.is_dir())
        .collect()
}

#[tokio::test]
async fn a_limit_that_is_not_enforced_is_noted_and_one_that_is_holds() {
    let dir = dir();
    let mut spec = shell(&dir, "exec sleep 1000");
    spec.limits = Limits { memory_bytes: Some(64 << 20), cpu_millis: Some(250), pids: Some(7) };
    let process = Process::start(&spec).await.unwrap();
    let groups = groups(process.identity().pid);
    let read = |names: &[&str]| {
        groups
            .iter()
            .find_map(|dir| names.iter().find_map(|name| fs::read_to_string(dir.join(name)).ok()))
            .map(|text| text.trim().to_owned())
    };
    for (limit, names, expect) in [
        ("memory", &["memory.limit_in_bytes", "memory.max"][..], "67108864"),
        ("cpu", &["cpu.cfs_quota_us", "cpu.max"], "25000"),
        ("pids", &["pids.max"], "7"),
    ] {
        let noted =
            process.notes().iter().any(|note| note.starts_with(&format!("limits not enforced: {limit} (")));
        match read(names) {
            Some(value) if !noted => assert_eq!(value.split(' ').next(), Some(expect), "{limit}"),
            _ => assert!(noted, "{limit} is neither set nor noted: {:?}", process.notes()),
        }
    }
    process.stop(spec.stop).await.unwrap();
    let named = |notes: &[String]| {
        notes.iter().map(|note| note.split(" (").next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(named(process.notes()), named(&Cgroups::detect().missing().await), "it can be known before");
    for dir in groups {
        assert!(!dir.exists(), "{} is left", dir.display());
    }
}

#[tokio::test]
async fn a_process_that_needs_too_much_memory_is_named_as_such() {
    if !has("python3") {
        eprintln!("skipped: needs python3");
        return;
    }
    for script in
        ["exec python3 -c 'x = bytearray(300 << 20)'", "python3 -c 'x = bytearray(300 << 20)'; exit $?"]
    {
        let dir = dir();
        let mut spec = shell(&dir, script);
        spec.limits.memory_bytes = Some(32 << 20);
        let outcome = run_once(&spec, SOON).await.unwrap();
        if outcome.notes.iter().any(|note| note.contains("memory")) {
            eprintln!("skipped: needs a memory control group: {:?}", outcome.notes);
            return;
        }
        assert_eq!(outcome.exit, Exit::OutOfMemory { limit: Some(32 << 20) }, "{script}");
        assert!(outcome.exit.to_string().contains("more than its memory limit of 32 MiB"));
    }
}

#[tokio::test]
async fn too_many_processes_are_refused() {
    let dir = dir();
    let mut spec = shell(&dir, "for i in 1 2 3 4 5 6 7 8; do sleep 1000 & done; echo unlimited; wait");
    spec.limits.pids = Some(4);
    let process = Process::start(&spec).await.unwrap();
    if !process.notes().is_empty() {
        eprintln!("skipped: needs a pids control group: {:?}", process.notes());
        process.stop(spec.stop).await.unwrap();
        return;
    }
    assert_eq!(process.wait().await, Exit::Code(2), "the shell cannot fork");
    let log = until("the complaint", || {
        Some(fs::read_to_string(&spec.log.path).unwrap()).filter(|text| !text.is_empty())
    })
    .await;
    assert!(log.contains("fork") && !log.contains("unlimited"), "{log}");
    assert!(matches!(process.stop(spec.stop).await.unwrap().how, How::Exited(_) | How::Killed));
}
