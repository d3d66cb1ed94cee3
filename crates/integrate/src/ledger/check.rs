//! Checking a ledger, on any machine, without the platform (`RULES.md 10.2`).
//!
//! The file is hostile: lines are bounded, nothing is believed before the chain says so, and every record must be
//! spelt exactly as the writer spells it, so that no byte can differ unseen.

use super::csv;
use super::key::PublicKey;
use super::row::{Counts, Header, LedgerRow};
use super::writer::{Chain, ChainHash, Closing, Format, OPENING_PREFIX, jsonl_line, opening_text, signed_bytes};
use super::{FORMAT_VERSION, MAX_LINE_BYTES};
use std::io::{self, BufRead as _, BufReader, BufWriter, Read, Write};

/// A ledger is not as it was written, or cannot be read: what, why and what to do now.
#[derive(Debug, thiserror::Error)]
#[error("line {line}: {fault}")]
pub struct LedgerProblem {
    /// The first line that is wrong, from 1.
    pub line: u64,
    /// What is wrong with it.
    pub fault: Fault,
}

/// What can be wrong with a ledger.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The file could not be read.
    #[error("the file could not be read: {0}")]
    Io(#[from] io::Error),
    /// It begins like no ledger.
    #[error("this file is no ledger")]
    NotALedger,
    /// It is of a version that this program does not know.
    #[error("the ledger has format version {found:?}; this program reads version {FORMAT_VERSION}")]
    UnknownVersion {
        /// The version as written, cut to 20 characters.
        found: String,
    },
    /// A line is longer than any that is written.
    #[error("the line is longer than {MAX_LINE_BYTES} bytes")]
    LineTooLong,
    /// A line ends in CRLF.
    #[error("the line endings were rewritten (CRLF)")]
    LineEndings,
    /// The opening record, or the line of column names, is not as it was written.
    #[error("the opening record was changed")]
    OpeningChanged,
    /// A line is no row at all.
    #[error("row {seq} should stand here, but the line is no row of a ledger")]
    NotARow {
        /// The row that belongs there.
        seq: u64,
    },
    /// A row is not as it was written, or does not follow from the one before it.
    #[error("row {seq} was changed")]
    RowChanged {
        /// Which.
        seq: u64,
    },
    /// Rows are nowhere in the file from here on.
    #[error("{}", missing(*first, *last))]
    RowsMissing {
        /// The first of them.
        first: u64,
        /// The last of them.
        last: u64,
    },
    /// Rows are in another order.
    #[error("row {expected} should stand here, but stands at line {at_line}: rows were moved")]
    RowMoved {
        /// The row that belongs here.
        expected: u64,
        /// Where it stands.
        at_line: u64,
    },
    /// A row stands twice, or one from further up was put here.
    #[error("row {seq} stands here a second time")]
    RowRepeated {
        /// Which.
        seq: u64,
    },
    /// A row says another integration than the opening record.
    #[error("row {seq} belongs to integration {found}, the ledger to {expected}")]
    OtherIntegration {
        /// Which row.
        seq: u64,
        /// The integration of the opening record.
        expected: i64,
        /// The row's.
        found: i64,
    },
    /// The file ends before its closing record.
    #[error("the file ends after {rows} rows, before its closing record")]
    CutShort {
        /// How many whole rows it has.
        rows: u64,
    },
    /// The closing record is none, or says other numbers than the rows.
    #[error("the closing record does not match the rows: its {what} differs")]
    ClosingChanged {
        /// What differs.
        what: &'static str,
    },
    /// The ledger is signed with another key than the one given.
    #[error("the ledger is signed with another key: {found}, not {expected}")]
    OtherKey {
        /// The key given.
        expected: PublicKey,
        /// The key of the ledger.
        found: PublicKey,
    },
    /// The signature is not one of the key over this ledger.
    #[error("the signature is wrong")]
    SignatureWrong,
    /// Something follows the closing record.
    #[error("lines follow the closing record")]
    AfterTheEnd,
}

fn missing(first: u64, last: u64) -> String {
    if first == last { format!("row {first} is missing") } else { format!("rows {first} to {last} are missing") }
}

