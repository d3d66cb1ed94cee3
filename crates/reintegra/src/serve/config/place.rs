//! Where in the file something stands.

use std::fmt;
use std::ops::Range;
use toml::de::{DeTable, DeValue};

/// Where in the file, as far as that is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    pub(super) line: Option<usize>,
    /// With the tables it is in: `imap.listen`.
    pub(super) key: Option<String>,
}

impl Place {
    /// The place of a byte of a text.
    pub(super) fn at(text: &str, at: usize) -> Self {
        let line = 1 + text.as_bytes()[..at.min(text.len())].iter().filter(|&&b| b == b'\n').count();
        // The innermost of what holds the byte; a text that is no TOML has none.
        let holding = parts(text).into_iter().filter(|part| part.at.contains(&at));
        let key = holding.min_by_key(|part| part.at.len()).map(|part| part.key);
        Place { line: Some(line), key }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        match &self.key {
            Some(key) => write!(f, "`{key}`: "),
            None => Ok(()),
        }
    }
}

/// A key or a value of a file, and where it stands.
pub(super) struct Part {
    pub(super) key: String,
    pub(super) at: Range<usize>,
    /// A value's text, where it is one.
    pub(super) text: Option<String>,
}

/// Every key and every value of a file; none of one that is no TOML.
pub(super) fn parts(text: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    if let Ok(table) = DeTable::parse(text) {
        parts_of_table("", table.get_ref(), &mut parts);
    }
    parts
}

fn parts_of_table(within: &str, table: &DeTable<'_>, parts: &mut Vec<Part>) {
    for (name, value) in table {
        let dot = if within.is_empty() { "" } else { "." };
        let key = format!("{within}{dot}{}", name.get_ref());
        parts.push(Part { key: key.clone(), at: name.span(), text: None });
        parts_of_value(&key, value.span(), value.get_ref(), parts);
    }
}

fn parts_of_value(key: &str, at: Range<usize>, value: &DeValue<'_>, parts: &mut Vec<Part>) {
    parts.push(Part { key: key.to_owned(), at, text: value.as_str().map(str::to_owned) });
    match value {
        DeValue::Table(table) => parts_of_table(key, table, parts),
        DeValue::Array(items) => {
            items.iter().for_each(|item| parts_of_value(key, item.span(), item.get_ref(), parts));
        }
        _ => {}
    }
}
