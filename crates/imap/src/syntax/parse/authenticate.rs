//! AUTHENTICATE and LOGIN.

use super::cursor::{Cursor, Parsed};
use crate::syntax::command::{Command, SecretArg};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// ```text
/// authenticate = "AUTHENTICATE" SP auth-type [SP initial-resp]                    ; RFC 9051 §6.2.2, RFC 4959
/// initial-resp = base64 / "="
/// ```
pub(super) fn authenticate(c: &mut Cursor<'_>) -> Parsed<Command> {
    c.sp()?;
    let mechanism = c.atom()?.to_ascii_uppercase();
    let initial = if c.more()? { Some(initial_response(c)?) } else { None };
    Ok(Command::Authenticate { mechanism, initial })
}

fn initial_response(c: &mut Cursor<'_>) -> Parsed<SecretArg> {
    let encoded = c.take_while(|byte| byte.is_ascii_graphic());
    if encoded == b"=" {
        return Ok(SecretArg(Vec::new()));
    }
    match STANDARD.decode(encoded) {
        Ok(decoded) if !decoded.is_empty() => Ok(SecretArg(decoded)),
        _ => Err(c.failure("the initial response is not base64")),
    }
}

/// ```text
/// login = "LOGIN" SP userid SP password                                           ; RFC 9051 §6.2.3
/// userid = astring
/// password = astring
/// ```
pub(super) fn login(c: &mut Cursor<'_>) -> Parsed<Command> {
    c.sp()?;
    let user = c.text()?;
    c.sp()?;
    let password = SecretArg(c.astring()?.into_owned());
    Ok(Command::Login { user, password })
}
