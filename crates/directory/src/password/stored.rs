//! Stored passwords: scheme, encoding and what is in them, checked before anything is computed.

use super::crypt::CryptHash;
use super::digest::{self, Algorithm};
use super::{MEMORY_KIB, PASSES, UnusableReason};
use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use message::Address;
use subtle::ConstantTimeEq;

/// Rounds of PBKDF2 and SCRAM that a sign-in may cost: about half a second.
const MAX_PBKDF2_ROUNDS: u32 = 2_000_000;
/// Rounds of PBKDF2 and SCRAM that cost a multiple of a new hash.
const DEAR_PBKDF2_ROUNDS: u32 = 500_000;
/// Memory of Argon2 that a sign-in may cost.
const MAX_ARGON2_KIB: u32 = 256 * 1024;
/// Memory times passes of Argon2 that a sign-in may cost.
const MAX_ARGON2_KIB_PASSES: u64 = 1024 * 1024;
/// The longest stored password looked at, in bytes.
const MAX_STORED_BYTES: usize = 4096;

/// Base64 as other programs write it: padded or not.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// A stored password that a password can be verified against.
pub(super) enum Stored {
    /// The password itself.
    Plain(Vec<u8>),
    /// `crypt(3)`.
    Crypt(CryptHash),
    /// Argon2i or Argon2id (RFC 9106).
    Argon2 { hasher: Box<Argon2<'static>>, algorithm: argon2::Algorithm, salt: Vec<u8>, hash: Vec<u8> },
    /// A digest of the password followed by a salt, which may be empty.
    Digest { algorithm: Algorithm, hash: Vec<u8>, salt: Vec<u8> },
    /// PBKDF2 with HMAC-SHA-1 (RFC 8018), as Dovecot writes it: the salt is used as written.
    Pbkdf2 { rounds: u32, salt: Vec<u8>, hash: Vec<u8> },
    /// SCRAM (RFC 5802 §3).
    Scram { algorithm: Algorithm, rounds: u32, salt: Vec<u8>, stored_key: Vec<u8>, server_key: Vec<u8> },
    /// The two states of HMAC-MD5 after their key (RFC 2195).
    CramMd5(Vec<u8>),
    /// MD5 of `localpart:domain:password` (RFC 2831).
    DigestMd5(Vec<u8>),
}

/// How the text after the scheme is written.
#[derive(Clone, Copy, PartialEq)]
enum Encoding {
    /// As the scheme has it.
    Own,
    Base64,
    Hex,
}

impl Stored {
    /// Reads a stored password.
    pub(super) fn parse(stored: &str) -> Result<Self, UnusableReason> {
        if stored.is_empty() {
            return Err(UnusableReason::Empty);
        }
        if stored.len() > MAX_STORED_BYTES {
            return Err(UnusableReason::Malformed("it is too long"));
        }
        let Some(rest) = stored.strip_prefix('{') else {
            return crypt_family(stored);
        };
        let (name, text) = rest.split_once('}').ok_or(UnusableReason::Malformed("the scheme's name does not end"))?;
        let (name, encoding) = split_encoding(&name.to_ascii_uppercase())?;
        if text.is_empty() {
            return Err(UnusableReason::Empty);
        }
        let is_plain = matches!(name.as_str(), "PLAIN" | "CLEARTEXT" | "CLEAR");
        if !is_plain && text.starts_with(['!', '*']) {
            return Err(UnusableReason::Locked);
        }
        match name.as_str() {
            "PLAIN" | "CLEARTEXT" | "CLEAR" => Ok(Stored::Plain(decode_text(text, encoding)?)),
            "CRYPT" | "MD5-CRYPT" | "SHA256-CRYPT" | "SHA512-CRYPT" | "BLF-CRYPT" | "DES-CRYPT" | "ARGON2I"
            | "ARGON2ID" => crypt_family(&text_of(text, encoding)?),
            // Dovecot's name for either of two things that MD5 makes.
            "MD5" if text.starts_with('$') => crypt_family(text),
            "MD5" | "PLAIN-MD5" | "LDAP-MD5" => unsalted(Algorithm::Md5, text, encoding),
            "SHA" | "SHA1" => unsalted(Algorithm::Sha1, text, encoding),
            "SHA256" => unsalted(Algorithm::Sha256, text, encoding),
            "SHA512" => unsalted(Algorithm::Sha512, text, encoding),
            "SMD5" => salted(Algorithm::Md5, text, encoding),
            "SSHA" => salted(Algorithm::Sha1, text, encoding),
            "SSHA256" => salted(Algorithm::Sha256, text, encoding),
            "SSHA512" => salted(Algorithm::Sha512, text, encoding),
            "PBKDF2" => pbkdf2(&text_of(text, encoding)?),
            "SCRAM-SHA-1" => scram(Algorithm::Sha1, &text_of(text, encoding)?),
            "SCRAM-SHA-256" => scram(Algorithm::Sha256, &text_of(text, encoding)?),
            "CRAM-MD5" | "HMAC-MD5" => decode_sized(text, encoding, 32).map(Stored::CramMd5),
            "DIGEST-MD5" => decode_sized(text, encoding, 16).map(Stored::DigestMd5),
            "OTP" => Err(UnusableReason::Unsupported("OTP")),
            "SKEY" => Err(UnusableReason::Unsupported("SKEY")),
            "RPA" => Err(UnusableReason::Unsupported("RPA")),
            "PLAIN-MD4" => Err(UnusableReason::Unsupported("PLAIN-MD4")),
            "PLAIN-TRUNC" => Err(UnusableReason::Unsupported("PLAIN-TRUNC")),
            "NTLM" => Err(UnusableReason::Unsupported("NTLM")),
            "LANMAN" => Err(UnusableReason::Unsupported("LANMAN")),
            _ => Err(UnusableReason::UnknownScheme),
        }
    }

