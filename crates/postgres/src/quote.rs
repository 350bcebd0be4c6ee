//! Putting text into SQL and into the server's configuration files.
//!
//! Statements that define things take no parameters, so names and texts have to stand in the statement itself.

/// An identifier, whatever it contains.
///
/// A zero byte cannot stand in any text of PostgreSQL; the server refuses the statement.
pub(crate) fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A string, whatever it contains and whatever `standard_conforming_strings` says.
pub(crate) fn literal(text: &str) -> String {
    let doubled = text.replace('\'', "''");
    if text.contains('\\') {
        format!(" E'{}'", doubled.replace('\\', "\\\\"))
    } else {
        format!("'{doubled}'")
    }
}

/// A value in `postgresql.conf`. Backslashes are escapes there.
pub(crate) fn setting(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

/// A path in a setting that takes a list.
pub(crate) fn listed(path: &str) -> String {
    setting(&identifier(path))
}

/// A name in `pg_ident.conf` or `pg_hba.conf`; quoted, it has no special meaning.
pub(crate) fn in_hba(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoting() {
        assert_eq!(identifier("a\"b"), "\"a\"\"b\"");
        assert_eq!(literal("it's"), "'it''s'");
        assert_eq!(literal("a\\'b"), " E'a\\\\''b'");
        assert_eq!(listed("/a,b'c\"d"), "'\"/a,b''c\"\"d\"'");
    }
}
