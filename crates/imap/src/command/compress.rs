//! COMPRESS (RFC 4978).

use super::Flow;
use crate::answer::Refusal;
use crate::session::core::Core;
use crate::syntax::ResponseCode;

/// COMPRESS: the driver switches DEFLATE on once the answer is sent.
pub(super) fn run(core: &mut Core, algorithm: &str) -> Result<Flow, Refusal> {
    core.user()?;
    if algorithm != "DEFLATE" {
        return Err(Refusal::bad("DEFLATE is the only algorithm"));
    }
    if core.compressed {
        return Err(Refusal::no("DEFLATE is on already").with_code(ResponseCode::CompressionActive));
    }
    core.compressed = true;
    Ok(Flow::Compress)
}
