//! NAMESPACE (RFC 2342, RFC 9051 §6.3.10).

use super::Flow;
use crate::answer::{Refusal, Status};
use crate::session::core::Core;

/// NAMESPACE: everything is personal, and begins with nothing.
pub(super) fn run(core: &mut Core, out: &mut Vec<u8>) -> Result<Flow, Refusal> {
    core.user()?;
    out.extend_from_slice(b"* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n");
    Ok(Flow::Done(Status::ok("these are the namespaces")))
}
