//! Writers in processes of their own, killed in the middle: a directory never shows a broken or a lost operation.

use crate::support::{environment, note, text_of};
use fairway_store::Store;
use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader},
    process::{Child, ChildStdout, Command, Stdio},
};

const PLACE: &str = "FAIRWAY_TEST_STORE";
const NAME: &str = "FAIRWAY_TEST_WRITER";

/// The other process: this very test, which writes without end when it is told where. It prints each number that was
/// acknowledged, with the text that it wrote.
#[test]
fn writes_until_it_is_killed() {
    let (Ok(place), Ok(name)) = (std::env::var(PLACE), std::env::var(NAME)) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = Store::open(&place).unwrap();
        for turn in 0.. {
            let text = format!("{name}/{turn}");
            let (operation, _) =
                store.append_next(&environment("dev"), |state| note(state, &name, &text)).await.unwrap();
            println!("acknowledged {} {text}", operation.number);
        }
    });
}

struct Writer {
    child: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl Writer {
    fn start(place: &str, name: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "killed::writes_until_it_is_killed", "--nocapture"])
            .env(PLACE, place)
            .env(NAME, name)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// Reads acknowledgements until there are this many, or until the end of a dead writer.
    fn read(&mut self, count: usize, acknowledged: &mut BTreeMap<u64, String>) {
        let mut left = count;
        while left > 0 {
            let Some(line) = self.lines.next() else { return };
            let line = line.unwrap();
            let mut words = line.split(' ');
            if words.next() != Some("acknowledged") {
                continue;
            }
            let (Some(number), Some(text)) = (words.next(), words.next()) else { continue };
            let before = acknowledged.insert(number.parse().unwrap(), text.to_owned());
            assert_eq!(before, None, "operation {number} was acknowledged twice");
            left -= 1;
        }
    }
}

#[test]
fn a_killed_writer_leaves_whole_operations_and_no_gap() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("store");
    let place = place.to_str().unwrap();
    let mut acknowledged = BTreeMap::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for round in 0..4 {
        let mut writers: Vec<Writer> =
            (0..4).map(|who| Writer::start(place, &format!("{round}-{who}"))).collect();
        for (turn, writer) in writers.iter_mut().enumerate() {
            writer.read(3 + turn, &mut acknowledged);
        }
        for writer in &mut writers {
            writer.child.kill().unwrap();
        }
        for writer in &mut writers {
            writer.child.wait().unwrap();
            writer.read(usize::MAX, &mut acknowledged);
        }
        let operations =
            runtime.block_on(Store::open(place).unwrap().operations(&environment("dev"))).unwrap();
        for (number, text) in &acknowledged {
            let found = usize::try_from(*number).ok().and_then(|number| operations.get(number - 1));
            assert_eq!(found.map(text_of), Some(text.as_str()), "operation {number} was lost or replaced");
        }
        // Killed between the write and the acknowledgement: each writer can have at most one of those.
        let unacknowledged = operations.len() - acknowledged.len();
        assert!(unacknowledged <= 4 * (round + 1), "{unacknowledged} operations without an acknowledgement");
        runtime.block_on(Store::open(place).unwrap().state(&environment("dev"))).unwrap();
    }
}