impl LedgerProblem {
    /// Why that can be: one sentence.
    pub fn why(&self) -> &'static str {
        match &self.fault {
            Fault::Io(_) => "The system refused to read it, or the medium is failing.",
            Fault::NotALedger => {
                "A ledger begins with its opening record (JSON Lines) or its column names (CSV), and this begins \
                 otherwise."
            }
            Fault::UnknownVersion { .. } => "It was written by another version of the program.",
            Fault::LineTooLong => "No ledger has such a line: the file was damaged, or made to harm its reader.",
            Fault::LineEndings => {
                "A program that carries or edits text did it, a spreadsheet or a mail program perhaps."
            }
            Fault::OpeningChanged | Fault::RowChanged { .. } | Fault::NotARow { .. } => {
                "Each record carries a hash of itself and of all before it, and this one does not fit: it was edited \
                 or damaged after it was written."
            }
            Fault::RowsMissing { .. } | Fault::RowMoved { .. } | Fault::RowRepeated { .. } => {
                "Rows are numbered without gaps and chained in order, so somebody or something took out, moved or \
                 doubled lines."
            }
            Fault::OtherIntegration { .. } => "Rows of two ledgers were put into one.",
            Fault::CutShort { .. } => "The export was interrupted, or the copy of the file is not whole.",
            Fault::ClosingChanged { .. } => "The closing record was edited, or belongs to another ledger.",
            Fault::OtherKey { .. } => {
                "It was signed on another platform, or somebody changed it and signed it anew with a key of their own."
            }
            Fault::SignatureWrong => "The closing record or its signature was edited or damaged.",
            Fault::AfterTheEnd => "Something was appended to the file.",
        }
    }

    /// What to do now: one sentence.
    pub fn what_to_do(&self) -> &'static str {
        match &self.fault {
            Fault::Io(_) => "Copy the file again and repeat the check.",
            Fault::NotALedger => {
                "Give a file that `reintegra integrate report --format ledger-jsonl` or `ledger-csv` wrote."
            }
            Fault::UnknownVersion { .. } => "Check it with the version of reintegra that wrote it, or a newer one.",
            Fault::OtherKey { .. } => {
                "Ask the platform's operator for its public key by another way than the one this file came, and \
                 export the ledger again."
            }
            _ => "Do not rely on this copy: export the ledger again on the platform and check that file.",
        }
    }
}

/// A ledger that is as it was written.
#[derive(Clone, Debug, PartialEq)]
pub struct Checked {
    /// The form of the file.
    pub format: Format,
    /// Its opening record.
    pub header: Header,
    /// How many rows it has.
    pub rows: u64,
    /// Rows per lineage and outcome, counted, not copied.
    pub counts: Counts,
    /// The last value of the chain: compare it with the one in the report.
    pub head: ChainHash,
    /// The key under which it is signed.
    pub public_key: PublicKey,
    /// Whether that key was compared with one given. If not, the ledger is whole and signed, but by whom was not
    /// checked: anybody can sign with a key of their own.
    pub key_compared: bool,
}

/// Checks a ledger of either form, to its end; without a key, the signature is checked under the key in the file.
///
/// # Errors
/// The first line that is not as it was written.
pub fn check(reader: impl Read, key: Option<&PublicKey>) -> Result<Checked, LedgerProblem> {
    walk(reader, key, &mut |_| Ok(())).map_err(|error| match error {
        ConvertError::Ledger(problem) => problem,
        ConvertError::Write(_) => unreachable!("nothing was written"),
    })
}

/// Checks a ledger of either form and hands out its rows. What was handed out before an error is to be thrown away.
///
/// # Errors
/// As [`check`].
pub(crate) fn for_each_row(reader: impl Read, mut each: impl FnMut(&LedgerRow)) -> Result<Checked, LedgerProblem> {
    let visit: Visit<'_> = &mut |part| {
        if let Part::Row { row, .. } = part {
            each(row);
        }
        Ok(())
    };
    walk(reader, None, visit).map_err(|error| match error {
        ConvertError::Ledger(problem) => problem,
        ConvertError::Write(_) => unreachable!("nothing was written"),
    })
}

