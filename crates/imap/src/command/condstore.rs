//! What switches on that FETCH responses tell modification sequences (RFC 7162 §3.1).

use crate::answer::{Refusal, Status, say_status};
use crate::session::core::Core;
use crate::syntax::ResponseCode;

/// A command used modification sequences: from now on they are told, beginning with where the client stands.
///
/// # Errors
/// When the extension is switched off for the account.
pub(super) fn is_used(core: &mut Core, out: &mut Vec<u8>) -> Result<(), Refusal> {
    core.require("CONDSTORE")?;
    if !std::mem::replace(&mut core.enabled.condstore, true)
        && let Some(selected) = &core.selected
    {
        let code = ResponseCode::HighestModSeq(selected.told.max(1));
        say_status(out, None, &Status::ok("the highest modification sequence").with_code(code));
    }
    Ok(())
}