    /// Whether this is its password. The password is not empty and holds no NUL.
    pub(super) fn matches(&self, password: &[u8], login: &Address) -> bool {
        match self {
            Stored::Plain(expected) => equal(password, expected),
            Stored::Crypt(hash) => hash.matches(password),
            Stored::Argon2 { hasher, salt, hash, .. } => {
                let mut output = vec![0; hash.len()];
                // An error would be a length or cost that parsing has already refused.
                hasher.hash_password_into(password, salt, &mut output).is_ok() && equal(&output, hash)
            }
            Stored::Digest { algorithm, hash, salt } => equal(&algorithm.digest(&[password, salt]), hash),
            Stored::Pbkdf2 { rounds, salt, hash } => equal(&Algorithm::Sha1.pbkdf2(password, salt, *rounds), hash),
            Stored::Scram { algorithm, rounds, salt, stored_key, .. } => {
                let client_key = algorithm.hmac(&algorithm.pbkdf2(password, salt, *rounds), b"Client Key");
                equal(&algorithm.digest(&[&client_key]), stored_key)
            }
            Stored::CramMd5(states) => equal(&digest::hmac_md5_states(password), states),
            Stored::DigestMd5(hash) => {
                let (local, domain) = (login.localpart().as_bytes(), login.domain().as_bytes());
                equal(&Algorithm::Md5.digest(&[local, b":", domain, b":", password]), hash)
            }
        }
    }

    /// Whether verifying it takes a multiple of the time that a new hash takes.
    pub(super) fn is_dear(&self) -> bool {
        match self {
            Stored::Crypt(hash) => hash.is_dear(),
            Stored::Argon2 { hasher, .. } => {
                let work = |kib: u32, passes: u32| u64::from(kib) * u64::from(passes);
                let params = hasher.params();
                work(params.m_cost(), params.t_cost()) > 4 * work(MEMORY_KIB, PASSES)
            }
            Stored::Pbkdf2 { rounds, .. } | Stored::Scram { rounds, .. } => *rounds >= DEAR_PBKDF2_ROUNDS,
            Stored::Plain(_) | Stored::Digest { .. } | Stored::CramMd5(_) | Stored::DigestMd5(_) => false,
        }
    }

