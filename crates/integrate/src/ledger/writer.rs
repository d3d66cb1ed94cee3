//! Writing a ledger out, row by row.

use super::key::{PublicKey, SigningKey};
use super::row::{Counts, Header, LedgerRow};
use super::{FORMAT_VERSION, MAX_LINE_BYTES, csv};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::io::{self, BufWriter, Write};

/// A ledger could not be written.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The file could not be written.
    #[error("the ledger could not be written: {0}")]
    Io(#[from] io::Error),
    /// Rows must come in the order of their numbers, from 1.
    #[error("row {found} was given where row {expected} belongs")]
    OutOfOrder {
        /// The number that is next.
        expected: u64,
        /// The number of the row given.
        found: u64,
    },
    /// A row of another integration.
    #[error("row {seq} belongs to integration {found}, the ledger to {expected}")]
    OtherIntegration {
        /// The row.
        seq: u64,
        /// The ledger's integration.
        expected: i64,
        /// The row's.
        found: i64,
    },
    /// A record is longer than [`MAX_LINE_BYTES`].
    #[error("row {seq} would make a line longer than {MAX_LINE_BYTES} bytes")]
    TooLong {
        /// The row; 0 is the opening record.
        seq: u64,
    },
    /// A record holds what has no text, such as a time outside the calendar.
    #[error("row {seq} cannot be written as text: {cause}")]
    Text {
        /// The row; 0 is the opening record.
        seq: u64,
        /// Why.
        #[source]
        cause: serde_json::Error,
    },
}

/// The form of a ledger file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// JSON Lines.
    Jsonl,
    /// CSV (RFC 4180 with LF line endings), for spreadsheets.
    Csv,
}

/// A value of the chain: it stands for every record up to one and their order.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ChainHash(pub(super) [u8; 32]);

/// What stands for a whole ledger: keep it, print it, compare it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// How many rows it has.
    pub rows: u64,
    /// The last value of the chain.
    pub head: ChainHash,
    /// Rows per lineage and outcome.
    pub counts: Counts,
    /// The key under which it is signed.
    pub public_key: PublicKey,
}

/// Writes a ledger; without [`LedgerWriter::finish`] the file has no closing record and no checker takes it.
pub struct LedgerWriter<W: Write> {
    out: BufWriter<W>,
    format: Format,
    integration: i64,
    chain: Chain,
    rows: u64,
    counts: Counts,
    line: Vec<u8>,
}

impl<W: Write> LedgerWriter<W> {
    /// Writes the opening record.
    ///
    /// # Errors
    /// When the output fails, or the header is too long or has a time outside the calendar.
    pub fn new(out: W, header: &Header, format: Format) -> Result<Self, LedgerError> {
        let mut writer = LedgerWriter {
            out: BufWriter::with_capacity(256 << 10, out),
            format,
            integration: header.integration,
            chain: Chain::new(),
            rows: 0,
            counts: Counts::default(),
            line: Vec::with_capacity(1024),
        };
        let statement = opening_text(header).map_err(|cause| LedgerError::Text { seq: 0, cause })?;
        writer.chain.record().extend_from_slice(statement.as_bytes());
        let chain = writer.chain.seal();
        writer.line.clear();
        match format {
            Format::Jsonl => jsonl_line(writer.chain.sealed(), chain, &mut writer.line),
            Format::Csv => {
                csv::column_names(&mut writer.line);
                csv::statement_line(csv::OPENING, &statement, Some(chain), &mut writer.line);
            }
        }
        writer.write_line(0)?;
        Ok(writer)
    }

    /// Writes one row.
    ///
    /// # Errors
    /// When the output fails, or the row is not the next one of this ledger. After an error the ledger is not to be
    /// finished.
    pub fn push(&mut self, row: &LedgerRow) -> Result<(), LedgerError> {
        let expected = self.rows + 1;
        if row.seq != expected {
            return Err(LedgerError::OutOfOrder { expected, found: row.seq });
        }
        if row.integration != self.integration {
            let (expected, found) = (self.integration, row.integration);
            return Err(LedgerError::OtherIntegration { seq: row.seq, expected, found });
        }
        serde_json::to_writer(self.chain.record(), row).map_err(|cause| LedgerError::Text { seq: row.seq, cause })?;
        let chain = self.chain.seal();
        self.line.clear();
        match self.format {
            Format::Jsonl => jsonl_line(self.chain.sealed(), chain, &mut self.line),
            Format::Csv => csv::row_line(row, chain, &mut self.line),
        }
        self.write_line(row.seq)?;
        self.rows = expected;
        self.counts.add(row);
        Ok(())
    }

