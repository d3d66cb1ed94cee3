//! What mail stores and clients write about a message into its own header: flags, keywords, UID, UIDL, dates.
//!
//! | field | by | says |
//! |---|---|---|
//! | `Status` | all | `R` \Seen (`O`: not \Recent) |
//! | `X-Status` | c-client, Dovecot, mutt | `A` \Answered, `F` \Flagged, `T` \Draft, `D` \Deleted |
//! | `X-Keywords` | c-client, Dovecot | keywords |
//! | `X-IMAPbase`, `X-IMAP` | c-client, Dovecot | UIDVALIDITY, last UID given, keywords in use; first message only |
//! | `X-UID` | c-client, Dovecot | UID |
//! | `X-UIDL` | POP3 servers | UIDL |
//! | `X-Mozilla-Status` | Thunderbird | hex: 0001 read, 0002 replied, 0004 marked, 0008 expunged, 1000 forwarded |
//! | `X-Mozilla-Status2` | Thunderbird | hex: 00200000 deleted on the server, 0E000000 label 1 to 5 |
//! | `X-Mozilla-Keys` | Thunderbird | tags |
//!
//! The other bits of the Mozilla fields describe a view or a download, not the message.

use message::{Flags, Keyword, header, parse_date, to_crlf};

/// The longest header that is looked at; what follows is body to this module, and the bytes of the message all the same.
pub(crate) const MAX_HEADER_BYTES: usize = 256 * 1024;

/// Most keywords that are taken from one message, more than any server allows.
const MAX_KEYWORDS: usize = 128;

/// What the fields of one header say.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    /// Flags of every field that has some.
    flags: Flags,
    /// Keywords of `X-Keywords`: claims that count only where the mailbox knows them.
    claimed_keywords: Vec<Keyword>,
    /// Keywords that the owner's client set.
    client_keywords: Vec<Keyword>,
    /// `X-IMAPbase` or `X-IMAP`.
    pub(super) base: Option<Base>,
    /// Whether such a field stands there but makes no sense.
    pub(super) base_broken: bool,
    /// Whether this is the note that c-client and Dovecot keep in place of a message.
    pub(super) is_folder_data: bool,
    /// `X-UID`, unchecked.
    pub(super) uid: Option<u32>,
    /// `X-UIDL`, where it can be a UIDL (RFC 1939 §7: 1 to 70 printable characters).
    pub(super) uidl: Option<String>,
    /// `Content-Length`, unchecked, where it stands once.
    pub(super) content_length: Option<u64>,
    received: Option<i64>,
    date: Option<i64>,
}

/// `X-IMAPbase: uidvalidity last-uid keyword …`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Base {
    pub(super) uidvalidity: u32,
    /// The last UID that was given to a message.
    pub(super) uid_last: u32,
    /// Keywords in use.
    pub(super) keywords: Vec<Keyword>,
}

impl Fields {
    /// Reads a header, with or without the blank line at its end; lines may end CRLF or LF.
    pub(crate) fn read(header: &[u8]) -> Self {
        let mut fields = Fields::default();
        let mut is_imap = false;
        let mut subject_says_so = false;
        let mut lengths = 0u32;
        for field in header::fields(&to_crlf(header)) {
            let value = field.value();
            let text = String::from_utf8_lossy(&value);
            let text = text.trim();
            match field.name().to_ascii_lowercase().as_slice() {
                b"status" => fields.add_letters(text, &[('R', Flags::SEEN)]),
                b"x-status" => fields.add_letters(text, &X_STATUS),
                b"x-keywords" => add_keywords(&mut fields.claimed_keywords, text),
                b"x-mozilla-keys" => add_keywords(&mut fields.client_keywords, text),
                b"x-mozilla-status" => fields.add_mozilla(text),
                b"x-mozilla-status2" => fields.add_mozilla2(text),
                name @ (b"x-imapbase" | b"x-imap") => {
                    is_imap |= name == b"x-imap";
                    fields.base = fields.base.take().or_else(|| Base::read(text));
                    fields.base_broken = fields.base.is_none();
                }
                b"x-uid" => fields.uid = fields.uid.or_else(|| decimal(text)),
                b"x-uidl" => fields.uidl = fields.uidl.take().or_else(|| uidl(text)),
                b"content-length" => {
                    lengths += 1;
                    fields.content_length = decimal(text).filter(|_| lengths == 1);
                }
                b"received" => {
                    let date = text.rsplit(';').next().and_then(|date| parse_date(date.as_bytes()));
                    fields.received = fields.received.or(date);
                }
                b"date" => fields.date = fields.date.or_else(|| parse_date(text.as_bytes())),
                b"subject" => subject_says_so |= text.starts_with("DON'T DELETE THIS MESSAGE"),
                _ => {}
            }
        }
        // Both marks are asked for: a sender who forges one field must not make a server drop the message.
        fields.is_folder_data = is_imap && subject_says_so;
        fields
    }

