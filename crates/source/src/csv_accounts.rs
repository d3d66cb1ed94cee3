//! Account lists as CSV (RFC 4180) with a header row, for servers whose accounts are no passwd-file.
//!
//! The header decides: `address` is required, every other known column may be there, an unknown one is an error,
//! because a misspelt `pasword_hash` would lock every account. Notices never repeat a field other than the address: in a
//! row whose fields are shifted any of them may be the hash. Comma, semicolon (spreadsheets in Spanish) and tab
//! separate. A row without a usable address is a notice; any other unusable field is left out with a notice.

use crate::passwd::{is_locked, password_text, some_text};
use crate::{Account, Notice};
use csv::ByteRecord;
use message::Address;
use std::collections::HashMap;

/// Every column by its name in the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Column {
    Address,
    PasswordHash,
    Name,
    QuotaMb,
    QuotaBytes,
    Disabled,
    Forwards,
    Language,
    Home,
}

const COLUMNS: [(&str, Column); 9] = [
    ("address", Column::Address),
    ("password_hash", Column::PasswordHash),
    ("name", Column::Name),
    ("quota_mb", Column::QuotaMb),
    ("quota_bytes", Column::QuotaBytes),
    ("disabled", Column::Disabled),
    ("forwards", Column::Forwards),
    ("language", Column::Language),
    ("home", Column::Home),
];

/// Reads an account list; `file` is what notices call it. A repeated address keeps its first row.
///
/// # Errors
/// When the file is no text in UTF-8 or ISO-8859-1, or its header lacks `address`, repeats a column, names both quota
/// columns, or names one that is not known; the text says what is expected.
pub fn parse(text: &[u8], file: &str) -> Result<(Vec<Account>, Vec<Notice>), String> {
    if text.starts_with(b"\xff\xfe") || text.starts_with(b"\xfe\xff") {
        return Err(format!("{file}: the file is UTF-16; save it as CSV in UTF-8"));
    }
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let mut reader =
        csv::ReaderBuilder::new().delimiter(delimiter_of(text)).has_headers(false).flexible(true).from_reader(text);
    let mut record = ByteRecord::new();
    if !reader.read_byte_record(&mut record).map_err(|e| format!("{file}: {e}"))? {
        return Err(format!(
            "{file}: the file is empty; a header row is expected with the columns {}",
            known_columns()
        ));
    }
    let columns = read_header(&record).map_err(|e| format!("{file}: {e}"))?;

    let mut rows = Rows { file, accounts: Vec::new(), notices: Vec::new(), line_by_address: HashMap::new() };
    while reader.read_byte_record(&mut record).map_err(|e| format!("{file}: {e}"))? {
        rows.add(&columns, &record);
    }
    Ok((rows.accounts, rows.notices))
}

/// The separator that stands most often in the header row; a comma where none does.
fn delimiter_of(text: &[u8]) -> u8 {
    let header = text.split(|&b| b == b'\n').find(|line| !line.trim_ascii().is_empty()).unwrap_or_default();
    let count = |separator: u8| header.iter().filter(|&&b| b == separator).count();
    [b'\t', b';', b','].into_iter().max_by_key(|&separator| count(separator)).unwrap_or(b',')
}

fn known_columns() -> String {
    COLUMNS.map(|(name, _)| name).join(", ")
}

fn read_header(record: &ByteRecord) -> Result<Vec<Column>, String> {
    let mut columns = Vec::new();
    for field in record {
        let name = String::from_utf8_lossy(field).trim().to_lowercase();
        let Some((_, column)) = COLUMNS.iter().find(|(known, _)| *known == name) else {
            return Err(format!("unknown column {name:?} in the header row; known are {}", known_columns()));
        };
        if columns.contains(column) {
            return Err(format!("the column {name:?} stands twice in the header row"));
        }
        columns.push(*column);
    }
    if !columns.contains(&Column::Address) {
        return Err(format!("the header row has no column \"address\"; known are {}", known_columns()));
    }
    if columns.contains(&Column::QuotaMb) && columns.contains(&Column::QuotaBytes) {
        return Err("the header row has both \"quota_mb\" and \"quota_bytes\"; one of them is expected".to_owned());
    }
    Ok(columns)
}

