//! GETMETADATA and SETMETADATA (RFC 5464), and their part in LIST (RFC 9590).

use super::{Flow, named};
use crate::answer::{Refusal, Status};
use crate::session::core::Core;
use crate::syntax::{self, Depth, GetMetadata, MailboxArg, ResponseCode};
use edge::SignedIn;
use std::collections::BTreeMap;
use store::Mailbox;

/// GETMETADATA.
pub(super) fn get(core: &mut Core, get: &GetMetadata, out: &mut Vec<u8>) -> Result<Flow, Refusal> {
    let user = core.user()?;
    let mailbox = of(user, &get.mailbox)?;
    let names = get.entries.iter().map(|name| entry_name(name)).collect::<Result<Vec<_>, _>>()?;
    let all = read(user, mailbox.as_ref())?;
    let mut found: BTreeMap<&str, Option<&[u8]>> = BTreeMap::new();
    for name in &names {
        found.insert(name, all.get(name).map(Vec::as_slice));
        let beneath = all.iter().filter(|(other, _)| lies_beneath(other, name, get.depth));
        found.extend(beneath.map(|(other, value)| (&other[..], Some(&value[..]))));
    }
    if get.depth != Depth::Zero {
        // Asked for as the root of others, and nothing itself.
        found.retain(|_, value| value.is_some());
    }
    let mut longest = 0;
    if let Some(max_size) = get.max_size {
        let max_size = usize::try_from(max_size).unwrap_or(usize::MAX);
        found.retain(|_, value| {
            let length = value.map_or(0, <[u8]>::len);
            if length > max_size {
                longest = longest.max(length);
            }
            length <= max_size
        });
    }
    write_entries(core, mailbox.as_ref(), found, out);
    let status = Status::ok("that is noted");
    Ok(Flow::Done(match longest {
        0 => status,
        longest => status.with_code(ResponseCode::MetadataLongEntries(longest as u64)),
    }))
}

/// SETMETADATA: all of it or nothing.
pub(super) fn set(
    core: &mut Core,
    mailbox: &MailboxArg,
    entries: Vec<(String, Option<Vec<u8>>)>,
) -> Result<Flow, Refusal> {
    let user = core.user()?;
    let mailbox = of(user, mailbox)?;
    if mailbox.is_none() && entries.iter().any(|(name, _)| !begins_private(name)) {
        return Err(Refusal::no("what all users share is set by the operator").with_code(ResponseCode::NoPerm));
    }
    user.cell.set_annotations(user.mail.id, mailbox.as_ref().map(|mailbox| mailbox.id), entries)??;
    match &mailbox {
        Some(mailbox) => core.done_here(&mailbox.name),
        None => core.done_to_server(),
    }
    Ok(Flow::Done(Status::ok("noted")))
}

/// Writes a METADATA response with entries of a mailbox, or of the server; `NIL` for those that are not set.
///
/// # Errors
/// Those of the store; a name that cannot be.
pub(super) fn write(
    core: &Core,
    user: &SignedIn,
    mailbox: Option<&Mailbox>,
    names: &[String],
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    let names = names.iter().map(|name| entry_name(name)).collect::<Result<Vec<_>, _>>()?;
    let all = read(user, mailbox)?;
    write_entries(core, mailbox, names.iter().map(|name| (&name[..], all.get(name).map(Vec::as_slice))), out);
    Ok(())
}

/// The entries of a mailbox, or of the server for this account.
///
/// # Errors
/// Those of the store.
pub(super) fn read(user: &SignedIn, mailbox: Option<&Mailbox>) -> Result<BTreeMap<String, Vec<u8>>, Refusal> {
    let mailbox = mailbox.map(|mailbox| mailbox.id);
    Ok(user.cell.read(|view| view.annotations(user.mail.id, mailbox))?.into_iter().collect())
}

/// Writes an unasked METADATA response: names only (RFC 5464 §4.4.2). The mailbox is empty for the server.
pub(super) fn say_changed(core: &Core, mailbox: &str, names: &[String], out: &mut Vec<u8>) {
    out.extend_from_slice(b"* METADATA ");
    syntax::write_mailbox(out, mailbox, core.utf8_names());
    for name in names {
        out.push(b' ');
        syntax::write_astring(out, name.as_bytes());
    }
    out.extend_from_slice(b"\r\n");
}

fn write_entries<'a>(
    core: &Core,
    mailbox: Option<&Mailbox>,
    entries: impl IntoIterator<Item = (&'a str, Option<&'a [u8]>)>,
    out: &mut Vec<u8>,
) {
    let mut entries = entries.into_iter().peekable();
    if entries.peek().is_none() {
        return;
    }
    out.extend_from_slice(b"* METADATA ");
    syntax::write_mailbox(out, mailbox.map_or("", |mailbox| mailbox.name.as_str()), core.utf8_names());
    let mut before: &[u8] = b" (";
    for (name, value) in entries {
        out.extend_from_slice(before);
        before = b" ";
        syntax::write_astring(out, name.as_bytes());
        out.push(b' ');
        match value {
            Some(value) => syntax::write_value(out, value),
            None => out.extend_from_slice(b"NIL"),
        }
    }
    out.extend_from_slice(b")\r\n");
}

/// The mailbox that is meant; `None`: the server.
fn of(user: &SignedIn, mailbox: &MailboxArg) -> Result<Option<Mailbox>, Refusal> {
    match mailbox.0.is_empty() {
        true => Ok(None),
        false => Ok(Some(named::mailbox(user, mailbox)?)),
    }
}

/// The name of an entry as it is kept (RFC 5464 §3.2): in lower case, because it means the same in any.
fn entry_name(name: &str) -> Result<String, Refusal> {
    let name = name.to_ascii_lowercase();
    let is_placed =
        name.strip_prefix('/').is_some_and(|name| matches!(name.split('/').next(), Some("private" | "shared")));
    if !is_placed || name.contains(['*', '%']) || name.contains("//") || name.ends_with('/') {
        return Err(Refusal::bad("an entry's name begins with /private/ or /shared/ and has no * or %"));
    }
    Ok(name)
}

fn begins_private(name: &str) -> bool {
    name.get(.."/private/".len()).is_some_and(|begin| begin.eq_ignore_ascii_case("/private/"))
}

fn lies_beneath(name: &str, root: &str, depth: Depth) -> bool {
    let Some(rest) = name.strip_prefix(root).and_then(|rest| rest.strip_prefix('/')) else { return false };
    match depth {
        Depth::Zero => false,
        Depth::One => !rest.contains('/'),
        Depth::Infinity => true,
    }
}
