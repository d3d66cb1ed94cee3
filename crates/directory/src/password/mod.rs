//! Passwords: verifying every scheme that imported accounts bring, hashing new ones.
//!
//! A stored password is `{SCHEME}text` as Dovecot writes it, or a bare `crypt(3)` hash. It comes from files that anybody
//! may have written: what it costs to verify is checked before it is paid.

mod crypt;
mod digest;
mod scram;
mod stored;

use crate::secret::Secret;
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use message::Address;
use stored::Stored;

pub use scram::{SCRAM_KEY_BYTES, ScramKeys, prepared};

/// The longest password taken, in bytes: some schemes' cost grows with the square of the length.
pub const MAX_PASSWORD_BYTES: usize = 1024;

/// Memory of a new Argon2id hash, in KiB.
const MEMORY_KIB: u32 = 19_456;
/// Passes of a new Argon2id hash.
const PASSES: u32 = 2;
/// Lanes of a new Argon2id hash: one, since a sign-in occupies one thread.
const LANES: u32 = 1;

/// What a password is to a stored hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is the one.
    Right {
        /// Whether the hash is weaker than a new one would be and should be replaced now that the password is known.
        rehash: bool,
    },
    /// It is another one.
    Wrong,
    /// No password can be verified against it.
    Unusable(UnusableReason),
}

/// Why no password can be verified against a stored hash (`RULES.md 7.2`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnusableReason {
    /// There is no hash.
    #[error("it is empty")]
    Empty,
    /// The hash begins with `!` or `*`.
    #[error("it is locked")]
    Locked,
    /// The scheme is known, but not one that can be verified here.
    #[error("its scheme {0} cannot be verified")]
    Unsupported(&'static str),
    /// The scheme is not known. Its name is left out: it may be a password that begins with a brace.
    #[error("its scheme is not known")]
    UnknownScheme,
    /// The hash is not what its scheme prescribes.
    #[error("it is malformed: {0}")]
    Malformed(&'static str),
    /// Verifying it would cost more than a sign-in may.
    #[error("it asks for more work than is allowed: {0}")]
    TooCostly(&'static str),
}

/// A password cannot be hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// It is empty.
    #[error("a password may not be empty")]
    Empty,
    /// It is longer than [`MAX_PASSWORD_BYTES`].
    #[error("a password may have {MAX_PASSWORD_BYTES} bytes at most")]
    TooLong,
    /// It holds a NUL, which no client can send (RFC 4616 §2).
    #[error("a password may not hold a NUL character")]
    Nul,
    /// The system has no random numbers.
    #[error("the system gives no random numbers for a salt")]
    Random,
}

/// Verifies a password against a stored hash. The login is part of what DIGEST-MD5 hashes. An empty password is never
/// right.
pub fn verify(password: &[u8], stored: &str, login: &Address) -> Verdict {
    match Stored::parse(stored) {
        Err(reason) => Verdict::Unusable(reason),
        Ok(_) if check(password).is_err() => Verdict::Wrong,
        Ok(stored) if stored.matches(password, login) => Verdict::Right { rehash: stored.is_weaker_than_new() },
        Ok(_) => Verdict::Wrong,
    }
}

/// Decides without a password whether any could be verified (`RULES.md 7.2`).
///
/// # Errors
/// Why not.
pub fn usable(stored: &str) -> Result<(), UnusableReason> {
    Stored::parse(stored).map(|_| ())
}

/// Whether verifying a password against a stored hash takes a multiple of the time that a new hash takes. Those who sign in
/// with others should not wait behind it.
pub fn is_dear(stored: &str) -> bool {
    Stored::parse(stored).is_ok_and(|stored| stored.is_dear())
}

/// Hashes a password for storing: `{ARGON2ID}` and the PHC string of Argon2id, version 19, 19 MiB, two passes, one
/// lane, a salt of 16 random bytes and 32 bytes of output (RFC 9106).
///
/// # Errors
/// When the password is empty, too long or holds a NUL, or the system has no random numbers.
pub fn hash_new(password: &[u8]) -> Result<Secret, PasswordError> {
    check(password)?;
    let mut salt = [0; 16];
    getrandom::fill(&mut salt).map_err(|_| PasswordError::Random)?;
    let params = argon2::Params::new(MEMORY_KIB, PASSES, LANES, Some(32)).expect("the constants are within bounds");
    let mut output = [0; 32];
    argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params)
        .hash_password_into(password, &salt, &mut output)
        .expect("salt, output and password have lengths that Argon2 takes");
    let (salt, output) = (STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(output));
    Ok(Secret::new(format!("{{ARGON2ID}}$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p={LANES}${salt}${output}")))
}

/// Whether a password is one that can be stored or verified at all.
fn check(password: &[u8]) -> Result<(), PasswordError> {
    match password {
        [] => Err(PasswordError::Empty),
        p if p.len() > MAX_PASSWORD_BYTES => Err(PasswordError::TooLong),
        p if p.contains(&0) => Err(PasswordError::Nul),
        _ => Ok(()),
    }
}

/// HMAC-SHA-256, the keyed digest of what needs no slow hash.
pub(crate) fn keyed_digest(key: &[u8], text: &[u8]) -> Vec<u8> {
    digest::Algorithm::Sha256.hmac(key, text)
}

/// SHA-256.
pub(crate) fn plain_digest(text: &[u8]) -> Vec<u8> {
    digest::Algorithm::Sha256.digest(&[text])
}
