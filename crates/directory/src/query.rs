//! Running statements and reading rows: what every aggregate does alike.

use crate::directory::Tx;
use crate::error::DirectoryError;
use crate::secret::Secret;
use message::Address;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Params, Row};

/// Rows fetched at a time when a table is walked through: no more are in memory, and no statement is open while the
/// caller works on them.
pub(crate) const PAGE_ROWS: u32 = 500;

/// Declares reads once, as methods of [`Directory`](crate::directory::Directory), of
/// [`View`](crate::directory::View) and of [`Tx`].
macro_rules! reads {
    ($(
        $(#[$doc:meta])*
        pub fn $name:ident($connection:ident $(, $arg:ident: $type:ty)* $(,)?) -> $ok:ty $body:block
    )*) => {
        impl crate::directory::Directory {$(
            $(#[$doc])*
            ///
            /// # Errors
            /// When the engine fails, a row cannot be understood, or a callback fails.
            pub fn $name(&self $(, $arg: $type)*) -> Result<$ok, crate::error::DirectoryError> {
                let reader = self.reader()?;
                let $connection: &rusqlite::Connection = &reader;
                $body
            }
        )*}
        impl crate::directory::View<'_> {$(
            $(#[$doc])*
            ///
            /// # Errors
            /// When the engine fails, a row cannot be understood, or a callback fails.
            pub fn $name(&self $(, $arg: $type)*) -> Result<$ok, crate::error::DirectoryError> {
                let $connection: &rusqlite::Connection = self.connection();
                $body
            }
        )*}
        impl crate::directory::Tx<'_> {$(
            $(#[$doc])*
            /// Sees what this transaction has written.
            ///
            /// # Errors
            /// When the engine fails, a row cannot be understood, or a callback fails.
            pub fn $name(&self $(, $arg: $type)*) -> Result<$ok, crate::error::DirectoryError> {
                let $connection: &rusqlite::Connection = self.connection();
                $body
            }
        )*}
    };
}
pub(crate) use reads;

/// Declares an enum whose variants are stored as words.
macro_rules! words {
    ($(#[$doc:meta])* pub enum $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$variant_doc])* $variant,)* }

        impl $name {
            /// The word it is stored and written as.
            pub fn as_str(self) -> &'static str {
                match self { $($name::$variant => $word,)* }
            }
        }

        impl std::str::FromStr for $name {
            type Err = crate::query::UnknownWord;

            fn from_str(word: &str) -> Result<Self, Self::Err> {
                match word {
                    $($word => Ok($name::$variant),)*
                    _ => Err(crate::query::UnknownWord { word: word.to_owned(), kind: stringify!($name) }),
                }
            }
        }
    };
}
pub(crate) use words;

/// A word names no variant of its kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{word:?} is no {kind}")]
pub struct UnknownWord {
    /// The word as given.
    pub word: String,
    /// What it should have been.
    pub kind: &'static str,
}

impl Tx<'_> {
    /// Runs a statement that returns no rows; yields how many rows it changed.
    pub(crate) fn execute(&self, sql: &str, params: impl Params) -> rusqlite::Result<usize> {
        self.connection().prepare_cached(sql)?.execute(params)
    }

    /// Runs a statement that returns the number of the row it added.
    pub(crate) fn insert(&self, sql: &str, params: impl Params) -> rusqlite::Result<i64> {
        self.connection().prepare_cached(sql)?.query_row(params, |row| row.get(0))
    }
}

