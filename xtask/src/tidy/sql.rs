//! SQL lives in `store` and `directory` only (and in the tests of the disk that breaks under it).

use super::literals::literals;
use super::{Finding, Tree};

const HOMES: [&str; 3] = ["crates/store/", "crates/directory/", "crates/testkit/"];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.files() {
        if !path.starts_with("crates/") || HOMES.iter().any(|home| path.starts_with(home)) {
            continue;
        }
        if path.ends_with(".sql") {
            findings.push(Finding::new(path, None, "SQL outside store and directory"));
        }
        if path.ends_with(".rs") {
            let statements = literals(text).into_iter().filter(|literal| is_sql(literal.text));
            findings.extend(statements.map(|literal| {
                let start: String = literal.text.chars().take(40).collect();
                Finding::new(path, literal.line, format!("SQL outside store and directory: {start:?}"))
            }));
        }
    }
    findings
}

/// Whether a text holds a statement. The verb alone does not tell: IMAP has a SELECT, and prose may UPDATE.
fn is_sql(text: &str) -> bool {
    let words: Vec<&str> = text.split([' ', '\n', '\t', '\\', '(']).filter(|word| !word.is_empty()).collect();
    words.iter().enumerate().any(|(at, word)| {
        let rest = &words[at + 1..];
        let next = rest.first().copied().unwrap_or_default();
        match *word {
            "SELECT" => rest.contains(&"FROM") || next.starts_with(|c: char| c.is_ascii_digit()),
            "INSERT" | "REPLACE" => ["INTO", "OR"].contains(&next),
            "UPDATE" => rest.contains(&"SET"),
            "DELETE" => next == "FROM",
            "CREATE" | "ALTER" | "DROP" => ["TABLE", "INDEX", "UNIQUE", "TRIGGER", "VIEW", "VIRTUAL"].contains(&next),
            "PRAGMA" | "BEGIN" => !next.is_empty(),
            _ => false,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::{check, is_sql};
    use crate::tidy::said;

    #[test]
    fn statements_are_known_from_protocol_and_prose() {
        for statement in [
            "SELECT uid FROM message",
            "SELECT\n    uid\nFROM message",
            "SELECT 1",
            "INSERT INTO a VALUES (?1)",
            "INSERT OR IGNORE INTO a(b) VALUES (?1)",
            "UPDATE a SET b = 1",
            "DELETE FROM a",
            "CREATE TABLE a(b)",
            "CREATE UNIQUE INDEX a ON b(c)",
            "PRAGMA journal_mode = WAL",
            "BEGIN IMMEDIATE",
        ] {
            assert!(is_sql(statement), "{statement}");
        }
        for other in ["a SELECT INBOX", "SELECT", "select what you want from it", "DELETE Trash", "an UPDATE"] {
            assert!(!is_sql(other), "{other}");
        }
    }

    #[test]
    fn a_statement_is_found_where_it_does_not_belong() {
        let source = "// SELECT a FROM b\nfn f() { g(\"SELECT a FROM b\") }\n";
        assert_eq!(
            said(check, &[("crates/integrate/src/apply.rs", source), ("crates/source/src/a.sql", "")]),
            [
                "crates/integrate/src/apply.rs:2: SQL outside store and directory: \"SELECT a FROM b\"",
                "crates/source/src/a.sql: SQL outside store and directory"
            ]
        );
        let home = [("crates/store/src/sql.rs", source), ("crates/directory/src/sql/1.sql", "SELECT 1")];
        assert!(said(check, &home).is_empty());
    }
}
