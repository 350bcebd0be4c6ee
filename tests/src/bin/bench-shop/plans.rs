//! How PostgreSQL answers the statements of a request: the plans that `auto_explain` writes into its log, of the
//! service's own statements with its own parameters.

use crate::database::Database;
use anyhow::Context;
use std::collections::BTreeSet;

/// The part of PostgreSQL that writes plans.
const MODULE: &str = "auto_explain";

/// Makes every session that begins from now on write its plans, and ends those of commerce that have begun.
pub(crate) async fn begin(database: &Database) -> anyhow::Result<()> {
    let settings = [
        ("session_preload_libraries", MODULE),
        ("auto_explain.log_min_duration", "0"),
        ("auto_explain.log_analyze", "on"),
    ];
    database.set(Some(MODULE), &settings).await.context("plans need PostgreSQL's auto_explain")?;
    let session = database.session("commerce").await?;
    let others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                  WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'";
    session.batch_execute(others).await?;
    Ok(())
}

/// The plans in a log, each once.
pub(crate) fn read(log: &str) -> Vec<String> {
    let mut plans = Vec::new();
    let mut seen = BTreeSet::new();
    let mut lines = log.lines().peekable();
    while let Some(line) = lines.next() {
        if !line.ends_with("plan:") {
            continue;
        }
        let mut said = Vec::new();
        while let Some(more) = lines.next_if(|next| next.starts_with('\t')) {
            said.push(&more[1..]);
        }
        let plan = short(&said);
        if seen.insert(plan.clone()) {
            plans.push(plan);
        }
    }
    plans
}

/// The longest line that is shown whole; lists of ids are longer.
const LONGEST: usize = 140;

/// Nodes with the rows that they gave, and the conditions of the indexes; neither costs nor times.
fn short(said: &[&str]) -> String {
    let lines = said.iter().filter_map(|line| node(line).or_else(|| condition(line)));
    lines.collect::<Vec<_>>().join("\n")
}

fn node(line: &str) -> Option<String> {
    let (node, rest) = line.split_once("  (cost=")?;
    let gave = rest.split_once("(actual ").and_then(|(_, rest)| rest.split_once("rows="));
    let gave = gave.map_or("never executed", |(_, rows)| rows.trim_end_matches(')'));
    Some(format!("{node} (rows={gave})"))
}

fn condition(line: &str) -> Option<String> {
    let told = ["Index Cond:", "Recheck Cond:", "Filter:", "Sort Key:", "Rows Removed"];
    told.iter().any(|word| line.trim_start().starts_with(word)).then(|| {
        match line.char_indices().nth(LONGEST) {
            Some((end, _)) => format!("{}…", &line[..end]),
            None => line.to_owned(),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_its_nodes_rows_and_conditions() {
        let log = "2026 [1] a@b LOG:  duration: 0.1 ms  plan:\n\
                   \tQuery Text: SELECT id\n\
                   \t  FROM t LIMIT 1\n\
                   \tLimit  (cost=0.28..1.2 rows=20 width=16) (actual time=0.01..0.02 rows=20 loops=1)\n\
                   \t  ->  Index Scan using t_shown on t  (cost=0.28..9 rows=99 width=16) (actual time=0.01..0.02 rows=20 loops=1)\n\
                   \t        Index Cond: (a = 0)\n\
                   \t  ->  Seq Scan on u  (cost=0.1..9 rows=9 width=1) (never executed)\n\
                   2026 [1] a@b LOG:  something else\n";
        let plan = "Limit (rows=20 loops=1)\n  ->  Index Scan using t_shown on t (rows=20 loops=1)\n        \
                    Index Cond: (a = 0)\n  ->  Seq Scan on u (rows=never executed)";
        assert_eq!(read(&format!("{log}{log}")), [plan]);
    }
}
