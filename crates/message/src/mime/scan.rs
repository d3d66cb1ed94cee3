//! Reading a structured field value piece by piece (RFC 5322 §3.2, RFC 2045 §5.1).
//!
//! Values come unfolded. What is malformed is read as far as it can be: a quoted string or comment that does not end goes
//! on to the end. Bytes above 127 may stand wherever a letter may.

/// Reads a value from its beginning to its end.
#[derive(Clone, Debug)]
pub(crate) struct Scanner<'a> {
    rest: &'a [u8],
    /// The text of the comment passed over last, without its parentheses.
    comment: Option<&'a [u8]>,
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(value: &'a [u8]) -> Scanner<'a> {
        Scanner { rest: value, comment: None }
    }

    pub(crate) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    pub(crate) fn at_end(&self) -> bool {
        self.rest.is_empty()
    }

    /// Passes over one byte.
    pub(crate) fn bump(&mut self) {
        self.rest = self.rest.get(1..).unwrap_or_default();
    }

    /// Passes over a byte if it comes next.
    pub(crate) fn take(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        if is_next {
            self.bump();
        }
        is_next
    }

    /// Passes over white space and comments (`CFWS`).
    pub(crate) fn skip_space(&mut self) {
        while let Some(byte) = self.peek() {
            match byte {
                b' ' | b'\t' | b'\r' | b'\n' => self.bump(),
                b'(' => self.skip_comment(),
                _ => break,
            }
        }
    }

    /// Takes the comment passed over last.
    pub(crate) fn take_comment(&mut self) -> Option<&'a [u8]> {
        self.comment.take()
    }

    /// Takes bytes while they are as wanted.
    pub(crate) fn take_while(&mut self, wanted: impl Fn(u8) -> bool) -> &'a [u8] {
        let length = self.rest.iter().position(|byte| !wanted(*byte)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(length);
        self.rest = rest;
        taken
    }

    /// Takes a quoted string whose `"` comes next: its content, unescaped.
    pub(crate) fn quoted_string(&mut self) -> Vec<u8> {
        self.bump();
        let mut content = Vec::new();
        while let Some(byte) = self.peek() {
            self.bump();
            match (byte, self.peek()) {
                (b'"', _) => break,
                (b'\\', Some(escaped)) => {
                    content.push(escaped);
                    self.bump();
                }
                _ => content.push(byte),
            }
        }
        content
    }

    /// Takes a token of RFC 2045 §5.1; empty when none comes next.
    pub(crate) fn token(&mut self) -> &'a [u8] {
        self.take_while(|byte| is_atext(byte) && !matches!(byte, b'/' | b'?' | b'=') || byte == b'.')
    }

    fn skip_comment(&mut self) {
        let content = &self.rest[1..];
        let mut depth = 0_usize;
        while let Some(byte) = self.peek() {
            self.bump();
            match byte {
                b'(' => depth += 1,
                b')' => depth -= 1,
                b'\\' => self.bump(),
                _ => {}
            }
            if depth == 0 {
                self.comment = Some(&content[..content.len() - self.rest.len() - 1]);
                return;
            }
        }
        self.comment = Some(content);
    }
}

/// `atext` of RFC 5322 §3.2.3, and what is not ASCII.
pub(crate) fn is_atext(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte) || byte >= 0x80
}
