//! What a migration does to a schema that older code still uses, read from its SQL.
//!
//! During a release the old code runs on the new schema, and after a revert it does so for good. A migration is
//! *additive* when the old code keeps working, *destructive* when it may break or data is lost, and *unknown* when the
//! text does not tell. A file is as bad as its worst statement: destructive before unknown before additive.
//!
//! | statement | additive | unknown | destructive |
//! |---|---|---|---|
//! | `CREATE TABLE`, `VIEW`, `SEQUENCE`, `SCHEMA`, `TYPE`, `DOMAIN`, `EXTENSION`, `FUNCTION`, `ROLE` | yes | with `OR REPLACE` | |
//! | `CREATE INDEX` | not unique | `UNIQUE`: older code may write what it refuses | |
//! | `CREATE TRIGGER`, `POLICY`, anything else | | yes | |
//! | `ADD COLUMN` | nullable, or with a default, identity or generated value | unique or primary key with a default | `NOT NULL` without a default: older inserts fail |
//! | `DROP COLUMN`, `TABLE`, `VIEW`, `TYPE`, `SCHEMA`, `SEQUENCE`, `FUNCTION`, … | | | yes |
//! | `DROP INDEX`, `DROP CONSTRAINT`, `DROP NOT NULL`, `SET DEFAULT`, `VALIDATE CONSTRAINT` | yes | | |
//! | `RENAME` of a table, column, type or enum value | | | yes |
//! | `RENAME` of a constraint or index | yes | | |
//! | `SET NOT NULL` | | | yes: narrowed |
//! | `ALTER COLUMN TYPE`, `DROP DEFAULT`, `ADD CONSTRAINT`, `ALTER TYPE ADD VALUE` | | yes | |
//! | `INSERT` | yes | with `DO UPDATE` | |
//! | `UPDATE`, `MERGE`, `SELECT`, `DO`, `CALL` | | yes | |
//! | `DELETE`, `TRUNCATE` | | | yes |
//! | `COMMENT`, `GRANT`, `SET`, `BEGIN`, `COMMIT`, `ANALYZE` | yes | | |
//! | text that is not PostgreSQL as far as the parser knows | | yes | |
//!
//! What a file does to a table that it has created itself (without `IF NOT EXISTS`) is additive: no older code knows
//! that table. Files are read one by one: a table that an earlier file has created counts as one that older code
//! knows, because which files have run already cannot be seen here.

use fairway_model::{Digest, Migration, MigrationEffect};
use sqlparser::{
    ast::{
        AlterColumnOperation, AlterTable, AlterTableOperation, AlterTypeOperation, ColumnDef, ColumnOption,
        FromTable, ObjectName, ObjectType, OnInsert, Statement, TableFactor, TableObject, TableWithJoins,
    },
    dialect::PostgreSqlDialect,
    parser::Parser,
    tokenizer::{Token, TokenWithSpan, Tokenizer, Whitespace},
};
use std::collections::BTreeSet;

use MigrationEffect::{Additive, Destructive, Unknown};

/// What one statement does, and by which rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatementEffect {
    /// The line of the file on which the statement begins, from 1.
    pub line: u64,
    /// What it does to older code.
    pub effect: MigrationEffect,
    /// Why, as a clause: `drops a column`.
    pub rule: &'static str,
}

/// What a migration does to older code: the worst of its statements.
#[must_use]
pub fn classify(sql: &str) -> MigrationEffect {
    classify_statements(sql).into_iter().map(|statement| statement.effect).max().unwrap_or(Additive)
}

/// What each statement of a migration does to older code, in the order of the file.
#[must_use]
pub fn classify_statements(sql: &str) -> Vec<StatementEffect> {
    let dialect = PostgreSqlDialect {};
    let Ok(tokens) = Tokenizer::new(&dialect, sql).tokenize_with_location() else {
        return vec![StatementEffect { line: 1, effect: Unknown, rule: "is not SQL that can be read" }];
    };
    let mut created = BTreeSet::new();
    let mut effects = Vec::new();
    // One statement at a time, so that one that cannot be read does not hide a destructive neighbour.
    for statement in tokens.split(|token| token.token == Token::SemiColon) {
        let Some(first) = statement.iter().find(|token| !is_blank(token)) else { continue };
        let line = first.span.start.line;
        let mut parser = Parser::new(&dialect).with_tokens_with_locations(statement.to_vec());
        let (effect, rule) = match parser.parse_statements().as_deref() {
            Ok([statement]) => judge(statement, &mut created),
            Ok(_) | Err(_) => (Unknown, "is a statement that cannot be read"),
        };
        effects.push(StatementEffect { line, effect, rule });
    }
    effects
}