    /// The date at which the message arrived, as far as its header says: the newest `Received`, else `Date`.
    pub(crate) fn arrival(&self) -> Option<i64> {
        self.received.or(self.date)
    }

    /// The flags and keywords to believe. A mailbox that names the keywords in use (`Some`) was kept by a server, and a
    /// claim that it does not name came with the mail; where none are named, claims are all there is.
    pub(crate) fn marks(&self, in_use: Option<&[Keyword]>) -> (Flags, Vec<Keyword>) {
        let known = |claimed: &&Keyword| in_use.is_none_or(|in_use| in_use.contains(claimed));
        let mut flags = self.flags;
        let mut keywords: Vec<Keyword> = Vec::new();
        for keyword in self.client_keywords.iter().chain(self.claimed_keywords.iter().filter(known)) {
            // `$Forwarded` is a keyword to servers and a flag here.
            match Flags::from_imap_name(keyword.as_str()) {
                Some(flag) => flags = flags | flag,
                None if keywords.contains(keyword) => {}
                None => keywords.push(keyword.clone()),
            }
        }
        (flags, keywords)
    }

    fn add_letters(&mut self, text: &str, letters: &[(char, Flags)]) {
        for (letter, flag) in letters {
            if text.contains(*letter) {
                self.flags = self.flags | *flag;
            }
        }
    }

    fn add_mozilla(&mut self, text: &str) {
        let bits = hexadecimal(text);
        for (bit, flag) in MOZILLA_STATUS {
            if bits & bit != 0 {
                self.flags = self.flags | flag;
            }
        }
    }

    fn add_mozilla2(&mut self, text: &str) {
        let bits = hexadecimal(text);
        if bits & 0x0020_0000 != 0 {
            self.flags = self.flags | Flags::DELETED;
        }
        let label = (bits >> 25) & 7;
        if (1..=5).contains(&label) {
            add_keywords(&mut self.client_keywords, &format!("$label{label}"));
        }
    }
}

const X_STATUS: [(char, Flags); 4] =
    [('A', Flags::ANSWERED), ('F', Flags::FLAGGED), ('T', Flags::DRAFT), ('D', Flags::DELETED)];

const MOZILLA_STATUS: [(u32, Flags); 5] = [
    (0x0001, Flags::SEEN),
    (0x0002, Flags::ANSWERED),
    (0x0004, Flags::FLAGGED),
    (0x0008, Flags::DELETED),
    (0x1000, Flags::FORWARDED),
];

impl Base {
    fn read(text: &str) -> Option<Self> {
        let mut words = text.split_ascii_whitespace();
        let uidvalidity = words.next().and_then(decimal).filter(|&v| v != 0)?;
        // The field may have come with the mail. Half of all UIDs are more than any mailbox ever gave, and a base above
        // would leave none to give.
        let uid_last = words.next().and_then(decimal).filter(|&uid: &u32| uid <= i32::MAX as u32)?;
        let mut keywords = Vec::new();
        for word in words {
            add_keywords(&mut keywords, word);
        }
        Some(Base { uidvalidity, uid_last, keywords })
    }
}

/// How long the header at the start of `bytes` is, its blank line included; `None` where no blank line is seen.
pub(crate) fn header_length(bytes: &[u8]) -> Option<usize> {
    let mut line_start = 0;
    for end in memchr::memchr_iter(b'\n', bytes) {
        let line = &bytes[line_start..end];
        if line.is_empty() || line == b"\r" {
            return Some(end + 1);
        }
        line_start = end + 1;
    }
    None
}

/// Whether bytes begin with a header field: a name of printable characters and a colon (RFC 5322 §2.2), white space
/// before the colon being old syntax (RFC 5322 §4.5).
pub(crate) fn begins_with_field(bytes: &[u8]) -> bool {
    let length = bytes.iter().take(129).take_while(|&&b| b.is_ascii_graphic() && b != b':').count();
    let rest = &bytes[length..];
    let blank = rest.iter().take(129).take_while(|&&b| b == b' ' || b == b'\t').count();
    (1..=128).contains(&length) && rest.get(blank) == Some(&b':')
}

/// Adds the words that can be keywords, each once.
fn add_keywords(keywords: &mut Vec<Keyword>, text: &str) {
    for keyword in text.split_ascii_whitespace().filter_map(|word| Keyword::new(word).ok()) {
        if keywords.len() < MAX_KEYWORDS && !keywords.contains(&keyword) {
            keywords.push(keyword);
        }
    }
}

fn uidl(text: &str) -> Option<String> {
    let fits = (1..=70).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
    fits.then(|| text.to_owned())
}

fn decimal<T: std::str::FromStr>(text: &str) -> Option<T> {
    if text.bytes().all(|b| b.is_ascii_digit()) { text.parse().ok() } else { None }
}

/// A hexadecimal number of up to eight digits; anything else has no bit set.
fn hexadecimal(text: &str) -> u32 {
    let digits = (1..=8).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit());
    if digits { u32::from_str_radix(text, 16).unwrap_or(0) } else { 0 }
}