struct Rows<'a> {
    file: &'a str,
    accounts: Vec<Account>,
    notices: Vec<Notice>,
    line_by_address: HashMap<String, u64>,
}

impl Rows<'_> {
    fn add(&mut self, columns: &[Column], record: &ByteRecord) {
        if record.iter().all(|field| field.trim_ascii().is_empty()) {
            return;
        }
        let line = record.position().map_or(0, csv::Position::line);
        if record.len() > columns.len() {
            self.notice(line, format!("the row has {} fields under {} columns", record.len(), columns.len()));
        }
        let field = |wanted| columns.iter().position(|c| *c == wanted).and_then(|i| record.get(i)).unwrap_or_default();
        let address = match read_address(field(Column::Address)) {
            Ok(address) => address,
            Err(reason) => return self.notice(line, format!("the row gives no account: {reason}")),
        };
        if let Some(first) = self.line_by_address.get(address.key()) {
            let text = format!("{address} stands already in line {first}, which was kept");
            return self.notice(line, text);
        }
        self.line_by_address.insert(address.key().to_owned(), line);

        let mut doubts = Vec::new();
        let password_hash = password_text(field(Column::PasswordHash).trim_ascii()).unwrap_or_else(|()| {
            doubts.push("the password hash is not UTF-8 and cannot be used".to_owned());
            None
        });
        let disabled = read_disabled(field(Column::Disabled)).unwrap_or_else(|()| {
            doubts.push("\"disabled\" is neither yes nor no, the account was taken as disabled".to_owned());
            true
        });
        let account = Account {
            disabled: disabled || password_hash.as_deref().is_some_and(is_locked),
            password_hash,
            name: some_text(field(Column::Name)),
            quota_bytes: read_quota(field(Column::QuotaMb), 1 << 20, &mut doubts)
                .or_else(|| read_quota(field(Column::QuotaBytes), 1, &mut doubts)),
            forwards: read_forwards(field(Column::Forwards), &mut doubts),
            language: some_text(field(Column::Language)),
            home: some_text(field(Column::Home)),
            address,
        };
        for doubt in doubts {
            self.notice(line, format!("{}: {doubt}", account.address));
        }
        self.accounts.push(account);
    }

    fn notice(&mut self, line: u64, text: String) {
        self.notices.push(Notice { rule: "7.9", place: format!("{}:{line}", self.file), text });
    }
}

fn read_address(field: &[u8]) -> Result<Address, &'static str> {
    let text = std::str::from_utf8(field.trim_ascii()).map_err(|_| "the address is not UTF-8")?;
    Address::new(text).map_err(|e| e.reason)
}

fn read_disabled(field: &[u8]) -> Result<bool, ()> {
    match some_text(field).unwrap_or_default().to_lowercase().as_str() {
        "" | "0" | "no" | "n" | "false" | "falso" => Ok(false),
        "1" | "yes" | "y" | "true" | "si" | "sí" | "s" | "x" | "verdadero" => Ok(true),
        _ => Err(()),
    }
}

/// A quota in units; an empty field and zero mean that none is said.
fn read_quota(field: &[u8], unit_bytes: u64, doubts: &mut Vec<String>) -> Option<u64> {
    let text = some_text(field)?;
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    let bytes = if digits { text.parse::<u64>().ok().and_then(|n| n.checked_mul(unit_bytes)) } else { None };
    if bytes.is_none() {
        doubts.push("the quota is no whole number and was not used".to_owned());
    }
    bytes.filter(|b| *b > 0)
}

fn read_forwards(field: &[u8], doubts: &mut Vec<String>) -> Vec<Address> {
    let mut forwards = Vec::new();
    let text = some_text(field).unwrap_or_default();
    for word in text.split([' ', ';', ',']).filter(|word| !word.is_empty()) {
        match Address::new(word) {
            Ok(address) if forwards.contains(&address) => {}
            Ok(address) => forwards.push(address),
            Err(e) => doubts.push(format!("a forward was not taken: {}", e.reason)),
        }
    }
    forwards
}
