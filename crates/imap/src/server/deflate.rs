//! DEFLATE in both directions (RFC 4978).

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use std::io;

/// How much plain text is made in one go of what a client sent.
const PLAIN_BYTES: usize = 8 * 1024;
/// By how much the buffer for compressed text grows when it is full.
const PACKED_BYTES: usize = 8 * 1024;

/// Both directions of a compressed connection.
pub(super) struct Deflate {
    inward: Decompress,
    /// Made when there is something to say, and given back in a silence: its 300 kilobytes are most of what an idle
    /// session would hold. After a flush, a new one may go on in the same stream: it refers to nothing said before.
    outward: Option<Compress>,
    /// What came in and is not unpacked yet.
    packed: Vec<u8>,
    /// There may be more plain text in what was unpacked already.
    more: bool,
}

impl Deflate {
    /// Begins. These bytes came behind the command that began it.
    pub(super) fn new(packed: Vec<u8>) -> Self {
        Deflate { inward: Decompress::new(false), outward: None, more: !packed.is_empty(), packed }
    }

    /// Takes what came in.
    pub(super) fn take_in(&mut self, packed: &[u8]) {
        self.packed.extend_from_slice(packed);
        self.more = true;
    }

    /// Unpacks a bounded part of what came in; `None` when there is nothing more. A small packet can hold a large
    /// text, so that the caller looks at each part before it asks for the next.
    ///
    /// # Errors
    /// When it is no DEFLATE, or the client ended it.
    pub(super) fn unpack(&mut self) -> io::Result<Option<Vec<u8>>> {
        while self.more {
            let mut plain = Vec::with_capacity(PLAIN_BYTES);
            let before = self.inward.total_in();
            let status = self.inward.decompress_vec(&self.packed, &mut plain, FlushDecompress::Sync);
            let taken = usize::try_from(self.inward.total_in() - before).unwrap_or(usize::MAX);
            self.packed.drain(..taken.min(self.packed.len()));
            match status {
                Ok(Status::StreamEnd) => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "DEFLATE was ended")),
                Ok(Status::Ok | Status::BufError) => {}
                Err(error) => return Err(io::Error::new(io::ErrorKind::InvalidData, error)),
            }
            // What was taken may come out with the next call, or with none before more comes in.
            self.more = taken > 0 || !plain.is_empty();
            if !plain.is_empty() {
                return Ok(Some(plain));
            }
        }
        Ok(None)
    }

    /// Packs what is to be said, so that it can be understood without what follows.
    ///
    /// # Errors
    /// When DEFLATE itself fails.
    pub(super) fn pack(&mut self, plain: &[u8]) -> io::Result<Vec<u8>> {
        let outward = self.outward.get_or_insert_with(|| Compress::new(Compression::fast(), false));
        let mut packed = Vec::with_capacity(plain.len() / 4 + 64);
        let begin = outward.total_in();
        loop {
            let taken = usize::try_from(outward.total_in() - begin).unwrap_or(usize::MAX);
            let rest = &plain[taken.min(plain.len())..];
            outward.compress_vec(rest, &mut packed, FlushCompress::Sync).map_err(io::Error::other)?;
            let taken = usize::try_from(outward.total_in() - begin).unwrap_or(usize::MAX);
            // Room that is left says that the flush was whole.
            if taken >= plain.len() && packed.len() < packed.capacity() {
                return Ok(packed);
            }
            packed.reserve(PACKED_BYTES);
        }
    }

    /// Gives back what a silent session does not need.
    pub(super) fn rest(&mut self) {
        self.outward = None;
        self.packed.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn unpacked(deflate: &mut Deflate) -> Vec<u8> {
        let mut plain = Vec::new();
        while let Some(part) = deflate.unpack().unwrap() {
            assert!(part.len() <= 2 * PLAIN_BYTES, "a part is bounded");
            plain.extend(part);
        }
        plain
    }

    #[test]
    fn what_is_packed_is_unpacked_whole_after_each_flush() {
        let (mut server, mut client) = (Deflate::new(Vec::new()), Deflate::new(Vec::new()));
        let noise: Vec<u8> = (0..200_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        for (round, text) in [&b"* OK hello\r\n"[..], b"", &[b'a'; 300_000], &noise, b"x"].into_iter().enumerate() {
            client.take_in(&server.pack(text).unwrap());
            assert!(unpacked(&mut client) == text, "in round {round}");
            if round % 2 == 0 {
                server.rest();
            }
        }
    }

    #[test]
    fn a_text_that_comes_byte_by_byte_is_the_same() {
        let (mut server, mut client) = (Deflate::new(Vec::new()), Deflate::new(Vec::new()));
        let mut plain = Vec::new();
        for byte in server.pack(&b"a1 NOOP\r\n".repeat(50)).unwrap() {
            client.take_in(&[byte]);
            plain.extend(unpacked(&mut client));
        }
        assert_eq!(plain, b"a1 NOOP\r\n".repeat(50));
    }

    #[test]
    fn garbage_is_an_error_and_no_text() {
        let mut client = Deflate::new(b"a1 NOOP\r\na2 NOOP\r\n".to_vec());
        let mut outcome = Ok(Some(Vec::new()));
        while matches!(outcome, Ok(Some(_))) {
            outcome = client.unpack();
        }
        assert!(outcome.is_err());
    }
}
