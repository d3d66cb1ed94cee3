//! The CSV form of a ledger: every record is one line, every cell has one spelling.
//!
//! That each row has exactly one text lets the checker write the row it read again and compare: nothing in the file can
//! change without being found. Texts are also kept from being formulas: spreadsheets run a cell that begins with `=`,
//! `+`, `-` or `@`, and paths and UIDLs are chosen by strangers.

use super::row::{LedgerRow, LineageRole, Outcome, Target};
use super::writer::ChainHash;
use message::{Digest, Identity};
use std::fmt::Write as _;
use std::io::Write as _;

/// The first line.
pub(super) const COLUMNS: [&str; 29] = [
    "record",
    "seq",
    "integration",
    "lineage",
    "account",
    "mailbox",
    "path",
    "offset",
    "length",
    "uid",
    "uidvalidity",
    "uidl",
    "size_bytes",
    "digest",
    "identity",
    "outcome",
    "damaged",
    "reason",
    "rules",
    "target_account",
    "target_mailbox",
    "target_uidvalidity",
    "target_uid",
    "target_uidl",
    "target_digest",
    "was_in",
    "mended",
    "verified",
    "statement",
];

/// The value of column `record` in the opening record, a row, the closing record.
pub(super) const OPENING: &str = "ledger";
pub(super) const ROW: &str = "row";
pub(super) const CLOSING: &str = "end";

/// Adds the line of column names.
pub(super) fn column_names(line: &mut Vec<u8>) {
    line.extend_from_slice(COLUMNS.join(",").as_bytes());
    line.extend_from_slice(b",chain\n");
}

/// Adds the line of an opening or closing record: its JSON text stands in the column `statement`.
pub(super) fn statement_line(record: &str, statement: &str, chain: Option<ChainHash>, line: &mut Vec<u8>) {
    line.extend_from_slice(record.as_bytes());
    line.resize(line.len() + COLUMNS.len() - 1, b',');
    cell(statement, line);
    line.push(b',');
    if let Some(chain) = chain {
        write!(line, "{chain}").expect("a Vec takes any bytes");
    }
    line.push(b'\n');
}

/// Adds the line of a row.
pub(super) fn row_line(row: &LedgerRow, chain: ChainHash, line: &mut Vec<u8>) {
    let mut cells = Cells { line, scratch: String::new() };
    let target = row.target.as_ref();
    cells.line.extend_from_slice(ROW.as_bytes());
    cells.number(Some(row.seq));
    cells.signed(row.integration);
    cells.plain(row.lineage.name());
    cells.text(row.account.as_deref());
    cells.text(row.mailbox.as_deref());
    cells.text(Some(&row.path));
    cells.number(row.offset);
    cells.number(row.length);
    cells.number(row.uid);
    cells.number(row.uidvalidity);
    cells.text(row.uidl.as_deref());
    cells.number(Some(row.size_bytes));
    cells.hash(row.digest.map(|digest| digest.0));
    cells.hash(row.identity.map(|identity| identity.0));
    cells.plain(row.outcome.name());
    cells.plain(if row.damaged { "true" } else { "" });
    cells.text(row.reason.as_deref());
    cells.list(&row.rules);
    cells.text(target.map(|target| target.account.as_str()));
    cells.text(target.map(|target| target.mailbox.as_str()));
    cells.number(target.map(|target| target.uidvalidity));
    cells.number(target.map(|target| target.uid));
    cells.text(target.and_then(|target| target.uidl.as_deref()));
    cells.hash(target.map(|target| target.digest.0));
    cells.text(row.was_in.as_deref());
    cells.list(&row.mended);
    cells.plain(match row.verified {
        Some(true) => "true",
        Some(false) => "false",
        None => "",
    });
    cells.plain("");
    cells.hash(Some(chain.0));
    cells.line.push(b'\n');
}

/// Reads the statement of an opening or closing record from its cells.
pub(super) fn read_statement<'c>(record: &str, cells: &'c [String]) -> Option<&'c str> {
    let (statement, others) = cells.get(..COLUMNS.len())?.split_last()?;
    let (first, empty) = others.split_first()?;
    (first == record && empty.iter().all(String::is_empty)).then_some(statement)
}

/// Reads a row from its cells; `None` where they are no row. What has more than one spelling is taken in any: the
/// caller writes the row again and compares.
pub(super) fn read_row(cells: &[String]) -> Option<LedgerRow> {
    let mut cells = cells.get(..COLUMNS.len())?.iter().map(String::as_str);
    let mut next = || cells.next().unwrap_or_default();
    if next() != ROW {
        return None;
    }
    let row = LedgerRow {
        seq: next().parse().ok()?,
        integration: next().parse().ok()?,
        lineage: find(LineageRole::ALL, next(), LineageRole::name)?,
        account: read_text(next())?,
        mailbox: read_text(next())?,
        path: read_text(next())??,
        offset: read_number(next())?,
        length: read_number(next())?,
        uid: read_number(next())?,
        uidvalidity: read_number(next())?,
        uidl: read_text(next())?,
        size_bytes: next().parse().ok()?,
        digest: read_hash(next())?.map(Digest),
        identity: read_hash(next())?.map(Identity),
        outcome: find(Outcome::ALL, next(), Outcome::name)?,
        damaged: read_flag(next())?.unwrap_or(false),
        reason: read_text(next())?,
        rules: read_list(next())?,
        target: read_target([next(), next(), next(), next(), next(), next()])?,
        was_in: read_text(next())?,
        mended: read_list(next())?,
        verified: read_flag(next())?,
    };
    next().is_empty().then_some(row)
}

