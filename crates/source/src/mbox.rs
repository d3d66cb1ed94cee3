//! Mailboxes that are one file: mboxo, mboxrd, mboxcl2.
//!
//! # Implementation notes
//!
//! A message begins after a postmark (`From sender date`, see `postmark`) that stands at the start of the file or
//! after a blank line and is followed by a header. Whatever looks only half like one is kept as text of the message it
//! stands in, and a notice says so: two messages kept together can be told apart by a person, bytes torn apart at
//! prose cannot be put together by one. One exception: a postmark right after zeros, where a crash tore the file, begins
//! a message, or everything behind the hole would be lost in a damaged one.
//!
//! An item's range is the message's own bytes: without its postmark and without the one blank line that separates it
//! from the next. Every byte of the file is in exactly one range, postmark or separator.
//!
//! `Content-Length` is believed only where it leads exactly to the next postmark or to the end of the file, as Dovecot
//! does: an exact hit is no accident, while a length that came with the mail leads nowhere.
//!
//! UIDs count only under an `X-IMAPbase` in the first message, only up to the last UID that it names, and only while
//! they ascend: `X-UID` fields come with mail from anywhere. A server that kept the file gave no others.
//!
//! The file is read through a window, so memory grows with the number of messages only.

pub(crate) mod fields;
mod postmark;

use crate::root::printable;
use crate::{Item, ItemKind, Locator, Notice, ReadError, Stamp};
use fields::{Base, Fields, MAX_HEADER_BYTES};
use memchr::memmem;
use message::{Flags, Keyword};
use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};

/// How much of a file is in memory while it is listed: four of the longest headers.
const SCAN_WINDOW_BYTES: usize = 4 * MAX_HEADER_BYTES;

/// What the writer of an mbox does to lines that look like postmarks, and how messages are told apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Variant {
    /// Not known: `Content-Length` where it proves right, quoting left alone.
    #[default]
    Auto,
    /// mboxo: `From ` in a body became `>From `; what it was before cannot be told, so it is left alone.
    O,
    /// mboxrd: every `>*From ` got one `>` more, and reading takes it off.
    Rd,
    /// mboxcl2: `Content-Length` says where a message ends, nothing is quoted.
    Cl2,
}

impl Variant {
    /// Every variant with the name that `source.toml` uses.
    pub const NAMES: [(&str, Variant); 4] =
        [("auto", Variant::Auto), ("mboxo", Variant::O), ("mboxrd", Variant::Rd), ("mboxcl2", Variant::Cl2)];

    fn believes_content_length(self) -> bool {
        matches!(self, Variant::Auto | Variant::Cl2)
    }
}

/// What one mbox file holds.
#[derive(Debug, Default)]
pub struct MboxScan {
    /// UIDVALIDITY of `X-IMAPbase`.
    pub uidvalidity: Option<u32>,
    /// UIDNEXT after `X-IMAPbase`, never below the highest UID + 1.
    pub uidnext: Option<u32>,
    /// How many postmarks were found; none: the file is no mbox.
    pub postmarks: u64,
    /// Messages in file order; before them, as one item, the bytes in front of the first postmark.
    pub items: Vec<Item>,
    /// Findings that concern no single message.
    pub notices: Vec<Notice>,
}

/// Lists the messages of an mbox file; `path` is what their locators say. A message above `limit_bytes` is listed with
/// a notice.
///
/// # Errors
/// When the file cannot be read or is no regular file.
pub fn scan_file(file: &File, path: &[u8], variant: Variant, limit_bytes: u64) -> io::Result<MboxScan> {
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file"));
    }
    let stamp = Stamp {
        length_bytes: metadata.len(),
        modified_ns: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
        changed_ns: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
        inode: metadata.ino(),
    };
    let mut scanner = Scanner {
        window: Window::new(file, metadata.len(), SCAN_WINDOW_BYTES),
        path,
        variant,
        limit_bytes,
        stamp,
        modified_s: metadata.mtime(),
        dateless: false,
        mailbox: MailboxState::default(),
        scan: MboxScan::default(),
    };
    scanner.run()?;
    Ok(scanner.finish())
}

