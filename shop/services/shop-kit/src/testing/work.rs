//! What PostgreSQL does for a statement, so that a test can say that it does not grow with the tables.

use serde_json::Value;
use sqlx::{AssertSqlSafe, PgPool};

/// What one statement made PostgreSQL look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Work {
    /// The statement, with its parameters in it.
    pub statement: String,
    /// The most rows that one step handled: those that it passed on, and those that it read and dropped.
    pub rows: u64,
}

impl Work {
    /// Does the statement once more and looks at how.
    pub(super) async fn of(pool: &PgPool, statement: String) -> Self {
        let question = format!("EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {statement}");
        let answer: Value = match sqlx::query_scalar(AssertSqlSafe(question)).fetch_one(pool).await {
            Ok(answer) => answer,
            Err(error) => panic!("{statement}: {error}"),
        };
        let mut work = Self { statement, rows: 0 };
        work.add(&answer[0]["Plan"]);
        work
    }

    fn add(&mut self, step: &Value) {
        let number = |name: &str| step[name].as_f64().unwrap_or_default();
        let dropped = number("Rows Removed by Filter") + number("Rows Removed by Index Recheck");
        let rows = (number("Actual Rows") + dropped) * number("Actual Loops");
        self.rows = self.rows.max(rows as u64);
        for inner in step["Plans"].as_array().into_iter().flatten() {
            self.add(inner);
        }
    }
}

/// A statement as PostgreSQL logs it, with the values of its parameters (`$1 = 'a', $2 = NULL`) in their places.
pub(super) fn filled(statement: &str, parameters: &str) -> String {
    let mut text = statement.to_owned();
    let mut rest = parameters;
    let mut values = Vec::new();
    for number in 1.. {
        let Some(value) = rest.strip_prefix(&format!("${number} = ")) else { break };
        let next = format!(", ${} = ", number + 1);
        let (value, after) = value.split_at(value.find(&next).unwrap_or(value.len()));
        values.push(value);
        rest = after.strip_prefix(", ").unwrap_or_default();
    }
    // From the last, so that `$1` is not found in `$10`.
    for (index, value) in values.iter().enumerate().rev() {
        text = text.replace(&format!("${}", index + 1), value);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_in_their_places() {
        let check = |statement: &str, parameters: &str, expect: &str| {
            assert_eq!(filled(statement, parameters), expect, "{statement}");
        };
        check("SELECT 1", "", "SELECT 1");
        check("a = $1 AND b = $2 OR $1", "$1 = 'x, y', $2 = NULL", "a = 'x, y' AND b = NULL OR 'x, y'");
        let ten = (1..=10).map(|n| format!("${n} = '{n}'")).collect::<Vec<_>>().join(", ");
        check("$1 $10", &ten, "'1' '10'");
    }
}
