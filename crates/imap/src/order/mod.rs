//! Orders of messages: SORT and THREAD (RFC 5256, RFC 5957).
//!
//! What both need of a message is made from its bytes once ([`SortKeys`], [`ThreadKeys`]) and kept in a compact form. A
//! [`Sorter`] or [`Threader`] takes that form message by message and gives the order at the end; neither reads anything.
//! Every text is compared by i;unicode-casemap (RFC 5051), as RFC 5256 §2 asks.

mod compact;
#[cfg(test)]
pub(crate) mod dovecot;
mod message_id;
mod references;
mod sort;
mod sort_keys;
mod thread;
mod thread_keys;

pub(crate) use sort::Sorter;
pub(crate) use sort_keys::SortKeys;
pub(crate) use thread::Threader;
pub(crate) use thread_keys::ThreadKeys;

use message::text::casemap;

/// How much of a text is compared, in bytes: what a person tells apart is much shorter.
const MAX_TEXT_BYTES: usize = 512;

/// A text in the form in which it is compared.
fn comparable(text: &str) -> Vec<u8> {
    let mut end = text.len().min(MAX_TEXT_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    casemap(&text[..end]).into_bytes()
}
