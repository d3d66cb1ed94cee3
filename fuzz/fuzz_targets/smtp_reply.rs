//! Replies of SMTP servers: they do not depend on how the stream is cut, and what is kept of one is bounded, of one line, and
//! of one class.
//!
//! Replies are no public part of their crate, so their file is compiled into the target.

#![no_main]

use libfuzzer_sys::fuzz_target;
use reply::{Replies, Reply, ReplyError};

#[allow(dead_code)]
#[path = "../../crates/queue/src/client/reply.rs"]
mod reply;

/// What the file makes of a reply.
mod job {
    #[allow(dead_code)]
    pub struct Said {
        pub server: Option<String>,
        pub status: (u8, u16, u16),
        pub text: String,
    }
}

// The first byte says how the stream is cut.
fuzz_target!(|input: &[u8]| {
    let Some((&piece, stream)) = input.split_first() else { return };
    let (replies, error) = read(stream, stream.len().max(1));
    assert_eq!(read(stream, usize::from(piece) + 1), (replies.clone(), error));
    for reply in replies {
        let (class, subject, detail) = reply.status();
        assert!((200..600).contains(&reply.code) && subject < 1000 && detail < 1000);
        if reply.is_positive() || reply.is_permanent() {
            assert_eq!(u16::from(class), reply.code / 100);
        }
        let text = reply.text();
        assert!(!text.chars().any(char::is_control) && text.chars().count() <= 501);
    }
});

/// The replies in a stream that comes in pieces, and how it ended.
fn read(stream: &[u8], piece: usize) -> (Vec<Reply>, Option<ReplyError>) {
    let (mut replies, mut read) = (Replies::default(), Vec::new());
    for piece in stream.chunks(piece) {
        replies.feed(piece);
        loop {
            match replies.next() {
                Ok(Some(reply)) => read.push(reply),
                Ok(None) => break,
                Err(error) => return (read, Some(error)),
            }
        }
    }
    (read, None)
}
