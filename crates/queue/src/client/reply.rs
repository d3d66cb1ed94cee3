//! What a server says: replies (RFC 5321 §4.2), read from bytes that nobody vouches for.
//!
//! ```abnf
//! Reply-line = *( Reply-code "-" [ textstring ] CRLF ) Reply-code [ SP textstring ] CRLF
//! ```

use crate::job::Said;

/// The longest line taken, end included. RFC 5321 §4.5.3.1.5 has 512; some servers explain themselves at length.
const MAX_LINE_BYTES: usize = 2048;
/// Lines of a reply: the longest honest ones are those to EHLO.
const MAX_LINES: usize = 128;
/// What is kept of a reply's text, in characters: more than any cause needs.
const MAX_TEXT_CHARS: usize = 500;

/// A complete reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    /// 200 to 599.
    pub(crate) code: u16,
    /// The text of each line, without codes and control characters.
    pub(crate) lines: Vec<String>,
    status: Option<(u8, u16, u16)>,
}

/// It is no reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ReplyError {
    /// A line without a code, or lines with different ones.
    #[error("what the server said is no reply of SMTP")]
    Malformed,
    /// A line or a reply without an end.
    #[error("the server's reply is too long")]
    TooLong,
}

impl Reply {
    /// 2yz: it is done.
    pub(crate) fn is_positive(&self) -> bool {
        self.code / 100 == 2
    }

    /// 3yz: it goes on.
    pub(crate) fn is_intermediate(&self) -> bool {
        self.code / 100 == 3
    }

    /// 5yz: it will not be done the next time either.
    pub(crate) fn is_permanent(&self) -> bool {
        self.code / 100 == 5
    }

    /// 421 closes the connection whatever it answers (RFC 5321 §3.8).
    pub(crate) fn closes(&self) -> bool {
        self.code == 421
    }

    /// Whether it says that this transaction has recipients enough, and not that this recipient is at fault
    /// (RFC 5321 §4.5.3.1.10).
    pub(crate) fn is_too_many_recipients(&self) -> bool {
        match self.status {
            Some(status) => status == (4, 5, 3) || status == (5, 5, 3),
            None => self.code == 452,
        }
    }

    /// The status of RFC 3463: as it was said, where class and code agree, else what the code means.
    pub(crate) fn status(&self) -> (u8, u16, u16) {
        self.status.unwrap_or_else(|| {
            let class = if self.is_positive() { 2 } else { 4 + u8::from(self.is_permanent()) };
            match self.code {
                421 => (4, 3, 2),
                452 => (4, 3, 1),
                521 | 556 => (5, 3, 2),
                530 | 535 | 554 if class == 5 => (5, 7, 0),
                552 => (5, 3, 4),
                _ => (class, 0, 0),
            }
        })
    }

    /// The reply on one line of bounded length.
    pub(crate) fn text(&self) -> String {
        let mut text = self.code.to_string();
        if let Some((class, subject, detail)) = self.status {
            text.push_str(&format!(" {class}.{subject}.{detail}"));
        }
        for line in self.lines.iter().filter(|line| !line.is_empty()) {
            text.push(' ');
            text.push_str(line);
        }
        bounded(&text)
    }

    /// Who said it, and what.
    pub(crate) fn said_by(&self, server: &str) -> Said {
        Said { server: Some(server.to_owned()), status: self.status(), text: self.text() }
    }
}

/// Puts replies together from bytes as they come.
#[derive(Debug, Default)]
pub(crate) struct Replies {
    bytes: Vec<u8>,
    code: Option<u16>,
    status: Option<(u8, u16, u16)>,
    lines: Vec<String>,
}

impl Replies {
    /// Takes bytes that came.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Whether nothing has come that is not yet looked at.
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty() && self.code.is_none()
    }

    /// The next complete reply; `None`: more is needed.
    ///
    /// # Errors
    /// When it is none: what comes after it means nothing.
    pub(crate) fn next(&mut self) -> Result<Option<Reply>, ReplyError> {
        while let Some(end) = memchr::memchr(b'\n', &self.bytes) {
            if end >= MAX_LINE_BYTES {
                return Err(ReplyError::TooLong);
            }
            let line: Vec<u8> = self.bytes.drain(..=end).collect();
            // A bare LF ends a line too: some servers send nothing else, and nothing can be smuggled to us with it.
            let line = line.strip_suffix(b"\n").unwrap_or(&line);
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if let Some(reply) = self.line(line)? {
                return Ok(Some(reply));
            }
        }
        if self.bytes.len() >= MAX_LINE_BYTES { Err(ReplyError::TooLong) } else { Ok(None) }
    }

    fn line(&mut self, line: &[u8]) -> Result<Option<Reply>, ReplyError> {
        let (code, rest) = line.split_at_checked(3).ok_or(ReplyError::Malformed)?;
        let code = match code {
            [a @ b'2'..=b'5', b @ b'0'..=b'9', c @ b'0'..=b'9'] => {
                u16::from(a - b'0') * 100 + u16::from(b - b'0') * 10 + u16::from(c - b'0')
            }
            _ => return Err(ReplyError::Malformed),
        };
        let (goes_on, text) = match rest {
            [] => (false, rest),
            [b' ', text @ ..] => (false, text),
            [b'-', text @ ..] => (true, text),
            _ => return Err(ReplyError::Malformed),
        };
        if *self.code.get_or_insert(code) != code {
            return Err(ReplyError::Malformed);
        }
        if self.lines.len() == MAX_LINES {
            return Err(ReplyError::TooLong);
        }
        let text = String::from_utf8_lossy(text);
        let (status, text) = split_status(&text, code);
        if self.lines.is_empty() {
            self.status = status;
        }
        self.lines.push(printable(text));
        if goes_on {
            return Ok(None);
        }
        self.code = None;
        Ok(Some(Reply { code, lines: std::mem::take(&mut self.lines), status: self.status.take() }))
    }
}

