//! Finding a process again after its supervisor is gone.

use super::{dir, line_in, pid_in, runs, shell, until};
use fairway_supervisor::{
    Adoption, Exit, How, Identity, Instance, Process, Restart, State, find_by_env, log::tail,
};
use std::{fs, path::Path, process::Command};

const HELPER: &str = "FAIRWAY_TEST_ADOPT_DIR";
const SERVICE: &str = "echo up; trap 'echo down; exit 0' TERM; while :; do echo beat; sleep 0.02; done";

#[tokio::test]
async fn a_dropped_handle_leaves_the_process_and_another_takes_it_over() {
    let dir = dir();
    let spec = shell(&dir, SERVICE);
    let instance = Instance::start(spec.clone()).await.unwrap();
    let identity = instance.detach().unwrap();
    assert!(identity.is_running());

    let Adoption::Adopted(instance) = Instance::adopt(&identity, spec) else { panic!("it runs") };
    assert!(matches!(instance.status().state, State::Running { adopted: true, .. }));
    line_in(&dir.path().join("out.log")).await;
    assert_eq!(instance.stop().await.unwrap().how, How::Exited(Exit::Code(0)));
    assert!(!identity.is_running());
    assert!(matches!(Instance::adopt(&identity, shell(&dir, SERVICE)), Adoption::Gone));
}

#[tokio::test]
async fn a_process_id_that_means_another_process_is_not_taken_over() {
    let dir = dir();
    let spec = shell(&dir, "exec sleep 1000");
    let process = Process::start(&spec).await.unwrap();
    let real = process.identity().clone();
    for wrong in [
        Identity { start_time: real.start_time + 1, ..real.clone() },
        Identity { boot_id: "an earlier boot".into(), ..real.clone() },
        Identity { pid: u32::MAX, ..real.clone() },
    ] {
        assert!(matches!(Instance::adopt(&wrong, spec.clone()), Adoption::Gone), "{wrong:?}");
        let mut elsewhere = spec.clone();
        elsewhere.log.path = "/another/supervisor/out.log".into();
        assert!(!Process::sweep_leftovers(&wrong, &elsewhere).await.unwrap(), "{wrong:?}");
        assert!(real.is_running());
    }
    process.stop(spec.stop).await.unwrap();
}

/// Not a test of its own: the supervisor that will be killed.
#[tokio::test]
async fn supervisor_to_be_killed() {
    let Ok(dir) = std::env::var(HELPER) else { return };
    let dir = Path::new(&dir);
    let temp = tempfile::Builder::new().prefix("helper-").tempdir_in(dir).unwrap();
    let mut spec = shell(&temp, SERVICE);
    spec.env.insert("FAIRWAY_TEST_MARK".into(), dir.display().to_string());
    spec.directory = dir.to_owned();
    spec.log.path = dir.join("out.log");
    let instance = Instance::start(spec).await.unwrap();
    let json = serde_json::to_string(&instance.status().identity.unwrap()).unwrap();
    fs::write(dir.join("identity"), format!("{json}\n")).unwrap();
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn a_process_survives_the_kill_of_its_supervisor_and_loses_no_line() {
    let dir = dir();
    let mut supervisor = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "adopt::supervisor_to_be_killed", "--nocapture"])
        .env(HELPER, dir.path())
        .spawn()
        .unwrap();
    let identity: Identity = serde_json::from_str(&line_in(&dir.path().join("identity")).await).unwrap();
    supervisor.kill().unwrap();
    supervisor.wait().unwrap();
    assert!(identity.is_running());
    let log = dir.path().join("out.log");
    let before = fs::metadata(&log).unwrap().len();
    until("more output", || (fs::metadata(&log).unwrap().len() > before + 50).then_some(())).await;

    let found = find_by_env("FAIRWAY_TEST_MARK", &dir.path().display().to_string());
    assert_eq!(found, std::slice::from_ref(&identity), "it is found without a journal too");

    let mut spec = shell(&dir, SERVICE);
    spec.restart = Restart::Never;
    let Adoption::Adopted(instance) = Instance::adopt(&identity, spec) else { panic!("it runs") };
    let stopped = instance.stop().await.unwrap();
    assert_eq!(stopped.how, How::Exited(Exit::Unknown));
    let mut lines = tail(&log, 100_000).unwrap();
    // The shell may say that its `sleep` was ended too.
    lines.retain(|line| line != "Terminated");
    assert_eq!(lines.first().unwrap(), "up");
    assert_eq!(lines.last().unwrap(), "down");
    assert!(lines[1..lines.len() - 1].iter().all(|line| line == "beat"), "{lines:?}");
}

#[tokio::test]
async fn the_end_of_an_adopted_process_is_noticed() {
    let dir = dir();
    let spec = shell(&dir, "while [ ! -e go ]; do sleep 0.01; done; exit 4");
    let identity = Instance::start(spec.clone()).await.unwrap().detach().unwrap();
    let Adoption::Adopted(instance) = Instance::adopt(&identity, spec) else { panic!("it runs") };
    fs::write(dir.path().join("go"), "").unwrap();
    // It is a child of this very process, so that the code is known.
    assert_eq!(instance.exited().await, Exit::Code(4));
}

#[tokio::test]
async fn what_a_gone_process_has_left_is_swept_by_its_identity() {
    let dir = dir();
    // One that stays in the session, and one that leaves it and is found in the control group, where there is one.
    let script = "sh -c 'echo $$ > child; exec sleep 1000' & setsid sh -c 'echo $$ > escaped; exec sleep 1000' & \
                  while [ ! -s child ] || [ ! -s escaped ]; do sleep 0.01; done";
    let spec = shell(&dir, script);
    let process = Process::start(&spec).await.unwrap();
    let identity = process.identity().clone();
    let child = pid_in(&dir.path().join("child")).await;
    let escaped = pid_in(&dir.path().join("escaped")).await;
    process.wait().await;
    drop(process);
    let in_group = fs::read_to_string(format!("/proc/{escaped}/cgroup")).unwrap().contains("/fairway/");
    assert!(matches!(Instance::adopt(&identity, spec.clone()), Adoption::Gone));
    assert!(runs(child) && runs(escaped));
    assert!(Process::sweep_leftovers(&identity, &spec).await.unwrap());
    assert!(!runs(child));
    if in_group {
        assert!(!runs(escaped));
    } else {
        eprintln!("skipped: needs a control group that may be written to");
        let pid = rustix::process::Pid::from_raw(escaped.cast_signed()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    }
}
