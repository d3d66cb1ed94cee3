//! Transfer encodings undone (RFC 2045 §6).

use super::{Part, hex_pair};
use std::borrow::Cow;

/// A part is in a transfer encoding that is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the part is in a transfer encoding that is not known")]
pub struct UnknownCte;

/// Undoes the transfer encoding of a part's body.
///
/// What is malformed is decoded as far as it can be: in base64, other characters are passed over; in quoted-printable, a
/// `=` that begins no escape stands for itself. The bodies of multiparts and messages are given as they are, because
/// RFC 2045 §6.4 lets nothing encode them as a whole.
///
/// # Errors
/// When the transfer encoding is not one of RFC 2045.
pub fn decode_body<'a>(part: &Part, body: &'a [u8]) -> Result<Cow<'a, [u8]>, UnknownCte> {
    let Some(encoding) = &part.transfer_encoding else { return Ok(Cow::Borrowed(body)) };
    match &encoding.to_ascii_lowercase()[..] {
        b"7bit" | b"8bit" | b"binary" => Ok(Cow::Borrowed(body)),
        b"base64" if part.is_leaf() => Ok(Cow::Owned(base64(body))),
        b"quoted-printable" if part.is_leaf() => Ok(Cow::Owned(quoted_printable(body))),
        b"base64" | b"quoted-printable" => Ok(Cow::Borrowed(body)),
        _ => Err(UnknownCte),
    }
}

impl Part {
    fn is_leaf(&self) -> bool {
        matches!(self.content, super::Content::Leaf)
    }
}

/// The value of each character of the base64 alphabet; 64 for `=`, 255 for every other byte.
const BASE64_VALUES: [u8; 256] = {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=";
    let mut values = [255; 256];
    let mut value = 0;
    while value < alphabet.len() {
        values[alphabet[value] as usize] = value as u8;
        value += 1;
    }
    values
};

/// RFC 2045 §6.8. Padding ends a group of four, and more may follow: parts are made by joining encoded pieces.
fn base64(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 3);
    let (mut group, mut bits) = (0_u32, 0_u32);
    for &byte in text {
        match BASE64_VALUES[usize::from(byte)] {
            255 => {}
            64 => (group, bits) = (0, 0),
            value => {
                group = group << 6 | u32::from(value);
                bits += 6;
                if bits >= 8 {
                    bits -= 8;
                    bytes.push((group >> bits) as u8);
                    group &= (1 << bits) - 1;
                }
            }
        }
    }
    bytes
}

/// RFC 2045 §6.7. White space at the end of a line is the work of a transport and goes.
fn quoted_printable(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let content = line.strip_suffix(b"\n").unwrap_or(line);
        let content = content.strip_suffix(b"\r").unwrap_or(content);
        let ending = &line[content.len()..];
        let mut rest = match ending.is_empty() {
            true => content,
            false => trim_wsp_end(content),
        };
        // A `=` at the end of the line: the line end is none.
        let (soft, kept) = match rest.strip_suffix(b"=") {
            Some(kept) => (true, kept),
            None => (false, rest),
        };
        rest = kept;
        while let Some(at) = memchr::memchr(b'=', rest) {
            bytes.extend_from_slice(&rest[..at]);
            match hex_pair(&rest[at + 1..]) {
                Some(byte) => {
                    bytes.push(byte);
                    rest = &rest[at + 3..];
                }
                None => {
                    bytes.push(b'=');
                    rest = &rest[at + 1..];
                }
            }
        }
        bytes.extend_from_slice(rest);
        if !soft {
            bytes.extend_from_slice(ending);
        }
    }
    bytes
}

fn trim_wsp_end(mut line: &[u8]) -> &[u8] {
    while let [rest @ .., b' ' | b'\t'] = line {
        line = rest;
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_by_table() {
        let table: [(&[u8], &[u8]); 8] = [
            (b"", b""),
            (b"SG9s\r\nYQ==\r\n", b"Hola"),
            (b"SG9sYQ", b"Hola"),
            (b"SG9sYQ==SG9sYQ==", b"HolaHola"),
            (b"S-G*9 s\tY\x80Q==", b"Hola"),
            (b"S", b""),
            (b"=S=G=", b""),
            (b"//79", b"\xff\xfe\xfd"),
        ];
        for (text, bytes) in table {
            assert_eq!(base64(text), bytes, "{}", text.escape_ascii());
        }
    }

    #[test]
    fn quoted_printable_by_table() {
        let table: [(&[u8], &[u8]); 9] = [
            (b"", b""),
            (b"a=20b=3D\r\n", b"a b=\r\n"),
            (b"soft=\r\n line=  \r\n end", b"soft line end"),
            (b"trailing \t\r\nkept ", b"trailing\r\nkept "),
            (b"=c3=b1=C3=B1", b"\xc3\xb1\xc3\xb1"),
            (b"a=b =zz ==41", b"a=b =zz =A"),
            (b"=", b""),
            (b"=4", b"=4"),
            (b"a=0D=0Ab\r\n", b"a\r\nb\r\n"),
        ];
        for (text, bytes) in table {
            assert_eq!(quoted_printable(text), bytes, "{}", text.escape_ascii());
        }
    }
}
