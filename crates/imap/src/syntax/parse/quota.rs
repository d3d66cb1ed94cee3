//! GETQUOTA, GETQUOTAROOT and SETQUOTA (RFC 9208 §4.1).

use super::cursor::{Cursor, Parsed};
use super::mailbox::mailbox;
use crate::syntax::command::Command;

/// ```text
/// getquota = "GETQUOTA" SP quota-root-name
/// quota-root-name = astring
/// ```
pub(super) fn get_quota(c: &mut Cursor<'_>) -> Parsed<Command> {
    c.sp()?;
    c.text().map(Command::GetQuota)
}

/// ```text
/// getquotaroot = "GETQUOTAROOT" SP mailbox
/// ```
pub(super) fn get_quota_root(c: &mut Cursor<'_>) -> Parsed<Command> {
    c.sp()?;
    mailbox(c).map(Command::GetQuotaRoot)
}

/// ```text
/// setquota       = "SETQUOTA" SP quota-root-name SP setquota-list
/// setquota-list  = "(" [setquota-resource *(SP setquota-resource)] ")"
/// setquota-resource = resource-name SP resource-limit
/// ```
pub(super) fn set_quota(c: &mut Cursor<'_>) -> Parsed<Command> {
    c.sp()?;
    let root = c.text()?;
    c.sp()?;
    let limits = c.list_or_nothing(|c| {
        let resource = c.atom()?.to_ascii_uppercase();
        c.sp()?;
        Ok((resource, c.number64()?))
    })?;
    Ok(Command::SetQuota { root, limits })
}