    /// Writes the closing record, signed, and flushes; making the file durable is the caller's.
    ///
    /// # Errors
    /// When the output fails.
    pub fn finish(mut self, key: &SigningKey) -> Result<Head, LedgerError> {
        let head =
            Head { rows: self.rows, head: self.chain.value(), counts: self.counts, public_key: key.public().clone() };
        let closing = Closing::new(&head, key).map_err(|cause| LedgerError::Text { seq: self.rows, cause })?;
        let statement = serde_json::to_string(&closing).map_err(|cause| LedgerError::Text { seq: self.rows, cause })?;
        self.line.clear();
        match self.format {
            Format::Jsonl => {
                self.line.extend_from_slice(statement.as_bytes());
                self.line.push(b'\n');
            }
            Format::Csv => csv::statement_line(csv::CLOSING, &statement, None, &mut self.line),
        }
        self.write_line(self.rows)?;
        self.out.flush()?;
        Ok(head)
    }

    fn write_line(&mut self, seq: u64) -> Result<(), LedgerError> {
        if self.line.len() > MAX_LINE_BYTES {
            return Err(LedgerError::TooLong { seq });
        }
        Ok(self.out.write_all(&self.line)?)
    }
}

/// The chain: each value is BLAKE3-256 of the value before and the record's canonical bytes.
pub(super) struct Chain {
    /// The value before (32 bytes), then the record that is being added.
    buffer: Vec<u8>,
    /// Where the record last sealed ends.
    value: ChainHash,
}

impl Chain {
    /// The value before the opening record: a constant, so that no hash of this chain is one of anything else.
    pub(super) fn new() -> Self {
        let value = ChainHash(*blake3::hash(b"reintegra ledger 1").as_bytes());
        Chain { buffer: value.0.to_vec(), value }
    }

    /// Where to append the canonical bytes of the next record.
    pub(super) fn record(&mut self) -> &mut Vec<u8> {
        self.buffer.clear();
        self.buffer.extend_from_slice(&self.value.0);
        &mut self.buffer
    }

    /// Takes the record into the chain.
    pub(super) fn seal(&mut self) -> ChainHash {
        self.value = ChainHash(*blake3::hash(&self.buffer).as_bytes());
        self.value
    }

    /// The canonical bytes of the record last appended.
    pub(super) fn sealed(&self) -> &[u8] {
        &self.buffer[32..]
    }

    pub(super) fn value(&self) -> ChainHash {
        self.value
    }
}

impl fmt::Display for ChainHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(blake3::Hash::from_bytes(self.0).to_hex().as_str())
    }
}

impl fmt::Debug for ChainHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ChainHash({self})")
    }
}

/// The closing record. The signature is over its text without the member `signature`, which is the last.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Closing {
    pub(super) rows: u64,
    pub(super) counts: Counts,
    pub(super) head: String,
    pub(super) public_key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) signature: Option<String>,
}

impl Closing {
    fn new(head: &Head, key: &SigningKey) -> Result<Self, serde_json::Error> {
        let mut closing = Closing {
            rows: head.rows,
            counts: head.counts,
            head: head.head.to_string(),
            public_key: head.public_key.to_string(),
            signature: None,
        };
        let text = serde_json::to_string(&closing)?;
        closing.signature = Some(key.sign_hex(&signed_bytes(&text)));
        Ok(closing)
    }
}

/// What is signed: a constant, so that no signature over anything else is one of a ledger, and the unsigned text.
pub(super) fn signed_bytes(closing_without_signature: &str) -> Vec<u8> {
    [b"reintegra ledger 1 head\n", closing_without_signature.as_bytes()].concat()
}

/// How an opening record begins.
pub(super) const OPENING_PREFIX: &str = "{\"reintegra_ledger\":";

/// The canonical text of the opening record: the version, then the header's members.
pub(super) fn opening_text(header: &Header) -> Result<String, serde_json::Error> {
    let members = serde_json::to_string(header)?;
    Ok(format!("{OPENING_PREFIX}{FORMAT_VERSION},{}", &members[1..]))
}

/// Adds the line of a record: its canonical text with the member `chain` put last.
pub(super) fn jsonl_line(canonical: &[u8], chain: ChainHash, line: &mut Vec<u8>) {
    let members = canonical.strip_suffix(b"}").expect("a record is a JSON object");
    line.extend_from_slice(members);
    line.extend_from_slice(b",\"chain\":\"");
    line.extend_from_slice(blake3::Hash::from_bytes(chain.0).to_hex().as_bytes());
    line.extend_from_slice(b"\"}\n");
}