/// The row of a statement that has one at most.
pub(crate) fn one<R>(
    connection: &Connection,
    sql: &str,
    params: impl Params,
    read: impl FnOnce(&Row<'_>) -> rusqlite::Result<R>,
) -> Result<Option<R>, DirectoryError> {
    Ok(connection.prepare_cached(sql)?.query_row(params, read).optional()?)
}

/// All rows of a statement.
pub(crate) fn rows<R>(
    connection: &Connection,
    sql: &str,
    params: impl Params,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<R>,
) -> Result<Vec<R>, DirectoryError> {
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map(params, read)?.collect::<rusqlite::Result<_>>()?;
    Ok(rows)
}

/// Walks through rows page by page: `page` gives those after a key, `key_of` the key of a row.
pub(crate) fn for_each_page<K, R>(
    first: K,
    mut page: impl FnMut(&K) -> Result<Vec<R>, DirectoryError>,
    key_of: impl Fn(&R) -> K,
    mut each: impl FnMut(R) -> Result<(), DirectoryError>,
) -> Result<(), DirectoryError> {
    let mut after = first;
    loop {
        let rows = page(&after)?;
        let Some(last) = rows.last() else { return Ok(()) };
        after = key_of(last);
        let is_last_page = rows.len() < PAGE_ROWS as usize;
        rows.into_iter().try_for_each(&mut each)?;
        if is_last_page {
            return Ok(());
        }
    }
}

/// Reads a column that holds a word of an enum.
pub(crate) fn word<T: std::str::FromStr<Err = UnknownWord>>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    row.get_ref(column)?.as_str()?.parse().map_err(|e| conversion(column, e))
}

/// Reads a column that holds a word of an enum, or nothing.
pub(crate) fn maybe_word<T: std::str::FromStr<Err = UnknownWord>>(
    row: &Row<'_>,
    column: usize,
) -> rusqlite::Result<Option<T>> {
    match row.get_ref(column)?.as_str_or_null()? {
        None => Ok(None),
        Some(text) => text.parse().map(Some).map_err(|e| conversion(column, e)),
    }
}

/// Reads a column that holds an address.
pub(crate) fn address(row: &Row<'_>, column: usize) -> rusqlite::Result<Address> {
    Address::new(row.get_ref(column)?.as_str()?).map_err(|e| conversion(column, e))
}

/// Reads a column whose text never prints, or nothing.
pub(crate) fn maybe_secret(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Secret>> {
    Ok(row.get::<_, Option<String>>(column)?.map(Secret::new))
}

/// Reads a column that holds a number that is never negative, or nothing.
pub(crate) fn maybe_u64(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<u64>> {
    let number = row.get::<_, Option<i64>>(column)?;
    number.map(|n| u64::try_from(n).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, n))).transpose()
}

/// Reads a column that holds a list of texts as JSON.
pub(crate) fn texts(row: &Row<'_>, column: usize) -> rusqlite::Result<Vec<String>> {
    serde_json::from_str(row.get_ref(column)?.as_str()?).map_err(|e| conversion(column, e))
}

/// Writes a list of texts as JSON.
pub(crate) fn texts_json(texts: &[String]) -> String {
    serde_json::to_string(texts).expect("a list of texts is JSON")
}

/// Checks that a text is JSON.
pub(crate) fn check_json(what: &'static str, key: impl ToString, json: &str) -> Result<(), DirectoryError> {
    match serde_json::from_str::<serde::de::IgnoredAny>(json) {
        Ok(_) => Ok(()),
        Err(_) => {
            Err(DirectoryError::Invalid { what, key: key.to_string(), reason: "a text that should be JSON is not" })
        }
    }
}

/// Checks the targets of an alias or a forward.
pub(crate) fn check_targets(what: &'static str, key: &str, targets: &[String]) -> Result<(), DirectoryError> {
    let wrong = |reason| Err(DirectoryError::Invalid { what, key: key.to_owned(), reason });
    if targets.is_empty() {
        return wrong("it has no targets");
    }
    if targets.iter().any(|t| t.is_empty() || t.chars().any(char::is_control)) {
        return wrong("a target is empty or holds a control character");
    }
    Ok(())
}

/// A column's bytes are not what they should be.
pub(crate) fn wrong_blob(column: usize, error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Blob, Box::new(error))
}

fn conversion(column: usize, error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error))
}