/// Reads one message of an mbox into `buffer`, which is cleared first. Under [`Variant::Rd`] one level of `>From `
/// quoting is taken off; else the bytes come as they lie.
///
/// # Errors
/// [`ReadError::Changed`] when the range no longer lies between postmarks, [`ReadError::TooLarge`] above `limit_bytes`.
pub fn read_range(
    file: &File,
    range: (u64, u64),
    variant: Variant,
    limit_bytes: u64,
    buffer: &mut Vec<u8>,
) -> Result<(), ReadError> {
    buffer.clear();
    let (start, length) = range;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(ReadError::NotAFile);
    }
    let end = start.checked_add(length).filter(|&end| end <= metadata.len()).ok_or(ReadError::Changed)?;
    if length > limit_bytes {
        return Err(ReadError::TooLarge { length_bytes: length, limit_bytes });
    }
    let mut window = Window::new(file, metadata.len(), 2 * postmark::MAX_LINE_BYTES);
    if !begins_after_postmark(&mut window, start)? || !ends_before_postmark(&mut window, end)? {
        return Err(ReadError::Changed);
    }
    let length = usize::try_from(length).map_err(|_| ReadError::TooLarge { length_bytes: length, limit_bytes })?;
    buffer.resize(length, 0);
    match file.read_exact_at(buffer, start) {
        Ok(()) => {}
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => {
            buffer.clear();
            return Err(ReadError::Changed);
        }
        Err(e) => {
            buffer.clear();
            return Err(e.into());
        }
    }
    if variant == Variant::Rd {
        unquote(buffer);
    }
    Ok(())
}

fn begins_after_postmark(window: &mut Window<'_>, start: u64) -> io::Result<bool> {
    if start == 0 {
        return Ok(postmark::date_of(window.line(0)?).is_none());
    }
    let behind_start = start.saturating_sub(postmark::MAX_LINE_BYTES as u64);
    let length = usize::try_from(start - behind_start).expect("it is at most MAX_LINE_BYTES");
    let at_end = start == window.length;
    let Some(behind) = window.peek(behind_start, length)?.get(..length) else { return Ok(false) };
    let behind = match behind.strip_suffix(b"\n") {
        Some(behind) => behind,
        // The file was cut within its last postmark.
        None if at_end => behind,
        None => return Ok(false),
    };
    // The line before begins after a line ending, after the zeros of a hole, or with the file.
    let line_start = memchr::memrchr2(b'\n', 0, behind).map(|at| at + 1);
    Ok(match line_start {
        Some(at) => behind[at..].starts_with(postmark::PREFIX),
        None => behind_start == 0 && behind.starts_with(postmark::PREFIX),
    })
}

fn ends_before_postmark(window: &mut Window<'_>, end: u64) -> io::Result<bool> {
    let length = window.length;
    let rest = window.peek(end, 2 + postmark::PREFIX.len())?;
    let separator = separator_length(rest);
    Ok(rest.is_empty()
        || end + separator as u64 == length
        || rest.starts_with(postmark::PREFIX)
        || rest[separator..].starts_with(postmark::PREFIX))
}

/// Takes one `>` off every line that is `From ` behind one or more of them.
fn unquote(buffer: &mut Vec<u8>) {
    let mut quotes = Vec::new();
    for at in memmem::find_iter(buffer, b">From ") {
        let first = buffer[..at].iter().rposition(|&b| b != b'>').map_or(0, |before| before + 1);
        if first == 0 || buffer[first - 1] == b'\n' {
            quotes.push(first);
        }
    }
    let mut next = quotes.into_iter().peekable();
    let mut at = 0;
    buffer.retain(|_| {
        let drop = next.next_if_eq(&at).is_some();
        at += 1;
        !drop
    });
}

/// One pass over a file.
struct Scanner<'a> {
    window: Window<'a>,
    path: &'a [u8],
    variant: Variant,
    limit_bytes: u64,
    stamp: Stamp,
    modified_s: i64,
    /// Whether the writer leaves dates out of postmarks, as the first one shows.
    dateless: bool,
    mailbox: MailboxState,
    scan: MboxScan,
}

/// What is known of the mailbox while its messages go by.
#[derive(Default)]
struct MailboxState {
    base: Option<Base>,
    /// The last UID that was believed.
    uid: u32,
    /// Set once a UID broke the order: no later one is believed.
    uids_broken: bool,
    unbased_uids: u64,
    uidls: HashSet<String>,
}