/// Takes the enhanced status code off the front of a line (RFC 2034 §4), if it is one and of the code's class.
fn split_status(text: &str, code: u16) -> (Option<(u8, u16, u16)>, &str) {
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    let mut parts = word.split('.');
    let mut number = |digits: usize| {
        let part = parts.next()?;
        let fits = (1..=digits).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
        fits.then(|| part.parse::<u16>().ok()).flatten()
    };
    let (Some(class), Some(subject), Some(detail)) = (number(1), number(3), number(3)) else { return (None, text) };
    if parts.next().is_some() || class != code / 100 || !matches!(class, 2 | 4 | 5) {
        return (None, text);
    }
    (Some((class as u8, subject, detail)), rest)
}

/// Text without what moves a terminal's cursor, ends a line, or turns the reading direction.
pub(crate) fn printable(text: &str) -> String {
    let keep = |c: char| match c {
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' => ' ',
        c if c.is_control() => ' ',
        c => c,
    };
    text.chars().map(keep).collect::<String>().trim().to_owned()
}

/// Text of bounded length.
pub(crate) fn bounded(text: &str) -> String {
    match text.char_indices().nth(MAX_TEXT_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<Option<Reply>, ReplyError> {
        let mut replies = Replies::default();
        replies.feed(bytes);
        replies.next()
    }

    #[test]
    fn replies_of_one_line_and_of_many() {
        for (bytes, code, text, status) in [
            (&b"250 OK\r\n"[..], 250, "250 OK", (2, 0, 0)),
            (b"250\r\n", 250, "250", (2, 0, 0)),
            (b"250 2.1.5 fine\n", 250, "250 2.1.5 fine", (2, 1, 5)),
            (b"550-5.1.1 no\r\n550 5.1.1 body\r\n", 550, "550 5.1.1 no body", (5, 1, 1)),
            (b"550 4.1.1 classes differ\r\n", 550, "550 4.1.1 classes differ", (5, 0, 0)),
            (b"552 2.x\r\n", 552, "552 2.x", (5, 3, 4)),
            (b"421 4.7.0.1 four\r\n", 421, "421 4.7.0.1 four", (4, 3, 2)),
            (b"550 5.1234.1 long\r\n", 550, "550 5.1234.1 long", (5, 0, 0)),
            (b"450 4.7.1 \x1b[2Jse\xffcret\x00\r\n", 450, "450 4.7.1 [2Jse\u{fffd}cret", (4, 7, 1)),
            ("450 turned \u{202e}round\r\n".as_bytes(), 450, "450 turned  round", (4, 0, 0)),
        ] {
            let reply = read(bytes).unwrap().unwrap();
            assert_eq!((reply.code, reply.text().as_str(), reply.status()), (code, text, status));
        }
    }

    #[test]
    fn bytes_come_one_by_one() {
        let mut replies = Replies::default();
        let mut read = Vec::new();
        for byte in b"250-a\r\n250 b\r\n354 go\r\n" {
            replies.feed(&[*byte]);
            read.extend(replies.next().unwrap());
        }
        assert_eq!(read.iter().map(|r| r.text()).collect::<Vec<_>>(), ["250 a b", "354 go"]);
        assert!(replies.is_empty());
    }

    #[test]
    fn what_is_no_reply_is_refused() {
        for bytes in
            [&b"\r\n"[..], b"25\r\n", b"1x0 no\r\n", b"150 no\r\n", b"600 no\r\n", b"250_no\r\n", b"250-a\r\n251 b\r\n"]
        {
            assert_eq!(read(bytes), Err(ReplyError::Malformed), "{bytes:?}");
        }
    }

    #[test]
    fn replies_without_an_end_are_refused() {
        assert_eq!(read(&[b'2'; MAX_LINE_BYTES]), Err(ReplyError::TooLong));
        assert_eq!(read(format!("250 {}\r\n", "x".repeat(MAX_LINE_BYTES)).as_bytes()), Err(ReplyError::TooLong));
        assert_eq!(read("250-more\r\n".repeat(MAX_LINES + 1).as_bytes()), Err(ReplyError::TooLong));
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let reply = read(format!("{}550 end\r\n", format!("550-{}\r\n", "é".repeat(900)).repeat(100)).as_bytes());
        assert!(reply.unwrap().unwrap().text().chars().count() <= MAX_TEXT_CHARS + 1);
    }
}
