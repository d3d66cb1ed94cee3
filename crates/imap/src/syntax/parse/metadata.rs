//! GETMETADATA and SETMETADATA (RFC 5464 §5).

use super::cursor::{Cursor, Failure, Parsed};
use super::mailbox::mailbox;
use super::quirk::Quirk;
use crate::syntax::command::{Command, Depth, GetMetadata};

/// ```text
/// getmetadata = "GETMETADATA" [SP getmetadata-options] SP mailbox SP entries
/// entries     = entry / "(" entry *(SP entry) ")"
/// ```
pub(super) fn get_metadata(c: &mut Cursor<'_>) -> Parsed<Command> {
    c.sp()?;
    let (mut max_size, mut depth) = (None, Depth::default());
    if c.peek() == Some(b'(') {
        options(c, &mut max_size, &mut depth)?;
        c.sp()?;
    }
    let mailbox = mailbox(c)?;
    c.sp()?;
    if c.looks_at("(MAXSIZE ") || c.looks_at("(DEPTH ") {
        c.tolerate(Quirk::OptionsAfterMailbox)?;
        options(c, &mut max_size, &mut depth)?;
        c.sp()?;
    }
    let entries = c.one_or_list(entry)?;
    Ok(Command::GetMetadata(GetMetadata { mailbox, max_size, depth, entries }))
}

/// ```text
/// getmetadata-options = "(" getmetadata-option *(SP getmetadata-option) ")"
/// getmetadata-option  = "MAXSIZE" SP number / "DEPTH" SP ("0" / "1" / "infinity")
/// ```
fn options(c: &mut Cursor<'_>, max_size: &mut Option<u32>, depth: &mut Depth) -> Parsed<()> {
    c.list(|c| {
        match c.word()?.as_str() {
            "MAXSIZE" => {
                c.sp()?;
                *max_size = Some(c.number()?);
            }
            "DEPTH" => {
                c.sp()?;
                *depth = match c.word()?.as_str() {
                    "0" => Depth::Zero,
                    "1" => Depth::One,
                    "INFINITY" => Depth::Infinity,
                    _ => return Err(c.failure("the depth is 0, 1 or infinity")),
                };
            }
            _ => return Err(c.failure("the option of GETMETADATA is not known")),
        }
        Ok(())
    })?;
    Ok(())
}

/// ```text
/// setmetadata  = "SETMETADATA" SP mailbox SP entry-values
/// entry-values = "(" entry-value *(SP entry-value) ")"
/// entry-value  = entry SP value
/// value        = nstring / literal8
/// ```
pub(super) fn set_metadata(c: &mut Cursor<'_>) -> Parsed<Command> {
    c.sp()?;
    let mailbox = mailbox(c)?;
    c.sp()?;
    let entries = c.list(|c| {
        let entry = entry(c)?;
        c.sp()?;
        let value = match c.peek() {
            Some(b'~') => Some(c.literal_or_literal8()?.bytes.to_vec()),
            _ => c.nstring()?.map(|value| value.into_owned()),
        };
        Ok((entry, value))
    })?;
    Ok(Command::SetMetadata { mailbox, entries })
}

/// ```text
/// entry = astring     ; slash-separated path, which begins with a slash and does not end with one
/// ```
/// No wildcards, nothing but ASCII, and no two slashes side by side (RFC 5464 §3.2).
pub(super) fn entry(c: &mut Cursor<'_>) -> Parsed<String> {
    let at = c.at();
    let bytes = c.astring()?;
    let components = bytes.strip_prefix(b"/").map(|path| path.split(|&byte| byte == b'/'));
    let fits = |byte: &u8| (byte.is_ascii_graphic() || *byte == b' ') && !matches!(byte, b'*' | b'%');
    let good = components.is_some_and(|mut all| all.all(|component| !component.is_empty())) && bytes.iter().all(fits);
    if !good {
        return Err(Failure { at, ..c.failure("the entry's name is no path of a metadata entry") });
    }
    c.utf8(&bytes)
}
