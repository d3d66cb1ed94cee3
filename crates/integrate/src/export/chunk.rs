//! Messages of one mailbox, as many as a worker writes at a time, and the mailbox's UID list.
//!
//! A line of the list holds the size of the file, which is known when the file is written. So the worker that wrote a
//! chunk also has its lines, and they go into the list in the order of the chunks.

use super::disk::Dir;
use super::keywords::Letters;
use super::{Exported, Result, Run, lock, reading};
use memchr::memmem;
use message::to_lf;
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::Write;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex};
use store::{Blob, Class, Message, uidl_by_rule};

/// Messages of a chunk: few enough that no worker waits long for another at the end.
pub(super) const CHUNK_MESSAGES: usize = 128;
/// Bytes after which a chunk is closed.
pub(super) const CHUNK_BYTES: u64 = 8 << 20;

/// The name of the list.
pub(super) const UID_LIST: &str = "dovecot-uidlist";

/// What workers take their chunks from.
pub(super) type Queue = Arc<Mutex<Receiver<Chunk>>>;

/// A mailbox being written.
pub(super) struct Target {
    /// The cell that its bytes lie in, by number.
    pub(super) cell: usize,
    /// What notices call it.
    pub(super) place: String,
    pub(super) mailbox: i64,
    pub(super) uidvalidity: u32,
    pub(super) directory: Dir,
    pub(super) cur: Dir,
    pub(super) letters: Letters,
    /// For the INBOX, which alone POP3 serves: places in the maildrop by UID (`RULES.md 5.2`).
    pub(super) maildrop: Option<HashMap<u32, u32>>,
    pub(super) list: Mutex<UidList>,
}

/// A mailbox's `dovecot-uidlist`, written in pieces that may come in any order.
pub(super) struct UidList {
    file: File,
    next: u64,
    waiting: BTreeMap<u64, String>,
}

/// Rows of a mailbox, by UID.
pub(super) struct Chunk {
    pub(super) target: Arc<Target>,
    /// Its number among the mailbox's chunks.
    pub(super) number: u64,
    pub(super) rows: Vec<(Message, Blob)>,
}

impl UidList {
    pub(super) fn new(file: File) -> Self {
        UidList { file, next: 0, waiting: BTreeMap::new() }
    }

    fn put(&mut self, number: u64, lines: String) -> std::io::Result<()> {
        self.waiting.insert(number, lines);
        while let Some(lines) = self.waiting.remove(&self.next) {
            self.file.write_all(lines.as_bytes())?;
            self.next += 1;
        }
        Ok(())
    }
}

impl Chunk {
    /// Writes the messages and their lines.
    pub(super) fn write(&self, run: &Run<'_>) -> Result<()> {
        let mut lines = String::new();
        let mut done = Exported::default();
        let cell = &run.platform.store.cells()[self.target.cell];
        reading(cell, |view| {
            for (message, blob) in &self.rows {
                match view.bytes(blob) {
                    Ok(crlf) => {
                        done.bytes += self.target.write(run, message, &crlf, &mut lines)?;
                        done.messages += 1;
                    }
                    Err(damage) if damage.class() == Class::Corruption => {
                        let text = format!("its bytes are damaged in the store, and it is left out: {damage}");
                        run.notice("9.1", self.target.place_of(message.uid), text);
                        done.unreadable += 1;
                    }
                    Err(other) => return Err(other.into()),
                }
                run.progress.done(1, blob.size_bytes);
            }
            Ok(())
        })?;
        let list = lock(&self.target.list).put(self.number, lines);
        list.map_err(self.target.directory.error(UID_LIST))?;
        let exported = &mut run.told().exported;
        exported.messages += done.messages;
        exported.bytes += done.bytes;
        exported.unreadable += done.unreadable;
        Ok(())
    }
}

impl Target {
    fn place_of(&self, uid: u32) -> String {
        format!("{} UID {uid}", self.place)
    }

    /// Writes one message and its line; gives the size of its file.
    fn write(&self, run: &Run<'_>, message: &Message, crlf: &[u8], lines: &mut String) -> Result<u64> {
        let bytes = as_file(crlf);
        let base = self.base_name(message, bytes.len(), crlf.len());
        let mut name = format!("{base}:2,{}", message.flags.maildir_letters());
        self.letters.push(&message.keywords, &mut name);
        let kept = self.cur.write_file(&name, &bytes, Some(message.internal_date))?;
        if !kept || u32::try_from(message.internal_date).is_err() {
            let text = format!("Dovecot cannot keep its INTERNALDATE, {} seconds since 1970", message.internal_date);
            run.notice("4.3", self.place_of(message.uid), text);
        }
        self.push_line(run, message, &base, lines);
        Ok(bytes.len() as u64)
    }

    /// A base name that is unique in its account and the same in every export: Dovecot makes the message's GUID of it.
    fn base_name(&self, message: &Message, size: usize, crlf_size: usize) -> String {
        let (date, uid) = (message.internal_date.max(0), message.uid);
        let (mailbox, uidvalidity) = (self.mailbox, self.uidvalidity);
        format!("{date}.M{uid}P{mailbox}V{uidvalidity}.reintegra,S={size},W={crlf_size}")
    }

    /// `UID [P<UIDL>] [O<order>] :<base name>`.
    fn push_line(&self, run: &Run<'_>, message: &Message, base: &str, lines: &mut String) {
        let mut line = format!("{} ", message.uid);
        if let Some(maildrop) = &self.maildrop {
            let by_rule = uidl_by_rule(self.uidvalidity, message.uid);
            match message.uidl.as_deref().filter(|uidl| **uidl != by_rule) {
                Some(uidl) if is_uidl(uidl) => line.push_str(&format!("P{uidl} ")),
                Some(_) => {
                    let text = "its UIDL is none that POP3 can serve; Dovecot makes another";
                    run.notice("5.2", self.place_of(message.uid), text);
                }
                None => {}
            }
            if let Some(order) = maildrop.get(&message.uid) {
                line.push_str(&format!("O{order} "));
            }
        }
        lines.push_str(&format!("{line}:{base}\n"));
    }
}

/// A message as Unix stores keep it: with LF, unless that could not be taken back ([`to_lf`]).
pub(super) fn as_file(crlf: &[u8]) -> Cow<'_, [u8]> {
    if memmem::find(crlf, b"\r\r\n").is_some() { Cow::Borrowed(crlf) } else { to_lf(crlf) }
}

/// Whether POP3 can serve a text as a UIDL (RFC 1939 §7), and a line of the list hold it.
fn is_uidl(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;
    use message::to_crlf;

    #[test]
    fn files_have_lf_unless_that_loses_bytes() {
        let table: [(&[u8], &[u8]); 6] = [
            (b"a\r\nb\r\n", b"a\nb\n"),
            (b"a\rb\r\n", b"a\rb\n"),
            (b"\r\n\r\n", b"\n\n"),
            (b"a\r\r\nb\r\n", b"a\r\r\nb\r\n"),
            (b"\r\r\n", b"\r\r\n"),
            (b"", b""),
        ];
        for (crlf, file) in table {
            assert_eq!(as_file(crlf), file, "{}", crlf.escape_ascii());
            assert_eq!(to_crlf(file), crlf, "{}", crlf.escape_ascii());
        }
    }
}