/// Splits a line, without its line ending, into cells. Cells hold no line ending, so a line is a record.
pub(super) fn split(line: &str) -> Option<Vec<String>> {
    let mut cells = Vec::with_capacity(COLUMNS.len() + 1);
    let mut rest = line;
    loop {
        let mut cell = String::new();
        if let Some(quoted) = rest.strip_prefix('"') {
            rest = quoted;
            loop {
                let (text, after) = rest.split_once('"')?;
                cell.push_str(text);
                rest = after;
                match rest.strip_prefix('"') {
                    Some(after) => {
                        cell.push('"');
                        rest = after;
                    }
                    None => break,
                }
            }
        } else {
            let end = rest.find(',').unwrap_or(rest.len());
            cell.push_str(&rest[..end]);
            rest = &rest[end..];
        }
        cells.push(cell);
        if rest.is_empty() {
            return Some(cells);
        }
        rest = rest.strip_prefix(',')?;
    }
}

/// Cells of one row, each with the comma before it.
struct Cells<'l> {
    line: &'l mut Vec<u8>,
    scratch: String,
}

impl Cells<'_> {
    /// A cell that needs no quoting.
    fn plain(&mut self, text: &str) {
        self.line.push(b',');
        self.line.extend_from_slice(text.as_bytes());
    }

    fn number(&mut self, number: Option<impl Into<u64>>) {
        self.line.push(b',');
        if let Some(number) = number {
            write!(self.line, "{}", number.into()).expect("a Vec takes any bytes");
        }
    }

    fn signed(&mut self, number: i64) {
        self.line.push(b',');
        write!(self.line, "{number}").expect("a Vec takes any bytes");
    }

    fn hash(&mut self, hash: Option<[u8; 32]>) {
        self.line.push(b',');
        if let Some(hash) = hash {
            self.line.extend_from_slice(blake3::Hash::from_bytes(hash).to_hex().as_bytes());
        }
    }

    fn text(&mut self, text: Option<&str>) {
        self.line.push(b',');
        if let Some(text) = text {
            self.scratch.clear();
            guard(text, &mut self.scratch);
            escape(text, false, &mut self.scratch);
            cell(&self.scratch, self.line);
        }
    }

    fn list(&mut self, items: &[String]) {
        self.line.push(b',');
        let Some((first, others)) = items.split_first() else { return };
        self.scratch.clear();
        guard(first, &mut self.scratch);
        escape(first, true, &mut self.scratch);
        for item in others {
            self.scratch.push('|');
            escape(item, true, &mut self.scratch);
        }
        cell(&self.scratch, self.line);
    }
}

/// Adds the `'` that keeps a text from being a formula, and one that is empty from being absent.
fn guard(text: &str, out: &mut String) {
    if text.is_empty() || text.starts_with(['\'', '=', '+', '-', '@']) {
        out.push('\'');
    }
}

/// Adds a text with `\` and everything that could end a line or hide (and `|` in a list) written `\u{…}`.
fn escape(text: &str, in_list: bool, out: &mut String) {
    for c in text.chars() {
        if c == '\\' || c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') || (in_list && c == '|') {
            write!(out, "\\u{{{:x}}}", u32::from(c)).expect("a String takes any text");
        } else {
            out.push(c);
        }
    }
}

/// Adds a cell, in quotes where RFC 4180 wants them.
fn cell(text: &str, line: &mut Vec<u8>) {
    if !text.contains([',', '"']) {
        line.extend_from_slice(text.as_bytes());
        return;
    }
    line.push(b'"');
    for (number, part) in text.split('"').enumerate() {
        if number > 0 {
            line.extend_from_slice(b"\"\"");
        }
        line.extend_from_slice(part.as_bytes());
    }
    line.push(b'"');
}

fn read_text(cell: &str) -> Option<Option<String>> {
    if cell.is_empty() {
        return Some(None);
    }
    unescape(cell.strip_prefix('\'').unwrap_or(cell)).map(Some)
}

fn read_list(cell: &str) -> Option<Vec<String>> {
    if cell.is_empty() {
        return Some(Vec::new());
    }
    cell.strip_prefix('\'').unwrap_or(cell).split('|').map(unescape).collect()
}

fn unescape(text: &str) -> Option<String> {
    let mut parts = text.split('\\');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (code, rest) = part.strip_prefix("u{")?.split_once('}')?;
        out.push(u32::from_str_radix(code, 16).ok().and_then(char::from_u32)?);
        out.push_str(rest);
    }
    Some(out)
}

fn read_number<N: std::str::FromStr>(cell: &str) -> Option<Option<N>> {
    if cell.is_empty() { Some(None) } else { cell.parse().ok().map(Some) }
}

fn read_hash(cell: &str) -> Option<Option<[u8; 32]>> {
    if cell.is_empty() { Some(None) } else { blake3::Hash::from_hex(cell).ok().map(|hash| Some(*hash.as_bytes())) }
}

fn read_flag(cell: &str) -> Option<Option<bool>> {
    read_number(cell)
}

/// A row has all of a target or nothing of it; the UIDL alone may be missing.
fn read_target([account, mailbox, uidvalidity, uid, uidl, digest]: [&str; 6]) -> Option<Option<Target>> {
    if [account, mailbox, uidvalidity, uid, uidl, digest].iter().all(|cell| cell.is_empty()) {
        return Some(None);
    }
    Some(Some(Target {
        account: read_text(account)??,
        mailbox: read_text(mailbox)??,
        uidvalidity: uidvalidity.parse().ok()?,
        uid: uid.parse().ok()?,
        uidl: read_text(uidl)?,
        digest: read_hash(digest)?.map(Digest)?,
    }))
}

fn find<T: Copy, const N: usize>(all: [T; N], name: &str, name_of: fn(T) -> &'static str) -> Option<T> {
    all.into_iter().find(|value| name_of(*value) == name)
}
