//! The small binary encoding of record heads and manifests: LEB128 integers, length-prefixed bytes.
//!
//! Decoding never trusts a length: it is compared with what is left before anything is allocated.

/// Encoded bytes end early or hold a value that cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the encoded data is malformed")]
pub struct Malformed;

/// Appends encoded values to a buffer.
#[derive(Debug, Default)]
pub(crate) struct Encoder {
    pub(crate) bytes: Vec<u8>,
}

impl Encoder {
    pub(crate) fn unsigned(&mut self, mut value: u64) -> &mut Self {
        while value >= 0x80 {
            self.bytes.push((value as u8) | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
        self
    }

    pub(crate) fn signed(&mut self, value: i64) -> &mut Self {
        self.unsigned(((value << 1) ^ (value >> 63)) as u64)
    }

    pub(crate) fn bytes(&mut self, value: &[u8]) -> &mut Self {
        self.unsigned(value.len() as u64);
        self.bytes.extend_from_slice(value);
        self
    }

    pub(crate) fn raw(&mut self, value: &[u8]) -> &mut Self {
        self.bytes.extend_from_slice(value);
        self
    }

    /// `None` as 0, a value as itself + 1 (and so at most `u64::MAX - 1`, which lengths and sizes never reach).
    pub(crate) fn optional(&mut self, value: Option<u64>) -> &mut Self {
        self.unsigned(value.map_or(0, |v| v.saturating_add(1)))
    }

    /// A hash fragment may be any 64 bits: a presence byte and eight bytes.
    pub(crate) fn optional_word(&mut self, value: Option<u64>) -> &mut Self {
        match value {
            None => self.bytes.push(0),
            Some(word) => {
                self.bytes.push(1);
                self.bytes.extend_from_slice(&word.to_le_bytes());
            }
        }
        self
    }

    pub(crate) fn optional_bytes(&mut self, value: Option<&[u8]>) -> &mut Self {
        match value {
            None => self.unsigned(0),
            Some(bytes) => {
                self.unsigned(bytes.len() as u64 + 1);
                self.raw(bytes)
            }
        }
    }
}

/// Takes encoded values off the front of a slice.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Decoder<'a> {
    rest: &'a [u8],
}

impl<'a> Decoder<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Decoder { rest: bytes }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// What was not taken yet.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(crate) fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let (head, rest) = self.rest.split_at_checked(length).ok_or(Malformed)?;
        self.rest = rest;
        Ok(head)
    }

    pub(crate) fn byte(&mut self) -> Result<u8, Malformed> {
        Ok(self.take(1)?[0])
    }

    pub(crate) fn unsigned(&mut self) -> Result<u64, Malformed> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return Err(Malformed);
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Malformed)
    }

    pub(crate) fn narrow<T: TryFrom<u64>>(&mut self) -> Result<T, Malformed> {
        T::try_from(self.unsigned()?).map_err(|_| Malformed)
    }

    pub(crate) fn signed(&mut self) -> Result<i64, Malformed> {
        let value = self.unsigned()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], Malformed> {
        let length = self.narrow()?;
        self.take(length)
    }

    pub(crate) fn text(&mut self) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Malformed)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        self.take(N)?.try_into().map_err(|_| Malformed)
    }

    pub(crate) fn optional(&mut self) -> Result<Option<u64>, Malformed> {
        Ok(self.unsigned()?.checked_sub(1))
    }

    pub(crate) fn optional_word(&mut self) -> Result<Option<u64>, Malformed> {
        match self.byte()? {
            0 => Ok(None),
            1 => Ok(Some(u64::from_le_bytes(self.array()?))),
            _ => Err(Malformed),
        }
    }

    pub(crate) fn optional_text(&mut self) -> Result<Option<&'a str>, Malformed> {
        match self.narrow::<usize>()?.checked_sub(1) {
            None => Ok(None),
            Some(length) => std::str::from_utf8(self.take(length)?).map(Some).map_err(|_| Malformed),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(a: u64, b: i64, c: Vec<u8>, d: Option<u32>, e: Option<u64>, f: Option<String>) {
            let mut out = Encoder::default();
            out.unsigned(a).signed(b).bytes(&c).optional(d.map(u64::from)).optional_word(e);
            out.optional_bytes(f.as_deref().map(str::as_bytes));
            let mut back = Decoder::new(&out.bytes);
            prop_assert_eq!(back.unsigned().unwrap(), a);
            prop_assert_eq!(back.signed().unwrap(), b);
            prop_assert_eq!(back.bytes().unwrap(), &c[..]);
            prop_assert_eq!(back.optional().unwrap(), d.map(u64::from));
            prop_assert_eq!(back.optional_word().unwrap(), e);
            prop_assert_eq!(back.optional_text().unwrap(), f.as_deref());
            prop_assert!(back.is_empty());
        }

        #[test]
        fn any_bytes_are_decoded_or_refused(bytes: Vec<u8>) {
            let mut back = Decoder::new(&bytes);
            while back.bytes().is_ok() && !back.is_empty() {}
        }
    }
}
