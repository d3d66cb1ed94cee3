//! IMAP commands: frames do not depend on how the stream is cut, nothing panics, errors lie within the command, and what
//! imap-codec understands too is understood alike.
//!
//! The syntax is no public part of its crate, so its files are compiled into the target.

#![no_main]

use libfuzzer_sys::fuzz_target;
use syntax::{Frame, Framer, FramerLimits, ParseContext};

#[allow(dead_code, unused_imports)]
#[path = "../../crates/imap/src/syntax/mod.rs"]
mod syntax;

#[path = "../../crates/imap/src/syntax/parse/tests/oracle.rs"]
mod oracle;

const LIMITS: FramerLimits = FramerLimits {
    max_line_bytes: 200,
    max_literal_bytes: 100,
    max_unasked_literal_bytes: 50,
    max_command_bytes: 300,
    max_discard_bytes: 500,
};

// The first byte says how the stream is cut.
fuzz_target!(|input: &[u8]| {
    let Some((&cut, stream)) = input.split_first() else { return };
    let frames = frames(&mut Framer::new(LIMITS), stream);
    assert_eq!(frames_of_pieces(stream, usize::from(cut) + 1), frames);
    for frame in frames {
        if let Frame::Command(command) = frame {
            check(&command);
        }
    }
    // Most streams hold no whole command; this takes one for it.
    check(stream);
});

fn check(command: &[u8]) {
    for flags in 0..8 {
        let context = ParseContext { utf8: flags & 1 > 0, rev2: flags & 2 > 0, uid_only: flags & 4 > 0 };
        if let Err(error) = syntax::parse(command, context) {
            assert!(error.at <= command.len());
        }
    }
    let Some((theirs, written)) = oracle::read(command) else { return };
    let Some(expected) = oracle::as_ours(&theirs) else { return };
    for command in [command, &written] {
        match syntax::parse(command, ParseContext::default()) {
            Ok(ours) => assert_eq!(oracle::resolved(ours), expected),
            Err(error) => assert!(oracle::argued(&error).is_some(), "{error}, but {theirs:?}"),
        }
    }
}

fn frames(framer: &mut Framer, bytes: &[u8]) -> Vec<Frame> {
    framer.push(bytes);
    std::iter::from_fn(|| framer.next()).collect()
}

fn frames_of_pieces(stream: &[u8], length: usize) -> Vec<Frame> {
    let mut framer = Framer::new(LIMITS);
    stream.chunks(length).flat_map(|piece| frames(&mut framer, piece)).collect()
}