/// Where the bytes of an item end and how the next one begins.
#[derive(Clone, Copy)]
struct End {
    end: u64,
    next: Option<Postmark>,
}

/// A postmark at which the file is split.
#[derive(Clone, Copy)]
struct Postmark {
    /// Where the message after it begins.
    message_start: u64,
    date: Option<i64>,
}

/// Places that look half like a postmark.
#[derive(Default)]
struct Doubts {
    count: u64,
    first: u64,
}

impl Scanner<'_> {
    fn run(&mut self) -> io::Result<()> {
        let mut next = self.first_postmark()?;
        if next.is_none() && self.window.length > 0 {
            next = self.leading_bytes()?;
        }
        while let Some(postmark) = next {
            self.scan.postmarks += 1;
            next = self.message(postmark)?;
        }
        Ok(())
    }

    /// The postmark that the file begins with. There is nothing before it that it could belong to, so it needs no header
    /// behind it when it has a date, and no date when it has a header.
    fn first_postmark(&mut self) -> io::Result<Option<Postmark>> {
        let line = self.window.line(0)?;
        let date = postmark::date_of(line);
        let dateless = postmark::is_dateless(line);
        let message_start = line.len() as u64;
        self.dateless = date.is_none() && dateless && self.begins_header(message_start)?;
        Ok((date.is_some() || self.dateless).then_some(Postmark { message_start, date }))
    }

    /// Lists what stands before the first postmark: never dropped, a message if it can be one.
    fn leading_bytes(&mut self) -> io::Result<Option<Postmark>> {
        let mut doubts = Doubts::default();
        let End { end, next } = self.find_end(0, &mut doubts, None)?;
        let header = self.header(0, end)?;
        let looks_like_mail = fields::begins_with_field(&header);
        // Behind lost beginnings there is text of a message; a file without any postmark is just another file.
        let kind = if looks_like_mail || (next.is_some() && self.has_text(end)?) {
            ItemKind::Message
        } else {
            ItemKind::NotAMessage
        };
        let fields = Fields::read(if looks_like_mail { &header } else { b"" });
        let mut item = self.item(kind, 0, end, fields.arrival());
        item.flags = fields.flags;
        item.keywords = fields.keywords(None);
        if next.is_some() {
            item.notices.push(self.notice("9.2", 0, format!("{end} bytes stand before the first From line")));
        }
        self.push(item, doubts);
        Ok(next)
    }

    fn message(&mut self, postmark: Postmark) -> io::Result<Option<Postmark>> {
        let start = postmark.message_start;
        let length = self.window.length;
        let mut header = self.header(start, length)?;
        let mut fields = Fields::read(&header);
        let mut doubts = Doubts::default();
        let body = fields::header_length(&header).map(|header_length| start + header_length as u64);
        let length_says = body.zip(fields.content_length).filter(|_| self.variant.believes_content_length());
        let mut wrong_length = false;
        let believed = match length_says {
            Some((body, content_length)) => {
                let end = self.end_by_content_length(body, content_length)?;
                wrong_length = end.is_none();
                end.map(|end| (body, end))
            }
            None => None,
        };
        let End { end, next } = self.find_end(start, &mut doubts, believed)?;
        if end < start + header.len() as u64 {
            header = self.header(start, end)?;
            fields = Fields::read(&header);
        }

        let is_first = self.scan.items.is_empty();
        if is_first {
            self.mailbox.base = fields.base.take();
        }
        let kind = if is_first && fields.is_folder_data { ItemKind::NotAMessage } else { ItemKind::Message };
        let mut item = self.item(kind, start, end, postmark.date.or(fields.arrival()));
        if kind == ItemKind::Message {
            item.flags = fields.flags;
            item.keywords = fields.keywords(self.mailbox.base.as_ref().map(|base| base.keywords.as_slice()));
            item.uid = self.believe_uid(fields.uid, start, &mut item.notices);
            item.uidl = self.believe_uidl(fields.uidl, start, &mut item.notices);
        }
        if wrong_length {
            let text = "Content-Length does not lead to the next From line and was not used".to_owned();
            item.notices.push(self.notice("9.2", start, text));
        } else if self.variant == Variant::Cl2 && believed.is_none() {
            let text = "there is no Content-Length, the message ends at the next From line".to_owned();
            item.notices.push(self.notice("9.2", start, text));
        }
        self.push(item, doubts);
        Ok(next)
    }

    /// Where the item that begins at `start` ends: at the next postmark, or with the file. A believed length, given with
    /// the body's start, takes the place of the search in the body only: a hole in the header comes before it.
    fn find_end(&mut self, start: u64, doubts: &mut Doubts, believed: Option<(u64, End)>) -> io::Result<End> {
        let until = believed.map_or(self.window.length, |(body, _)| body);
        let mut at = start;
        while let Some(found) = self.window.find(at, until, postmark::PREFIX)? {
            if let Some(end) = self.split_at(found, doubts)? {
                return Ok(end);
            }
            at = found + postmark::PREFIX.len() as u64;
        }
        if let Some((_, end)) = believed {
            return Ok(end);
        }
        let length = self.window.length;
        // Without a postmark there is no separator either: the file as a whole is the item.
        let separator = if self.scan.postmarks > 0 { self.blank_line_before(length)?.unwrap_or(0) } else { 0 };
        Ok(End { end: length - separator, next: None })
    }

    /// Whether the file is split at `at`, where `From ` stands.
    fn split_at(&mut self, at: u64, doubts: &mut Doubts) -> io::Result<Option<End>> {
        let before = match at {
            0 => return Ok(None),
            _ => self.window.peek(at - 1, 1)?.first().copied(),
        };
        let (separator, after_hole) = match before {
            Some(b'\n') => (self.blank_line_before(at)?, false),
            Some(0) => (None, true),
            _ => return Ok(None),
        };
        let postmark = self.postmark_at(at)?;
        match (separator, postmark) {
            (Some(separator), Some(_)) => Ok(Some(End { end: at - separator, next: postmark })),
            (None, Some(postmark)) if after_hole && postmark.date.is_some() => {
                Ok(Some(End { end: at, next: Some(postmark) }))
            }
            (Some(_), None) | (None, Some(_)) => {
                doubts.add(at);
                Ok(None)
            }
            (None, None) => Ok(None),
        }
    }

    /// How long the blank line is that ends right before `at`, if one does.
    fn blank_line_before(&mut self, at: u64) -> io::Result<Option<u64>> {
        let behind_start = at.saturating_sub(3);
        let length = usize::try_from(at - behind_start).expect("it is at most 3");
        let Some(behind) = self.window.peek(behind_start, length)?.get(..length) else { return Ok(None) };
        Ok(match behind {
            [.., b'\n', b'\n'] | [b'\n'] => Some(1),
            [b'\n', b'\r', b'\n'] | [b'\r', b'\n'] => Some(2),
            _ => None,
        })
    }

    /// The postmark at `at` and the message behind it, as far as both look like one.
    fn postmark_at(&mut self, at: u64) -> io::Result<Option<Postmark>> {
        let dateless = self.dateless;
        let line = self.window.line(at)?;
        let date = postmark::date_of(line);
        if date.is_none() && !(dateless && postmark::is_dateless(line)) {
            return Ok(None);
        }
        let message_start = at + line.len() as u64;
        Ok(self.begins_header(message_start)?.then_some(Postmark { message_start, date }))
    }

    /// Whether a header begins at `at`, or what a crash left of one: nothing, zeros, half a field name. `>From ` stands
    /// there in mail that came through several systems (the postmark of the one before).
    fn begins_header(&mut self, at: u64) -> io::Result<bool> {
        let length = self.window.length;
        let rest = self.window.peek(at, 300)?;
        let cut_short = at + rest.len() as u64 == length && rest.len() < 128;
        Ok(fields::begins_with_field(rest)
            || rest.starts_with(b">From ")
            || rest.first().is_none_or(|&b| b == 0)
            || (cut_short && rest.iter().all(u8::is_ascii_graphic)))
    }

    /// Follows a `Content-Length` from the start of the body; `None` where it does not lead to a postmark or to the end.
    fn end_by_content_length(&mut self, body: u64, content_length: u64) -> io::Result<Option<End>> {
        let length = self.window.length;
        let Some(end) = body.checked_add(content_length).filter(|&end| end <= length) else { return Ok(None) };
        let separator = separator_length(self.window.peek(end, 2)?) as u64;
        if end + separator == length {
            return Ok(Some(End { end, next: None }));
        }
        if separator == 0 && self.window.peek(end - 1, 1)?.first() != Some(&b'\n') {
            return Ok(None);
        }
        let next = self.postmark_at(end + separator)?;
        Ok(next.map(|_| End { end, next }))
    }

    /// The header of the message at `start`, its blank line included, at most [`MAX_HEADER_BYTES`] of it.
    fn header(&mut self, start: u64, end: u64) -> io::Result<Vec<u8>> {
        const USUAL_BYTES: usize = 16 * 1024;
        let room = usize::try_from(end - start).unwrap_or(usize::MAX);
        for want in [USUAL_BYTES.min(room), MAX_HEADER_BYTES.min(room)] {
            let bytes = self.window.peek(start, want)?;
            let bytes = &bytes[..want.min(bytes.len())];
            match fields::header_length(bytes) {
                Some(length) => return Ok(bytes[..length].to_vec()),
                None if want == MAX_HEADER_BYTES.min(room) => return Ok(bytes.to_vec()),
                None => {}
            }
        }
        Ok(Vec::new())
    }

    /// Whether anything but zeros and white space stands in front of `end`.
    fn has_text(&mut self, end: u64) -> io::Result<bool> {
        let mut at = 0;
        while at < end {
            let bytes = self.window.peek(at, 1)?;
            if bytes.is_empty() {
                break;
            }
            let bytes = &bytes[..usize::try_from(end - at).unwrap_or(usize::MAX).min(bytes.len())];
            if bytes.iter().any(|&b| b != 0 && !b.is_ascii_whitespace()) {
                return Ok(true);
            }
            at += bytes.len() as u64;
        }
        Ok(false)
    }

    fn believe_uid(&mut self, claimed: Option<u32>, start: u64, notices: &mut Vec<Notice>) -> Option<u32> {
        let uid = claimed?;
        let Some(base) = &mut self.mailbox.base else {
            self.mailbox.unbased_uids += 1;
            return None;
        };
        // The server gives the next UID to a message that claims it, so that claim does no harm.
        if uid == base.uid_last + 1 && uid < u32::MAX - 1 {
            base.uid_last = uid;
        }
        let why = if self.mailbox.uids_broken {
            "stands behind one that breaks the order"
        } else if uid <= self.mailbox.uid {
            self.mailbox.uids_broken = true;
            "repeats or goes below an earlier one"
        } else if uid > base.uid_last {
            "is above the last UID that X-IMAPbase names"
        } else {
            self.mailbox.uid = uid;
            return Some(uid);
        };
        notices.push(self.notice("9.4", start, format!("X-UID {uid} {why} and was not believed")));
        None
    }

    fn believe_uidl(&mut self, claimed: Option<String>, start: u64, notices: &mut Vec<Notice>) -> Option<String> {
        let uidl = claimed?;
        if self.mailbox.uidls.insert(uidl.clone()) {
            return Some(uidl);
        }
        let text = format!("X-UIDL {uidl:?} stands already in an earlier message and was not believed");
        notices.push(self.notice("5.2", start, text));
        None
    }

    fn item(&self, kind: ItemKind, start: u64, end: u64, date: Option<i64>) -> Item {
        let mut notices = Vec::new();
        if end - start > self.limit_bytes {
            let text = format!("it has {} bytes, more than the limit of {}", end - start, self.limit_bytes);
            notices.push(self.notice("9.1", start, text));
        }
        Item {
            locator: Locator { path: self.path.to_vec(), range: Some((start, end - start)) },
            kind,
            uid: None,
            uidl: None,
            flags: Flags::NONE,
            keywords: Vec::<Keyword>::new(),
            internal_date: date.unwrap_or(self.modified_s),
            stamp: self.stamp,
            promised_size: None,
            promised_crlf_size: None,
            notices,
        }
    }

    fn push(&mut self, mut item: Item, doubts: Doubts) {
        if doubts.count > 0 {
            let text = format!(
                "lines that begin with From but do not prove to be postmarks were kept as text: {}, the first at byte {}",
                doubts.count, doubts.first
            );
            let start = item.locator.range.map_or(0, |(start, _)| start);
            item.notices.push(self.notice("9.2", start, text));
        }
        self.scan.items.push(item);
    }

    fn notice(&self, rule: &'static str, offset: u64, text: String) -> Notice {
        Notice { rule, place: format!("{}, byte {offset}", printable(self.path)), text }
    }

    fn finish(mut self) -> MboxScan {
        if self.mailbox.unbased_uids > 0 {
            let text = format!(
                "there is no X-IMAPbase in the first message, so X-UID of messages was not believed: {}",
                self.mailbox.unbased_uids
            );
            let notice = Notice { rule: "9.4", place: printable(self.path), text };
            self.scan.notices.push(notice);
        }
        if let Some(base) = &self.mailbox.base {
            self.scan.uidvalidity = Some(base.uidvalidity);
            self.scan.uidnext = Some(base.uid_last + 1);
        }
        self.scan
    }
}

