//! What a process is started with, and why it is not started.

use super::{dir, line_in, shell};
use fairway_supervisor::{Exit, Process, Spec, StartError, User, log::tail};
use std::{fs, os::unix::fs::PermissionsExt, path::Path};

async fn ends(spec: &Spec) -> Exit {
    let process = Process::start(spec).await.unwrap();
    let exit = process.wait().await;
    process.sweep().await.unwrap();
    exit
}

#[tokio::test]
async fn exits_are_told_apart() {
    for (script, expect) in [
        ("exit 0", Exit::Code(0)),
        ("exit 3", Exit::Code(3)),
        ("kill -TERM $$", Exit::Signal(15)),
        ("kill -KILL $$", Exit::Signal(9)),
    ] {
        let dir = dir();
        assert_eq!(ends(&shell(&dir, script)).await, expect, "{script}");
    }
}

#[tokio::test]
async fn it_has_its_own_session_and_only_its_own_environment() {
    let dir = dir();
    let mut spec = shell(
        &dir,
        "echo $$ $(ps -o pgid= -o sid= -p $$); env | sort; pwd; cat; ls /proc/self/fd | wc -l; exec sleep 1000",
    );
    spec.env.insert("GREETING".into(), "hello world".into());
    let process = Process::start(&spec).await.unwrap();
    let pid = process.identity().pid.to_string();
    let log = super::until("all output", || {
        let lines = tail(&spec.log.path, 100).unwrap();
        lines.last().is_some_and(|last| last.trim().parse::<u32>().is_ok()).then_some(lines)
    })
    .await;
    process.stop(spec.stop).await.unwrap();

    assert_eq!(log[0].split_whitespace().collect::<Vec<_>>(), [&pid, &pid, &pid]);
    assert!(log.contains(&"GREETING=hello world".to_owned()), "{log:?}");
    assert!(!log.iter().any(|line| line.starts_with("HOME=") || line.starts_with("CARGO")), "{log:?}");
    assert!(log.contains(&dir.path().display().to_string()), "{log:?}");
    // Standard input, output and error, and the directory that `ls` reads.
    assert_eq!(log.last().unwrap().trim(), "4");
}

#[tokio::test]
async fn signals_that_the_supervisor_ignores_end_a_child_all_the_same() {
    // A supervisor that was started by a shell in the background or by nohup ignores these.
    let dir = dir();
    let outer = dir.path().join("outer.sh");
    fs::write(&outer, "#!/bin/sh\ntrap '' HUP INT\nexec \"$@\"\n").unwrap();
    fs::set_permissions(&outer, fs::Permissions::from_mode(0o755)).unwrap();
    let helper = std::process::Command::new(&outer)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "start::child_dies_of_interrupt", "--nocapture"])
        .env("FAIRWAY_TEST_HELPER", "1")
        .output()
        .unwrap();
    assert!(helper.status.success(), "{}", String::from_utf8_lossy(&helper.stdout));
}

#[tokio::test]
async fn child_dies_of_interrupt() {
    let dir = dir();
    assert_eq!(ends(&shell(&dir, "kill -INT $$")).await, Exit::Signal(2));
}

fn executable(path: &Path, content: &[u8], mode: u32) {
    fs::write(path, content).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[tokio::test]
async fn a_program_that_cannot_run_is_explained() {
    let dir = dir();
    let at = |name: &str| dir.path().join(name);
    executable(&at("plain"), b"#!/bin/sh\n", 0o644);
    executable(&at("script"), b"#!/no/such/interpreter\n", 0o755);
    executable(&at("windows-lines"), b"#!/bin/sh\r\nexit 0\r\n", 0o755);
    let mut arm = b"\x7fELF\x02\x01\x01".to_vec();
    arm.resize(18, 0);
    arm.extend([183, 0]);
    arm.resize(64, 0);
    executable(&at("arm"), &arm, 0o755);
    executable(&at("text"), b"hello\n", 0o755);
    executable(&at("empty"), b"", 0o755);
    let mut loader = fs::read("/bin/sh").unwrap();
    let interpreter = b"/lib64/ld-linux";
    if let Some(at) = loader.windows(interpreter.len()).position(|window| window == interpreter) {
        loader[at + 1] = b'X';
    }
    executable(&at("musl"), &loader, 0o755);

    for (program, expect) in [
        ("no-such-program", "does not exist in PATH ("),
        ("/no/such/path", "program /no/such/path does not exist; nothing was started"),
        ("./missing", "/./missing does not exist; nothing was started"),
        ("./plain", "cannot be executed: its mode is 0644; run `chmod +x` on it"),
        ("./script", "needs /no/such/interpreter, which does not exist"),
        ("./windows-lines", "needs /bin/sh\r, which does not exist"),
        ("./arm", "it is a program for 64-bit ARM, this machine runs x86-64 Linux programs"),
        ("./text", "it is a text file without a `#!` line"),
        ("./empty", "it is an empty file"),
        ("./musl", "needs /Xib64/ld-linux"),
        ("/tmp", "cannot be executed: it is a directory"),
    ] {
        if program == "./arm" && cfg!(not(target_arch = "x86_64")) {
            continue;
        }
        let mut spec = shell(&dir, "");
        spec.program = program.into();
        let error = Process::start(&spec).await.unwrap_err().to_string();
        assert!(error.contains(expect), "{program}: {error}");
    }
}

#[tokio::test]
async fn other_reasons_are_told_apart() {
    let dir = dir();
    let spec = shell(&dir, "true");

    let mut other = spec.clone();
    other.directory = "/no/such/directory".into();
    assert!(matches!(Process::start(&other).await.unwrap_err(), StartError::Directory { .. }));

    let mut other = spec.clone();
    other.log.path = "/proc/no/log".into();
    assert!(matches!(Process::start(&other).await.unwrap_err(), StartError::Log { .. }));

    let mut other = spec.clone();
    other.env.insert("BAD=NAME".into(), String::new());
    let error = Process::start(&other).await.unwrap_err().to_string();
    assert!(error.contains("variable \"BAD=NAME\""), "{error}");
    assert!(
        !format!("{:?}", Spec { env: [("A".into(), "secret".into())].into(), ..spec }).contains("secret")
    );
}

#[tokio::test]
async fn it_becomes_another_user() {
    if !nix::unistd::Uid::effective().is_root() {
        eprintln!("skipped: needs root");
        return;
    }
    let dir = dir();
    let mut spec = shell(&dir, "id -u; id -g; id -G");
    spec.user = Some(User { uid: 65_534, gid: 65_534 });
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let error = Process::start(&spec).await.unwrap_err().to_string();
    assert!(error.contains("user 65534 may not execute it or may not enter"), "{error}");

    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(ends(&spec).await, Exit::Code(0));
    assert_eq!(tail(&spec.log.path, 9).unwrap(), ["65534", "65534", "65534"]);
}

#[tokio::test]
async fn a_program_that_is_still_being_written_is_waited_for() {
    let dir = dir();
    let program = dir.path().join("program");
    fs::copy("/bin/sh", &program).unwrap();
    let writer = fs::OpenOptions::new().append(true).open(&program).unwrap();
    let mut spec = shell(&dir, "echo started");
    spec.program = "./program".into();
    let start = tokio::spawn({
        let spec = spec.clone();
        async move { Process::start(&spec).await }
    });
    // The first attempt opens the log before it fails.
    super::until("the first attempt", || spec.log.path.exists().then_some(())).await;
    drop(writer);
    let process = start.await.unwrap().unwrap();
    assert_eq!(line_in(&spec.log.path).await, "started");
    process.sweep().await.unwrap();
}
