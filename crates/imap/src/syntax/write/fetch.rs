//! FETCH responses (RFC 9051 §7.5.2).

use super::{write_flags, write_number};
use message::{Flags, Keyword};

/// Begins a FETCH response; with UIDONLY enabled it is UIDFETCH, and the number is the UID (RFC 9586 §3.3).
pub(crate) fn open_fetch(out: &mut Vec<u8>, number: u32, uid_only: bool) {
    out.extend_from_slice(b"* ");
    write_number(out, u64::from(number));
    out.extend_from_slice(if uid_only { b" UIDFETCH (" } else { b" FETCH (" });
}

/// Writes `UID 7`.
pub(crate) fn write_fetch_uid(out: &mut Vec<u8>, uid: u32) {
    out.extend_from_slice(b"UID ");
    write_number(out, u64::from(uid));
}

/// Writes `FLAGS (\Seen)`.
pub(crate) fn write_fetch_flags(out: &mut Vec<u8>, flags: Flags, keywords: &[Keyword]) {
    out.extend_from_slice(b"FLAGS ");
    write_flags(out, flags, keywords);
}

/// Writes `MODSEQ (7)` (RFC 7162 §3.1.4.2).
pub(crate) fn write_fetch_modseq(out: &mut Vec<u8>, modseq: u64) {
    out.extend_from_slice(b"MODSEQ (");
    write_number(out, modseq);
    out.push(b')');
}
