//! What migrations do to older code: the table of the module, statement by statement.

use fairway_model::{Digest, MigrationEffect};
use fairway_plan::migration::{classify, classify_file, classify_statements, is_migration_file};

use MigrationEffect::{Additive, Destructive, Unknown};

fn check(sql: &str, expect: MigrationEffect) {
    assert_eq!(classify(sql), expect, "{sql}\n{:#?}", classify_statements(sql));
}

#[test]
fn new_things_are_additive() {
    for sql in [
        "",
        "-- nothing here\n/* nor here */ ;;",
        "CREATE TABLE users (id BIGSERIAL PRIMARY KEY, name TEXT NOT NULL UNIQUE)",
        "create table if not exists users (id uuid primary key default gen_random_uuid())",
        "CREATE INDEX CONCURRENTLY IF NOT EXISTS users_name ON users (lower(name))",
        "CREATE VIEW active AS SELECT * FROM users WHERE deleted_at IS NULL",
        "CREATE MATERIALIZED VIEW totals AS SELECT count(*) FROM users",
        "CREATE TYPE colour AS ENUM ('red', 'green')",
        "CREATE SEQUENCE order_numbers START 1000",
        "CREATE SCHEMA IF NOT EXISTS shop",
        "CREATE EXTENSION IF NOT EXISTS pgcrypto",
        "CREATE FUNCTION one() RETURNS int LANGUAGE sql AS $$ SELECT 1; $$",
        "INSERT INTO flags (name, enabled) VALUES ('wishlist', false) ON CONFLICT DO NOTHING",
        "COMMENT ON TABLE users IS 'people; with a semicolon'",
        "GRANT SELECT ON users TO reader",
        "BEGIN; SET lock_timeout = '2s'; CREATE TABLE t (a int); COMMIT;",
    ] {
        check(sql, Additive);
    }
}

#[test]
fn columns() {
    for (columns, expect) in [
        ("ADD COLUMN nickname TEXT", Additive),
        ("ADD COLUMN IF NOT EXISTS nickname VARCHAR(20) NULL", Additive),
        ("ADD COLUMN age INT NOT NULL DEFAULT 0", Additive),
        ("ADD COLUMN seq BIGSERIAL NOT NULL", Additive),
        ("ADD COLUMN n BIGINT GENERATED ALWAYS AS IDENTITY", Additive),
        ("ADD COLUMN total NUMERIC NOT NULL GENERATED ALWAYS AS (price * 2) STORED", Additive),
        ("ADD COLUMN code TEXT UNIQUE", Additive),
        ("ADD COLUMN code TEXT UNIQUE DEFAULT 'x'", Unknown),
        ("ADD COLUMN age INT NOT NULL", Destructive),
        ("ADD COLUMN a TEXT, ADD COLUMN b INT NOT NULL", Destructive),
        ("DROP COLUMN age", Destructive),
        ("DROP COLUMN IF EXISTS age CASCADE", Destructive),
        ("RENAME COLUMN age TO years", Destructive),
        ("RENAME TO people", Destructive),
        ("RENAME CONSTRAINT a TO b", Additive),
        ("ALTER COLUMN age SET NOT NULL", Destructive),
        ("ALTER COLUMN age DROP NOT NULL", Additive),
        ("ALTER COLUMN age SET DEFAULT 3", Additive),
        ("ALTER COLUMN age DROP DEFAULT", Unknown),
        ("ALTER COLUMN age TYPE BIGINT", Unknown),
        ("ALTER COLUMN age SET DATA TYPE TEXT USING age::text", Unknown),
        ("ADD CONSTRAINT positive CHECK (age > 0)", Unknown),
        ("ADD CONSTRAINT positive CHECK (age > 0) NOT VALID", Unknown),
        ("VALIDATE CONSTRAINT positive", Additive),
        ("ADD PRIMARY KEY (id)", Unknown),
        ("ADD FOREIGN KEY (org) REFERENCES orgs (id)", Unknown),
        ("DROP CONSTRAINT positive", Additive),
        ("ENABLE ROW LEVEL SECURITY", Unknown),
        ("OWNER TO someone", Unknown),
    ] {
        check(&format!("ALTER TABLE users {columns}"), expect);
    }
}

