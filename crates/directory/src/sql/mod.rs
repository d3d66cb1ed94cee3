//! All SQL of this crate.
//!
//! Statements are constants that SQLite and PostgreSQL both take: parameters are `$1`, `$2`, … and appear first in that
//! order (SQLite numbers them by appearance), conflicts are resolved with `ON CONFLICT`, and nothing depends on a type
//! that one of them lacks. What differs by engine (schema, pragmas, opening) is in the engine's own folder.

/// Declares statements, and the list of them that the tests prepare.
macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident = $sql:expr;)*) => {
        $($(#[$doc])* pub(crate) const $name: &str = $sql;)*
        #[cfg(test)]
        pub(super) const ALL: &[(&str, &str)] = &[$((stringify!($name), $name)),*];
    };
}

pub(crate) mod account;
pub(crate) mod admin;
pub(crate) mod alias;
pub(crate) mod audit;
pub(crate) mod check;
pub(crate) mod conflict;
pub(crate) mod credential;
pub(crate) mod dkim;
pub(crate) mod domain;
pub(crate) mod integration;
pub(crate) mod lineage;
pub(crate) mod migration;
pub(crate) mod script;
pub(crate) mod settings;
pub(crate) mod sieve_memory;
pub(crate) mod sqlite;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use rusqlite::Connection;

    fn every_statement() -> Vec<(&'static str, &'static str)> {
        [
            account::ALL,
            admin::ALL,
            alias::ALL,
            audit::ALL,
            check::ALL,
            conflict::ALL,
            credential::ALL,
            dkim::ALL,
            domain::ALL,
            integration::ALL,
            lineage::ALL,
            migration::ALL,
            script::ALL,
            settings::ALL,
            sieve_memory::ALL,
        ]
        .concat()
    }

    #[test]
    fn every_statement_fits_the_schema() {
        let mut connection = Connection::open_in_memory().unwrap();
        sqlite::migrate(&mut connection, 0).unwrap();
        for (name, sql) in every_statement() {
            assert!(connection.prepare(sql).is_ok(), "{name}: {:?}", connection.prepare(sql).err());
        }
    }

    #[test]
    fn pages_come_from_an_index_in_order() {
        let mut connection = Connection::open_in_memory().unwrap();
        sqlite::migrate(&mut connection, 0).unwrap();
        for (name, sql) in every_statement().into_iter().filter(|(_, sql)| sql.contains("LIMIT")) {
            let mut statement = connection.prepare(&["EXPLAIN QUERY PLAN ", sql].concat()).unwrap();
            let plan = statement.raw_query().mapped(|row| row.get::<_, String>(3)).map(Result::unwrap);
            for step in plan {
                assert!(!step.contains("TEMP B-TREE"), "{name}: {step}");
            }
        }
    }

    #[test]
    fn parameters_are_numbered_in_the_order_in_which_they_appear() {
        for (name, sql) in every_statement() {
            let mut next = 1;
            for piece in sql.split('$').skip(1) {
                let digits = piece.bytes().take_while(u8::is_ascii_digit).count();
                let number: u32 = piece[..digits].parse().unwrap();
                assert!(number <= next, "{name}: ${number} appears before ${next}");
                next = next.max(number + 1);
            }
        }
    }

    #[test]
    fn no_statement_is_written_for_sqlite_alone() {
        let words = ["?", "INSERT OR", "REPLACE INTO", "IFNULL", "ROWID", "GLOB", "PRAGMA", "json_", "datetime", "=="];
        for (name, sql) in every_statement() {
            for word in words {
                assert!(!sql.contains(word), "{name} holds {word}");
            }
        }
    }
}
