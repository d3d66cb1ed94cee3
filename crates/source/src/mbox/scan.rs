//! Lists the messages of an mbox in one pass.

use super::fields::{self, Base, Fields, MAX_HEADER_BYTES};
use super::window::{Window, separator_length};
use super::{MboxScan, Variant, postmark};
use crate::root::printable;
use crate::{Item, ItemKind, Locator, Notice, Stamp};
use memchr::memmem;
use message::{Flags, Keyword};
use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;

/// How much of a file is in memory while it is listed: four of the longest headers.
const WINDOW_BYTES: usize = 4 * MAX_HEADER_BYTES;

/// How much is looked at where a `Content-Length` leads. Less, because hostile ones lead anywhere, and as often as there
/// are messages.
const FAR_WINDOW_BYTES: usize = 4 * postmark::MAX_LINE_BYTES;

/// Lists the messages of an mbox file; `path` is what their locators say. A message above `limit_bytes` is listed with
/// a notice.
///
/// # Errors
/// When the file cannot be read, is no regular file, or is cut short meanwhile.
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
        window: Window::new(file, metadata.len(), WINDOW_BYTES),
        far: Window::new(file, metadata.len(), FAR_WINDOW_BYTES),
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

/// One pass over a file.
struct Scanner<'a> {
    window: Window<'a>,
    /// What lies where a `Content-Length` leads.
    far: Window<'a>,
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
    /// Whether there is an `X-IMAPbase` that cannot be believed.
    base_broken: bool,
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
        if self.window.length < self.stamp.length_bytes {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it was cut short while it was read"));
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
        self.dateless = date.is_none() && dateless && begins_header(&mut self.window, message_start)?;
        Ok((date.is_some() || self.dateless).then_some(Postmark { message_start, date }))
    }

    /// Lists what stands before the first postmark: never dropped, a message if it can be one.
    fn leading_bytes(&mut self) -> io::Result<Option<Postmark>> {
        let mut doubts = Doubts::default();
        let End { end, next } = self.find_end(0, &mut doubts)?;
        let header = self.header(0)?;
        let looks_like_mail = fields::begins_with_field(&header);
        // Behind lost beginnings there is text of a message; a file without any postmark is just another file.
        let kind = if looks_like_mail || (next.is_some() && self.has_text(end)?) {
            ItemKind::Message
        } else {
            ItemKind::NotAMessage
        };
        let fields = Fields::read(if looks_like_mail { &header } else { b"" });
        let mut item = self.item(kind, 0, end, fields.arrival());
        (item.flags, item.keywords) = fields.marks(None);
        if next.is_some() {
            item.notices.push(self.notice("9.2", 0, format!("{end} bytes stand before the first From line")));
        }
        self.push(item, doubts);
        Ok(next)
    }

    fn message(&mut self, postmark: Postmark) -> io::Result<Option<Postmark>> {
        let start = postmark.message_start;
        let header = self.header(start)?;
        let mut fields = Fields::read(&header);
        let body = fields::header_length(&header).map(|header_length| start + header_length as u64);
        let said = body.zip(fields.content_length).filter(|_| self.variant.believes_content_length());
        let believed = match said {
            Some((body, content_length)) => self.end_by_content_length(body, content_length)?,
            None => None,
        };
        let mut doubts = Doubts::default();
        let End { end, next } = match believed {
            Some(end) => end,
            None => self.find_end(start, &mut doubts)?,
        };

        let is_first = self.scan.items.is_empty();
        if is_first {
            self.mailbox.base = fields.base.take();
            self.mailbox.base_broken = fields.base_broken;
        }
        let kind = if is_first && fields.is_folder_data { ItemKind::NotAMessage } else { ItemKind::Message };
        let mut item = self.item(kind, start, end, postmark.date.or(fields.arrival()));
        if kind == ItemKind::Message {
            let in_use = self.mailbox.base.as_ref().map(|base| base.keywords.as_slice());
            (item.flags, item.keywords) = fields.marks(in_use);
            item.uid = self.believe_uid(fields.uid, start, &mut item.notices);
            item.uidl = self.believe_uidl(fields.uidl, start, &mut item.notices);
        }
        if said.is_some() && believed.is_none() {
            let text = "Content-Length does not lead to the next From line and was not used".to_owned();
            item.notices.push(self.notice("9.2", start, text));
        } else if self.variant == Variant::Cl2 && believed.is_none() {
            let text = "there is no Content-Length, the message ends at the next From line".to_owned();
            item.notices.push(self.notice("9.2", start, text));
        }
        self.push(item, doubts);
        Ok(next)
    }

    /// Where the item that begins at `start` ends: at the next postmark, or with the file, be that cut short meanwhile.
    fn find_end(&mut self, start: u64, doubts: &mut Doubts) -> io::Result<End> {
        let mut at = start;
        while let Some(found) = self.window.find(at, postmark::PREFIX)? {
            if let Some(end) = self.split_at(found, doubts)? {
                return Ok(end);
            }
            at = found + postmark::PREFIX.len() as u64;
        }
        let length = self.window.length;
        // Without a postmark there is no separator either: the file as a whole is the item.
        let separator = if self.scan.postmarks > 0 { self.window.blank_line_before(length)?.unwrap_or(0) } else { 0 };
        Ok(End { end: length.saturating_sub(separator).max(start), next: None })
    }

    /// Whether the file is split at `at`, where `From ` stands.
    fn split_at(&mut self, at: u64, doubts: &mut Doubts) -> io::Result<Option<End>> {
        let before = match at {
            0 => return Ok(None),
            _ => self.window.peek(at - 1, 1)?.first().copied(),
        };
        let (separator, after_hole) = match before {
            Some(b'\n') => (self.window.blank_line_before(at)?, false),
            Some(0) => (None, true),
            _ => return Ok(None),
        };
        let postmark = postmark_at(&mut self.window, at, self.dateless)?;
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

    /// Follows a `Content-Length` from the start of the body; `None` where it does not lead to a postmark or to the end.
    fn end_by_content_length(&mut self, body: u64, content_length: u64) -> io::Result<Option<End>> {
        let length = self.window.length;
        let Some(end) = body.checked_add(content_length).filter(|&end| end <= length) else { return Ok(None) };
        let separator = separator_length(self.far.peek(end, 2)?) as u64;
        if end + separator == length {
            return Ok(Some(End { end, next: None }));
        }
        if separator == 0 && self.far.peek(end - 1, 1)?.first() != Some(&b'\n') {
            return Ok(None);
        }
        let next = postmark_at(&mut self.far, end + separator, self.dateless)?;
        Ok(next.map(|_| End { end, next }))
    }

    /// The header of the message at `start`, its blank line included, at most [`MAX_HEADER_BYTES`] of it. It ends where
    /// a hole may end the message, so that torn messages do not read each other's fields.
    fn header(&mut self, start: u64) -> io::Result<Vec<u8>> {
        const USUAL_BYTES: usize = 16 * 1024;
        let bytes = self.window.peek(start, USUAL_BYTES)?;
        if let Some(length) = header_end(&bytes[..bytes.len().min(USUAL_BYTES)]) {
            return Ok(bytes[..length].to_vec());
        }
        let bytes = self.window.peek(start, MAX_HEADER_BYTES)?;
        let bytes = &bytes[..bytes.len().min(MAX_HEADER_BYTES)];
        Ok(bytes[..header_end(bytes).unwrap_or(bytes.len())].to_vec())
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
        if uid == base.uid_last + 1 {
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
        if self.mailbox.base_broken {
            let text = "X-IMAPbase of the first message cannot be believed, so there is no UIDVALIDITY".to_owned();
            self.scan.notices.push(Notice { rule: "9.4", place: printable(self.path), text });
        }
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

/// Where a header ends: behind its blank line, or before what may be a postmark behind a hole.
fn header_end(bytes: &[u8]) -> Option<usize> {
    let mut line_start = 0;
    for line_end in memchr::memchr_iter(b'\n', bytes) {
        let line = &bytes[line_start..line_end];
        if line.is_empty() || line == b"\r" {
            return Some(line_end + 1);
        }
        if let Some(hole) = memmem::find(line, b"\0From ") {
            return Some(line_start + hole + 1);
        }
        line_start = line_end + 1;
    }
    None
}

/// The postmark at `at` and the message behind it, as far as both look like one.
fn postmark_at(window: &mut Window<'_>, at: u64, dateless: bool) -> io::Result<Option<Postmark>> {
    let line = window.line(at)?;
    let date = postmark::date_of(line);
    if date.is_none() && !(dateless && postmark::is_dateless(line)) {
        return Ok(None);
    }
    let message_start = at + line.len() as u64;
    Ok(begins_header(window, message_start)?.then_some(Postmark { message_start, date }))
}

/// Whether a header begins at `at`, or what a crash left of one: nothing, zeros, half a field name. `>From ` stands there
/// in mail that came through several systems (the postmark of the one before).
fn begins_header(window: &mut Window<'_>, at: u64) -> io::Result<bool> {
    let length = window.length;
    let rest = window.peek(at, 300)?;
    let cut_short = at + rest.len() as u64 == length && rest.len() < 128;
    Ok(fields::begins_with_field(rest)
        || rest.starts_with(b">From ")
        || rest.first().is_none_or(|&b| b == 0)
        || (cut_short && rest.iter().all(u8::is_ascii_graphic)))
}

impl Doubts {
    fn add(&mut self, at: u64) {
        if self.count == 0 {
            self.first = at;
        }
        self.count += 1;
    }
}

fn nanoseconds(seconds: i64, nanoseconds: i64) -> i64 {
    seconds.saturating_mul(1_000_000_000).saturating_add(nanoseconds)
}
