//! ManageSieve: commands do not depend on how the stream is cut, texts are never longer than is taken, and every command is
//! made sense of or refused.
//!
//! The syntax is no public part of its crate, so its file is compiled into the target.

#![no_main]

use libfuzzer_sys::fuzz_target;
use syntax::{Command, Frame, Framer, Lost, Word, parse};

#[allow(dead_code)]
#[path = "../../crates/managesieve/src/syntax.rs"]
mod syntax;

const MAX_TEXT_BYTES: usize = 100;

// The first byte says how the stream is cut.
fuzz_target!(|input: &[u8]| {
    let Some((&piece, stream)) = input.split_first() else { return };
    let (frames, lost) = framed(stream, stream.len().max(1));
    assert!(framed(stream, usize::from(piece) + 1) == (frames.clone(), lost));
    for frame in frames {
        let Frame::Words(words) = frame else { continue };
        let literals: usize = words.iter().map(|word| if let Word::Text(text) = word { text.len() } else { 0 }).sum();
        // Quoted strings are bounded by their line.
        assert!(words.len() <= 3 && literals <= MAX_TEXT_BYTES + 8 * 1024);
        if let Ok(Command::PutScript { name, .. } | Command::HaveSpace { name, .. } | Command::RenameScript { to: name, .. }) =
            parse(words)
        {
            assert!(!name.is_empty() && name.len() <= 512 && !name.chars().any(char::is_control));
        }
    }
});

/// The commands of a stream that comes in pieces, and how it ended.
fn framed(stream: &[u8], piece: usize) -> (Vec<Frame>, Option<Lost>) {
    let mut framer = Framer::new(MAX_TEXT_BYTES);
    let mut frames = Vec::new();
    for piece in stream.chunks(piece) {
        framer.room(piece.len()).extend_from_slice(piece);
        loop {
            match framer.next() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(lost) => return (frames, Some(lost)),
            }
        }
    }
    (frames, None)
}