    /// Whether a hash made now would be stronger.
    pub(super) fn is_weaker_than_new(&self) -> bool {
        match self {
            Stored::Argon2 { hasher, algorithm, .. } => {
                *algorithm != argon2::Algorithm::Argon2id
                    || hasher.params().m_cost() < MEMORY_KIB
                    || hasher.params().t_cost() < PASSES
            }
            _ => true,
        }
    }
}

/// Splits `SSHA.HEX` into scheme and encoding.
fn split_encoding(name: &str) -> Result<(String, Encoding), UnusableReason> {
    let Some((name, suffix)) = name.split_once('.') else { return Ok((name.to_owned(), Encoding::Own)) };
    let encoding = match suffix {
        "B64" | "BASE64" => Encoding::Base64,
        "HEX" => Encoding::Hex,
        _ => return Err(UnusableReason::UnknownScheme),
    };
    Ok((name.to_owned(), encoding))
}

/// Reads `crypt(3)` hashes and the PHC strings of Argon2. What stands in the text decides, not the scheme's name: files
/// from real servers name one and hold the other.
fn crypt_family(text: &str) -> Result<Stored, UnusableReason> {
    if text.starts_with(['!', '*']) {
        return Err(UnusableReason::Locked);
    }
    if text.starts_with("$argon2") {
        return argon2_phc(text);
    }
    CryptHash::parse(text).map(Stored::Crypt)
}

fn argon2_phc(text: &str) -> Result<Stored, UnusableReason> {
    const WRONG: UnusableReason = UnusableReason::Malformed("it is no PHC string of Argon2");
    let phc = PasswordHash::new(text).map_err(|_| WRONG)?;
    let algorithm = argon2::Algorithm::try_from(phc.algorithm.as_str()).map_err(|_| WRONG)?;
    if algorithm == argon2::Algorithm::Argon2d {
        return Err(UnusableReason::Unsupported("argon2d"));
    }
    // Without a version it is of the first one (16).
    let version = argon2::Version::try_from(phc.version.unwrap_or(0x10)).map_err(|_| WRONG)?;
    let params = argon2::Params::try_from(&phc).map_err(|_| WRONG)?;
    let work = u64::from(params.m_cost()) * u64::from(params.t_cost());
    if params.m_cost() > MAX_ARGON2_KIB || work > MAX_ARGON2_KIB_PASSES {
        return Err(UnusableReason::TooCostly("Argon2"));
    }
    let (salt, hash) = phc.salt.zip(phc.hash).ok_or(WRONG)?;
    let (salt, hash) = (salt.as_ref().to_vec(), hash.as_bytes().to_vec());
    if salt.len() < argon2::MIN_SALT_LEN || hash.len() < 16 {
        return Err(WRONG);
    }
    let hasher = Box::new(Argon2::new(algorithm, version, params));
    Ok(Stored::Argon2 { hasher, algorithm, salt, hash })
}

fn unsalted(algorithm: Algorithm, text: &str, encoding: Encoding) -> Result<Stored, UnusableReason> {
    let hash = decode_sized(text, encoding, algorithm.length())?;
    Ok(Stored::Digest { algorithm, hash, salt: Vec::new() })
}

fn salted(algorithm: Algorithm, text: &str, encoding: Encoding) -> Result<Stored, UnusableReason> {
    let encoding = if encoding == Encoding::Own { Encoding::Base64 } else { encoding };
    let mut hash = decode_text(text, encoding)?;
    if hash.len() < algorithm.length() {
        return Err(UnusableReason::Malformed("it is shorter than its digest"));
    }
    let salt = hash.split_off(algorithm.length());
    Ok(Stored::Digest { algorithm, hash, salt })
}

/// `$1$salt$rounds$` and 20 bytes in hexadecimal.
fn pbkdf2(text: &str) -> Result<Stored, UnusableReason> {
    const WRONG: UnusableReason = UnusableReason::Malformed("it is not $1$salt$rounds$hash");
    let fields: Vec<&str> = text.split('$').collect();
    let ["", "1", salt, rounds, hash] = fields[..] else { return Err(WRONG) };
    let rounds = parse_rounds(rounds).ok_or(WRONG)?;
    let hash = decode_hex(hash).filter(|h| h.len() == 20).ok_or(WRONG)?;
    cap_pbkdf2(rounds)?;
    Ok(Stored::Pbkdf2 { rounds, salt: salt.as_bytes().to_vec(), hash })
}

/// `rounds,salt,stored key,server key`, all but the rounds in Base64.
fn scram(algorithm: Algorithm, text: &str) -> Result<Stored, UnusableReason> {
    const WRONG: UnusableReason = UnusableReason::Malformed("it is not rounds,salt,stored key,server key");
    let fields: Vec<&str> = text.split(',').collect();
    let [rounds, salt, stored_key, server_key] = fields[..] else { return Err(WRONG) };
    let rounds = parse_rounds(rounds).ok_or(WRONG)?;
    let key = |text| BASE64.decode(text).ok().filter(|k| k.len() == algorithm.length()).ok_or(WRONG);
    let (stored_key, server_key) = (key(stored_key)?, key(server_key)?);
    let salt = BASE64.decode(salt).map_err(|_| WRONG)?;
    cap_pbkdf2(rounds)?;
    Ok(Stored::Scram { algorithm, rounds, salt, stored_key, server_key })
}

fn parse_rounds(text: &str) -> Option<u32> {
    // `u32::from_str` also takes a plus sign.
    if !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok().filter(|r| *r > 0)
}

fn cap_pbkdf2(rounds: u32) -> Result<(), UnusableReason> {
    if rounds > MAX_PBKDF2_ROUNDS { Err(UnusableReason::TooCostly("rounds of PBKDF2")) } else { Ok(()) }
}

/// Decodes text that stands for `length` bytes. Without an encoding the length of the text tells hexadecimal from
/// Base64, as Dovecot has it.
fn decode_sized(text: &str, encoding: Encoding, length: usize) -> Result<Vec<u8>, UnusableReason> {
    let encoding = match encoding {
        Encoding::Own if text.len() == 2 * length => Encoding::Hex,
        Encoding::Own => Encoding::Base64,
        given => given,
    };
    let bytes = decode_text(text, encoding)?;
    if bytes.len() == length {
        Ok(bytes)
    } else {
        Err(UnusableReason::Malformed("it has another length than its digest"))
    }
}

fn decode_text(text: &str, encoding: Encoding) -> Result<Vec<u8>, UnusableReason> {
    match encoding {
        Encoding::Own => Ok(text.as_bytes().to_vec()),
        Encoding::Base64 => BASE64.decode(text).map_err(|_| UnusableReason::Malformed("it is no Base64")),
        Encoding::Hex => decode_hex(text).ok_or(UnusableReason::Malformed("it is no hexadecimal")),
    }
}

/// Decodes text that stands for text again.
fn text_of(text: &str, encoding: Encoding) -> Result<String, UnusableReason> {
    let bytes = decode_text(text, encoding)?;
    String::from_utf8(bytes).map_err(|_| UnusableReason::Malformed("it is no text"))
}

fn decode_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |b: &u8| char::from(*b).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs.iter().map(|[high, low]| Some(digit(high)? << 4 | digit(low)?)).collect()
}

fn equal(a: &[u8], b: &[u8]) -> bool {
    a.ct_eq(b).into()
}
