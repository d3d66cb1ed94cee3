//! ID (RFC 2971).

use super::Flow;
use crate::answer::{Refusal, Status};
use crate::session::core::Core;
use crate::syntax;

/// How much of what a client says of itself is kept for the log.
const KEPT_CHARS: usize = 60;

/// ID: hears who the client is, and says who the server is. Its version is nobody's business but the operator's.
pub(super) fn run(
    core: &mut Core,
    parameters: Option<Vec<(String, Option<String>)>>,
    out: &mut Vec<u8>,
) -> Result<Flow, Refusal> {
    let value_of = |field: &str| {
        let mut pairs = parameters.iter().flatten();
        let value = pairs.find(|(name, _)| name.eq_ignore_ascii_case(field))?.1.as_deref()?;
        Some(value.chars().filter(|c| !c.is_control()).take(KEPT_CHARS).collect::<String>())
    };
    core.client = match (value_of("name"), value_of("version")) {
        (Some(name), Some(version)) => Some(format!("{name} {version}")),
        (name, version) => name.or(version),
    };
    if let Some(client) = &core.client {
        tracing::debug!(peer = %core.peer.address, client, "an IMAP client said what it is");
    }
    out.extend_from_slice(b"* ID (");
    syntax::write_quoted_pairs(out, &[("name", "Reintegra"), ("vendor", "Reintegra")]);
    out.extend_from_slice(b")\r\n");
    Ok(Flow::Done(Status::ok("pleased to meet you")))
}
