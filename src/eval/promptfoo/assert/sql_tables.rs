//! Which tables statements use, in the form of node-sql-parser: `select::null::users`, the second part being the database. Kept out: which
//! are allowed (`sql`).

use std::ops::ControlFlow;

use sqlparser::ast::{FromTable, ObjectName, Statement, TableFactor, TableObject, TableWithJoins, visit_relations};

/// Each table once, in the order of the statements; one that a `WITH` makes counts like any other, as there. A statement that names none
/// and is no query counts by its first word alone.
pub(super) fn used(statements: &[Statement]) -> Vec<String> {
    let mut found = Vec::new();
    for statement in statements {
        let (verb, targets) = match statement {
            Statement::Query(_) => ("select".to_owned(), Vec::new()),
            Statement::Insert(insert) => match &insert.table {
                TableObject::TableName(name) => ("insert".to_owned(), vec![name]),
                _ => (first_word(statement), Vec::new()),
            },
            Statement::Update(update) => ("update".to_owned(), named(std::slice::from_ref(&update.table))),
            Statement::Delete(delete) => match &delete.from {
                FromTable::WithFromKeyword(tables) | FromTable::WithoutKeyword(tables) => {
                    ("delete".to_owned(), named(tables))
                }
            },
            _ => (first_word(statement), Vec::new()),
        };
        let mut names = Vec::new();
        let _: ControlFlow<()> = visit_relations(statement, |name| {
            names.push(name.clone());
            ControlFlow::Continue(())
        });
        let is_change = matches!(statement, Statement::Insert(_) | Statement::Update(_) | Statement::Delete(_));
        for name in &names {
            let reads = is_change && !targets.contains(&name);
            let entry = entry(if reads { "select" } else { &verb }, name);
            if !found.contains(&entry) {
                found.push(entry);
            }
        }
        if names.is_empty() && !matches!(statement, Statement::Query(_)) {
            found.push(format!("{verb}::null::null"));
        }
    }
    found
}

fn first_word(statement: &Statement) -> String {
    statement.to_string().split_whitespace().next().unwrap_or_default().to_lowercase()
}

fn named(tables: &[TableWithJoins]) -> Vec<&ObjectName> {
    tables
        .iter()
        .filter_map(|table| match &table.relation {
            TableFactor::Table { name, .. } => Some(name),
            _ => None,
        })
        .collect()
}

fn entry(verb: &str, name: &ObjectName) -> String {
    let mut parts =
        name.0.iter().rev().map(|part| part.as_ident().map_or_else(|| part.to_string(), |name| name.value.clone()));
    let table = parts.next().unwrap_or_default();
    let database = parts.next().unwrap_or_else(|| "null".to_owned());
    format!("{verb}::{database}::{table}")
}
