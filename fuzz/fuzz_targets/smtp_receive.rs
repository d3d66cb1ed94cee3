//! The SMTP receive path: lines are cut at CR LF alone, every line is a command or a refusal, addresses read again as they are
//! written, a message ends at CR LF `.` CR LF alone and holds whole lines, and how the stream is cut does not matter.
//!
//! Syntax and receiver are no public parts of their crate, so their files are compiled into the target.

#![no_main]

use data::{DataLimits, Fault, Receiver};
use libfuzzer_sys::fuzz_target;
use syntax::address::EnvelopeAddress;
use syntax::command::{self, Command, Recipient};
use syntax::{Cut, cut};

#[allow(dead_code)]
#[path = "../../crates/smtp/src/data.rs"]
mod data;

#[allow(dead_code, unused_imports)]
#[path = "../../crates/smtp/src/syntax/mod.rs"]
mod syntax;

const LIMITS: DataLimits = DataLimits { message_bytes: 500, line_bytes: 100 };

// The first byte says how the stream is cut.
fuzz_target!(|input: &[u8]| {
    let Some((&piece, stream)) = input.split_first() else { return };
    lines(stream);
    message(stream, usize::from(piece) + 1);
    chunks(stream, usize::from(piece) + 1);
});

fn lines(mut stream: &[u8]) {
    check(stream);
    while let Cut::Line(end) = cut(stream) {
        assert!(!stream[..end].contains(&b'\r') && !stream[..end].contains(&b'\n'));
        assert_eq!(&stream[end..end + 2], b"\r\n");
        check(&stream[..end]);
        stream = &stream[end + 2..];
    }
}

fn check(line: &[u8]) {
    match command::parse(line) {
        Ok(Command::Mail { from: Some(address), .. })
        | Ok(Command::Rcpt { to: Recipient::Address(address), .. }) => {
            let written = address.to_string();
            assert_eq!(EnvelopeAddress::parse(&written), Some(address), "{written}");
            assert!(!written.chars().any(char::is_control));
        }
        Ok(_) => {}
        Err(why) => {
            let mut out = Vec::new();
            why.reply().write(&mut out);
            assert!(out.starts_with(b"5") && out.ends_with(b"\r\n"));
        }
    }
}

fn message(stream: &[u8], piece: usize) {
    let whole = received(Receiver::of_data(LIMITS), stream, stream.len().max(1));
    assert_eq!(received(Receiver::of_data(LIMITS), stream, piece), whole);
    let (used, ended, message) = whole;
    let end = memchr::memmem::find(&[b"\r\n", stream].concat(), b"\r\n.\r\n").map(|at| at + 3);
    assert_eq!(ended.then_some(used), end);
    if ended {
        check_message(message);
    }
}

fn chunks(stream: &[u8], piece: usize) {
    let whole = received(Receiver::of_chunks(LIMITS), stream, stream.len().max(1));
    assert_eq!(received(Receiver::of_chunks(LIMITS), stream, piece), whole);
    let (used, ended, message) = whole;
    assert!(used == stream.len() && !ended);
    check_message(message);
}

fn received(mut receiver: Receiver, stream: &[u8], piece: usize) -> (usize, bool, Result<Vec<u8>, Fault>) {
    let mut used = 0;
    while used < stream.len() && !receiver.has_ended() {
        used += receiver.push(&stream[used..(used + piece).min(stream.len())]);
    }
    (used, receiver.has_ended(), receiver.finish())
}

/// What is taken holds whole lines and nothing that could end one early.
fn check_message(message: Result<Vec<u8>, Fault>) {
    let Ok(message) = message else { return };
    assert!(message.len() <= LIMITS.message_bytes && !message.contains(&0));
    assert!(message.is_empty() || message.ends_with(b"\r\n"));
    for line in message.split_inclusive(|&b| b == b'\n') {
        let text = line.strip_suffix(b"\r\n").expect("a line ends in CR LF");
        assert!(text.len() <= LIMITS.line_bytes && !text.contains(&b'\r'));
    }
}