impl Doubts {
    fn add(&mut self, at: u64) {
        if self.count == 0 {
            self.first = at;
        }
        self.count += 1;
    }
}

/// The length of the blank line that bytes begin with, 0 where they begin with none.
fn separator_length(bytes: &[u8]) -> usize {
    match bytes {
        [b'\n', ..] => 1,
        [b'\r', b'\n', ..] => 2,
        _ => 0,
    }
}

fn nanoseconds(seconds: i64, nanoseconds: i64) -> i64 {
    seconds.saturating_mul(1_000_000_000).saturating_add(nanoseconds)
}

/// The part of a file that is in memory.
struct Window<'f> {
    file: &'f File,
    /// Length of the file; less than it was at first when the file is cut while it is read.
    length: u64,
    capacity_bytes: usize,
    start: u64,
    bytes: Vec<u8>,
}

impl<'f> Window<'f> {
    fn new(file: &'f File, length: u64, capacity_bytes: usize) -> Self {
        Window { file, length, capacity_bytes, start: 0, bytes: Vec::new() }
    }

    /// The bytes at `offset`: at least `want` of them, which the capacity must hold, unless the file ends before.
    fn peek(&mut self, offset: u64, want: usize) -> io::Result<&[u8]> {
        if offset >= self.length {
            return Ok(&[]);
        }
        let end = (offset + want as u64).min(self.length);
        if offset < self.start || end > self.start + self.bytes.len() as u64 {
            self.fill(offset)?;
        }
        let skip = usize::try_from(offset - self.start).expect("the window holds the offset");
        Ok(self.bytes.get(skip..).unwrap_or_default())
    }

