//! GETQUOTA, GETQUOTAROOT and SETQUOTA (RFC 9208), and what they let other commands do.
//!
//! There is one quota root an account, named by the empty string, with one resource: STORAGE.

use super::{Flow, named};
use crate::answer::{Refusal, Status};
use crate::session::core::Core;
use crate::syntax::{self, MailboxArg, ResponseCode};
use edge::{Services, SignedIn};

/// What STORAGE counts in (RFC 9208 §5.1).
const UNIT_BYTES: u64 = 1024;

/// GETQUOTA.
pub(super) fn get(core: &mut Core, root: &str, out: &mut Vec<u8>) -> Result<Flow, Refusal> {
    let user = core.user()?;
    if !root.is_empty() {
        return Err(Refusal::no("there is no such quota root").with_code(ResponseCode::NonExistent));
    }
    write(&core.services, user, out)?;
    Ok(Flow::Done(Status::ok("that is the quota")))
}

/// GETQUOTAROOT. The mailbox need not exist yet (RFC 9208 §4.1.2).
pub(super) fn root_of(core: &mut Core, mailbox: &MailboxArg, out: &mut Vec<u8>) -> Result<Flow, Refusal> {
    let name = named::name(mailbox)?;
    let user = core.user()?;
    out.extend_from_slice(b"* QUOTAROOT ");
    syntax::write_mailbox(out, name.as_str(), core.utf8_names());
    out.extend_from_slice(b" \"\"\r\n");
    write(&core.services, user, out)?;
    Ok(Flow::Done(Status::ok("that is the quota")))
}

/// SETQUOTA: quotas are set where accounts are.
pub(super) fn set(core: &mut Core, _root: &str) -> Result<Flow, Refusal> {
    core.user()?;
    Err(Refusal::no("quotas are set by the domain's admin").with_code(ResponseCode::NoPerm))
}

fn write(services: &Services, user: &SignedIn, out: &mut Vec<u8>) -> Result<(), Refusal> {
    out.extend_from_slice(b"* QUOTA \"\" (");
    if let Some(limit_bytes) = limit_of(services, user)?.limit_bytes {
        let used_bytes = user.cell.served_usage(user.mail.id)?.size_bytes;
        // A limit below one unit would read as none at all.
        let (used, limit) = (units(used_bytes), (limit_bytes / UNIT_BYTES).max(1));
        out.extend_from_slice(format!("STORAGE {used} {limit}").as_bytes());
    }
    out.extend_from_slice(b")\r\n");
    Ok(())
}

/// Bytes in units of STORAGE, what is begun counting whole.
pub(super) fn units(bytes: u64) -> u64 {
    bytes.div_ceil(UNIT_BYTES)
}

/// Whether an account may grow by some bytes.
///
/// # Errors
/// `OVERQUOTA` when it may not; those of store and directory.
pub(super) fn check_room(services: &Services, user: &SignedIn, more_bytes: u64) -> Result<(), Refusal> {
    let limit = limit_of(services, user)?;
    let Some(limit_bytes) = limit.limit_bytes.filter(|_| !limit.grace) else { return Ok(()) };
    let used_bytes = user.cell.served_usage(user.mail.id)?.size_bytes;
    if more_bytes > 0 && used_bytes.saturating_add(more_bytes) > limit_bytes {
        return Err(Refusal::no("that would exceed the quota").with_code(ResponseCode::OverQuota));
    }
    Ok(())
}

struct Limit {
    limit_bytes: Option<u64>,
    /// Mail is taken although the quota is exceeded (`RULES.md 7.5`).
    grace: bool,
}

/// The account's limit as it is now: an admin may have changed it since the user signed in.
fn limit_of(services: &Services, user: &SignedIn) -> Result<Limit, Refusal> {
    let account = services.directory.account_by_id(user.account.id)?;
    let account = account.as_ref().unwrap_or(&user.account);
    let now = jiff::Timestamp::now().as_second();
    Ok(Limit {
        limit_bytes: account.quota_bytes.or(services.policy.quota_default_bytes),
        grace: account.quota_grace_until.is_some_and(|until| now < until),
    })
}
