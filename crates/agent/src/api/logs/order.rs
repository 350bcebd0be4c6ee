//! Lines of several logs in the order in which they were written, as far as they say when that was.

use serde::Deserialize;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// Lines of one log, and when it was written to last.
pub(super) struct Tail<T> {
    pub(super) log: T,
    pub(super) lines: Vec<String>,
    pub(super) written: Option<OffsetDateTime>,
}

/// All lines by time. Those of one log keep their order: a line without a time belongs to the one before it, and one
/// whose clock went back comes right behind it. A log that never says the time is as old as its last line.
pub(super) fn by_time<T: Clone>(tails: Vec<Tail<T>>) -> Vec<(T, String)> {
    let mut all = Vec::new();
    for Tail { log, lines, written } in tails {
        let mut latest = lines.iter().find_map(|line| time_of(line)).or(written);
        for line in lines {
            latest = latest.max(time_of(&line));
            all.push((latest, log.clone(), line));
        }
    }
    all.sort_by_key(|(time, ..)| *time);
    all.into_iter().map(|(_, log, line)| (log, line)).collect()
}

/// When a line says that it was written: at its beginning, or in one of the usual members of a JSON object (RFC 3339).
fn time_of(line: &str) -> Option<OffsetDateTime> {
    #[derive(Deserialize)]
    struct Stamped<'a> {
        #[serde(alias = "time", alias = "ts", alias = "@timestamp", borrow)]
        timestamp: &'a str,
    }
    let text = if line.starts_with('{') {
        serde_json::from_str::<Stamped<'_>>(line).ok()?.timestamp
    } else {
        line.trim_start_matches('[').split([' ', ']']).next()?
    };
    OffsetDateTime::parse(text, &Rfc3339).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn where_a_line_says_the_time() {
        let noon = Some(datetime!(2026-11-22 12:00:00 UTC));
        for (line, expect) in [
            (r#"{"timestamp":"2026-11-22T12:00:00Z","level":"INFO"}"#, noon),
            (r#"{"msg":"2020-01-01T00:00:00Z","time":"2026-11-22T12:00:00.000Z"}"#, noon),
            (r#"{"@timestamp":"2026-11-22T13:00:00+01:00"}"#, noon),
            (r#"{"ts":1795348800.5}"#, None),
            ("2026-11-22T12:00:00Z INFO started", noon),
            ("[2026-11-22T12:00:00Z] started", noon),
            ("started at 2026-11-22T12:00:00Z", None),
            ("{ not JSON", None),
            ("", None),
        ] {
            assert_eq!(time_of(line), expect, "{line}");
        }
    }

    #[test]
    fn logs_are_told_as_one_and_each_keeps_its_order() {
        let at = |second: u8, words: &str| format!("2026-11-22T12:00:{second:02}Z {words}");
        let tail = |log, lines: &[String], written| Tail { log, lines: lines.to_vec(), written };
        let tails = vec![
            tail("silent", &["first".into(), "second".into()], Some(datetime!(2026-11-22 12:00:03.5 UTC))),
            tail(
                "a",
                &["no time yet".into(), at(2, "panicked"), "  at main.rs".into(), at(1, "set back")],
                None,
            ),
            tail("b", &[at(1, "began"), at(3, "went on"), at(4, "ended")], None),
            tail("unknown", &["whenever".into()], None),
        ];
        let told: Vec<_> = by_time(tails).into_iter().map(|(log, line)| format!("{log}: {line}")).collect();
        assert_eq!(
            told,
            [
                "unknown: whenever",
                "b: 2026-11-22T12:00:01Z began",
                "a: no time yet",
                "a: 2026-11-22T12:00:02Z panicked",
                "a:   at main.rs",
                "a: 2026-11-22T12:00:01Z set back",
                "b: 2026-11-22T12:00:03Z went on",
                "silent: first",
                "silent: second",
                "b: 2026-11-22T12:00:04Z ended",
            ]
        );
    }
}