/// A migration as a release lists it.
#[must_use]
pub fn classify_file(name: impl Into<String>, text: &str) -> Migration {
    Migration { name: name.into(), digest: Digest::of(text.as_bytes()), effect: classify(text) }
}

/// Whether a file of a migrations directory is one that a release runs: SQL, and not the way back of another one
/// (`.down.sql`).
#[must_use]
pub fn is_migration_file(name: &str) -> bool {
    name.ends_with(".sql") && !name.ends_with(".down.sql") && !name.starts_with('.')
}

fn is_blank(token: &TokenWithSpan) -> bool {
    matches!(
        token.token,
        Token::Whitespace(
            Whitespace::Space
                | Whitespace::Newline
                | Whitespace::Tab
                | Whitespace::SingleLineComment { .. }
                | Whitespace::MultiLineComment(_)
        ) | Token::EOF
    )
}

/// The tables that the file has created so far.
type Created = BTreeSet<String>;

fn key(name: &ObjectName) -> String {
    name.to_string().to_lowercase()
}

const OWN: (MigrationEffect, &str) = (Additive, "concerns a table that the file creates");

fn judge(statement: &Statement, created: &mut Created) -> (MigrationEffect, &'static str) {
    match statement {
        Statement::CreateTable(table) if table.or_replace => (Unknown, "replaces a table"),
        Statement::CreateTable(table) => {
            if !table.if_not_exists {
                created.insert(key(&table.name));
            }
            (Additive, "creates a table")
        }
        Statement::CreateView(view) if view.or_replace => (Unknown, "replaces a view"),
        Statement::CreateFunction(function) if function.or_replace => (Unknown, "replaces a function"),
        Statement::CreateView(_)
        | Statement::CreateFunction(_)
        | Statement::CreateSequence { .. }
        | Statement::CreateSchema { .. }
        | Statement::CreateType { .. }
        | Statement::CreateDomain(_)
        | Statement::CreateExtension(_)
        | Statement::CreateCollation(_)
        | Statement::CreateRole(_) => (Additive, "creates something new"),
        Statement::CreateIndex(index) if created.contains(&key(&index.table_name)) => OWN,
        Statement::CreateIndex(index) if index.unique => {
            (Unknown, "creates a unique index, which may refuse what older code writes")
        }
        Statement::CreateIndex(_) => (Additive, "creates an index"),
        Statement::AlterTable(table) => alter_table(table, created),
        Statement::AlterIndex { .. } => (Additive, "renames an index"),
        Statement::AlterType(alter) => match alter.operation {
            AlterTypeOperation::Rename(_) => (Destructive, "renames a type"),
            AlterTypeOperation::RenameValue(_) => (Destructive, "renames a value of a type"),
            AlterTypeOperation::AddValue(_) => {
                (Unknown, "adds a value to a type that older code may not know")
            }
        },
        Statement::Drop { object_type: ObjectType::Index, .. } => (Additive, "drops an index"),
        Statement::Drop { object_type: ObjectType::Table, names, .. }
            if names.iter().all(|name| created.remove(&key(name))) =>
        {
            OWN
        }
        Statement::Drop { object_type: ObjectType::Table, .. } => (Destructive, "drops a table"),
        Statement::Drop { .. }
        | Statement::DropFunction(_)
        | Statement::DropProcedure { .. }
        | Statement::DropDomain(_)
        | Statement::DropExtension(_)
        | Statement::DropOperator(_)
        | Statement::DropOperatorFamily(_)
        | Statement::DropOperatorClass(_) => (Destructive, "drops something that older code may use"),
        Statement::Insert(insert) => match &insert.table {
            TableObject::TableName(name) if created.contains(&key(name)) => OWN,
            _ if matches!(insert.on, Some(OnInsert::OnConflict(ref conflict)) if conflict.action != sqlparser::ast::OnConflictAction::DoNothing) => {
                (Unknown, "inserts rows or changes the ones that are there")
            }
            _ => (Additive, "inserts rows"),
        },
        Statement::Update(update) if is_own(&update.table, created) => OWN,
        Statement::Update(_) => (Unknown, "changes rows"),
        Statement::Delete(delete) => {
            let (FromTable::WithFromKeyword(tables) | FromTable::WithoutKeyword(tables)) = &delete.from;
            if tables.iter().all(|table| is_own(table, created)) {
                OWN
            } else {
                (Destructive, "deletes rows")
            }
        }
        Statement::Truncate(truncate) => {
            let own = truncate.table_names.iter().all(|target| created.contains(&key(&target.name)));
            if own { OWN } else { (Destructive, "empties a table") }
        }
        Statement::Comment { .. }
        | Statement::Grant(_)
        | Statement::Set(_)
        | Statement::Analyze(_)
        | Statement::StartTransaction { .. }
        | Statement::Commit { .. } => (Additive, "changes nothing that older code sees"),
        _ => (Unknown, "is of a kind that nobody has classified"),
    }
}

