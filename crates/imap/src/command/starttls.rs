//! STARTTLS (RFC 9051 §6.2.1).

use super::Flow;
use crate::answer::Refusal;
use crate::session::core::Core;

/// STARTTLS: the driver begins TLS once the answer is sent.
pub(super) fn run(core: &mut Core) -> Result<Flow, Refusal> {
    if core.user.is_some() {
        return Err(Refusal::bad("TLS begins before you sign in, or not at all"));
    }
    if !core.can_start_tls {
        return Err(Refusal::bad("TLS is on already, or not to be had here"));
    }
    Ok(Flow::StartTls)
}
