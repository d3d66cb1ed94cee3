//! Replies (RFC 5321 §4.2) with enhanced status codes (RFC 2034, RFC 3463).

/// An enhanced status code: class, subject, detail.
pub(crate) type Enhanced = (u8, u16, u16);

/// A reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    code: u16,
    enhanced: Option<Enhanced>,
    /// One line at least.
    lines: Vec<String>,
}

impl Reply {
    /// A reply with an enhanced code.
    pub(crate) fn new(code: u16, enhanced: Enhanced, text: impl Into<String>) -> Self {
        Self::of_lines(code, enhanced, vec![text.into()])
    }

    /// A reply of several lines, each with the enhanced code (RFC 2034 §4).
    pub(crate) fn of_lines(code: u16, enhanced: Enhanced, lines: Vec<String>) -> Self {
        Reply { code, enhanced: Some(enhanced), lines }
    }

    /// One that has none: 2xx of the greeting and EHLO, and 3xx (RFC 2034 §4).
    pub(crate) fn plain(code: u16, text: impl Into<String>) -> Self {
        Reply { code, enhanced: None, lines: vec![text.into()] }
    }

    /// The reply code.
    #[cfg(test)]
    pub(crate) fn code(&self) -> u16 {
        self.code
    }

    /// The enhanced code; that of its class alone where it has none.
    pub(crate) fn enhanced(&self) -> Enhanced {
        self.enhanced.unwrap_or((u8::try_from(self.code / 100).unwrap_or(5), 0, 0))
    }

    /// Whether it says yes.
    pub(crate) fn is_good(&self) -> bool {
        self.code < 400
    }

    /// Whether trying again later is of use.
    pub(crate) fn is_temporary(&self) -> bool {
        (400..500).contains(&self.code)
    }

    /// Writes it.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let with_code = |line: &String| match self.enhanced {
            Some((class, subject, detail)) => format!("{class}.{subject}.{detail} {line}"),
            None => line.clone(),
        };
        let lines: Vec<String> = self.lines.iter().map(with_code).collect();
        write_lines(self.code, &lines, out);
    }
}

/// Writes a reply of several lines.
pub(crate) fn write_lines(code: u16, lines: &[String], out: &mut Vec<u8>) {
    for (number, line) in lines.iter().enumerate() {
        let mark = if number + 1 < lines.len() { '-' } else { ' ' };
        out.extend_from_slice(format!("{code}{mark}").as_bytes());
        // A text may quote what a client sent, which never begins a line of ours.
        out.extend(line.bytes().map(|b| if b == b'\r' || b == b'\n' { b' ' } else { b }));
        out.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_written_a_line_at_a_time() {
        let mut out = Vec::new();
        Reply::new(550, (5, 1, 1), "there is nobody\r\n250 of that name").write(&mut out);
        Reply::plain(354, "go on").write(&mut out);
        write_lines(250, &["one".to_owned(), "two".to_owned()], &mut out);
        assert_eq!(out, b"550 5.1.1 there is nobody  250 of that name\r\n354 go on\r\n250-one\r\n250 two\r\n");
    }
}
