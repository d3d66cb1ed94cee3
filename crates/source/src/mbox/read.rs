//! Reads single messages of an mbox, making sure that they still lie where they were listed.

use super::window::{Window, separator_length};
use super::{Variant, postmark};
use crate::ReadError;
use memchr::memmem;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// How much of the file is looked at on either side of a message: the longest postmark, and more than its end needs.
const WINDOW_BYTES: usize = 2 * postmark::MAX_LINE_BYTES;

/// Reads one message of an mbox into `buffer`, which is cleared first. Under [`Variant::Rd`] one level of `>From `
/// quoting is taken off; else the bytes come as they lie.
///
/// # Errors
/// [`ReadError::Changed`] when the range no longer lies between postmarks, [`ReadError::TooLarge`] above `limit_bytes`.
pub fn read_range(
    file: &File,
    range: (u64, u64),
    variant: Variant,
    limit_bytes: u64,
    buffer: &mut Vec<u8>,
) -> Result<(), ReadError> {
    buffer.clear();
    let (start, length) = range;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(ReadError::NotAFile);
    }
    let end = start.checked_add(length).filter(|&end| end <= metadata.len()).ok_or(ReadError::Changed)?;
    if length > limit_bytes {
        return Err(ReadError::TooLarge { length_bytes: length, limit_bytes });
    }
    let mut window = Window::new(file, metadata.len(), WINDOW_BYTES);
    if !begins_after_postmark(&mut window, start)? || !ends_before_postmark(&mut window, end)? {
        return Err(ReadError::Changed);
    }
    let length = usize::try_from(length).map_err(|_| ReadError::TooLarge { length_bytes: length, limit_bytes })?;
    buffer.resize(length, 0);
    match file.read_exact_at(buffer, start) {
        Ok(()) => {}
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => {
            buffer.clear();
            return Err(ReadError::Changed);
        }
        Err(e) => {
            buffer.clear();
            return Err(e.into());
        }
    }
    if variant == Variant::Rd {
        unquote(buffer);
    }
    Ok(())
}

fn begins_after_postmark(window: &mut Window<'_>, start: u64) -> io::Result<bool> {
    if start == 0 {
        return Ok(postmark::date_of(window.line(0)?).is_none());
    }
    let behind_start = start.saturating_sub(postmark::MAX_LINE_BYTES as u64);
    let length = usize::try_from(start - behind_start).expect("it is at most MAX_LINE_BYTES");
    let at_end = start == window.length;
    let Some(behind) = window.peek(behind_start, length)?.get(..length) else { return Ok(false) };
    let behind = match behind.strip_suffix(b"\n") {
        Some(behind) => behind,
        // The file was cut within its last postmark.
        None if at_end => behind,
        None => return Ok(false),
    };
    // The line before begins after a line ending, after the zeros of a hole, or with the file.
    let line_start = memchr::memrchr2(b'\n', 0, behind).map(|at| at + 1);
    Ok(match line_start {
        Some(at) => behind[at..].starts_with(postmark::PREFIX),
        None => behind_start == 0 && behind.starts_with(postmark::PREFIX),
    })
}

fn ends_before_postmark(window: &mut Window<'_>, end: u64) -> io::Result<bool> {
    let length = window.length;
    let rest = window.peek(end, 2 + postmark::PREFIX.len())?;
    let separator = separator_length(rest);
    Ok(rest.is_empty()
        || end + separator as u64 == length
        || rest.starts_with(postmark::PREFIX)
        || rest[separator..].starts_with(postmark::PREFIX))
}

/// Takes one `>` off every line that is `From ` behind one or more of them.
fn unquote(buffer: &mut Vec<u8>) {
    let mut quotes = Vec::new();
    for at in memmem::find_iter(buffer, b">From ") {
        let first = buffer[..at].iter().rposition(|&b| b != b'>').map_or(0, |before| before + 1);
        if first == 0 || buffer[first - 1] == b'\n' {
            quotes.push(first);
        }
    }
    if quotes.is_empty() {
        return;
    }
    let mut next = quotes.into_iter().peekable();
    let mut at = 0;
    buffer.retain(|_| {
        let drop = next.next_if_eq(&at).is_some();
        at += 1;
        !drop
    });
}