    fn fill(&mut self, offset: u64) -> io::Result<()> {
        let room = usize::try_from(self.length - offset).unwrap_or(usize::MAX).min(self.capacity_bytes);
        self.bytes.resize(room, 0);
        self.start = offset;
        let mut filled = 0;
        while filled < room {
            match self.file.read_at(&mut self.bytes[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => {
                    self.bytes.clear();
                    return Err(e);
                }
            }
        }
        self.bytes.truncate(filled);
        if filled < room {
            self.length = offset + filled as u64;
        }
        Ok(())
    }

    /// The line at `offset` with its line ending; empty where it is longer than a postmark may be.
    fn line(&mut self, offset: u64) -> io::Result<&[u8]> {
        let at_end = self.length.saturating_sub(offset) <= postmark::MAX_LINE_BYTES as u64;
        let bytes = self.peek(offset, postmark::MAX_LINE_BYTES)?;
        let bytes = &bytes[..bytes.len().min(postmark::MAX_LINE_BYTES)];
        Ok(match memchr::memchr(b'\n', bytes) {
            Some(end) => &bytes[..=end],
            None if at_end => bytes,
            None => &[],
        })
    }

    /// Where `needle` stands first at or after `from`, beginning before `until`.
    fn find(&mut self, from: u64, until: u64, needle: &[u8]) -> io::Result<Option<u64>> {
        let mut at = from;
        while at < until.min(self.length) {
            let bytes = self.peek(at, needle.len())?;
            if let Some(found) = memmem::find(bytes, needle) {
                let found = at + found as u64;
                return Ok((found < until).then_some(found));
            }
            if bytes.len() < needle.len() {
                break;
            }
            at += (bytes.len() - needle.len() + 1) as u64;
        }
        Ok(None)
    }
}
