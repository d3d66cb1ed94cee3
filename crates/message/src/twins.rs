//! Near twins: one mail that was probably delivered twice (`RULES.md 2.5`).

use crate::canonical::{canonical_header, kept_lines, message_id_of, without_blank_end};
use crate::lines::{self, Line};

/// The trace fields, by name.
const TRACE: [&str; 6] =
    ["Received", "Return-Path", "Delivered-To", "X-Original-To", "Authentication-Results", "DKIM-Signature"];
/// The trace fields, by what their names start with.
const TRACE_PREFIXES: [&str; 4] = ["ARC-", "X-Spam-", "X-Virus-", "List-"];

/// Whether two messages in CRLF form are near twins: one Message-ID, different identities, the same canonical body, and
/// header fields that differ in trace fields only.
///
/// The Message-ID is the first such field's value, exact; without one, or with an empty one, nothing is a near twin.
pub fn near_twins(a_crlf: &[u8], b_crlf: &[u8]) -> bool {
    let (a, b) = (lines::split(a_crlf), lines::split(b_crlf));
    let message_id = |header| kept_lines(header).find_map(|line| message_id_of(&line));
    message_id(a.header).is_some_and(|id| message_id(b.header) == Some(id))
        && without_blank_end(a.body) == without_blank_end(b.body)
        && without_trace(a.header) == without_trace(b.header)
        && canonical_header(a.header) != canonical_header(b.header)
}

/// The canonical form of a header without its trace fields.
fn without_trace(header: &[u8]) -> Vec<u8> {
    let mut form = Vec::new();
    kept_lines(header).filter(|line| !is_trace(line)).for_each(|line| line.push_canonical(&mut form));
    form
}

fn is_trace(line: &Line<'_>) -> bool {
    line.is_named(&TRACE)
        || line.name().is_some_and(|name| {
            TRACE_PREFIXES
                .iter()
                .any(|p| name.get(..p.len()).is_some_and(|start| start.eq_ignore_ascii_case(p.as_bytes())))
        })
}

/// What near twins have in common, as one hash: messages with one key and different identities are near twins.
/// `None` where there is no Message-ID.
///
/// For groups of many messages with one Message-ID, where comparing each with each would take too long.
pub fn twin_key(crlf: &[u8]) -> Option<[u8; 32]> {
    let parts = lines::split(crlf);
    let id = kept_lines(parts.header).find_map(|line| message_id_of(&line))?;
    let mut hasher = blake3::Hasher::new();
    for piece in [&id[..], &without_trace(parts.header), without_blank_end(parts.body)] {
        // Each piece is hashed by itself, so that none can run over into the next.
        hasher.update(blake3::hash(piece).as_bytes());
    }
    Some(*hasher.finalize().as_bytes())
}