fn is_own(table: &TableWithJoins, created: &Created) -> bool {
    matches!(&table.relation, TableFactor::Table { name, .. } if created.contains(&key(name)))
}

fn alter_table(table: &AlterTable, created: &mut Created) -> (MigrationEffect, &'static str) {
    let own = created.contains(&key(&table.name));
    if own {
        for operation in &table.operations {
            if let AlterTableOperation::RenameTable { table_name } = operation {
                let (sqlparser::ast::RenameTableNameKind::As(name)
                | sqlparser::ast::RenameTableNameKind::To(name)) = table_name;
                created.insert(key(name));
            }
        }
        return OWN;
    }
    table
        .operations
        .iter()
        .map(alter_operation)
        .max_by_key(|(effect, _)| *effect)
        .unwrap_or((Unknown, "alters a table in a way that cannot be read"))
}

fn alter_operation(operation: &AlterTableOperation) -> (MigrationEffect, &'static str) {
    match operation {
        AlterTableOperation::AddColumn { column_def, .. } => add_column(column_def),
        AlterTableOperation::DropColumn { .. } => (Destructive, "drops a column"),
        AlterTableOperation::RenameColumn { .. } => (Destructive, "renames a column"),
        AlterTableOperation::RenameTable { .. } => (Destructive, "renames a table"),
        AlterTableOperation::RenameConstraint { .. } => (Additive, "renames a constraint"),
        AlterTableOperation::DropConstraint { .. } => (Additive, "drops a constraint"),
        AlterTableOperation::ValidateConstraint { .. } => {
            (Additive, "validates a constraint that already holds")
        }
        AlterTableOperation::AddConstraint { .. } => {
            (Unknown, "adds a constraint, which may refuse what older code writes")
        }
        AlterTableOperation::AlterColumn { op, .. } => match op {
            AlterColumnOperation::SetNotNull => (Destructive, "makes a column mandatory"),
            AlterColumnOperation::DropNotNull => (Additive, "makes a column optional"),
            AlterColumnOperation::SetDefault { .. } => (Additive, "sets a default"),
            AlterColumnOperation::AddGenerated { .. } => (Additive, "generates a column's values"),
            AlterColumnOperation::DropDefault => (Unknown, "drops a default that older code may rely on"),
            AlterColumnOperation::SetDataType { .. } => (Unknown, "changes the type of a column"),
        },
        _ => (Unknown, "alters a table in a way that nobody has classified"),
    }
}

fn add_column(column: &ColumnDef) -> (MigrationEffect, &'static str) {
    let has =
        |wanted: &dyn Fn(&ColumnOption) -> bool| column.options.iter().any(|option| wanted(&option.option));
    let serial = column.data_type.to_string().to_lowercase().contains("serial");
    let filled = has(&|option| {
        matches!(
            option,
            ColumnOption::Default(_) | ColumnOption::Generated { .. } | ColumnOption::Identity(_)
        )
    });
    let generated =
        serial || has(&|option| matches!(option, ColumnOption::Generated { .. } | ColumnOption::Identity(_)));
    let mandatory = has(&|option| matches!(option, ColumnOption::NotNull | ColumnOption::PrimaryKey(_)));
    let unique = has(&|option| matches!(option, ColumnOption::Unique(_) | ColumnOption::PrimaryKey(_)));
    if mandatory && !filled && !serial {
        (Destructive, "adds a mandatory column without a default, so older inserts fail")
    } else if unique && filled && !generated {
        (Unknown, "adds a unique column with a default, which may refuse what older code writes")
    } else {
        (Additive, "adds a column that older code need not know")
    }
}
