//! The compact form in which keys are kept: numbers of seven bits a byte, least significant first, and bytes behind their
//! length.
//!
//! What is kept is derived and may be damaged: reading past the end gives zeros and nothing.

#[derive(Default)]
pub(super) struct Writer(pub(super) Vec<u8>);

impl Writer {
    pub(super) fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    /// A time in seconds, or none: small numbers about zero are short.
    pub(super) fn time(&mut self, time_s: Option<i64>) {
        let zigzag = |time: i64| ((time << 1) ^ (time >> 63)) as u64;
        self.number(time_s.map_or(0, |time| zigzag(time).saturating_add(1)));
    }
}

pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn number(&mut self) -> u64 {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let Some((&byte, rest)) = self.0.split_first() else { return 0 };
            self.0 = rest;
            number |= u64::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                break;
            }
        }
        number
    }

    pub(super) fn bytes(&mut self) -> &'a [u8] {
        let length = usize::try_from(self.number()).unwrap_or(usize::MAX).min(self.0.len());
        let (bytes, rest) = self.0.split_at(length);
        self.0 = rest;
        bytes
    }

    pub(super) fn time(&mut self) -> Option<i64> {
        let zigzag = self.number().checked_sub(1)?;
        Some((zigzag >> 1) as i64 ^ -((zigzag & 1) as i64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(number: u64, bytes: Vec<u8>, time_s in proptest::option::of(i64::MIN / 2..i64::MAX / 2)) {
            let mut writer = Writer::default();
            writer.number(number);
            writer.bytes(&bytes);
            writer.time(time_s);
            let mut reader = Reader(&writer.0);
            prop_assert_eq!(reader.number(), number);
            prop_assert_eq!(reader.bytes(), &bytes[..]);
            prop_assert_eq!(reader.time(), time_s);
            prop_assert!(reader.0.is_empty());
        }

        #[test]
        fn any_bytes_are_read(bytes: Vec<u8>) {
            let mut reader = Reader(&bytes);
            reader.time();
            reader.bytes();
            reader.number();
        }
    }
}
