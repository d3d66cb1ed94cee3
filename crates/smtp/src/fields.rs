//! Taking header fields out of a message.

use std::borrow::Cow;

/// The message in CRLF form without the header fields whose names are wanted gone; the names are given as written.
pub(crate) fn without<'a>(crlf: &'a [u8], is_gone: impl Fn(&[u8]) -> bool) -> Cow<'a, [u8]> {
    let mut kept: Option<Vec<u8>> = None;
    let (mut at, mut gone) = (0, false);
    while at < crlf.len() {
        let end = memchr::memchr(b'\n', &crlf[at..]).map_or(crlf.len(), |line| at + line + 1);
        let line = &crlf[at..end];
        if line == b"\r\n" {
            break;
        }
        if !line.starts_with(b" ") && !line.starts_with(b"\t") {
            let name = memchr::memchr(b':', line).map(|colon| line[..colon].trim_ascii_end());
            gone = name.is_some_and(&is_gone);
        }
        match (&mut kept, gone) {
            (None, true) => kept = Some(crlf[..at].to_vec()),
            (Some(kept), false) => kept.extend_from_slice(line),
            _ => {}
        }
        at = end;
    }
    match kept {
        None => Cow::Borrowed(crlf),
        Some(mut kept) => {
            kept.extend_from_slice(&crlf[at..]);
            Cow::Owned(kept)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_taken_out_with_their_folds() {
        let is_bcc = |name: &[u8]| name.eq_ignore_ascii_case(b"Bcc");
        for (message, expected) in [
            ("A: 1\r\nBcc: x,\r\n y\r\nB: 2\r\n\r\nBcc: z\r\n", "A: 1\r\nB: 2\r\n\r\nBcc: z\r\n"),
            ("BCC : x\r\n\r\n", "\r\n"),
            ("Bcc: x", ""),
            ("A: 1\r\n Bcc: fold\r\n\r\n", "A: 1\r\n Bcc: fold\r\n\r\n"),
            ("\r\nBcc: body\r\n", "\r\nBcc: body\r\n"),
            ("", ""),
        ] {
            assert_eq!(without(message.as_bytes(), is_bcc), expected.as_bytes(), "{message:?}");
        }
    }
}