#[test]
fn what_goes_or_changes() {
    for (sql, expect) in [
        ("DROP TABLE users", Destructive),
        ("DROP TABLE IF EXISTS users; CREATE TABLE users (id int)", Destructive),
        ("DROP VIEW active", Destructive),
        ("DROP TYPE colour", Destructive),
        ("DROP SCHEMA shop CASCADE", Destructive),
        ("DROP SEQUENCE numbers", Destructive),
        ("DROP FUNCTION one()", Destructive),
        ("DROP EXTENSION pgcrypto", Destructive),
        ("DROP INDEX users_name", Additive),
        ("TRUNCATE users", Destructive),
        ("DELETE FROM users WHERE id = 3", Destructive),
        ("UPDATE users SET name = lower(name)", Unknown),
        ("INSERT INTO flags VALUES (1) ON CONFLICT (id) DO UPDATE SET enabled = true", Unknown),
        ("CREATE UNIQUE INDEX users_mail ON users (mail)", Unknown),
        ("CREATE OR REPLACE VIEW active AS SELECT 1", Unknown),
        ("CREATE OR REPLACE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 1'", Unknown),
        ("ALTER TYPE colour ADD VALUE 'blue'", Unknown),
        ("ALTER TYPE colour RENAME VALUE 'red' TO 'rouge'", Destructive),
        ("ALTER TYPE colour RENAME TO color", Destructive),
        ("ALTER INDEX a RENAME TO b", Additive),
        ("SELECT setval('numbers', 100)", Unknown),
        ("DO $$ BEGIN EXECUTE 'DROP TABLE users'; END $$", Unknown),
        ("REVOKE SELECT ON users FROM reader", Unknown),
    ] {
        check(sql, expect);
    }
}

#[test]
fn a_table_that_the_file_creates_is_its_own() {
    check(
        "CREATE TABLE t (a int); CREATE UNIQUE INDEX i ON t (a); ALTER TABLE T ADD COLUMN b int NOT NULL;",
        Additive,
    );
    check(
        "CREATE TABLE t (a int); INSERT INTO t VALUES (1); UPDATE t SET a = 2; DELETE FROM t; TRUNCATE t; DROP TABLE t",
        Additive,
    );
    check("CREATE TABLE t (a int); DROP TABLE t, users", Destructive);
    check("CREATE TABLE IF NOT EXISTS t (a int); ALTER TABLE t ADD COLUMN b int NOT NULL", Destructive);
    check("CREATE TABLE t (a int); ALTER TABLE t RENAME TO u; DELETE FROM u", Additive);
    check("CREATE TABLE t (a int); DROP TABLE t; DROP TABLE t", Destructive);
}

#[test]
fn the_worst_statement_decides_even_beside_one_that_cannot_be_read() {
    check("CREATE TABLE t (a int); THIS IS NOT SQL; DROP TABLE users", Destructive);
    check("CREATE TABLE t (a int); THIS IS NOT SQL", Unknown);
    check("CREATE TABLE t (a int); SELECT 'an open string", Unknown);
    check(&format!("SELECT {}1{}", "(".repeat(5_000), ")".repeat(5_000)), Unknown);
}

#[test]
fn statements_know_their_line_and_rule() {
    let effects = classify_statements(
        "-- a comment\nCREATE TABLE t (a int);\n\n-- another\nALTER TABLE users\n  DROP COLUMN age;\n",
    );
    let lines: Vec<_> = effects.iter().map(|effect| (effect.line, effect.rule)).collect();
    assert_eq!(lines, [(2, "creates a table"), (5, "drops a column")]);
}

#[test]
fn files() {
    let file = classify_file("0001_users.sql", "DROP TABLE users");
    assert_eq!((file.name.as_str(), file.effect), ("0001_users.sql", Destructive));
    assert_eq!(file.digest, Digest::of(b"DROP TABLE users"));
    for (name, expect) in [
        ("0001_users.sql", true),
        ("0001_users.up.sql", true),
        ("0001_users.down.sql", false),
        (".x.sql", false),
        ("README.md", false),
    ] {
        assert_eq!(is_migration_file(name), expect, "{name}");
    }
}

proptest::proptest! {
    #[test]
    fn any_text_has_an_effect(text in "\\PC*") {
        let worst = classify_statements(&text).iter().map(|statement| statement.effect).max();
        proptest::prop_assert_eq!(classify(&text), worst.unwrap_or(Additive));
    }

    /// Of statements that do not concern each other's tables, the worst decides.
    #[test]
    fn a_file_is_as_bad_as_its_worst_statement(
        which in proptest::collection::vec(0..6_usize, 0..6),
        comments in proptest::collection::vec("[-/*a-z ;']{0,8}", 6),
    ) {
        let known = [
            ("CREATE INDEX i ON a (b)", Additive),
            ("ALTER TABLE a ADD COLUMN c text DEFAULT 'x;y'", Additive),
            ("COMMENT ON TABLE a IS 'one; two'", Additive),
            ("UPDATE a SET b = 1", Unknown),
            ("NOT A STATEMENT", Unknown),
            ("ALTER TABLE a DROP COLUMN b", Destructive),
        ];
        let mut text = String::new();
        for (at, which) in which.iter().enumerate() {
            text.push_str(&format!("-- {}\n{};\n", comments[at], known[*which].0));
        }
        let expect = which.iter().map(|which| known[*which].1).max().unwrap_or(Additive);
        proptest::prop_assert_eq!(classify(&text), expect, "{}", text);
    }
}
