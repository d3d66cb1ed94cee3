//! A message as DATA sends it: dots doubled at the beginning of lines (RFC 5321 §4.5.2), every line ended by CRLF.

use memchr::memchr2;

/// What is handed on at once.
pub(crate) const BLOCK_BYTES: usize = 64 * 1024;

/// Goes through a message block by block.
///
/// What is sent holds no CR and no LF but in CRLF: one that stands alone ends a line for some servers and not for
/// others, and a message could be hidden behind it (RFC 5321 §2.3.8).
#[derive(Debug)]
pub(crate) struct Stuffed<'a> {
    rest: &'a [u8],
    begins_line: bool,
    ended: bool,
}

impl<'a> Stuffed<'a> {
    pub(crate) fn new(message: &'a [u8]) -> Self {
        Stuffed { rest: message, begins_line: true, ended: false }
    }

    /// Puts the next block into `block`, in place of what it holds; whether it is the last, with the final dot.
    pub(crate) fn next(&mut self, block: &mut Vec<u8>) -> bool {
        block.clear();
        while block.len() < BLOCK_BYTES && !self.rest.is_empty() {
            if self.begins_line && self.rest[0] == b'.' {
                block.push(b'.');
            }
            // No farther than a block, so that its size stays what it is.
            let window = &self.rest[..self.rest.len().min(BLOCK_BYTES)];
            let end = memchr2(b'\r', b'\n', window);
            let text = end.unwrap_or(window.len());
            block.extend_from_slice(&window[..text]);
            self.begins_line = end.is_some();
            let eol = match &self.rest[text..] {
                [b'\r', b'\n', ..] => 2,
                [b'\r' | b'\n', ..] => 1,
                _ => 0,
            };
            if end.is_some() {
                block.extend_from_slice(b"\r\n");
            }
            self.rest = &self.rest[text + if end.is_some() { eol } else { 0 }..];
        }
        if !self.rest.is_empty() || self.ended {
            return self.ended;
        }
        if !self.begins_line {
            block.extend_from_slice(b"\r\n");
        }
        block.extend_from_slice(b".\r\n");
        self.ended = true;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stuffed(message: &[u8]) -> Vec<u8> {
        let (mut all, mut block, mut stuffed) = (Vec::new(), Vec::new(), Stuffed::new(message));
        loop {
            let last = stuffed.next(&mut block);
            assert!(block.len() <= 2 * BLOCK_BYTES + 8);
            all.extend_from_slice(&block);
            if last {
                return all;
            }
        }
    }

    #[test]
    fn dots_are_doubled_and_lines_ended() {
        for (message, sent) in [
            (&b""[..], &b".\r\n"[..]),
            (b"a\r\n", b"a\r\n.\r\n"),
            (b"a", b"a\r\n.\r\n"),
            (b".\r\n", b"..\r\n.\r\n"),
            (b"a.\r\n..b\r\n", b"a.\r\n...b\r\n.\r\n"),
            (b"a\n.\nb", b"a\r\n..\r\nb\r\n.\r\n"),
            (b"a\n.\r\nb", b"a\r\n..\r\nb\r\n.\r\n"),
            (b"a\r.\rb\r", b"a\r\n..\r\nb\r\n.\r\n"),
            (b"a\r\r\n.", b"a\r\n\r\n..\r\n.\r\n"),
            (b"a\r\n\0.\r\n", b"a\r\n\0.\r\n.\r\n"),
        ] {
            assert_eq!(stuffed(message), sent, "{message:?}");
        }
    }

    #[test]
    fn nothing_ends_the_message_before_its_end() {
        // Every text over the bytes that matter, and shorter ones across the border of two blocks.
        let alphabet = b"\r\n.a";
        for (length, before) in [(6, 0), (4, BLOCK_BYTES - 2)] {
            for number in 0..4usize.pow(length) {
                let text: Vec<u8> = (0..length).map(|place| alphabet[number / 4usize.pow(place) % 4]).collect();
                // What stands before the border has no end of a line and says nothing.
                let sent = stuffed(&[vec![b'x'; before], text.clone()].concat());
                let sent = sent[before.saturating_sub(1)..].to_vec();
                let mut framed = b"\r\n".to_vec();
                framed.extend_from_slice(&sent);
                let end = framed.windows(5).position(|five| five == b"\r\n.\r\n");
                assert_eq!(end, Some(framed.len() - 5), "{text:?}");
                let bare = |pair: &[u8]| (pair[0] == b'\r') != (pair[1] == b'\n');
                assert!(!framed.windows(2).any(bare), "{text:?}");
            }
        }
    }
}
