//! ENABLE (RFC 5161, RFC 9051 §6.3.1).

use super::Flow;
use crate::answer::{Refusal, Status};
use crate::session::core::Core;

/// ENABLE: names that mean nothing here are passed over, as the RFC asks.
pub(super) fn run(core: &mut Core, names: &[String], out: &mut Vec<u8>) -> Result<Flow, Refusal> {
    core.user()?;
    if core.selected.is_some() {
        // What numbers and names mean must not change under an open mailbox (RFC 5161 §3.1).
        return Err(Refusal::bad("enable extensions before a mailbox is opened"));
    }
    out.extend_from_slice(b"* ENABLED");
    for name in names {
        if core.offers(name) && switch_on(core, name) {
            out.push(b' ');
            let written = if name == "IMAP4REV2" { "IMAP4rev2" } else { name };
            out.extend_from_slice(written.as_bytes());
        }
    }
    out.extend_from_slice(b"\r\n");
    Ok(Flow::Done(Status::ok("enabled")))
}

/// Whether an extension was off, can be switched on, and is on now.
fn switch_on(core: &mut Core, name: &str) -> bool {
    let enabled = &mut core.enabled;
    let switch = match name {
        "CONDSTORE" => &mut enabled.condstore,
        "QRESYNC" => {
            // RFC 7162 §3.2.3: QRESYNC brings CONDSTORE with it.
            enabled.condstore = true;
            &mut enabled.qresync
        }
        "UTF8=ACCEPT" => &mut enabled.utf8,
        "IMAP4REV2" => &mut enabled.rev2,
        "UIDONLY" => &mut enabled.uid_only,
        _ => return false,
    };
    !std::mem::replace(switch, true)
}