/// A ledger could not be written in another form.
#[derive(Debug, thiserror::Error)]
pub enum ConvertError {
    /// It is not as it was written; what went out so far is to be thrown away.
    #[error(transparent)]
    Ledger(#[from] LedgerProblem),
    /// The output failed.
    #[error("the ledger could not be written: {0}")]
    Write(#[source] io::Error),
}

/// Writes a ledger of either form in the form asked for, checking it meanwhile. Head and signature stay what they are,
/// so no key is needed. Flushes; making the file durable is the caller's.
///
/// # Errors
/// When the ledger is not as it was written, or the output fails.
pub fn convert(reader: impl Read, format: Format, out: impl Write) -> Result<Checked, ConvertError> {
    let mut out = BufWriter::with_capacity(256 << 10, out);
    let mut line = Vec::new();
    let checked = walk(reader, None, &mut |part| {
        line.clear();
        match (format, part) {
            (Format::Jsonl, Part::Opening { text, chain }) => jsonl_line(text.as_bytes(), chain, &mut line),
            (Format::Jsonl, Part::Row { canonical, chain, .. }) => jsonl_line(canonical, chain, &mut line),
            (Format::Jsonl, Part::Closing { text }) => {
                line.extend_from_slice(text.as_bytes());
                line.push(b'\n');
            }
            (Format::Csv, Part::Opening { text, chain }) => {
                csv::column_names(&mut line);
                csv::statement_line(csv::OPENING, text, Some(chain), &mut line);
            }
            (Format::Csv, Part::Row { row, chain, .. }) => csv::row_line(row, chain, &mut line),
            (Format::Csv, Part::Closing { text }) => csv::statement_line(csv::CLOSING, text, None, &mut line),
        }
        out.write_all(&line)
    })?;
    out.flush().map_err(ConvertError::Write)?;
    Ok(checked)
}

/// A record that was found to be as it was written.
enum Part<'l> {
    Opening { text: &'l str, chain: ChainHash },
    Row { row: &'l LedgerRow, canonical: &'l [u8], chain: ChainHash },
    Closing { text: &'l str },
}

type Visit<'v> = &'v mut dyn FnMut(Part<'_>) -> io::Result<()>;

/// Why a walk ends early.
enum Stop {
    Fault(Fault),
    Visit(io::Error),
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Stop::Fault(fault)
    }
}

fn walk(reader: impl Read, key: Option<&PublicKey>, visit: Visit<'_>) -> Result<Checked, ConvertError> {
    let mut lines = Lines { reader: BufReader::with_capacity(256 << 10, reader), line: Vec::new(), number: 0 };
    walk_lines(&mut lines, key, visit).map_err(|stop| match stop {
        Stop::Fault(fault) => ConvertError::Ledger(LedgerProblem { line: lines.number.max(1), fault }),
        Stop::Visit(cause) => ConvertError::Write(cause),
    })
}

fn walk_lines(lines: &mut Lines<impl Read>, key: Option<&PublicKey>, visit: Visit<'_>) -> Result<Checked, Stop> {
    let format = detect(lines)?;
    let mut chain = Chain::new();
    let header = check_opening(lines, format, &mut chain)?;
    let text = std::str::from_utf8(chain.sealed()).expect("the opening record was read as text");
    visit(Part::Opening { text, chain: chain.value() }).map_err(Stop::Visit)?;
    let mut spelling = Vec::new();
    let mut counts = Counts::default();
    let mut rows = 0;
    loop {
        let seq = rows + 1;
        if !lines.advance()? {
            return Err(Fault::CutShort { rows }.into());
        }
        if is_closing(format, &lines.line) {
            break;
        }
        // A file cut inside a line is named as such, whatever the piece looks like.
        lines.require_whole(rows)?;
        let row = match format {
            Format::Jsonl => read_jsonl_row(&lines.line, &mut chain, &mut spelling),
            Format::Csv => read_csv_row(&lines.line, &mut chain, &mut spelling),
        };
        let (row, as_written) = row.ok_or(Fault::NotARow { seq })?;
        if row.seq != seq {
            return Err(displaced(lines, format, seq, row.seq)?.into());
        }
        if !as_written {
            return Err(Fault::RowChanged { seq }.into());
        }
        if row.integration != header.integration {
            let (expected, found) = (header.integration, row.integration);
            return Err(Fault::OtherIntegration { seq, expected, found }.into());
        }
        visit(Part::Row { row: &row, canonical: chain.sealed(), chain: chain.value() }).map_err(Stop::Visit)?;
        counts.add(&row);
        rows = seq;
    }
    lines.require_whole(rows)?;
    let head = chain.value();
    let (public_key, text) = check_closing(lines, format, key, rows, counts, head)?;
    if lines.advance()? {
        return Err(Fault::AfterTheEnd.into());
    }
    visit(Part::Closing { text: &text }).map_err(Stop::Visit)?;
    Ok(Checked { format, header, rows, counts, head, public_key, key_compared: key.is_some() })
}

/// Reads the first line and tells the form by it.
fn detect(lines: &mut Lines<impl Read>) -> Result<Format, Fault> {
    if !lines.advance()? {
        return Err(Fault::NotALedger);
    }
    if lines.line.starts_with(OPENING_PREFIX.as_bytes()) {
        lines.require_whole(0)?;
        return Ok(Format::Jsonl);
    }
    if !lines.line.starts_with(b"record,") {
        return Err(Fault::NotALedger);
    }
    lines.require_whole(0)?;
    let mut names = Vec::new();
    csv::column_names(&mut names);
    if lines.line != names {
        return Err(Fault::OpeningChanged);
    }
    if !lines.advance()? {
        return Err(Fault::CutShort { rows: 0 });
    }
    lines.require_whole(0)?;
    Ok(Format::Csv)
}

/// Takes the opening record, which is the current line, into the chain.
fn check_opening(lines: &Lines<impl Read>, format: Format, chain: &mut Chain) -> Result<Header, Fault> {
    let text = match format {
        Format::Jsonl => jsonl_canonical(&lines.line).and_then(|text| String::from_utf8(text).ok()),
        Format::Csv => {
            csv_cells(&lines.line).and_then(|cells| csv::read_statement(csv::OPENING, &cells).map(str::to_owned))
        }
    };
    let text = text.ok_or(Fault::OpeningChanged)?;
    let members = text.strip_prefix(OPENING_PREFIX).ok_or(Fault::OpeningChanged)?;
    let (version, members) = members.split_once(',').ok_or(Fault::OpeningChanged)?;
    if version != FORMAT_VERSION.to_string() {
        return Err(Fault::UnknownVersion { found: version.chars().take(20).collect() });
    }
    chain.record().extend_from_slice(text.as_bytes());
    let value = chain.seal();
    let mut spelling = Vec::new();
    match format {
        Format::Jsonl => jsonl_line(text.as_bytes(), value, &mut spelling),
        Format::Csv => csv::statement_line(csv::OPENING, &text, Some(value), &mut spelling),
    }
    let header: Header = serde_json::from_str(&format!("{{{members}")).map_err(|_| Fault::OpeningChanged)?;
    if spelling != lines.line || opening_text(&header).ok().as_deref() != Some(text.as_str()) {
        return Err(Fault::OpeningChanged);
    }
    Ok(header)
}

/// Reads a row, takes it into the chain, and tells whether line and chain are as the writer would have them.
fn read_jsonl_row(line: &[u8], chain: &mut Chain, spelling: &mut Vec<u8>) -> Option<(LedgerRow, bool)> {
    let row: LedgerRow = serde_json::from_slice(&jsonl_canonical(line)?).ok()?;
    serde_json::to_writer(chain.record(), &row).ok()?;
    let value = chain.seal();
    spelling.clear();
    jsonl_line(chain.sealed(), value, spelling);
    Some((row, spelling == line))
}

/// The same for CSV: the canonical bytes are those of the row that the cells say.
fn read_csv_row(line: &[u8], chain: &mut Chain, spelling: &mut Vec<u8>) -> Option<(LedgerRow, bool)> {
    let row = csv::read_row(&csv_cells(line)?)?;
    serde_json::to_writer(chain.record(), &row).ok()?;
    let value = chain.seal();
    spelling.clear();
    csv::row_line(&row, value, spelling);
    Some((row, spelling == line))
}

/// Checks the closing record, which is the current line, and gives the key and the record's text.
fn check_closing(
    lines: &Lines<impl Read>,
    format: Format,
    key: Option<&PublicKey>,
    rows: u64,
    counts: Counts,
    head: ChainHash,
) -> Result<(PublicKey, String), Fault> {
    let spelt_wrongly = || Fault::ClosingChanged { what: "text" };
    let mut spelling = Vec::new();
    let text = match format {
        Format::Jsonl => {
            std::str::from_utf8(&lines.line).ok().and_then(|line| line.strip_suffix('\n')).map(str::to_owned)
        }
        Format::Csv => csv_cells(&lines.line).and_then(|cells| {
            let text = csv::read_statement(csv::CLOSING, &cells)?;
            csv::statement_line(csv::CLOSING, text, None, &mut spelling);
            (spelling == lines.line).then(|| text.to_owned())
        }),
    }
    .ok_or_else(spelt_wrongly)?;
    let mut closing: Closing = serde_json::from_str(&text).map_err(|_| spelt_wrongly())?;
    if serde_json::to_string(&closing).ok().as_ref() != Some(&text) {
        return Err(spelt_wrongly());
    }
    if closing.rows > rows {
        return Err(Fault::RowsMissing { first: rows + 1, last: closing.rows });
    }
    if closing.rows != rows {
        return Err(Fault::ClosingChanged { what: "number of rows" });
    }
    if closing.counts != counts {
        return Err(Fault::ClosingChanged { what: "count per outcome" });
    }
    if closing.head != head.to_string() {
        return Err(Fault::ClosingChanged { what: "head" });
    }
    let found: PublicKey = closing.public_key.parse().map_err(|_| spelt_wrongly())?;
    if closing.public_key != found.to_string() {
        return Err(spelt_wrongly());
    }
    if let Some(expected) = key.filter(|key| **key != found) {
        return Err(Fault::OtherKey { expected: expected.clone(), found });
    }
    let signature = closing.signature.take().ok_or(Fault::SignatureWrong)?;
    let unsigned = serde_json::to_string(&closing).map_err(|_| spelt_wrongly())?;
    if !found.verifies(&signed_bytes(&unsigned), &signature) {
        return Err(Fault::SignatureWrong);
    }
    Ok((found, text))
}

/// Says what happened when row `found` stands where row `expected` belongs, by looking for that one further on.
fn displaced(lines: &mut Lines<impl Read>, format: Format, expected: u64, found: u64) -> Result<Fault, Fault> {
    if found < expected {
        return Ok(Fault::RowRepeated { seq: found });
    }
    let at = lines.number;
    let mut goes_on = false;
    while lines.advance()? {
        let seq = seq_of(format, &lines.line);
        if seq == Some(expected) {
            let at_line = std::mem::replace(&mut lines.number, at);
            return Ok(Fault::RowMoved { expected, at_line });
        }
        goes_on |= lines.number == at + 1 && seq == Some(expected + 1);
    }
    lines.number = at;
    // Where the next row goes on as if nothing were missing, it was this row's number that was changed.
    Ok(if goes_on {
        Fault::RowChanged { seq: expected }
    } else {
        Fault::RowsMissing { first: expected, last: found - 1 }
    })
}

/// The number of the row on a line, as far as it can be told at a glance.
fn seq_of(format: Format, line: &[u8]) -> Option<u64> {
    let digits = line.strip_prefix(match format {
        Format::Jsonl => b"{\"seq\":".as_slice(),
        Format::Csv => b"row,".as_slice(),
    })?;
    let (digits, _) = digits.split_at(digits.iter().position(|byte| *byte == b',')?);
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn is_closing(format: Format, line: &[u8]) -> bool {
    line.starts_with(match format {
        Format::Jsonl => b"{\"rows\":".as_slice(),
        Format::Csv => b"end,".as_slice(),
    })
}

/// The canonical bytes of a JSON line: without the member `chain`, which is the last and of fixed length.
fn jsonl_canonical(line: &[u8]) -> Option<Vec<u8>> {
    const TAIL_BYTES: usize = ",\"chain\":\"".len() + 64 + "\"}\n".len();
    let (members, tail) = line.split_at_checked(line.len().checked_sub(TAIL_BYTES)?)?;
    tail.starts_with(b",\"chain\":\"").then(|| [members, b"}"].concat())
}

fn csv_cells(line: &[u8]) -> Option<Vec<String>> {
    let cells = csv::split(std::str::from_utf8(line).ok()?.strip_suffix('\n')?)?;
    (cells.len() == csv::COLUMNS.len() + 1).then_some(cells)
}

/// Lines of bounded length, with their line endings.
struct Lines<R> {
    reader: BufReader<R>,
    line: Vec<u8>,
    number: u64,
}

impl<R: Read> Lines<R> {
    /// Reads the next line; `false` at the end of the file.
    fn advance(&mut self) -> Result<bool, Fault> {
        self.line.clear();
        let limit = MAX_LINE_BYTES as u64 + 1;
        if self.reader.by_ref().take(limit).read_until(b'\n', &mut self.line)? == 0 {
            return Ok(false);
        }
        self.number += 1;
        if self.line.len() > MAX_LINE_BYTES {
            return Err(Fault::LineTooLong);
        }
        if self.line.ends_with(b"\r\n") {
            return Err(Fault::LineEndings);
        }
        Ok(true)
    }

    /// Refuses a last line without its line ending.
    fn require_whole(&self, rows: u64) -> Result<(), Fault> {
        if self.line.ends_with(b"\n") { Ok(()) } else { Err(Fault::CutShort { rows }) }
    }
}
